//! The headers that no client may send through: those that policies inject, and those by which others tell identity.
//!
//! Names are compared normalized (case and every non-alphanumeric are equal), since upstreams read `X_User` and `X-User` as one.
//! A name is looked up for every header of every request: normalized on the stack, then one binary search.

use crate::normalized_name::{normalized, normalized_key};
use arrayvec::ArrayVec;

/// Headers by which proxies and applications tell who or where somebody is, or that change what was asked. `*`: everything
/// that begins so. docs/reference/headers.md has the same list.
const USUAL: &[&str] = &[
    "X-Postern-*",
    // Who somebody is: what proxies, gates and web servers of all kinds tell.
    "Remote-*",
    "X-Remote-*",
    "X-Authenticated-*",
    "X-Auth-Request-*",
    "X-Auth-User*",
    "X-Auth-Email",
    "X-Auth-Groups",
    "X-Auth-Name",
    "X-Auth-Roles",
    "X-Auth-Subject",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-User",
    "X-User",
    "X-User-Email",
    "X-User-Groups",
    "X-User-Id",
    "X-User-Role",
    "X-User-Roles",
    "X-Userinfo",
    "X-Username",
    "X-Id-Token",
    "X-JWT-*",
    "X-Proxy-*",
    "X-SSO-*",
    "X-Token-User-*",
    "X-Token-Subject",
    "X-WEBAUTH-*",
    "Impersonate-*",
    "CAS-User",
    "EduPerson*",
    "Eppn",
    "IV-Creds",
    "IV-Groups",
    "IV-User*",
    "Mellon-*",
    "OAM-*",
    "OIDC-*",
    "Shib-*",
    "SM-User*",
    "SM-Universalid",
    "ES-Security-Runas-User",
    "OpenDistro-Security-*",
    "OpenSearch-Security-*",
    "Tailscale-*",
    "Teleport-*",
    "X-Anonymous-Consumer",
    "X-Authentik-*",
    "X-Consumer-*",
    "X-Credential-*",
    "X-Hasura-*",
    "X-Kratos-*",
    "X-Pomerium-*",
    "X-Vouch-*",
    // The same, of clouds.
    "Cf-Access-*",
    "X-Amzn-Lambda-*",
    "X-Amzn-Mtls-*",
    "X-Amzn-Oidc-*",
    "X-Amzn-Request-Context",
    "X-Apigateway-*",
    "X-Appengine-*",
    "X-CloudScheduler*",
    "X-CloudTasks-*",
    "X-Endpoint-Api-*",
    "X-Goog-*",
    "X-MS-Client-Principal*",
    "X-MS-Token-*",
    "X-Serverless-Authorization",
    // Whose certificate a connection has (RFC 9440, and what was there before it).
    "Cf-Client-Cert*",
    "Client-Cert*",
    "SSL-Client-*",
    "SSL-Cert*",
    "X-ARR-ClientCert",
    "X-Client-Cert*",
    "X-Client-DN",
    "X-Client-Subject*",
    "X-Client-Verify",
    "X-SSL-*",
    "X-TLS-*",
    // Where somebody is (beside X-Forwarded-For and its like, which are rebuilt).
    "CF-Connecting-IP*",
    "CF-IPCountry",
    "CF-Pseudo-IPv4",
    "Client-IP",
    "DO-Connecting-IP",
    "Fastly-Client-IP",
    "Fly-Client-IP",
    "True-Client-IP",
    "WL-Proxy-*",
    "X-Azure-ClientIP",
    "X-Azure-SocketIP",
    "X-NF-Client-Connection-IP",
    "X-Originating-IP",
    "X-Vercel-*",
    // What was asked, by which method, of which host, over what.
    "CF-Visitor",
    "Fastly-SSL",
    "Fly-Forwarded-*",
    "Front-End-Https",
    "X-Envoy-*",
    "X-Forwarded-Method",
    "X-Forwarded-Path",
    "X-Forwarded-Uri",
    "X-Host",
    "X-HTTP-Host-Override",
    "X-HTTP-Method*",
    "X-HTTP-Path-Override",
    "X-Invoke-*",
    "X-Matched-Path",
    "X-Method-Override",
    "X-Middleware-*",
    "X-Original-*",
    "X-Override-URL",
    "X-Replaced-Path",
    "X-Rewrite-URL",
    "X-Scheme",
    "X-Script-Name",
    "X-Url-Scheme",
    // CGI makes HTTP_PROXY of it, which HTTP clients obey (httpoxy).
    "Proxy",
];

/// A longer normalized name is compared by its beginning alone; exact names are shorter.
const MAX_FOLDED: usize = 128;

