//! Reading one query parameter for a decision.
//!
//! The query is forwarded as it came, so whatever the upstream may take for the parameter must be what was judged: a
//! repetition, another spelling (`Organization`, `organization[]`) or a hiding place (`a=1;organization=B`) is refused.
//! Other parameters are none of our business, however odd they look.

use super::bytes::hex;
use crate::normalized_name::same_name;
use std::borrow::Cow;
use thiserror::Error;

/// Why a parameter cannot be judged. The answer is 400 `ambiguous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("{}", self.reason())]
pub enum Ambiguous {
    /// The parameter is there more than once.
    Repeated,
    /// A parameter is there whose name differs only in case, punctuation, brackets or a further encoding.
    Spelling,
    /// `;` or an encoded `&` would make it another parameter or another value for some readers.
    Separator,
    /// A malformed escape, invalid UTF-8 or a control character in it.
    Malformed,
}

impl Ambiguous {
    /// The text of the refusal, for an answer or a log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Repeated => "a query parameter that decides is repeated",
            Self::Spelling => "a query parameter that decides has another spelling of its name",
            Self::Separator => "a query parameter that decides stands among separators that are read in two ways",
            Self::Malformed => "a query parameter that decides is malformed",
        }
    }
}

/// The value of the parameter `name`, decoded once as a form (`+` is a blank); `None` when it is absent.
///
/// `name` is the one spelling that the rule uses. A name without `=` has the empty value. Borrows when nothing is encoded.
///
/// # Errors
/// Some reader could find another value than this one: see [`Ambiguous`].
pub fn single<'a>(query: Option<&'a str>, name: &str) -> Result<Option<Cow<'a, str>>, Ambiguous> {
    let mut found = None;
    for pair in query.unwrap_or_default().split('&') {
        if pair.contains(';') && is_in(pair.as_bytes(), name) {
            return Err(Ambiguous::Separator);
        }
        let (key, value) = split(pair);
        if decode(key).is_ok_and(|key| key == name) {
            if found.is_some() {
                return Err(Ambiguous::Repeated);
            }
            found = Some(value);
        } else if spells(key.as_bytes(), name) {
            return Err(Ambiguous::Spelling);
        }
    }
    let Some(value) = found else { return Ok(None) };
    let value = decode(value)?;
    if value.split(['&', ';']).skip(1).any(|piece| spells(split(piece).0.as_bytes(), name)) {
        return Err(Ambiguous::Separator);
    }
    Ok(Some(value))
}

/// The values of the parameter `name` in a text that may name it several times, a form's list: each once, and no more than `most`.
///
/// # Errors
/// Some reader could find other values than these: see [`Ambiguous`].
pub fn each<'a>(query: &'a str, name: &str, most: usize) -> Result<Vec<Cow<'a, str>>, Ambiguous> {
    let mut found: Vec<Cow<'a, str>> = Vec::new();
    for pair in query.split('&') {
        let value = single(Some(pair), name)?;
        found.extend(value.filter(|value| found.len() < most && !found.contains(value)));
    }
    Ok(found)
}

/// Whether some reader finds the parameter in a query, or in a form: behind `&` or, for some, `;`, in whatever spelling.
#[must_use]
pub fn is_in(query: &[u8], name: &str) -> bool {
    let mut keys = query.split(|b| matches!(b, b'&' | b';')).filter_map(|pair| pair.split(|b| *b == b'=').next());
    keys.any(|key| spells(key, name))
}

/// The query without a parameter, in whatever spelling; `None` where it is not there.
#[must_use]
pub fn without(query: &str, name: &str) -> Option<String> {
    is_in(query.as_bytes(), name).then(|| {
        let others = query.split('&').filter(|pair| !is_in(pair.as_bytes(), name));
        others.collect::<Vec<_>>().join("&")
    })
}

/// The pairs of a parameter in the one spelling that a rule uses, as they stand in the query.
pub fn pairs<'q>(query: &'q str, name: &str) -> impl Iterator<Item = &'q str> {
    query.split('&').filter(move |pair| !pair.contains(';') && decode(split(pair).0).is_ok_and(|key| key == name))
}

/// The value of a pair, decoded once as a form.
///
/// # Errors
/// [`Ambiguous::Malformed`].
pub fn value(pair: &str) -> Result<Cow<'_, str>, Ambiguous> {
    decode(split(pair).1)
}

/// Most parameters that [`all`] reads.
const MAX_PARAMETERS: usize = 64;

/// A name and its value.
pub type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

/// All parameters, names and values decoded once as a form.
///
/// # Errors
/// Some reader could find others: see [`Ambiguous`]. Two names that are the same once normalized are one name twice.
pub fn all(query: Option<&str>) -> Result<Vec<Parameter<'_>>, Ambiguous> {
    let mut found: Vec<Parameter<'_>> = Vec::new();
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = split(pair);
        let (key, value) = (decode(key)?, decode(value)?);
        if pair.contains(';') || key.contains(['&', ';']) || value.contains(['&', ';']) {
            return Err(Ambiguous::Separator);
        }
        if found.iter().any(|(known, _)| same_name(&**known, &*key)) || found.len() == MAX_PARAMETERS {
            return Err(Ambiguous::Repeated);
        }
        found.push((key, value));
    }
    Ok(found)
}

/// Key and value of one pair; the value is empty where there is no `=`.
fn split(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
}

/// How often a reader may decode a name before we stop following it.
const DECODINGS: usize = 3;

/// Whether some reader takes the raw `key` for `name`: normalized, as an array (`name[…]`), up to a NUL (as PHP does), decoded once or more
/// often.
#[must_use]
pub fn spells(key: &[u8], name: &str) -> bool {
    let mut key = Cow::Borrowed(key);
    for _ in 0..=DECODINGS {
        let base = key.split(|&b| b == b'[').find(|part| !part.is_empty()).unwrap_or_default();
        let until_nul = base.split(|&b| b == 0).next().unwrap_or_default();
        if same_name(&key, name) || same_name(base, name) || same_name(until_nul, name) {
            return true;
        }
        if memchr::memchr(b'%', &key).is_none() {
            return false;
        }
        key = Cow::Owned(unescape(&key).0);
    }
    false
}

fn decode(text: &str) -> Result<Cow<'_, str>, Ambiguous> {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(text));
    }
    let (bytes, whole) = unescape(text.as_bytes());
    let text = String::from_utf8(bytes).map_err(|_| Ambiguous::Malformed)?;
    if whole && !text.contains(char::is_control) { Ok(Cow::Owned(text)) } else { Err(Ambiguous::Malformed) }
}

/// Decodes once, leaving malformed escapes as they are; also whether there were none.
fn unescape(text: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(text.len());
    let mut whole = true;
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return (out, whole),
            [b'%', high, low, after @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
                out.push(hex(*high).unwrap_or_default() << 4 | hex(*low).unwrap_or_default());
                after
            }
            [b'+', after @ ..] => {
                out.push(b' ');
                after
            }
            [b, after @ ..] => {
                whole &= *b != b'%';
                out.push(*b);
                after
            }
        };
    }
}
