//! Requests that really fall under a route, and people of every kind to send them.

use super::super::ask::{self, Answer, Body, Request};
use super::super::world;
use crate::claims::Claims;
use crate::decision::{Denial, LookupAnswer, OrgKey, Permit, Ruled};
use crate::facts::{Membership, Organization, Permissions, Snapshot, User, Value};
use crate::id::{OrgId, UserId};
use crate::policy::{By, Condition, HostPattern, Kind, LookupKey, Policy, Route, Rule, Segment, Source};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    Anonymous,
    /// An active user who belongs nowhere.
    Outsider,
    /// A member of their own organization.
    Member,
    Manager,
    Owner,
    /// A user with the staff flag, who belongs nowhere.
    Staff,
    /// A superuser, who belongs nowhere.
    Superuser,
}

impl Principal {
    pub const ALL: [Self; 7] =
        [Self::Anonymous, Self::Outsider, Self::Member, Self::Manager, Self::Owner, Self::Staff, Self::Superuser];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Outsider => "outsider",
            Self::Member => "member",
            Self::Manager => "manager",
            Self::Owner => "owner",
            Self::Staff => "staff",
            Self::Superuser => "superuser",
        }
    }
}

/// Whose organization a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// The caller's, where they have one.
    Own,
    /// One that they do not belong to.
    Foreign,
}

impl Relation {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Foreign => "foreign",
        }
    }
}

/// What a key looks like, so that the variable that carries it matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Form {
    #[default]
    Word,
    Int,
    Uuid,
}

impl Form {
    fn text(self, name: &str) -> String {
        match self {
            Self::Word => name.to_owned(),
            Self::Int => if name == "own" { "1001" } else { "2002" }.to_owned(),
            Self::Uuid => world::id_of(&format!("{name} key")).to_string(),
        }
    }
}

/// Two organizations and people of every kind.
pub(super) struct World {
    own: Arc<Organization>,
    foreign: Arc<Organization>,
    people: HashMap<Principal, Arc<Snapshot>>,
}

/// Worlds by the forms of slugs and external ids: nearly always one.
#[derive(Default)]
pub(super) struct Cast {
    worlds: HashMap<(Form, Form), Arc<World>>,
}

impl Cast {
    fn world(&mut self, slug: Form, external: Form) -> Arc<World> {
        Arc::clone(self.worlds.entry((slug, external)).or_insert_with(|| Arc::new(World::new(slug, external))))
    }
}

impl World {
    fn new(slug: Form, external: Form) -> Self {
        let organization = |name: &str| {
            let key = Value::new(external.text(name));
            Arc::new(Organization {
                slug: Value::new(slug.text(name)),
                external_id: Some(Box::new(key)),
                ..world::organization(name)
            })
        };
        let (own, foreign) = (organization("own"), organization("foreign"));
        let people = Principal::ALL.into_iter().filter(|who| *who != Principal::Anonymous);
        let people = people.map(|who| (who, Arc::new(person(who, &own)))).collect();
        Self { own, foreign, people }
    }

    fn organization(&self, whose: Relation) -> &Arc<Organization> {
        match whose {
            Relation::Own => &self.own,
            Relation::Foreign => &self.foreign,
        }
    }

    /// Judges a request of somebody, for something of that organization.
    pub(super) fn evaluate<'p>(
        &self,
        policy: &'p Policy,
        request: &Request,
        (who, whose): (Principal, Relation),
    ) -> Result<Permit<&'p Policy>, Denial> {
        let known = [&self.own, &self.foreign];
        let find = |key: &OrgKey<'_>| known.into_iter().find(|o| key.names(o)).cloned();
        let mut facts = Told { policy, find, whose: self.organization(whose) };
        ask::evaluate(policy, request, self.people.get(&who), &mut facts)
    }
}

/// The organizations that there are, and that whatever is looked up belongs to one of them.
pub(super) struct Told<'a, F> {
    pub(super) policy: &'a Policy,
    pub(super) find: F,
    pub(super) whose: &'a Organization,
}

