//! What a policy says that is allowed and probably not meant. Each lint is a warning, silenced by `allow_lint` with a reason.

mod parents;

use super::Names;
use super::access::{Access, CredentialNeed};
use super::applicable::takes_body;
use super::methods::Methods;
use super::options::authenticate::{Scheme, Schemes};
use super::options::inject::{Inject, InjectValue};
use super::options::org::Source;
use super::options::when::Condition;
use super::options::{Compiled, RawOptions};
use super::own::{Own, Reserved};
use super::pattern::Segment;
use super::route::{Route, Rule};
use super::source::{File, RawRoute};
use super::table::Table;
use super::uwsgi;
use crate::yaml::{Findings, Span};
use http::Method;
use parents::Parents;

/// What the configuration says; `None` where there is none to ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'c> {
    /// Where postern answers itself.
    pub(super) reserved: &'c Reserved,
    /// The schemes that `identity` has.
    pub(super) schemes: Option<&'c Schemes>,
    /// Bytes of a header that lists organizations, at most.
    pub(super) list_limit: Option<usize>,
    /// Usernames are unique in an organization alone.
    pub(super) usernames_are_shared: bool,
    pub(super) names: Option<&'c Names>,
    /// The names of the upstreams, by the numbers that routes have.
    pub(super) upstreams: &'c [Box<str>],
}

impl Known<'_> {
    /// Whether the configuration says this of a route's upstream.
    fn says(&self, route: &Route, is: fn(&Names, &str) -> bool) -> bool {
        self.names.zip(self.upstreams.get(route.upstream)).is_some_and(|(names, upstream)| is(names, upstream))
    }
}

/// Looks at all routes, which stand in the order of the files, and then drops what is allowed. `known`: what the configuration says.
pub(super) fn lint(files: &[File], routes: &[Route], table: &Table, known: Known<'_>, findings: &mut Findings) {
    let covered = table.covered();
    let mut parents = Parents::default();
    for route in routes {
        parents.add(route);
    }
    let raw = files.iter().flat_map(|file| file.routes.iter());
    for (raw, route) in raw.zip(routes) {
        if !raw.is_doubtful {
            rules(raw, route, findings);
            unused(raw, findings);
            list_unfiltered(raw, route, findings);
            update_may_move(raw, route, findings);
            if covered.contains(&route.index) {
                shadowed(raw, route, findings);
            }
            parents.check(raw, route, routes, findings);
            rewrite(raw, route, routes, findings);
            for own in [Own::Identity, Own::Authzen, Own::AdminUi] {
                reaches_over(raw, route, known.reserved, own, findings);
            }
            if let Some(served) = known.schemes {
                unserved(raw, route, served, findings);
            }
            second_factor(raw, route, &known, findings);
            if let Some(limit) = known.list_limit {
                long_list(raw, route, limit, findings);
            }
            if known.usernames_are_shared {
                ambiguous_username(raw, route, findings);
            }
            target(raw, route, findings);
            let is_uwsgi = known.says(route, Names::is_uwsgi);
            websocket(raw, route, is_uwsgi, findings);
            if is_uwsgi {
                uwsgi::lint(raw, route, findings);
            }
            query_beside_body(raw, route, findings);
        }
    }
    for lookup in files.iter().flat_map(|file| &file.lookups) {
        lookup.lint(known.names, findings);
    }
    for file in files {
        shadow_mode(file, findings);
        silence(&file.defaults, Span { file: file.id, start: 0, end: usize::MAX }, findings);
        for (group, span) in &file.groups {
            silence(group, *span, findings);
        }
        for route in &file.routes {
            silence(&route.options, route.span, findings);
        }
    }
}

/// Wherever `mode: shadow` is written: what is below it is not protected.
fn shadow_mode(file: &File, findings: &mut Findings) {
    let routes = file.routes.iter();
    let below = routes.flat_map(|route| std::iter::once(&route.options).chain(route.rules.iter().map(|r| &r.options)));
    let groups = file.groups.iter().map(|(group, _)| group);
    for mode in std::iter::once(&*file.defaults).chain(groups).chain(below).filter_map(|options| options.mode.as_ref())
    {
        if mode.value {
            findings
                .warning("shadow_mode", mode.span, "in shadow mode what would be refused goes through, without identity")
                .help("`postern shadow report` tells when it can be `enforce`; until then `allow_lint` says that it is meant");
        }
    }
}