/// A set of normalized names and beginnings of names.
#[derive(Clone, Debug)]
pub struct StripSet {
    /// Sorted; no entry begins with another one that is a prefix, so the one candidate for a name is its predecessor.
    entries: Box<[Entry]>,
    /// The normalized names that policies inject.
    injected: Box<[Box<str>]>,
    /// How the entries begin, to pass over most headers at once.
    begins: Begins,
}

/// The first three normalized bytes of names: a bit for each pair of neighbours.
#[derive(Clone, Debug)]
struct Begins(Box<[[u64; 64]; 2]>);

/// Of 26 letters and 10 digits to 6 bits; zero for what folding drops.
#[allow(clippy::indexing_slicing)] // evaluated by the compiler
static CODE: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0_u8;
    while b < 0x80 {
        table[b as usize] = match b {
            b'a'..=b'z' => b - b'a' + 1,
            b'A'..=b'Z' => b - b'A' + 1,
            b'0'..=b'9' => b - b'0' + 27,
            _ => 0,
        };
        b += 1;
    }
    table
};

fn code(b: u8) -> usize {
    CODE.get(usize::from(b)).copied().map_or(0, usize::from)
}

impl Begins {
    fn add(&mut self, entry: &Entry) {
        let codes: ArrayVec<usize, 3> = entry.normalized.bytes().take(3).map(code).collect();
        let [first, second] = &mut *self.0;
        match (entry.prefix, codes.as_slice()) {
            (_, [a, b, c]) => {
                Self::set(first, *a, 1 << b);
                Self::set(second, *b, 1 << c);
            }
            // A shorter name has no third byte in its place; a shorter beginning goes on with anything.
            (false, _) | (_, []) => {}
            (true, [a, rest @ ..]) => {
                Self::set(first, *a, rest.first().map_or(u64::MAX, |b| 1 << b));
                second.fill(u64::MAX);
            }
        }
    }

    fn set(rows: &mut [u64; 64], row: usize, bits: u64) {
        if let Some(row) = rows.get_mut(row) {
            *row |= bits;
        }
    }

    /// Whether a name may be one of the entries. Those that do not begin with three letters or digits may always.
    fn has(&self, name: &[u8]) -> bool {
        let [a, b, c, ..] = name else { return true };
        let (a, b, c) = (code(*a), code(*b), code(*c));
        if a == 0 || b == 0 || c == 0 {
            return true;
        }
        let [first, second] = &*self.0;
        let is_set = |rows: &[u64; 64], row: usize, bit: usize| rows.get(row).is_none_or(|row| row >> bit & 1 == 1);
        is_set(first, a, b) && is_set(second, b, c)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    normalized: Box<str>,
    /// Covers every name that begins with it.
    prefix: bool,
}

impl StripSet {
    /// The usual names together with `injected`.
    pub fn new<'n>(injected: impl IntoIterator<Item = &'n str>) -> Self {
        let usual = USUAL.iter().map(|name| (name.trim_end_matches('*'), name.ends_with('*')));
        let entry = |(name, prefix)| Entry { normalized: normalized_key(name), prefix };
        let injected: Box<[Box<str>]> = injected.into_iter().map(normalized_key).collect();
        let ours = injected.iter().map(|normalized| Entry { normalized: normalized.clone(), prefix: false });
        let mut entries: Vec<Entry> = usual.map(entry).chain(ours).filter(|e| !e.normalized.is_empty()).collect();
        // Where a name is both, the prefix must come first to swallow the other.
        entries.sort_by(|a, b| a.normalized.cmp(&b.normalized).then(b.prefix.cmp(&a.prefix)));
        let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            let covered = kept.last().is_some_and(|last| last.covers(entry.normalized.as_bytes()));
            if !covered {
                kept.push(entry);
            }
        }
        let mut begins = Begins(Box::new([[0; 64]; 2]));
        kept.iter().for_each(|entry| begins.add(entry));
        Self { entries: kept.into(), injected, begins }
    }

    /// Whether a policy injects a header of that name: then nobody else may send it.
    #[must_use]
    pub fn injects(&self, name: &str) -> bool {
        self.injected.iter().any(|injected| normalized(name).eq(injected.bytes()))
    }

    /// Whether a header of that name is removed from every request.
    #[must_use]
    #[inline]
    pub fn contains(&self, name: &str) -> bool {
        self.begins.has(name.as_bytes()) && self.has_entry(name)
    }

    fn has_entry(&self, name: &str) -> bool {
        let key: ArrayVec<u8, MAX_FOLDED> = normalized(name).take(MAX_FOLDED).collect();
        if key.is_empty() {
            return false;
        }
        let after = self.entries.partition_point(|e| e.normalized.as_bytes() <= key.as_slice());
        after.checked_sub(1).and_then(|at| self.entries.get(at)).is_some_and(|e| e.covers(&key))
    }
}