impl<F: Fn(&OrgKey<'_>) -> Option<Arc<Organization>>> ask::Facts for Told<'_, F> {
    fn organization(&mut self, key: &OrgKey<'_>) -> Option<Arc<Organization>> {
        (self.find)(key)
    }

    fn object(&mut self, key: &LookupKey) -> LookupAnswer {
        Ok(Some(Arc::new(self.policy.sample_object(&key.lookup, Some(self.whose), &[]))))
    }
}

fn person(who: Principal, own: &Arc<Organization>) -> Snapshot {
    let id = UserId(world::id_of(who.as_str()));
    let user = User {
        id,
        username: Some(Value::new(who.as_str())),
        issuer: None,
        email: None,
        external_id: None,
        home: None,
        fields: None,
        is_active: true,
        is_staff: who == Principal::Staff,
        is_superuser: who == Principal::Superuser,
    };
    let is_owner = who == Principal::Owner;
    let belongs = matches!(who, Principal::Member | Principal::Manager | Principal::Owner);
    let membership = Membership { organization: own.clone(), is_admin: who != Principal::Member, is_owner };
    let memberships = if belongs { vec![membership] } else { Vec::new() };
    Snapshot::new(user, memberships).with_permissions(Permissions::default())
}

/// How many ways there are to name the organization for the rule: `A or B` are two.
pub(super) fn alternatives(rule: &Rule) -> usize {
    rule.origin.iter().map(|item| item.sources.len()).max().unwrap_or(0).max(1)
}

/// The sources that carry the organization in one of these ways; an item that has fewer goes by its last.
fn carriers(rule: &Rule, alternative: usize) -> impl Iterator<Item = &Source> {
    rule.origin.iter().filter_map(move |item| item.sources.get(alternative).or(item.sources.last()))
}

/// Whether a request made in this way names an organization: the path and the host always do.
pub(super) fn names_it_so(rule: &Rule, alternative: usize) -> bool {
    let always = |source: &Source| matches!(source, Source::Path(..) | Source::Host(..));
    let so = |source: &Source| !matches!(source, Source::UserOnly);
    let by_condition = rule.options.as_ref().and_then(|options| options.when.as_ref());
    let decides = rule.access.asks_organization() || by_condition.is_some_and(Condition::asks_organization);
    rule.points() || (decides && (sources(rule).any(always) || carriers(rule, alternative).any(so)))
}

/// A host for each host pattern of a route, its variables still open; the empty one where the route is for every host.
pub(super) fn hosts(route: &Route) -> Vec<Option<&HostPattern>> {
    if route.hosts().is_empty() { vec![None] } else { route.hosts().iter().map(Some).collect() }
}

/// What a request is made for.
#[derive(Clone, Copy)]
pub(super) struct Probe<'a> {
    /// The route that it must fall under.
    pub(super) route: &'a Route,
    pub(super) rule: &'a Rule,
    /// In which of its [`alternatives`] the organization is named.
    pub(super) alternative: usize,
    /// With a slash at its end where the pattern has none, and without where it has one: a route may take both.
    pub(super) is_slashed: bool,
    /// What the request falls under in another policy, and in which way it is named there: the sources of that rule must be
    /// there too.
    pub(super) theirs: Option<(Ruled<'a>, usize)>,
    pub(super) host: &'a Option<&'a HostPattern>,
    pub(super) method: &'a Method,
    /// Whose organization the request names.
    pub(super) whose: Relation,
}

/// Everything that need not be escaped in a path (RFC 3986, 3.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The host of routes that are for every host: nobody's (RFC 6761, 6.4).
const NOWHERE: &str = "postern.invalid";

/// What `**` may stand for, tried in this order.
const RESTS: [&str; 4] = ["/sample", "", "/sample/deeper/still", "/"];
/// Samples for each kind of variable.
const SAMPLES: u8 = 4;

impl Probe<'_> {
    /// A request that the policy takes to the route, and the people to send it; `None` where more specific routes take all
    /// that was tried.
    pub(super) fn request(&self, policy: &Policy, cast: &mut Cast) -> Option<(Request, Arc<World>)> {
        let world = cast.world(self.form(By::Slug), self.form(By::External));
        let request = self.naming(policy, world.organization(self.whose))?;
        Some((request, world))
    }

    /// The same for an organization that is there; `None` also where it cannot be named: a slug is no number.
    pub(super) fn naming(&self, policy: &Policy, organization: &Organization) -> Option<Request> {
        let host = self.host_text(organization);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::try_from(host.as_str()).ok()?);
        let (mut query, mut claims) = (String::new(), serde_json::Map::new());
        let (mut body, mut answer): (Option<serde_json::Value>, Option<serde_json::Value>) = (None, None);
        let ruled = std::iter::once((self.rule, self.alternative));
        let ruled = ruled.chain(self.theirs.map(|((_, rule), alternative)| (rule, alternative)));
        for source in ruled.flat_map(|(rule, alternative)| carriers(rule, alternative)) {
            match source {
                Source::Header(name, by) => {
                    let value = HeaderValue::try_from(key(organization, *by)).ok()?;
                    headers.insert(HeaderName::clone(name), value);
                }
                Source::Query(name, by) if !query.contains(&format!("{name}=")) => {
                    query.push(if query.is_empty() { '?' } else { '&' });
                    query.push_str(&format!("{name}={}", utf8_percent_encode(&key(organization, *by), ESCAPED)));
                }
                Source::Body(pointer, by) => pointer.put(body.get_or_insert_default(), key(organization, *by).into()),
                Source::Answer(pointer, by) => {
                    pointer.put(answer.get_or_insert_default(), key(organization, *by).into());
                }
                Source::Claim(name, by) => {
                    name.put(&mut claims, key(organization, *by).into());
                }
                _ => {}
            }
        }
        // Whatever is pointed at is the organization's, as all that is looked up.
        let rules = std::iter::once(self.rule).chain(self.theirs.map(|((_, rule), _)| rule));
        for field in rules.flat_map(Rule::fields) {
            field.place.put(body.get_or_insert_default(), "sample".into());
        }
        let claims = Some(Arc::new(Claims::new(&serde_json::Value::Object(claims).to_string())));
        let body = body.map_or(Body::None, |document| {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Body::Bytes(document.to_string().into_bytes().into())
        });
        let answer = answer.map(|document| Answer::new(StatusCode::OK, document.to_string().into_bytes()));
        let rests: &[&str] = match (self.route.shape().rest, self.is_slashed) {
            // `**` takes both, and both are tried.
            (true, true) => return None,
            (true, false) => &RESTS,
            (false, _) => &[""],
        };
        for sample in 0..SAMPLES {
            for rest in rests {
                let target = format!("{}{query}", self.path(organization, sample, rest));
                let (headers, claims, body, answer) = (headers.clone(), claims.clone(), body.clone(), answer.clone());
                // `mfa` stands among what a cell says besides: whoever can show a second factor has just done so.
                let mfa = Some(Duration::ZERO);
                let request =
                    Request { headers, claims, mfa, body, answer, ..Request::new(self.method.clone(), target) };
                let falls_here = request.read(policy).is_ok_and(|readable| {
                    let found = policy.find(readable.host(), readable.target().decoded());
                    found.is_some_and(|found| found.route.index == self.route.index)
                });
                if falls_here {
                    return Some(request);
                }
            }
        }
        None
    }

    /// The form that a key by slug or external id must have in the path or the host.
    fn form(&self, wanted: By) -> Form {
        for source in self.rule.origin.iter().flat_map(|item| item.sources.iter()) {
            let kind = match source {
                Source::Path(at, by) if *by == wanted => kind(&self.route.shape().segments, *at),
                Source::Host(at, by) if *by == wanted => self.host.and_then(|host| kind(&host.labels, *at)),
                _ => continue,
            };
            match kind {
                Some(Kind::Int) => return Form::Int,
                Some(Kind::Uuid) => return Form::Uuid,
                _ => {}
            }
        }
        Form::Word
    }

    fn path(&self, organization: &Organization, sample: u8, rest: &str) -> String {
        let mut path = String::new();
        for (at, segment) in self.route.shape().segments.iter().enumerate() {
            let text = match segment {
                Segment::Literal(text) => text.to_string(),
                Segment::Variable { kind, .. } => match self.by_in_path(at) {
                    Some(by) => key(organization, by),
                    None => example(*kind, sample),
                },
            };
            path.push('/');
            path.extend(utf8_percent_encode(&text, ESCAPED));
        }
        path.push_str(rest);
        if self.is_slashed && path.ends_with('/') {
            path.pop();
        } else if self.is_slashed {
            path.push('/');
        }
        // `/**` itself, with nothing behind it.
        if path.is_empty() { "/".to_owned() } else { path }
    }

    /// How the segment with that number names an organization, to either of the rules.
    fn by_in_path(&self, segment: usize) -> Option<By> {
        let ruled = std::iter::once((self.route, self.rule)).chain(self.theirs.map(|(ruled, _)| ruled));
        let said = |(route, rule): Ruled<'_>| {
            sources(rule).find_map(|source| match source {
                Source::Path(at, by) if variable(&route.shape().segments, *at) == Some(segment) => Some(*by),
                _ => None,
            })
        };
        ruled.into_iter().find_map(said)
    }

    fn host_text(&self, organization: &Organization) -> String {
        let Some(host) = self.host else { return NOWHERE.to_owned() };
        let by = |label: usize| {
            sources(self.rule).find_map(|source| match source {
                Source::Host(at, by) if variable(&host.labels, *at) == Some(label) => Some(*by),
                _ => None,
            })
        };
        let text = |(at, label): (usize, &Segment)| match (label, by(at)) {
            (Segment::Literal(text), _) => text.to_string(),
            (Segment::Variable { .. }, Some(by)) => key(organization, by),
            // A label has no point.
            (Segment::Variable { kind: Kind::Any | Kind::Str, .. }, None) => example(Kind::Slug, 0),
            (Segment::Variable { kind, .. }, None) => example(*kind, 0),
        };
        host.labels.iter().enumerate().map(text).collect::<Vec<_>>().join(".")
    }
}

