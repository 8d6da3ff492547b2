//! Whether a route lets more people pass than the one above it.

use super::super::access::Access;
use super::super::methods::Methods;
use super::super::pattern::Segment;
use super::super::route::Route;
use super::super::source::RawRoute;
use super::placed;
use crate::yaml::Findings;
use http::Method;
use std::collections::HashMap;

/// The routes that end with `**`, by host and path, to find the nearest one above a route.
#[derive(Default)]
pub(super) struct Parents<'r> {
    hosts: HashMap<Vec<&'r str>, Above<'r>>,
}

#[derive(Default)]
struct Above<'r> {
    literals: HashMap<&'r str, Above<'r>>,
    variable: Option<Box<Above<'r>>>,
    rest: Option<usize>,
}

pub(super) fn hosts(route: &Route) -> Vec<&str> {
    route.hosts().iter().map(|host| &*host.text).collect()
}

impl<'r> Parents<'r> {
    pub(super) fn add(&mut self, route: &'r Route) {
        let shape = route.shape();
        // `/**` is what is left over for everything that nothing else names, and no parent.
        if !shape.rest || shape.segments.is_empty() {
            return;
        }
        let mut node = self.hosts.entry(hosts(route)).or_default();
        for segment in &shape.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text).or_default(),
                Segment::Variable { .. } => node.variable.get_or_insert_default(),
            };
        }
        node.rest = Some(route.index);
    }

    pub(super) fn check(&self, raw: &RawRoute, route: &Route, routes: &[Route], findings: &mut Findings) {
        let found = self.hosts.get(&hosts(route)).and_then(|node| node.nearest(&route.shape().segments, route.index));
        let Some(parent) = found.and_then(|at| routes.get(at)) else { return };
        for (methods, span, rule) in placed(raw, route) {
            let method = match methods {
                Some(Methods::One(method)) => method,
                Some(Methods::Write) => &Method::POST,
                Some(Methods::Read) | None => &Method::GET,
            };
            let Some(above) = parent.rule(method) else { continue };
            if is_wider(rule.access, above.access) {
                let (ours, theirs) = (rule.access.as_str(), above.access.as_str());
                let message = format!("`{ours}` is wider than `{theirs}` of `{}`, under which it lies", parent.pattern);
                findings.warning("wider_than_parent", span, message).help(format!(
                    "the other one is at {}:{}; if this is meant, `allow_lint` says why",
                    parent.file, parent.line
                ));
            }
        }
    }
}

impl Above<'_> {
    /// The deepest route with `**` that covers these segments, other than the route itself.
    fn nearest(&self, segments: &[Segment], own: usize) -> Option<usize> {
        let below = segments.split_first().and_then(|(first, rest)| {
            let literal = match first {
                Segment::Literal(text) => self.literals.get(&**text).and_then(|node| node.nearest(rest, own)),
                Segment::Variable { .. } => None,
            };
            literal.or_else(|| self.variable.as_ref().and_then(|node| node.nearest(rest, own)))
        });
        below.or(self.rest.filter(|at| *at != own))
    }
}

/// Whether more people pass. Staff and members are other people, neither more nor fewer.
fn is_wider(ours: Access, theirs: Access) -> bool {
    let rank = |access| match access {
        Access::Public => 0,
        Access::Optional => 1,
        Access::Authenticated => 2,
        Access::Staff => 3,
        Access::In(level) => 3 + level as usize,
        Access::Permitted => 4,
        Access::Superuser => 6,
        Access::Deny => 7,
    };
    // So are those who have a permission, whatever their level.
    let differs = matches!((ours, theirs), (Access::Staff, Access::In(_)) | (Access::In(_), Access::Staff))
        || [(ours, theirs), (theirs, ours)]
            .iter()
            .any(|pair| matches!(pair, (Access::Permitted, Access::In(_) | Access::Staff)));
    !differs && rank(ours) < rank(theirs)
}
