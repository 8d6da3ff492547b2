//! AuthZEN Authorization API 1.0: services ask what the policy would decide, and what the facts say.
//!
//! A front end without rules of its own: a `question` becomes a request that [`crate::decision`] evaluates, or a look at how somebody
//! stands in an organization (`evaluate`). The gateway has seen to it that who asks may ask. It runs on the control plane, so that a
//! thousand questions in one call keep no request waiting.

pub mod endpoint;
mod evaluate;
mod evaluations;
mod json;
mod page;
mod question;
mod search;
pub mod settings;
pub mod template;

pub use endpoint::Endpoint;
pub use evaluate::{Handle, LEVELS, USERS};
pub use evaluations::{MOST as MOST_QUESTIONS, SEMANTICS};
pub use page::MOST as MOST_RESULTS;

use crate::decision::{Denial, Reason};
use crate::directory::Directory;
use crate::fact_cache::FactCache;
use crate::facts::Snapshot;
use crate::identity::Identity;
use crate::lookup::Lookups;
use bytes::Bytes;
use evaluate::{Evaluator, Unavailable};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use json::Json;
use page::PageKey;
use question::Fault;
use serde_json::json;
use settings::Settings;
use std::sync::Arc;

/// Greatest body of a call, in bytes.
pub const LARGEST_BODY: u64 = 1 << 20;

/// What answers.
pub struct Authzen {
    settings: Settings,
    fact_cache: Arc<FactCache>,
    identity: Arc<Identity>,
    store: Arc<Directory>,
    lookups: Arc<Lookups>,
    pages: PageKey,
    /// What addresses of this service begin with, where that is configured.
    public_url: Option<Box<str>>,
}

impl From<Unavailable> for Denial {
    fn from(_: Unavailable) -> Self {
        Self::new(Reason::StoreUnavailable)
    }
}

fn wrong(fault: Fault) -> Denial {
    Denial::new(Reason::BodyInvalid).with_fault(fault)
}

impl Authzen {
    #[must_use]
    pub fn new(
        settings: Settings,
        fact_cache: Arc<FactCache>,
        identity: Arc<Identity>,
        store: Arc<Directory>,
        lookups: Arc<Lookups>,
        public_url: Option<Box<str>>,
    ) -> Self {
        let pages = PageKey::new(store.checksum_key());
        Self { settings, fact_cache, identity, store, lookups, pages, public_url }
    }

    /// Whether somebody may call an endpoint. A permission in some organization alone is not enough: the answers are about all.
    ///
    /// # Errors
    /// 403 `permission_missing`.
    pub fn admits(&self, endpoint: Endpoint, asker: &Snapshot) -> Result<(), Denial> {
        let permission = match endpoint.is_search() {
            true => &self.settings.search_permission,
            false => &self.settings.permission,
        };
        let has = asker.has_permission_everywhere(permission);
        if has { Ok(()) } else { Err(Denial::new(Reason::PermissionMissing)) }
    }

    /// What can be called, and where (AuthZEN 1.0, 9). Nobody can be told where nobody knows: a host that the request names could be
    /// anybody's.
    #[must_use]
    pub fn configuration(&self) -> Option<Bytes> {
        let base = self.public_url.as_deref()?;
        let mut told = serde_json::Map::from_iter([("policy_decision_point".to_owned(), json!(base))]);
        for endpoint in Endpoint::ALL {
            told.insert(endpoint.parameter().to_owned(), json!(format!("{base}{}", endpoint.path())));
        }
        Some(serde_json::Value::from(told).to_string().into())
    }

    /// Answers a call with this body.
    ///
    /// # Errors
    /// 400 `body_invalid`: it is not as the endpoint takes it. 503 `store_unavailable`.
    pub async fn answer(
        &self,
        endpoint: Endpoint,
        headers: &HeaderMap,
        body: &[u8],
        asker: &Snapshot,
        policy: impl Handle,
    ) -> Result<Bytes, Denial> {
        if !is_json(headers) {
            return Err(wrong("the body must be `Content-Type: application/json`, and not encoded"));
        }
        let json = Json::read(body).ok_or_else(|| wrong("the body is no JSON that has one meaning"))?;
        let asked = json.map().ok_or_else(|| wrong("the body is not a JSON object"))?;
        let mut evaluator = Evaluator::new(self, policy);
        let answer = match endpoint {
            Endpoint::Evaluation => self.evaluation(&mut evaluator, asked).await?,
            Endpoint::Evaluations => self.evaluations(&mut evaluator, asked).await?,
            Endpoint::Search(wanted) => self.search(wanted, &mut evaluator, asked, asker).await?,
        };
        Ok(answer.to_string().into())
    }
}

/// `application/json`, with whatever parameters, said once.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes);
    let media_type = types.next().and_then(|value| value.split(|b| *b == b';').next());
    let is_json = media_type.is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"application/json"));
    is_json && types.next().is_none() && !headers.contains_key(CONTENT_ENCODING)
}