impl Entry {
    fn covers(&self, normalized: &[u8]) -> bool {
        if self.prefix {
            normalized.starts_with(self.normalized.as_bytes())
        } else {
            normalized == self.normalized.as_bytes()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StripSet;
    use crate::normalized_name::normalized_key;
    use proptest::prelude::*;

    #[test]
    fn identity_headers_are_stripped_in_every_spelling() {
        let set = StripSet::new(["X-Scope-OrgID"]);
        for name in [
            "X-Postern-User",
            "x_postern_user",
            "X.Postern.User",
            "X-Postern--User",
            "X~Postern~User",
            "x-postern",
            "remote_user",
            "X-Remote-Groups",
            "X-Auth-Request-Email",
            "x-webauth-user",
            "X-HTTP-Method-Override",
            "x-method-override",
            "X-Http_Method",
            "X-Original-URL",
            "x-rewrite-url",
            "x-forwarded-uri",
            "X-Forwarded-Method",
            "X-Forwarded-User",
            "x-original-host",
            "True_Client_IP",
            "Proxy",
            "x-scope-orgid",
            "X_Scope_OrgID",
            "XScopeOrgID",
        ] {
            assert!(set.contains(name), "{name}");
        }
    }

    #[test]
    fn what_other_gates_tell_is_stripped() {
        let set = StripSet::new([]);
        for name in [
            "impersonate-user",
            "Impersonate-Extra-Scopes",
            "client-cert",
            "Client-Cert-Chain",
            "x-ms-client-principal",
            "X-MS-CLIENT-PRINCIPAL-NAME",
            "X-MS-TOKEN-AAD-ID-TOKEN",
            "x-goog-iap-jwt-assertion",
            "X-Goog-Authenticated-User-Email",
            "cf-access-jwt-assertion",
            "Cf-Access-Authenticated-User-Email",
            "CF-Connecting-IPv6",
            "x-amzn-oidc-data",
            "X-Amzn-Mtls-Clientcert-Leaf",
            "x-authentik-username",
            "x-pomerium-jwt-assertion",
            "X-Pomerium-Claim-Email",
            "X-Vouch-User",
            "tailscale-user-login",
            "x-consumer-username",
            "X-Credential-Identifier",
            "OIDC_CLAIM_email",
            "oidc-access-token",
            "x-hasura-role",
            "x-middleware-subrequest",
            "x-invoke-path",
            "ssl-client-subject-dn",
            "X-SSL-Cert",
            "X-Client-Certificate",
            "x-tls-client-cert",
            "X-ARR-ClientCert",
            "remote-addr",
            "Remote_Groups",
            "shib-session-id",
            "SM_USER",
            "iv-user",
            "X-Original-Forwarded-For",
            "x-envoy-external-address",
        ] {
            assert!(set.contains(name), "{name}");
        }
    }

    #[test]
    fn the_manual_lists_every_name() {
        let manual = include_str!("../../docs/reference/headers.md");
        for name in super::USUAL {
            let of_the_way = name.starts_with("X-Forwarded-");
            assert!(of_the_way || manual.contains(&format!("`{name}`")), "docs/reference/headers.md lacks {name}");
        }
    }

    #[test]
    fn other_headers_pass() {
        let set = StripSet::new(["X-Scope-OrgID"]);
        for name in [
            "accept",
            "authorization",
            "x-scope",
            "x-scope-orgids",
            "x-request-id",
            "x-forwarded-for",
            "x",
            "-",
            "",
            "x-amzn-trace-id",
            "x-auth-token",
            "x-user-agent",
            "client",
            "cf-ray",
            "x-ms-version",
        ] {
            assert!(!set.contains(name), "{name}");
        }
        assert!(StripSet::new(["X"]).contains("-x-") && StripSet::new(["9-X"]).contains("9x"), "short names count too");
        assert!(!set.contains(&"x".repeat(5000)));
        assert!(set.contains(&format!("x-postern-{}", "y".repeat(5000))));
    }

    proptest! {
        /// The one predecessor that is looked at is the right one: the set agrees with trying every entry.
        #[test]
        fn one_candidate_is_enough(names in proptest::collection::vec("[xX][-_a-c]{0,4}", 0..8), asked in "[xX]?[-_a-cp]{0,6}") {
            let set = StripSet::new(names.iter().map(String::as_str));
            let key = normalized_key(&asked);
            let all = names.iter().map(|n| (normalized_key(n), false))
                .chain(super::USUAL.iter().map(|n| (normalized_key(n), n.ends_with('*'))))
                .any(|(n, prefix)| !n.is_empty() && if prefix { key.starts_with(&*n) } else { key == n });
            prop_assert_eq!(set.contains(&asked), all);
        }
    }
}
