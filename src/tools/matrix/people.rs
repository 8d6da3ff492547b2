//! The matrix of real people: what each may do in each of their organizations, and in one that is not theirs.

use super::super::ask;
use super::{Head, Matrix, Probed, Verdict, probe};
use crate::decision::OrgKey;
use crate::facts::{Organization, Snapshot};
use crate::policy::Policy;
use crate::tools::world::ANONYMOUS;
use std::sync::Arc;

/// What a column is called whose organization is not theirs.
pub(super) const ELSEWHERE: &str = "elsewhere";

/// So many organizations of one person are columns.
const MOST: usize = 5;

/// Somebody who is asked for.
pub struct Person {
    pub snapshot: Option<Arc<Snapshot>>,
    /// An organization that is not theirs, where there is one.
    pub elsewhere: Option<Arc<Organization>>,
}

/// One column: who asks, naming which organization.
struct Seat {
    head: Head,
    snapshot: Option<Arc<Snapshot>>,
    organization: Option<Arc<Organization>>,
    is_elsewhere: bool,
}

impl Person {
    /// In each of their organizations, of the first of them, and elsewhere. Who belongs nowhere has one column.
    fn seats(&self) -> Vec<Seat> {
        let who = self.snapshot.as_ref().map_or(ANONYMOUS.into(), |snapshot| snapshot.user.known_as());
        let seat = |whose: &str, organization: Option<&Arc<Organization>>, is_elsewhere| Seat {
            head: Head { who: who.to_string(), whose: whose.to_owned() },
            snapshot: self.snapshot.clone(),
            organization: organization.cloned(),
            is_elsewhere,
        };
        let memberships = self.snapshot.as_ref().map(|snapshot| snapshot.memberships()).unwrap_or_default();
        if memberships.is_empty() {
            return vec![seat("", self.elsewhere.as_ref(), false)];
        }
        let own =
            memberships.iter().take(MOST).map(|m| seat(m.organization.slug.as_str(), Some(&m.organization), false));
        own.chain(self.elsewhere.iter().map(|organization| seat(ELSEWHERE, Some(organization), true))).collect()
    }
}

impl<'p> Matrix<'p> {
    /// Judges every kind of request to every route, of these people.
    #[must_use]
    pub fn of_people(policy: &'p Policy, people: &[Person]) -> Self {
        let seats: Vec<Seat> = people.iter().flat_map(Person::seats).collect();
        let heads = seats.iter().map(|seat| seat.head.clone()).collect();
        // Where there is no organization at all, a rule that asks for one is asked for one that nobody has.
        let nobodys = Arc::new(super::super::world::organization("nobodys"));
        let known = |key: &OrgKey<'_>| {
            seats
                .iter()
                .filter_map(|seat| seat.organization.as_ref())
                .find(|organization| key.names(organization))
                .cloned()
        };
        Self::asking(policy, heads, |aim| {
            let named = probe::names_it_so(aim.rule, aim.alternative);
            let mut first = None;
            let evaluate = |seat: &Seat| {
                if seat.is_elsewhere && !named {
                    return None;
                }
                let whose = seat.organization.as_ref().unwrap_or(&nobodys);
                let request = aim.naming(policy, whose)?;
                let mut facts = probe::Told { policy, find: known, whose };
                let verdict = ask::evaluate(policy, &request, seat.snapshot.as_ref(), &mut facts);
                let verdict = Verdict::of(&verdict);
                first.get_or_insert(request);
                Some(verdict)
            };
            let cells = seats.iter().map(evaluate).collect();
            Some(Probed { cells, own: first?, foreign: None })
        })
    }
}
