//! The gate's own access lines, read back: one at a time, whatever else stands between them.

use serde::Deserialize;
use std::borrow::Cow;
use std::io::{self, BufRead, Read};
use uuid::Uuid;

/// A longer line is none of ours.
const LONGEST: u64 = 256 * 1024;

/// What an access line says, as far as tools ask.
#[derive(Clone, Debug, Deserialize)]
pub struct AccessLine<'a> {
    pub ts: f64,
    #[serde(borrow)]
    pub request_id: Cow<'a, str>,
    pub client: std::net::IpAddr,
    #[serde(borrow)]
    pub method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub host: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub path: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub route: Option<Cow<'a, str>>,
    pub status: u16,
    #[serde(borrow)]
    pub code: Option<Cow<'a, str>>,
    pub user: Option<Uuid>,
    #[serde(borrow)]
    pub org: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub shadow: Option<Cow<'a, str>>,
    /// Items that would be dropped of the list that was sent.
    #[serde(default)]
    pub would_drop: u64,
    /// The credential was good for a part of its user's right.
    #[serde(default)]
    pub narrowed: bool,
}

/// A request of a log, to show.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Example {
    pub ts: f64,
    pub request_id: String,
    pub method: String,
    pub path: String,
    pub status: u16,
    pub user: Option<Uuid>,
    pub org: Option<String>,
}

impl Example {
    #[must_use]
    pub fn of(line: &AccessLine<'_>) -> Self {
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or("-").to_owned();
        Self {
            ts: line.ts,
            request_id: line.request_id.clone().into_owned(),
            method: text(&line.method),
            path: text(&line.path),
            status: line.status,
            user: line.user,
            org: line.org.as_deref().map(str::to_owned),
        }
    }

    /// In one line: control characters never reach a terminal.
    #[must_use]
    pub fn words(&self) -> String {
        let user = self.user.map_or_else(|| "nobody known".to_owned(), |user| format!("user {user}"));
        let org = self.org.as_deref().map(|org| format!(", org {org}")).unwrap_or_default();
        let Self { method, path, status, request_id, .. } = self;
        printable(&format!("{method} {path} -> {status}, {user}{org}, request {request_id}"))
    }
}

/// Control characters as they would be written in a program.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// Reads all lines of a log, which may be as long as it likes; gives back how many were none of ours.
///
/// # Errors
/// It cannot be read.
pub fn read(log: &mut dyn BufRead, mut each: impl FnMut(&AccessLine<'_>)) -> io::Result<u64> {
    let (mut line, mut others) = (Vec::new(), 0);
    loop {
        line.clear();
        if log.take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(others);
        }
        if line.len() as u64 == LONGEST && line.last() != Some(&b'\n') {
            skip(log)?;
            others += 1;
        } else if let Ok(line) = serde_json::from_slice(&line) {
            each(&line);
        } else if !line.trim_ascii().is_empty() {
            others += 1;
        }
    }
}

/// Passes over the rest of a line.
fn skip(log: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let piece = log.fill_buf()?;
        let (length, is_end) = match memchr::memchr(b'\n', piece) {
            Some(at) => (at + 1, true),
            None => (piece.len(), piece.is_empty()),
        };
        log.consume(length);
        if is_end {
            return Ok(());
        }
    }
}

/// Counts and first examples by key; of more keys than a policy has, the last are one.
#[derive(Debug)]
pub struct Tally<K> {
    groups: std::collections::HashMap<K, Group>,
    /// What found no place.
    pub others: u64,
    examples: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    pub count: u64,
    pub examples: Vec<Example>,
}

/// Keys that are told apart.
const MOST_GROUPS: usize = 20_000;

impl<K: std::hash::Hash + Eq + Ord + Clone> Tally<K> {
    /// With so many examples of each key.
    #[must_use]
    pub fn new(examples: usize) -> Self {
        Self { groups: std::collections::HashMap::new(), others: 0, examples }
    }

    pub fn add(&mut self, key: K, line: &AccessLine<'_>) {
        if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&key) {
            self.others += 1;
            return;
        }
        let group = self.groups.entry(key).or_default();
        group.count += 1;
        if group.examples.len() < self.examples {
            group.examples.push(Example::of(line));
        }
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        self.groups.values().map(|group| group.count).sum::<u64>() + self.others
    }

    /// The most frequent first.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&K, &Group)> {
        let mut list: Vec<_> = self.groups.iter().collect();
        list.sort_by(|(one, a), (other, b)| b.count.cmp(&a.count).then_with(|| one.cmp(other)));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, read};

    #[test]
    fn a_log_is_read_whatever_stands_between_its_lines() {
        let line = |id: &str| {
            format!(
                "{{\"ts\":1.5,\"request_id\":\"{id}\",\"client\":\"127.0.0.1\",\"path\":\"/a\\u0007\",\"status\":200,\"bytes\":1}}\n"
            )
        };
        let long = "x".repeat(usize::try_from(LONGEST).unwrap() * 3);
        let text =
            [&line("a"), "\n", "no json\n", "{\"ts\":1}\n", &long, "\n", &line("b"), line("c").trim_end()].concat();
        let mut ids = Vec::new();
        let others = read(&mut text.as_bytes(), |line| ids.push(line.request_id.to_string())).unwrap();
        assert_eq!((ids.join(","), others), ("a,b,c".to_owned(), 3));
    }
}
