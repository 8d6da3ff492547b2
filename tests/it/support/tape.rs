//! The requests that tests of attacks send to postern's own proxy, kept so that they can be sent in another way too.

use super::{Answer, Gate, Options, Recorded};
use std::cell::RefCell;
use std::path::Path;

/// Tests at the same time; each has a gate of its own.
const AT_ONCE: usize = 4;

/// What a test has sent over a connection of its own, and what became of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The test.
    pub name: &'static str,
    /// What was sent.
    pub bytes: Vec<u8>,
    /// All that was answered, in its order.
    pub answers: Vec<Answer>,
    /// The requests that reached the service.
    pub sent: Vec<Recorded>,
}

/// What a gate was started with: its files of policies, and the lines of its configuration behind the usual ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    pub policies: Vec<(&'static str, String)>,
    pub config: String,
}

impl Setup {
    fn of(gate: &Gate) -> Self {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let files = std::fs::read_dir(gate.postern.home()).unwrap().map(|entry| entry.unwrap().path());
        let (mut policies, mut config) = (Vec::new(), String::new());
        for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
            match file.file_name().unwrap().to_str().unwrap() {
                "postern.yaml" => {
                    let text = read(&file);
                    config = text.split_once(super::process::USUAL_END).unwrap().1.to_owned();
                }
                name => policies.push((&*name.to_owned().leak(), read(&file))),
            }
        }
        // The first is the one that tests name first.
        policies.sort_by_key(|(name, _)| (*name != "routes.yaml", *name));
        Self { policies, config }
    }

    /// As postern is started with it.
    pub fn options(&self) -> Options {
        Options { policies: self.policies.clone(), config: self.config.clone(), ..Options::policy("") }
    }
}

/// Rows that were sent to gates of one setup.
pub type Group = (Setup, Vec<Row>);

/// What is under way on a thread.
struct Tape {
    /// The one that is wanted; `None` for all.
    policy: Option<String>,
    name: &'static str,
    groups: Vec<Group>,
}

thread_local! {
    static TAPE: RefCell<Option<Tape>> = const { RefCell::new(None) };
}

/// Tests, by their names.
pub type Tests = [(&'static str, fn())];

/// Runs these tests, and gives what they have sent to gates with this policy.
pub fn rows_of(policy: &str, tests: &Tests) -> Vec<Row> {
    groups(Some(policy), tests).into_iter().flat_map(|(_, rows)| rows).collect()
}

/// Runs these tests, and gives what they have sent to gates of each setup.
pub fn groups_of(tests: &Tests) -> Vec<Group> {
    let mut all: Vec<Group> = Vec::new();
    for (setup, rows) in groups(None, tests) {
        put(&mut all, setup, rows);
    }
    all
}

fn put(groups: &mut Vec<Group>, setup: Setup, rows: Vec<Row>) {
    match groups.iter_mut().find(|(other, _)| *other == setup) {
        Some((_, before)) => before.extend(rows),
        None => groups.push((setup, rows)),
    }
}

fn groups(policy: Option<&str>, tests: &Tests) -> Vec<Group> {
    let run = |tests: &Tests| {
        TAPE.set(Some(Tape { policy: policy.map(str::to_owned), name: "", groups: Vec::new() }));
        for (name, test) in tests {
            TAPE.with_borrow_mut(|tape| tape.as_mut().unwrap().name = name);
            test();
        }
        TAPE.take().unwrap().groups
    };
    std::thread::scope(|scope| {
        let some = tests.chunks(tests.len().div_ceil(AT_ONCE)).map(|some| scope.spawn(move || run(some)));
        let some: Vec<_> = some.collect();
        some.into_iter().flat_map(|some| some.join().expect("the tests pass")).collect()
    })
}

/// Keeps what was sent to a gate, where that is wanted. `before`: so many requests had reached the service before.
pub(super) fn keep(gate: &Gate, bytes: &[u8], answers: &[Answer], before: usize) {
    TAPE.with_borrow_mut(|tape| {
        let Some(tape) = tape else { return };
        let setup = Setup::of(gate);
        let is_it = |policy: &String| setup.policies.first().is_some_and(|(_, text)| text == policy);
        if tape.policy.as_ref().is_none_or(is_it) {
            let sent = gate.upstream.recorded().into_iter().skip(before).collect();
            let row = Row { name: tape.name, bytes: bytes.to_vec(), answers: answers.to_vec(), sent };
            put(&mut tape.groups, setup, vec![row]);
        }
    });
}