fn silence(options: &RawOptions, span: Span, findings: &mut Findings) {
    for lint in options.allow_lint.iter().flat_map(|lints| &lints.value) {
        findings.silence(lint, span);
    }
}

/// A route's rules with their places: the pattern's, where the route is one level.
pub(super) fn placed<'r>(
    raw: &'r RawRoute,
    route: &'r Route,
) -> impl Iterator<Item = (Option<&'r Methods>, Span, &'r Rule)> {
    let written = raw.rules.iter().map(|rule| (Some(&rule.methods), rule.span));
    let alone = raw.rules.is_empty().then_some((None, raw.pattern.span));
    alone.into_iter().chain(written).zip(route.rules()).map(|((methods, span), rule)| (methods, span, rule))
}

fn rules(raw: &RawRoute, route: &Route, findings: &mut Findings) {
    for (_, span, rule) in placed(raw, route).filter(|(methods, ..)| takes_body(*methods)) {
        let pattern = &route.pattern;
        match rule.access {
            Access::Public | Access::Optional => {
                findings
                    .warning("public_write", span, format!("`{pattern}` lets anybody write, without a credential"))
                    .help("if only reading is meant: `{ read: public }`");
            }
            Access::In(level) if rule.origin.is_empty() => {
                let message =
                    format!("`{pattern}` lets a {} of any organization write: there is no `org`", level.as_str());
                findings
                    .warning("write_without_org", span, message)
                    .help("say whose it is: `org: path.org`; or ask `authenticated`, if that is meant");
            }
            _ => {}
        }
    }
}

/// A list that gives each member of anything what belongs to everybody: nothing names an organization, and the last segment no object. What
/// is under `**`, nobody knows; and a service that is told its caller's organizations, or sees the credential, may go by that.
fn list_unfiltered(raw: &RawRoute, route: &Route, findings: &mut Findings) {
    let shape = route.shape();
    if shape.rest || !matches!(unslashed(&shape.segments).last(), Some(Segment::Literal(_))) {
        return;
    }
    let found = placed(raw, route).find(|(methods, _, rule)| {
        let is_told = |inject: &Inject| matches!(inject.value, InjectValue::Orgs(_));
        let has_condition =
            rule.options.as_ref().is_some_and(|options| options.when.is_some() || options.upgrade.is_some());
        // Of a route that is one level for all methods, `write_without_org` speaks.
        let is_read = match *methods {
            Some(Methods::One(method)) => *method == Method::GET,
            methods => methods == Some(&Methods::Read),
        };
        is_read
            && matches!(rule.access, Access::In(_))
            && rule.origin.is_empty()
            && rule.list().is_none()
            && !rule.forward_authorization
            && !has_condition
            && !rule.inject.iter().any(is_told)
    });
    if let Some((_, span, rule)) = found {
        let level = rule.access.as_str();
        let message = format!("`{}` gives a {level} of any organization what belongs to everybody", route.pattern);
        findings.warning("list_unfiltered", span, message).help(
            "say which items are whose: `list: { items: /results, org: /organization }`; if it is no list, `allow_lint` says so",
        );
    }
}

/// An update of an object whose present organization is judged, and not the one that its body may name.
fn update_may_move(raw: &RawRoute, route: &Route, findings: &mut Findings) {
    let shape = route.shape();
    let segments = unslashed(&shape.segments);
    let is_variable = |segment: &&Segment| matches!(segment, Segment::Variable { .. });
    if shape.rest || !segments.last().as_ref().is_some_and(is_variable) {
        return;
    }
    // The object of the path: the last of its variables.
    let object = segments.iter().filter(is_variable).count() - 1;
    let is_path = |source: &Source| matches!(source, Source::Path(at, _) if *at == object);
    let is_body = |source: &Source| matches!(source, Source::Body(..));
    let is_asked_by = |source: &Source, arg: &dyn Fn(&Source) -> bool| {
        let call = source.lookup().and_then(|at| route.lookups.get(at));
        call.is_some_and(|call| call.args.iter().any(arg))
    };
    let found = placed(raw, route).find(|(methods, _, rule)| {
        let has_own =
            |method: &Method| raw.rules.iter().any(|rule| matches!(&rule.methods, Methods::One(one) if one == method));
        let is_update = match methods {
            None => true,
            Some(Methods::Read) => false,
            Some(Methods::Write) => !(has_own(&Method::PUT) && has_own(&Method::PATCH)),
            Some(Methods::One(method)) => matches!(*method, Method::PUT | Method::PATCH),
        };
        let mut sources = rule.origin.iter().flat_map(|item| &item.sources);
        is_update
            && matches!(rule.access, Access::In(_) | Access::Permitted)
            && sources.clone().any(|source| is_asked_by(source, &is_path))
            && !sources.any(|source| is_body(source) || is_asked_by(source, &is_body))
    });
    if let Some((_, span, _)) = found {
        let message = format!(
            "`{}` is judged by what the object is, and its body may move it to another organization",
            route.pattern
        );
        findings.warning("update_may_move", span, message).help(
            "judge both: `org: [lookup.NAME, body.organization optional]`; if its service never moves an object, `allow_lint` says so",
        );
    }
}

