//! Requests that may be sent again: `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).
//!
//! The answer is kept in the transaction that does what is asked, for a day, and told again to the same caller who sends the same again.
//! It is sealed with a key that is made of the client's, and that one is kept nowhere: an answer may hold the secret of a token, and
//! whoever reads the database reads none. What was refused did nothing, so nothing is kept of it.

use super::super::Api;
use super::super::error::ApiError;
use super::refused::refused;
use super::{Call, Done, Endpoint, Verb};
use crate::compat::openwisp::RequestError;
use crate::compat::openwisp::fields::FieldErrors;
use crate::directory::token::ChecksumKey;
use crate::directory::{Repeatable, UserRecord, View};
use crate::redis::seal::{Name, Seal};
use axum::body::Body;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{CONTENT_TYPE, HeaderName};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use sha2::Sha256;
use std::collections::HashSet;
use std::sync::Arc;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Characters of a key.
const LONGEST: usize = 255;

/// The requests under a key that are being answered by this process.
pub type BeingAnswered = Arc<Mutex<HashSet<[u8; 32]>>>;

/// A request that may be sent again, while it is being answered.
pub(super) struct Once {
    request: Repeatable,
    seal: Arc<Seal>,
    name: Name,
    running: BeingAnswered,
}

/// Does what an endpoint does: once, where the request has a key.
pub(super) async fn act<E: Endpoint>(endpoint: &E, mut call: Call, verb: Verb, body: Body) -> Result<Done, ApiError> {
    let body = body.collect().await.map_err(|_| RequestError::BrokenOff)?.to_bytes();
    call.once = Once::of(&call, &body)?;
    let Some(once) = &call.once else { return endpoint.act(&call, verb, body.into()).await };
    if let Some(done) = once.answered(&call.api).await? {
        return Ok(done);
    }
    match endpoint.act(&call, verb, body.into()).await {
        // Somebody was faster: another process, since in this one there is nobody.
        Err(ApiError::Repeated) => once.answered(&call.api).await?.ok_or(ApiError::Repeated),
        done => done,
    }
}

impl Drop for Once {
    fn drop(&mut self) {
        self.running.lock().remove(&self.request.key);
    }
}

impl Once {
    /// `None` where the request has no key.
    ///
    /// # Errors
    /// The key is none, or a request with it is being answered.
    pub(super) fn of(call: &Call, body: &Bytes) -> Result<Option<Self>, ApiError> {
        let mut keys = call.request.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(first) = keys.next() else { return Ok(None) };
        let wrong = || {
            let message = format!("It is one text of 1 to {LONGEST} characters, such as a random UUID.");
            ApiError::of_fields(FieldErrors::of("Idempotency-Key", message))
        };
        let key = first.to_str().ok().and_then(read).filter(|_| keys.next().is_none()).ok_or_else(wrong)?;
        let user = call.asker.user.id;
        let ours = call.api.store.checksum_key().derive("keys of requests");
        let digest = |purpose: &str, parts: &[&[u8]]| {
            digest(&ours, purpose, &[&[user.0.as_bytes(), key.as_bytes()], parts].concat())
        };
        let media = call.request.headers.get(CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
        let target = call.request.uri.path_and_query().map_or("", |target| target.as_str());
        let fingerprint = digest("request", &[call.request.method.as_str().as_bytes(), target.as_bytes(), media, body]);
        let request = Repeatable { user, key: digest("name", &[]), fingerprint };
        let seal = Seal::new(&ChecksumKey::new(digest("answer", &[])), &[]);
        let name = seal.name("answer", &[&fingerprint]);
        let running = Arc::clone(&call.api.running);
        if !running.lock().insert(request.key) {
            return Err(ApiError::Repeated);
        }
        Ok(Some(Self { request, seal: Arc::new(seal), name, running }))
    }

    /// What was answered to it before.
    ///
    /// # Errors
    /// Something else was asked under its key.
    pub(super) async fn answered(&self, api: &Api) -> Result<Option<Done>, ApiError> {
        let kept = api.store.answer_of(&self.request).await.map_err(refused::<UserRecord>)?;
        let opened = kept.and_then(|kept| self.seal.open(&self.name, &kept));
        Ok(opened.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    /// The directory, in which what is done is done once, and what is told of it is kept.
    pub(super) fn keeping<T: 'static>(
        &self,
        view: &View,
        tell: impl Fn(&T) -> Option<Done> + Send + Sync + 'static,
    ) -> View {
        let (seal, name) = (Arc::clone(&self.seal), self.name);
        view.once(self.request.clone(), move |done: &T| {
            let text = serde_json::to_vec(&tell(done)?).ok()?;
            seal.seal(&name, &text).ok()
        })
    }
}

/// The key of a header: a text in quotes (RFC 9651, 3.3.3), or, as many clients write it, without.
fn read(text: &str) -> Option<String> {
    let text = text.trim();
    let key = match text.strip_prefix('"') {
        None => text.to_owned(),
        Some(quoted) => {
            let (mut key, mut chars) = (String::new(), quoted.strip_suffix('"')?.chars());
            while let Some(c) = chars.next() {
                match c {
                    '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
                    '"' => return None,
                    c => key.push(c),
                }
            }
            key
        }
    };
    let fits = (1..=LONGEST).contains(&key.len()) && key.bytes().all(|b| (b' '..=b'~').contains(&b));
    fits.then_some(key)
}

/// A digest of parts, each with its length in front.
fn digest(key: &[u8; 32], purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes a key of any length, so the error cannot be.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in [&[purpose.as_bytes()], parts].concat() {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn keys_are_texts_in_quotes_or_without() {
        let long = "k".repeat(256);
        for (written, key) in [
            ("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", Some("8e03978e-40d5-43dd-bc93-6894a57f9324")),
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", Some("8e03978e-40d5-43dd-bc93-6894a57f9324")),
            (" \"a \\\"b\\\" \\\\\" ", Some("a \"b\" \\")),
            ("", None),
            ("\"\"", None),
            ("\"", None),
            ("\"a", None),
            ("\"a\"b\"", None),
            ("\"a\\b\"", None),
            ("\"a\\\"", None),
            (&long, None),
            (&long[..255], Some(&long[..255])),
        ] {
            assert_eq!(read(written).as_deref(), key, "{written}");
        }
    }
}
