//! What is measured and held: policies of many routes, a caller of many organizations, and requests as curl and a browser
//! send them.

use postern::decision::{Caller, Evaluation, Halt, Need, Permit, RequestView};
use postern::facts::{Membership, Organization, Snapshot, User, Value};
use postern::id::{OrgId, UserId};
use postern::policy::{Policy, load};
use postern::request_target::Target;
use postern::yaml::Findings;
use std::fmt::Write;
use std::sync::Arc;
use uuid::Uuid;

/// What curl sends.
pub const CURL: &[u8] =
    b"GET /api/v1/devices/ HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\
    Authorization: Bearer 9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b\r\n\r\n";

/// What a browser sends: 15 headers.
pub const BROWSER: &[u8] = b"GET /api/v1/devices/?page=2&ordering=-created HTTP/1.1\r\nHost: api.example.com\r\n\
    Connection: keep-alive\r\nsec-ch-ua: \"Chromium\";v=\"141\", \"Not?A_Brand\";v=\"8\"\r\nsec-ch-ua-mobile: ?0\r\n\
    sec-ch-ua-platform: \"Linux\"\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/141.0.0.0 Safari/537.36\r\nAccept: application/json\r\n\
    Authorization: Bearer 9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n\
    Sec-Fetch-Dest: empty\r\nReferer: https://app.example.com/devices\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9\r\nCookie: csrftoken=pXqZ1w8pG4o0tq0g; theme=dark\r\n\r\n";

/// A policy of so many routes: fifty services with literal and typed segments, the organization in the path, three headers.
pub fn policy(routes: usize) -> Result<Policy, Findings> {
    policy_with(routes, "")
}

/// The same with more at its head.
pub fn policy_with(routes: usize, more: &str) -> Result<Policy, Findings> {
    load(&[("routes.yaml", policy_text(routes, more))], None)
}

/// The text of such a policy.
pub fn policy_text(routes: usize, more: &str) -> String {
    let mut text = format!(
        "version: 1\n{more}defaults:\n  inject: {{ X-Postern-User: user.id, X-Postern-Organization: org.id, X-Postern-Role: org.level }}\nroutes:\n",
    );
    for n in 0..routes {
        let (service, tail) = (n % 50, if n % 2 == 0 { "/**" } else { "/{id:int}/" });
        let _ = writeln!(
            text,
            "  /api/s{service}/r{n}/{{org:uuid}}{tail}: {{ org: path.org, read: member, write: manager }}"
        );
    }
    text
}

/// A target under the last route but one of such a policy (an even number), in this organization.
pub fn target(routes: usize, organization: OrgId) -> String {
    let n = routes - 2;
    format!("/api/s{}/r{n}/{organization}/devices/7/config", n % 50)
}

fn id(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_DNS, name.as_bytes())
}

/// The id of the caller's organization of that number.
pub fn organization_id(number: usize) -> OrgId {
    OrgId(id(&format!("organization-{number}")))
}

/// A plain member of so many organizations.
pub fn member(organizations: usize) -> Arc<Snapshot> {
    let user = UserId(id("ann"));
    let user = User {
        id: user,
        username: Some(Value::new("ann")),
        issuer: None,
        email: None,
        external_id: None,
        home: None,
        fields: None,
        is_active: true,
        is_staff: false,
        is_superuser: false,
    };
    let organization = |number| {
        let id = organization_id(number);
        Arc::new(Organization {
            id,
            slug: Value::new(format!("organization-{number}")),
            name: Value::new(format!("Organization {number}")),
            external_id: None,
            is_active: true,
        })
    };
    let membership = |number| Membership { organization: organization(number), is_admin: false, is_owner: false };
    Arc::new(Snapshot::new(user, (0..organizations).map(membership).collect()))
}

/// The way of an ordinary request through the pure core: its credential is the only thing that is asked for.
///
/// # Errors
/// What the evaluation comes to, where it permits nothing.
pub fn pass<'p>(
    policy: &'p Policy,
    view: &RequestView<'_>,
    caller: &Arc<Snapshot>,
) -> Result<Permit<&'p Policy>, Halt> {
    let mut evaluation = Evaluation::new(policy);
    if let Err(halt) = evaluation.step(view)
        && !matches!(halt, Halt::Need(Need::Credential(_)))
    {
        return Err(halt);
    }
    evaluation.identify(Caller::of(Some(caller)));
    evaluation.step(view)
}

/// A request's target and headers, read as hyper reads them.
pub fn parsed(head: &[u8]) -> (String, http::HeaderMap) {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let pairs = pairs.filter_map(|(name, value)| {
        Some((http::HeaderName::from_bytes(name.as_bytes()).ok()?, http::HeaderValue::from_str(value).ok()?))
    });
    (target, pairs.collect())
}

/// Parses a target that is known to be good.
pub fn good(raw: &str) -> Target<'_> {
    Target::parse(raw).unwrap_or_else(|error| panic!("{raw}: {error}"))
}
