//! What attackers send to postern's own proxy (`tests/it/attacks`), sent through each front, and to a service of uwsgi: the service sees what
//! it would see behind the proxy, byte for byte, or nothing.

use super::servers::{Front, RUN};
use super::{Asked, TRUSTING};
use crate::attacks::{TO_BODIES, TO_OBJECTS, TO_OTHERS, TO_ROUTES, bind_subjects};
use crate::lookups::Legacy;
use crate::support::tape::{Row, Tests, groups_of, rows_of};
use crate::support::{Answer, Options, Postern, ROUTES, Raw, Recorded, Upstream, eventually};
use crate::uwsgi::{Recorder, Told};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A front that says nothing for so long, and forwards nothing, has refused.
const SILENCE: Duration = Duration::from_secs(3);

/// Bodies that are sent piece by piece.
const CODING: &str = "Transfer-Encoding";

/// What a stream has behind a message whose end is in doubt.
const SMUGGLED: &str = "/public/smuggled";

/// What each hop writes anew or tells the next, as a matter of HTTP.
const OF_A_HOP: [&str; 14] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "via",
    "accept-encoding",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-request-id",
    "traceparent",
    "tracestate",
];

/// A way to a service, through postern.
pub struct Way {
    pub name: &'static str,
    pub entrance: SocketAddr,
    service: Service,
    postern: Postern,
    _front: Option<Front>,
}

/// The same, by a postern that believes its front.
fn trusting(options: &Options) -> Options {
    Options { config: format!("{TRUSTING}{}", options.config), ..options.clone() }
}

enum Service {
    Http(Upstream),
    Uwsgi(Recorder),
}

impl Way {
    /// All of them, with these options.
    pub fn all(options: &Options) -> Vec<Self> {
        let asking = RUN.map(|name| move || Self::asking(name, options));
        std::thread::scope(|scope| {
            let asking = asking.map(|start| scope.spawn(start));
            let uwsgi = [Self::uwsgi(options), Self::nginx_uwsgi(options)];
            asking.into_iter().map(|way| way.join().unwrap()).chain(uwsgi).collect()
        })
    }

    fn asking(name: &'static str, options: &Options) -> Self {
        let service = Upstream::echo();
        let asked = Asked::as_set_up(&format!("http://{}", service.address()), name, trusting(options));
        let front = Front::before(&asked);
        let (entrance, postern) = (front.address, asked.postern);
        Self { name, entrance, service: Service::Http(service), postern, _front: Some(front) }
    }

    /// postern's own proxy before a service of uwsgi.
    fn uwsgi(options: &Options) -> Self {
        let service = Recorder::new();
        let options = Options { upstreams: Some(format!("{{ echo: \"{}\" }}", service.url())), ..options.clone() };
        let postern = Postern::start(SocketAddr::from(([127, 0, 0, 1], 1)), &options);
        Self { name: "uwsgi", entrance: postern.data, service: Service::Uwsgi(service), postern, _front: None }
    }

    /// nginx that asks, before the same.
    fn nginx_uwsgi(options: &Options) -> Self {
        let service = Recorder::new();
        let asked = Asked::as_set_up(&service.url(), "nginx", trusting(options));
        let front = Front::printed_as("nginx-uwsgi", &asked, |text| text);
        let (entrance, postern) = (front.address, asked.postern);
        Self { name: "nginx-uwsgi", entrance, service: Service::Uwsgi(service), postern, _front: Some(front) }
    }

    /// Sends a row, and says what became of it: what was answered, and what the service saw.
    fn send(&self, row: &Row) -> (Vec<Answer>, Vec<Seen>) {
        let mut raw = Raw::connect(self.entrance);
        raw.socket().set_read_timeout(Some(SILENCE)).unwrap();
        raw.send(&row.bytes);
        let mut answers = Vec::new();
        while answers.len() < row.answers.len()
            && let Ok(answer) = raw.try_answer()
        {
            answers.push(answer);
        }
        // Behind what postern's proxy has hung up on there may be another request.
        if row.bytes.windows(SMUGGLED.len()).any(|bytes| bytes == SMUGGLED.as_bytes()) {
            raw.socket().set_read_timeout(Some(SILENCE / 10)).unwrap();
            while raw.try_answer().is_ok() {}
        }
        // What a front streams may come when its answer has come already.
        if row.bytes.windows(CODING.len()).any(|bytes| bytes.eq_ignore_ascii_case(CODING.as_bytes())) {
            drop(raw);
            std::thread::sleep(SILENCE / 30);
        }
        (answers, self.seen())
    }

