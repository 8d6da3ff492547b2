//! Which route a host and a path belong to.
//!
//! The host is looked at before the path, as if it were the first segment: first the routes of the exact host, then those
//! of host patterns (a literal label before a variable, from the left), then those of files that name no host. The first
//! of these that has a matching path decides.

use super::index::{Captures, Conflict, Trie};
use super::pattern::{HostPattern, Segment};
use std::collections::BTreeSet;

/// The routes of all files.
#[derive(Debug)]
pub(super) struct Table {
    hosts: Trie,
    /// The first is that of every host.
    paths: Vec<Trie>,
}

/// A route that was found, by its number, with what its variables matched.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) route: usize,
    /// Ranges of the decoded path.
    pub(super) path: Captures,
    pub(super) host: Captures,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { hosts: Trie::new(b'.'), paths: vec![Trie::new(b'/')] }
    }

    /// The table of a host pattern; made when it is new.
    pub(super) fn host(&mut self, host: &HostPattern) -> Result<usize, Conflict> {
        let next = self.paths.len();
        match self.hosts.insert(&host.labels, false, number(next)) {
            Ok(()) => {
                self.paths.push(Trie::new(b'/'));
                Ok(next)
            }
            // The same shape was there before, perhaps in another file: their routes share a table.
            Err(Conflict::Same(known)) => Ok(index(known)),
            Err(conflict) => Err(conflict),
        }
    }

    /// Adds a pattern to the table of a host (0: of every host).
    pub(super) fn insert(
        &mut self,
        host: usize,
        segments: &[Segment],
        rest: bool,
        route: usize,
    ) -> Result<(), Conflict> {
        self.paths.get_mut(host).map_or(Ok(()), |trie| trie.insert(segments, rest, number(route)))
    }

    /// The most specific route of a canonical host and a decoded path, among those that `counts` takes: the first host with
    /// such a route decides.
    pub(super) fn find(&self, host: &str, path: &str, counts: impl Fn(usize) -> bool) -> Option<Found> {
        let on = |table: usize, host: &Captures| {
            let found = |route, captures: &Captures| {
                let route = index(route);
                counts(route).then(|| Found { route, path: captures.clone(), host: host.clone() })
            };
            self.paths.get(table)?.find(path, 1, found)
        };
        let named =
            if self.paths.len() > 1 { self.hosts.find(host, 0, |table, host| on(index(table), host)) } else { None };
        named.or_else(|| on(0, &Captures::new()))
    }

    /// The routes, by their numbers, whose `**` never counts: more specific ones take all that it matches.
    pub(super) fn covered(&self) -> BTreeSet<usize> {
        let (covered, open): (Vec<_>, Vec<_>) = self.paths.iter().flat_map(Trie::rests).partition(|(_, is)| *is);
        let mut covered: BTreeSet<usize> = covered.into_iter().map(|(route, _)| index(route)).collect();
        // On another of its hosts it may count.
        covered.retain(|route| !open.iter().any(|(other, _)| index(*other) == *route));
        covered
    }

    /// Every route that matches, by its number, in the order in which [`Table::find`] prefers them.
    pub(super) fn all(&self, host: &str, path: &str) -> Vec<usize> {
        let mut list = Vec::new();
        let mut on = |table: usize| -> Option<()> {
            self.paths.get(table)?.find(path, 1, |route, _| -> Option<()> {
                list.push(index(route));
                None
            })
        };
        if self.paths.len() > 1 {
            let _ = self.hosts.find(host, 0, |table, _| on(index(table)));
        }
        let _ = on(0);
        list
    }
}

/// There are far fewer routes than four thousand millions: files are bounded.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
