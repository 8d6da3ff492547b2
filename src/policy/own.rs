//! What no route can be written for, since postern answers it itself.

/// Who answers a path that is postern's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    Identity,
    Authzen,
    AdminUi,
}

/// The paths of AuthZEN: what begins so, and where what it can is told (AuthZEN 1.0, 10.1 and 9.2).
const AUTHZEN: &str = "/access/v1/";
const WELL_KNOWN: &str = "/.well-known/authzen-configuration";

/// What the paths begin with at which an identity API under this prefix is described: beside it.
#[must_use]
pub fn docs(prefix: &str) -> String {
    let (above, _) = prefix.trim_end_matches('/').rsplit_once('/').unwrap_or_default();
    format!("{above}/docs/")
}

/// Where no route can be with an identity API under this prefix, whatever else is on, but for the admin UI's: paths, and, with a slash at
/// their end, what paths begin with.
#[must_use]
pub fn places_beside(prefix: &str) -> Vec<String> {
    let (identity, docs) = (Some(prefix.into()), Some(docs(prefix).into()));
    let reserved = Reserved { identity, docs, authzen: true, ..Reserved::default() };
    reserved.places().map(|(place, _)| place.to_owned()).collect()
}

/// The paths that are postern's own.
#[derive(Clone, Debug, Default)]
pub(super) struct Reserved {
    /// The prefix of the identity API, where it is served.
    pub(super) identity: Option<Box<str>>,
    /// Where that is described: a path, or what paths begin with.
    pub(super) docs: Option<Box<str>>,
    /// A service describes all at the other paths beside.
    pub(super) shares_docs: bool,
    pub(super) authzen: bool,
    /// The prefix of the admin UI, where it is on this port.
    pub(super) admin_ui: Option<Box<str>>,
}

impl Reserved {
    pub(super) fn owner(&self, path: &str) -> Option<Own> {
        let is_at = |place: &str| if place.ends_with('/') { path.starts_with(place) } else { path == place };
        if [&self.identity, &self.docs].into_iter().flatten().any(|place| is_at(place)) {
            return Some(Own::Identity);
        }
        // Its prefix without the slash leads to it.
        if self.admin_ui.as_deref().is_some_and(|prefix| is_at(prefix) || prefix.strip_suffix('/') == Some(path)) {
            return Some(Own::AdminUi);
        }
        let is_authzen = self.authzen && (path.starts_with(AUTHZEN) || path == WELL_KNOWN);
        is_authzen.then_some(Own::Authzen)
    }

    /// The places where no route can be; whose they are.
    pub(super) fn places(&self) -> impl Iterator<Item = (&str, Own)> {
        let authzen = [AUTHZEN, WELL_KNOWN].into_iter().filter(|_| self.authzen).map(|place| (place, Own::Authzen));
        let identity = [&self.identity, &self.docs].into_iter().flatten();
        let admin = self.admin_ui.iter().map(|place| (&**place, Own::AdminUi));
        identity.map(|place| (&**place, Own::Identity)).chain(authzen).chain(admin)
    }
}

impl Own {
    /// What messages call it.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Identity => "identity API",
            Self::Authzen => "AuthZEN API",
            Self::AdminUi => "admin UI",
        }
    }

    /// What the configuration can do about it.
    pub(super) const fn help(self) -> &'static str {
        match self {
            Self::Identity => "`identity: { prefix: … }` in postern.yaml moves it, `api: off` turns it off",
            Self::Authzen => "`authzen: off` in postern.yaml turns it off",
            Self::AdminUi => {
                "`admin_ui: { prefix: … }` in postern.yaml moves it, `{ listen: … }` gives it an address of its own"
            }
        }
    }

    /// The lint of a wider pattern over it.
    pub(super) const fn lint(self) -> &'static str {
        match self {
            Self::Identity => "covers_identity_api",
            Self::Authzen => "covers_authzen",
            Self::AdminUi => "covers_admin_ui",
        }
    }
}