    /// What the service saw to its end.
    pub fn whole(&self) -> Vec<Seen> {
        match &self.service {
            Service::Http(service) => service.recorded().iter().filter(|sent| sent.complete).map(Seen::of).collect(),
            Service::Uwsgi(_) => self.seen(),
        }
    }

    /// What the service saw since the last time.
    pub fn seen(&self) -> Vec<Seen> {
        match &self.service {
            Service::Http(service) => {
                let seen = service.recorded().iter().map(Seen::of).collect();
                service.forget();
                seen
            }
            Service::Uwsgi(service) => service.take().into_iter().map(Seen::told).collect(),
        }
    }
}

/// A request as a service sees it: names as CGI folds them, and the values of each in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    pub target: String,
    body: String,
    trailers: Vec<String>,
    pub headers: BTreeMap<String, Vec<String>>,
    /// What is each hop's own.
    of_hops: BTreeMap<String, Vec<String>>,
}

impl Seen {
    fn of(sent: &Recorded) -> Self {
        // Values are read as Latin-1, of which no byte is lost; over uwsgi as UTF-8.
        let text = |value: &String| -> String {
            let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
            bytes.map_or_else(|| value.clone(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let headers: Vec<_> = sent.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let seen = Self::new(&sent.method, &sent.target, &sent.body, &headers);
        Self { trailers: sent.trailers.clone(), ..seen }
    }

    fn told(told: Told) -> Self {
        let variable = |name: &str| told.variables.get(name).map_or("", String::as_str);
        let headers = told.variables.iter().filter_map(|(name, value)| {
            // nginx tells this one twice, and what is not there as an empty variable.
            let is_there = !value.is_empty() && name != "HTTP_CONTENT_TYPE";
            let name = if name == "CONTENT_TYPE" { name } else { name.strip_prefix("HTTP_")? };
            is_there.then(|| (name.to_owned(), value.clone()))
        });
        let headers: Vec<_> = headers.collect();
        Self::new(variable("REQUEST_METHOD"), variable("REQUEST_URI"), &told.body, &headers)
    }

    fn new(method: &str, target: &str, body: &[u8], headers: &[(String, String)]) -> Self {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase().replace('_', "-");
            let separator = if name == "cookie" { ';' } else { ',' };
            all.entry(name).or_default().extend(value.split(separator).map(|value| value.trim().to_owned()));
        }
        let is_of_a_hop = |name: &String| OF_A_HOP.contains(&name.as_str()) || name.starts_with("x-envoy-");
        let (of_hops, headers) = all.into_iter().partition(|(name, _)| is_of_a_hop(name));
        let (method, target, body) = (method.to_owned(), target.to_owned(), body.escape_ascii().to_string());
        Self { method, target, body, trailers: Vec::new(), headers, of_hops }
    }

    /// Whether it is the same to the service.
    fn is(&self, other: &Self) -> bool {
        let hopless = |seen: &Self| Self { of_hops: BTreeMap::new(), ..seen.clone() };
        hopless(self) == hopless(other)
    }

    /// Whether a hop passes off as its own what the client has said.
    fn is_forged(&self, row: &Row) -> bool {
        let claims = ["1.2.3.4", "evil", "/public/x", "su"];
        let forwarded = self.of_hops.iter().filter(|(name, _)| name.starts_with("x-forwarded-"));
        forwarded.flat_map(|(_, values)| values).any(|value| {
            claims.contains(&value.as_str()) && row.bytes.windows(value.len()).any(|said| said == value.as_bytes())
        })
    }
}

/// How often a service has seen a method with a path.
pub type Reached = BTreeMap<(String, String), usize>;

pub fn count(reached: &mut Reached, seen: &[Seen]) {
    for seen in seen {
        let path = seen.target.split('?').next().unwrap_or_default().to_owned();
        *reached.entry((seen.method.clone(), path)).or_default() += 1;
    }
}

/// What became of a row.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Same,
    /// postern's reason, or none where the front has refused by itself.
    Refused(Option<String>),
    Differs,
}

fn code(answer: &Answer) -> Option<String> {
    (answer.header("content-type") == Some("application/problem+json")).then(|| answer.code())
}

fn outcome(row: &Row, answers: &[Answer], seen: &[Seen]) -> Outcome {
    let proxied: Vec<_> = row.sent.iter().map(Seen::of).collect();
    let told = |answers: &[Answer]| answers.iter().map(|answer| (answer.status, code(answer))).collect::<Vec<_>>();
    if seen.iter().any(|seen| seen.is_forged(row)) {
        return Outcome::Differs;
    }
    let is_same = seen.len() == proxied.len() && seen.iter().zip(&proxied).all(|(one, other)| one.is(other));
    if is_same && told(answers) == told(&row.answers) {
        return Outcome::Same;
    }
    // What is left out was refused: the rest is as it was.
    let mut left = proxied.iter();
    let is_less = seen.iter().all(|seen| left.any(|other| seen.is(other)));
    match answers.iter().find(|answer| answer.status >= 400) {
        Some(refused) if is_less => Outcome::Refused(code(refused)),
        None if is_less && answers.len() < row.answers.len() => Outcome::Refused(None),
        _ => Outcome::Differs,
    }
}

const ENVOY: [&str; 2] = ["envoy", "envoy-grpc"];
const FRONTS: [&str; 6] = ["nginx", "nginx-uwsgi", "caddy", "haproxy", "envoy", "envoy-grpc"];

/// What fronts do otherwise than postern's own proxy: which, with the rows of which test or with which bytes, and why that opens nothing.
const OTHERWISE: [(&[&str], &str, &str); 20] = [
    (&FRONTS, "framing::ambiguous_lengths_are_refused_and_end_the_connection", OWN_RULES),
    (&FRONTS, "framing::malformed_request_lines_are_refused", OWN_RULES),
    (&FRONTS, "framing::chunks_are_read_in_one_way_only", OWN_RULES),
    (&FRONTS, "headers::values_that_could_end_a_header_are_refused", OWN_RULES),
    (
        &FRONTS,
        "headers::trailers_tell_the_upstream_nothing",
        "it ends a body by rules of its own, and drops what is behind it",
    ),
    (&FRONTS, "path::a_target_of_another_form_or_host_is_refused", "it asks about the path and host that it forwards"),
    (&FRONTS, "GET http://b/public/x ", "it asks about the path and host that it forwards"),
    (
        &["caddy"],
        "path::control_characters_and_raw_bytes_are_refused",
        "it encodes what no URI may hold before it asks",
    ),
    (
        &["caddy"],
        "path::a_fragment_is_refused_and_an_encoded_one_is_text",
        "it encodes what no URI may hold before it asks",
    ),
    (&["caddy"], "GET /public/{x} ", "it encodes what no URI may hold before it asks"),
    (&["caddy"], "OPTIONS * ", "it answers that itself"),
    (&["nginx", "nginx-uwsgi", "caddy"], "X_Org: ", "it drops names with `_`: what is left is judged"),
    (
        &["nginx", "nginx-uwsgi", "caddy", "haproxy"],
        "Connection: x-",
        "what `Connection` names stays, as it was judged",
    ),
    (
        &["nginx", "nginx-uwsgi", "caddy", "haproxy"],
        "fields::a_header_that_decides_and_that_connection_names_is_refused",
        "what `Connection` names stays, as it was judged",
    ),
    (
        &ENVOY,
        "fields::a_header_that_decides_and_that_connection_names_is_refused",
        "what `Connection` names goes before it asks",
    ),
    (&ENVOY, "X-Name: a\\rb", OWN_RULES),
    (&ENVOY, "Connection: content-length, content-type", "what `Connection` names goes before it asks"),
    (&["nginx", "nginx-uwsgi", "haproxy"], "AAAAAAAAA /api/v1/org/a/x ", "a method of any length is judged as writing"),
    (&ENVOY, "Authorization: \\r\\n", "it drops an empty one beside another"),
    (&["haproxy", "envoy", "envoy-grpc"], "\\r\\nHost: a\\r\\nHost:", "it takes two for one where they do not differ"),
];

const OWN_RULES: &str =
    "it reads messages by rules of its own, asks about what it has read, and forwards that in a framing of its own";

/// Sends all rows every way. Gives those that differ.
fn send_all(rows: &[Row], ways: Vec<Way>) -> Vec<String> {
    std::thread::scope(|scope| {
        let ways = ways.into_iter().map(|way| scope.spawn(move || way.hold(rows)));
        let ways: Vec<_> = ways.collect();
        ways.into_iter().flat_map(|way| way.join().unwrap()).collect()
    })
}

fn hold(said: &[String]) {
    assert!(said.is_empty(), "{} differ:\n{}", said.len(), said.join("\n"));
}

impl Way {
    /// Sends all rows this way. Gives those that differ.
    fn hold(&self, rows: &[Row]) -> Vec<String> {
        let mut refused: BTreeMap<String, usize> = BTreeMap::new();
        let mut reached = Reached::new();
        let (mut differing, mut same, mut known, mut pass) = (Vec::new(), [0, 0], 0, 0);
        for row in rows {
            let (answers, seen) = self.send(row);
            count(&mut reached, &seen);
            let passes = usize::from(!row.sent.is_empty());
            pass += passes;
            match outcome(row, &answers, &seen) {
                Outcome::Same => (same[0], same[1]) = (same[0] + 1, same[1] + passes),
                Outcome::Refused(code) => {
                    *refused.entry(code.unwrap_or_else(|| "by the front".to_owned())).or_default() += 1;
                }
                Outcome::Differs if self.may_differ(row, &seen) => known += 1,
                Outcome::Differs => {
                    let text: String = row.bytes.escape_ascii().to_string().chars().take(300).collect();
                    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
                    let proxied: Vec<_> = row.sent.iter().map(Seen::of).collect();
                    differing.push(format!(
                        "{}: {}: {text}\n    {statuses:?} {seen:?}\n    {proxied:?}",
                        self.name, row.name
                    ));
                }
            }
        }
        println!(
            "{:12} {} rows: {} as the proxy, refused {refused:?}, {known} otherwise, {} wrong; of {pass} that pass {} do",
            self.name,
            rows.len(),
            same[0],
            differing.len(),
            same[1]
        );
        assert!(2 * same[1] >= pass, "{}: it refuses too much for this to mean anything", self.name);
        self.has_allowed(&reached);
        differing
    }