fn sources(rule: &Rule) -> impl Iterator<Item = &Source> {
    rule.origin.iter().flat_map(|item| item.sources.iter())
}

/// The segment that the variable with that number is.
fn variable(segments: &[Segment], number: usize) -> Option<usize> {
    let is_variable = |(_, segment): &(usize, &Segment)| matches!(segment, Segment::Variable { .. });
    segments.iter().enumerate().filter(is_variable).nth(number).map(|(at, _)| at)
}

/// The type of the variable with that number.
fn kind(segments: &[Segment], number: usize) -> Option<Kind> {
    match segments.get(variable(segments, number)?)? {
        Segment::Variable { kind, .. } => Some(*kind),
        Segment::Literal(_) => None,
    }
}

fn key(organization: &Organization, by: By) -> String {
    match by {
        By::Id => OrgId::to_string(&organization.id),
        By::Slug => organization.slug.as_str().to_owned(),
        By::External => organization.external_id.as_ref().map_or_else(String::new, |key| key.as_str().to_owned()),
    }
}

/// A value that the kind matches; several, since a literal or a type beside it may take one.
fn example(kind: Kind, sample: u8) -> String {
    let number = 41_000 + u32::from(sample) * 977;
    match kind {
        Kind::Uuid => world::id_of(&format!("sample {sample}")).to_string(),
        Kind::Int => number.to_string(),
        Kind::Slug => format!("sample-{number}"),
        // A point keeps it from being a slug.
        Kind::Str | Kind::Any => format!("sample.{number}"),
    }
}