/// Targets that not every reader reads alike.
fn target(raw: &RawRoute, route: &Route, findings: &mut Findings) {
    if let Some(taken) = &route.options.target {
        let (pattern, taken) = (&route.pattern, taken.words());
        let message = format!("`{pattern}` takes targets that some services read as another path: {taken}");
        findings
            .warning("lenient_target", raw.pattern.span, message)
            .help("only where its service takes them as text of a segment; then `allow_lint` says so");
    }
}

/// A rewrite to where no route of its upstream is: every request would be refused.
fn rewrite(raw: &RawRoute, route: &Route, routes: &[Route], findings: &mut Findings) {
    let Some(rewrite) = route.options.rewrite.as_ref().filter(|rewrite| !rewrite.allows_unmatched) else { return };
    let added = rewrite.add.split('/').skip(1).map(|text| Segment::Literal(text.into()));
    let shape = route.shape();
    let left = shape.segments.get(rewrite.strip..).unwrap_or_default();
    let becomes: Vec<Segment> = added.chain(left.iter().cloned()).collect();
    let is_met = |other: &&Route| {
        other.upstream == route.upstream && meet((&becomes, shape.rest), (&other.shape().segments, other.shape().rest))
    };
    if routes.iter().find(is_met).is_none() {
        let message =
            format!("`{}` never passes: no route of its upstream matches what it is rewritten to", route.pattern);
        findings.warning("rewrite_unmatched", raw.pattern.span, message).help(
            "write a route for the rewritten target, or `unmatched: allow` under `rewrite` if this rule alone decides",
        );
    }
}

/// Whether some path matches both; a slash at the end makes no difference, since routes may take either.
fn meet((ours, our_rest): (&[Segment], bool), (theirs, their_rest): (&[Segment], bool)) -> bool {
    let (ours, theirs) = (unslashed(ours), unslashed(theirs));
    let fits = |pair: (&Segment, &Segment)| match pair {
        (Segment::Literal(one), Segment::Literal(other)) => one == other,
        (Segment::Literal(text), Segment::Variable { kind, .. })
        | (Segment::Variable { kind, .. }, Segment::Literal(text)) => kind.matches(text),
        (Segment::Variable { kind: one, .. }, Segment::Variable { kind: other, .. }) => one.overlaps(*other),
    };
    let lengths = ours.len() == theirs.len()
        || (ours.len() < theirs.len() && our_rest)
        || (theirs.len() < ours.len() && their_rest);
    lengths && ours.iter().zip(theirs).all(fits)
}

fn unslashed(segments: &[Segment]) -> &[Segment] {
    match segments {
        [rest @ .., Segment::Literal(last)] if last.is_empty() => rest,
        all => all,
    }
}