    /// Whether it is known that and why this front does otherwise; nobody's identity, and nothing behind a body, is ever forged by that.
    fn may_differ(&self, row: &Row, seen: &[Seen]) -> bool {
        let shown = row.bytes.escape_ascii().to_string();
        let is_it = |(ways, part, _): &(&[&str], &str, &str)| {
            ways.contains(&self.name) && (row.name == *part || shown.contains(part))
        };
        let is_harmless = |seen: &Seen| {
            let has_identity = seen.headers.keys().any(|name| name.starts_with("x-postern-"));
            let is_public = seen.target.starts_with("/public");
            seen.trailers.is_empty() && !seen.is_forged(row) && !(is_public && has_identity)
        };
        OTHERWISE.iter().any(is_it) && seen.iter().all(is_harmless)
    }

    /// Each request that has reached the service is one that postern was asked about, or has forwarded itself, and has allowed.
    pub fn has_allowed(&self, reached: &Reached) {
        eventually(&format!("{}: all that reached the service was judged", self.name), || {
            let mut allowed = Reached::new();
            for line in self.postern.access_lines_now().iter().filter(|line| line["code"].is_null()) {
                let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
                *allowed.entry((word("method"), word("path"))).or_default() += 1;
            }
            // A route may rewrite the target.
            let path = |path: &str| match path.strip_prefix("/legacy/v1") {
                Some(rest) => Some(format!("/v2{rest}")),
                None => path.strip_prefix("/me/").map(|rest| format!("/ext/me/{rest}")),
            };
            let count =
                |method: &String, name: &str| allowed.get(&(method.clone(), name.to_owned())).copied().unwrap_or(0);
            let is_allowed = |((method, name), reached): (&(String, String), &usize)| {
                let rewritten = path(name).map_or(0, |path| count(method, &path));
                count(method, name) + rewritten >= *reached
            };
            reached.iter().all(is_allowed).then_some(())
        });
    }
}

fn try_all(policy: &str, tests: &Tests, config: &str) {
    let rows = rows_of(policy, tests);
    assert!(rows.len() >= 4 * tests.len(), "{}", rows.len());
    hold(&send_all(&rows, Way::all(&Options { config: config.to_owned(), ..Options::policy(policy) })));
}

/// Policies of hosts, prefixes and headers that decide, and JWTs: each set up once for all that is sent to it.
#[test]
fn what_is_sent_to_other_policies_reaches_the_service_as_behind_the_proxy_or_not_at_all() {
    let groups = groups_of(TO_OTHERS);
    assert!(groups.len() >= 6, "{}", groups.len());
    let mut said = Vec::new();
    for (setup, rows) in &groups {
        println!("{}", rows.first().map_or("", |row| row.name));
        let ways = Way::all(&setup.options());
        if setup.config.contains("jwt:") {
            ways.iter().for_each(|way| bind_subjects(&way.postern));
        }
        said.extend(send_all(rows, ways));
    }
    hold(&said);
}

#[test]
fn requests_that_attack_reach_the_service_as_behind_the_proxy_or_not_at_all() {
    try_all(ROUTES, TO_ROUTES, "");
}

#[test]
fn bodies_that_attack_reach_the_service_as_behind_the_proxy_or_not_at_all() {
    let (_database, config) = Legacy::database();
    try_all(TO_BODIES.0, TO_BODIES.1, &config);
}

#[test]
fn objects_of_others_are_as_out_of_reach_as_behind_the_proxy() {
    let (_database, config) = Legacy::database();
    try_all(TO_OBJECTS.0, TO_OBJECTS.1, &config);
}
