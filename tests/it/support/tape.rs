//! The requests that tests of attacks send to postern's own proxy, kept so that they can be sent in another way too.

use super::{Answer, Gate, Recorded};
use std::cell::RefCell;

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

/// What is under way on a thread.
struct Tape {
    policy: String,
    name: &'static str,
    rows: Vec<Row>,
}

thread_local! {
    static TAPE: RefCell<Option<Tape>> = const { RefCell::new(None) };
}

/// Tests, by their names.
pub type Tests = [(&'static str, fn())];

/// Runs these tests, and gives what they have sent to gates with this policy.
pub fn rows_of(policy: &str, tests: &Tests) -> Vec<Row> {
    let run = |tests: &Tests| {
        TAPE.set(Some(Tape { policy: policy.to_owned(), name: "", rows: Vec::new() }));
        for (name, test) in tests {
            TAPE.with_borrow_mut(|tape| tape.as_mut().unwrap().name = name);
            test();
        }
        TAPE.take().unwrap().rows
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
        let policy = std::fs::read_to_string(gate.postern.home().join("routes.yaml"));
        if policy.is_ok_and(|policy| policy == tape.policy) {
            let sent = gate.upstream.recorded().into_iter().skip(before).collect();
            tape.rows.push(Row { name: tape.name, bytes: bytes.to_vec(), answers: answers.to_vec(), sent });
        }
    });
}