/// A pattern that matches paths which postern answers itself, and which it never decides on.
fn reaches_over(raw: &RawRoute, route: &Route, reserved: &Reserved, own: Own, findings: &mut Findings) {
    let shape = route.shape();
    let covers = |place: &str| {
        let steps: Vec<&str> = place.trim_matches('/').split('/').collect();
        let fits = |(segment, step): (&Segment, &&str)| match segment {
            Segment::Literal(text) => **text == **step,
            Segment::Variable { kind, .. } => kind.matches(step),
        };
        let is_long = match place.ends_with('/') {
            true => shape.segments.len() > steps.len(),
            // What does not end in a slash is one path and no prefix.
            false => shape.segments.len() == steps.len(),
        };
        (shape.rest || is_long) && shape.segments.iter().zip(&steps).all(fits)
    };
    let mut places = reserved.places().filter(|(_, owner)| *owner == own).map(|(place, _)| place);
    if let Some(place) = places.find(|place| covers(place)) {
        let pattern = &route.pattern;
        let under = if place.ends_with('/') { "under" } else { "at" };
        let message = format!(
            "`{pattern}` does not count {under} `{place}`, where postern answers itself: its {} is on",
            own.words()
        );
        let help = format!("{}; or `allow_lint` says that it is known", own.help());
        findings.warning(own.lint(), raw.pattern.span, message).help(help);
    }
}

/// A scheme that a rule takes and that `identity` does not have. Where it has none of a rule's, nobody can ever pass: a mistake.
fn unserved(raw: &RawRoute, route: &Route, served: &Schemes, findings: &mut Findings) {
    for (_, span, rule) in placed(raw, route) {
        if matches!(rule.access, Access::Public | Access::Deny) {
            continue;
        }
        // Tokens are always there, and Basic has one as its password.
        let is_served = |scheme: &Scheme| matches!(scheme, Scheme::Basic | Scheme::Token) || served.has(*scheme);
        let taken = || Scheme::ALL.into_iter().filter(|scheme| rule.schemes.has(*scheme));
        let Some(missing) = taken().find(|scheme| !is_served(scheme)) else { continue };
        let word = missing.as_str();
        let message = format!("`{}` takes `{word}`, and the configuration has no `identity.{word}`", route.pattern);
        let help = format!(
            "say of `identity.{word}` in postern.yaml how it is checked, or leave `{word}` out of `authenticate`"
        );
        if taken().any(|scheme| is_served(&scheme)) {
            findings.warning("scheme_unserved", span, message).help(help);
        } else {
            findings.error("scheme_unserved", span, format!("{message}: nobody could pass")).help(help);
        }
        return;
    }
}

/// A second factor that nothing which is taken can show: nobody can ever pass.
fn second_factor(raw: &RawRoute, route: &Route, known: &Known<'_>, findings: &mut Findings) {
    let is_served = |scheme| known.schemes.is_none_or(|served| served.has(scheme));
    let asks = known.names.is_none_or(|names| names.asks_second_factors.unwrap_or(true));
    for (_, span, rule) in placed(raw, route).filter(|(_, _, rule)| rule.mfa().is_some()) {
        let by_session = rule.schemes.has(Scheme::Session) && asks;
        if by_session || rule.schemes.has(Scheme::Jwt) && is_served(Scheme::Jwt) {
            continue;
        }
        let (why, help) = if rule.schemes.has(Scheme::Session) {
            (
                "the configuration has no `identity.mfa`",
                "say there with what key second factors are kept, or leave `mfa` out",
            )
        } else {
            ("it takes no credential that shows one", "let it take `session`, whose pages ask for it, or `jwt`")
        };
        let message = format!("`{}` asks for a second factor, and {why}: nobody could pass", route.pattern);
        findings.error("mfa_unserved", span, message).help(help);
        return;
    }
}

/// A header with a list that grows with its user.
fn long_list(raw: &RawRoute, route: &Route, limit: usize, findings: &mut Findings) {
    let lists = |rule: &Rule| rule.inject.iter().any(|inject| matches!(inject.value, InjectValue::Orgs(_)));
    if let Some((_, span, _)) = placed(raw, route).find(|(_, _, rule)| lists(rule)) {
        // An id and its comma.
        let most = (limit + 1) / 37;
        let message = format!(
            "`{}` lists all organizations of its caller: more than {most} are too long, and 431",
            route.pattern
        );
        findings.warning("long_list", span, message).help(
            "`limits.identity_header` in postern.yaml says how long it may be, and the service how long a header it takes; or name one organization by `org`",
        );
    }
}

