//! `lookups:` — objects whose organization the request does not name: what is asked of which database ([`sql`]) or service ([`http`]), with
//! which arguments.
//!
//! As written ([`RawLookup`]) a lookup names its arguments in the words of `org`; each route that uses it binds them to its own
//! variables ([`LookupCall`]). A policy only says what is to be asked: see [`LookupKey`].

mod bound;
mod columns;
mod http;
mod sql;
mod written;

pub(super) use bound::{Binder, LookupTable};
pub use http::Resource;
pub use sql::{Dialect, Statement};
pub(super) use written::{RawLookup, read};

use super::options::org::Source;
use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// Arguments of a lookup, at most.
pub const MAX_ARGS: usize = 8;
const EXAMPLE: &str =
    "write `device: { sql: \"SELECT organization_id FROM config_device WHERE id = $1\", args: [path.id] }`";

/// What is asked about an object.
#[derive(Debug)]
pub struct Lookup {
    pub name: Box<str>,
    pub question: Question,
    /// How long an answer may be kept; `None`: it is asked each time.
    pub cache: Option<Duration>,
    /// Whether a trigger tells when an answer that is kept has become wrong, as the policy says.
    pub has_trigger: bool,
    /// What tells it from every other: two of the same are one.
    identity: [u8; 16],
}

/// Whom a lookup asks, and what.
#[derive(Debug)]
pub enum Question {
    Sql(Statement),
    Http(Resource),
}

impl Lookup {
    fn new(raw: &RawLookup, question: Question) -> Self {
        let name = &*raw.name.value;
        let (cache, has_trigger) = (raw.cache, raw.has_trigger);
        let mut lookup = Self { name: name.into(), question, cache, has_trigger, identity: [0; 16] };
        let mut hash = Sha256::new();
        for text in [name, &lookup.place_words(), &lookup.question_words()] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let digest = hash.finalize();
        lookup.identity = digest.first_chunk().copied().unwrap_or_default();
        lookup
    }

    /// Whom it asks: ` in legacy_db`, ` at legacy`, or nothing where there is only one.
    #[must_use]
    pub fn place_words(&self) -> String {
        match &self.question {
            Question::Sql(Statement { database, .. }) if database.is_empty() => String::new(),
            Question::Sql(Statement { database, .. }) => format!(" in {database}"),
            Question::Http(Resource { upstream, .. }) if upstream.is_empty() => String::new(),
            Question::Http(Resource { upstream, .. }) => format!(" at {upstream}"),
        }
    }

    /// What it asks.
    #[must_use]
    pub fn question_words(&self) -> String {
        match &self.question {
            Question::Sql(statement) => statement.text.to_string(),
            Question::Http(resource) => resource.words(),
        }
    }
}

impl PartialEq for Lookup {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

impl Eq for Lookup {}

impl Hash for Lookup {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity.hash(state);
    }
}

/// A question about one object: which lookup, with which arguments.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LookupKey {
    pub lookup: Arc<Lookup>,
    pub args: Arc<[Box<str>]>,
}

/// A lookup as a route asks it.
#[derive(Clone, Debug)]
pub struct LookupCall {
    pub lookup: Arc<Lookup>,
    /// Where its arguments stand. What they are read by says nothing here: they are texts.
    pub args: Box<[Source]>,
}