/// A username that is told, or asked, and not of which organization it is, where several users may have it.
fn ambiguous_username(raw: &RawRoute, route: &Route, findings: &mut Findings) {
    let told = |rule: &Rule| {
        let names = |is: fn(&InjectValue) -> bool| rule.inject.iter().any(|inject| is(&inject.value));
        names(|value| matches!(value, InjectValue::Username))
            && !names(|value| matches!(value, InjectValue::Login | InjectValue::Organization | InjectValue::UserId))
    };
    let asked = |rule: &Rule| {
        let condition = rule.options.as_ref().and_then(|options| options.when.as_ref());
        condition.is_some_and(Condition::asks_username_alone)
    };
    if let Some((_, span, _)) = placed(raw, route).find(|(_, _, rule)| told(rule) || asked(rule)) {
        let message = format!("`{}` goes by `user.username`, which is unique in an organization alone", route.pattern);
        findings
            .warning("ambiguous_username", span, message)
            .help("`user.login` is one user's, as in `acme/ann`; or name `user.organization` or `user.id` beside it");
    }
}

/// An organization that is named in the query of a request with a body: frameworks that join both read the body's first.
fn query_beside_body(raw: &RawRoute, route: &Route, findings: &mut Findings) {
    for (_, span, rule) in placed(raw, route).filter(|(methods, ..)| takes_body(*methods)) {
        let sources = rule.origin.iter().flat_map(|item| &item.sources);
        let is_read = rule.access.credential() != CredentialNeed::Ignored;
        let name = sources.filter(|_| is_read && !rule.is_strict_source()).find_map(|source| match source {
            Source::Query(name, _) => Some(name),
            _ => None,
        });
        if let Some(name) = name {
            let message = format!("`{}` is judged by `query.{name}`, and a body may name another one", route.pattern);
            findings.warning("query_beside_body", span, message).help(format!(
                "Go, PHP and Rack read a form's `{name}` in its place: name the organization in the path or a header, let `strict_source: true` refuse such bodies, or say that the service reads the query alone"
            ));
        }
    }
}

/// A WebSocket that no page can open, and one to an upstream that takes none.
fn websocket(raw: &RawRoute, route: &Route, is_uwsgi: bool, findings: &mut Findings) {
    let begins = |methods: Option<&Methods>| match methods {
        None | Some(Methods::Read) => true,
        Some(Methods::Write) => false,
        Some(Methods::One(method)) => *method == Method::GET,
    };
    for (methods, span, rule) in placed(raw, route) {
        let upgrade = rule.options.as_ref().and_then(|options| options.upgrade.as_ref());
        let Some(upgrade) = upgrade.filter(|_| begins(methods) && rule.access != Access::Deny) else { continue };
        if !upgrade.takes_pages() {
            let message = format!("no page can open a WebSocket to `{}`: no `origins` are listed", route.pattern);
            findings.warning("websocket_without_origins", span, message).help(
                "list whose pages may: `origins: [\"https://app.example.com\"]`; programs send no `Origin`: if they alone are meant, `allow_lint` says so",
            );
        }
        if is_uwsgi {
            let message = format!("`{}` takes WebSockets for an upstream over uwsgi", route.pattern);
            findings.warning("not_over_uwsgi", span, message).help(
                "each handshake would be 502: WebSockets go to an upstream over HTTP, such as daphne on a port of its own",
            );
        }
    }
}

/// A route that no request falls under. One that is closed is a net below the others, and may be empty.
fn shadowed(raw: &RawRoute, route: &Route, findings: &mut Findings) {
    if route.rules().iter().any(|rule| rule.access != Access::Deny) {
        let message = format!("`{}` never counts: more specific routes take everything that it matches", route.pattern);
        findings.warning("shadowed", raw.pattern.span, message).help("leave it out");
    }
}

/// What is written in a route and never counts.
fn unused(raw: &RawRoute, findings: &mut Findings) {
    let names = |method: &Method| raw.rules.iter().any(|r| matches!(&r.methods, Methods::One(m) if m == method));
    let read = raw.rules.iter().find(|rule| rule.methods == Methods::Read);
    if let Some(read) = read.filter(|_| names(&Method::GET) && names(&Method::OPTIONS)) {
        findings
            .warning("shadowed", read.span, "`read` never counts: GET (with HEAD) and OPTIONS have rules of their own")
            .help("leave it out");
    }
    let has_own = |options: &RawOptions| options.level.is_some();
    if has_own(&raw.options) && !raw.rules.is_empty() && raw.rules.iter().all(|rule| has_own(&rule.options)) {
        let message = "the route's `level` never counts: every rule has its own, and other methods are 405";
        findings.warning("unused_level", raw.pattern.span, message).help("leave it out, or write `read` or `write`");
    }
}
