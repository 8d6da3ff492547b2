//! A JWT taken apart and judged by what it says of itself (RFC 7519, RFC 8725).

use super::key::Algorithm;
use super::strict::{self, Strict};
use crate::claims::Claims;
use data_encoding::BASE64URL_NOPAD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The parts of a token, before anything of it is believed.
pub struct Parts<'t> {
    pub message: &'t str,
    pub signature: Vec<u8>,
    /// How it says that it was signed.
    pub algorithm: Algorithm,
    pub key: Option<String>,
    /// The claims as they were written.
    pub said: Claims,
    /// The claims, to look at those that every token has.
    pub claims: Map<String, Value>,
}

/// Of a header, what is looked at. Where it would have us fetch a key from (`jku`, `x5u`), or believe one that it brings along
/// (`jwk`, `x5c`), is not.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default, deserialize_with = "text")]
    kid: Option<String>,
    #[serde(default, deserialize_with = "text")]
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// A text; `null` is none.
fn text<'d, D: Deserializer<'d>>(value: D) -> Result<Option<String>, D::Error> {
    String::deserialize(value).map(Some)
}

/// That something is there, `null` too.
fn present<'d, D: Deserializer<'d>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

/// Why a token is refused. For the log; the caller is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not three parts of base64url with JSON in them.
    #[error("it is malformed")]
    Malformed,
    /// A name stands twice in its header or in its claims: two readers could find two values (RFC 7519, 4; RFC 7515, 4).
    #[error("a name stands twice in it")]
    Twice,
    /// The algorithm is unknown, or not the issuer's.
    #[error("its algorithm is not taken")]
    Algorithm,
    /// The header asks for something that must be understood and is not.
    #[error("its header asks for what is not understood")]
    Critical,
    /// Nobody's token that we know.
    #[error("its issuer is unknown")]
    Issuer,
    /// The issuer is not known to have the key that it names.
    #[error("it names a key that the issuer does not have")]
    Key,
    /// No key of the issuer made the signature.
    #[error("its signature is not the issuer's")]
    Signature,
    #[error("it is for another audience")]
    Audience,
    /// It does not say when it ends.
    #[error("it has no `exp`")]
    NoExpiry,
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet")]
    Early,
    #[error("it does not say whose it is")]
    Subject,
    /// Whom it names is nobody here.
    #[error("whom it names is not known here")]
    User,
}

impl Fault {
    /// What the access line says.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Twice => "duplicate_name",
            Self::Algorithm => "wrong_algorithm",
            Self::Critical => "unknown_header",
            Self::Issuer => "unknown_issuer",
            Self::Key => "unknown_key",
            Self::Signature => "bad_signature",
            Self::Audience => "wrong_audience",
            Self::NoExpiry => "no_expiry",
            Self::Expired => "expired",
            Self::Early => "not_yet_valid",
            Self::Subject => "no_subject",
            Self::User => "unknown_user",
        }
    }
}

/// Reads an object in which no name stands twice, however deep.
fn object(json: &str) -> Result<Map<String, Value>, Fault> {
    match serde_json::from_str(json) {
        Ok(Strict(Value::Object(object))) => Ok(object),
        Err(error) if strict::is_twice(&error) => Err(Fault::Twice),
        Ok(_) | Err(_) => Err(Fault::Malformed),
    }
}

impl<'t> Parts<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`Fault::Malformed`], [`Fault::Twice`], [`Fault::Algorithm`], [`Fault::Critical`].
    pub fn of(token: &'t str) -> Result<Self, Fault> {
        let (message, signature) = token.rsplit_once('.').ok_or(Fault::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(Fault::Malformed)?;
        let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| Fault::Malformed);
        let utf8 = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| Fault::Malformed);
        let header = object(&utf8(decode(header)?)?)?;
        let header = Header::deserialize(Value::Object(header)).map_err(|_| Fault::Malformed)?;
        let json = utf8(decode(payload)?)?;
        let claims = object(&json)?;
        if header.crit {
            return Err(Fault::Critical);
        }
        // Tokens of another sort by the same issuer (a logout token, a DPoP proof) are no credentials (RFC 8725, 3.11).
        let usual = ["jwt", "application/jwt", "at+jwt", "application/at+jwt"];
        if header.typ.is_some_and(|typ| !usual.iter().any(|usual| typ.eq_ignore_ascii_case(usual))) {
            return Err(Fault::Critical);
        }
        let algorithm = Algorithm::parse(&header.alg).ok_or(Fault::Algorithm)?;
        Ok(Self {
            message,
            signature: decode(signature)?,
            algorithm,
            key: header.kid,
            said: Claims::new(&json),
            claims,
        })
    }

    /// A claim that must be a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Whether it is for us, and now. Gives the second (Unix) from which on it is refused.
    ///
    /// # Errors
    /// [`Fault::Audience`], [`Fault::NoExpiry`], [`Fault::Expired`], [`Fault::Early`]; [`Fault::Malformed`] for claims of
    /// the wrong type.
    pub fn in_force(&self, audiences: Option<&[Box<str>]>, leeway: i64, now: i64) -> Result<i64, Fault> {
        if let Some(ours) = audiences {
            let is_ours = |name: &Value| name.as_str().is_some_and(|name| ours.iter().any(|our| &**our == name));
            let for_us = match self.claims.get("aud") {
                Some(Value::Array(names)) => names.iter().any(is_ours),
                Some(name) => is_ours(name),
                None => false,
            };
            if !for_us {
                return Err(Fault::Audience);
            }
        }
        let time = |name: &str| self.claims.get(name).map(|value| seconds(value).ok_or(Fault::Malformed)).transpose();
        if time("nbf")?.is_some_and(|begin| now.saturating_add(leeway) < begin) {
            return Err(Fault::Early);
        }
        time("iat")?;
        let end = time("exp")?.ok_or(Fault::NoExpiry)?.saturating_add(leeway);
        if end <= now { Err(Fault::Expired) } else { Ok(end) }
    }
}

/// A NumericDate (RFC 7519, 2): seconds, perhaps with a fraction, which is dropped.
#[allow(clippy::cast_possible_truncation)] // within bounds that both can say
fn seconds(value: &Value) -> Option<i64> {
    const FAR: f64 = 1e15;
    value.as_i64().or_else(|| value.as_f64().filter(|n| n.abs() < FAR).map(|n| n as i64))
}

#[cfg(test)]
mod tests {
    use super::{Fault, Parts};
    use data_encoding::BASE64URL_NOPAD;

    fn of(header: &[u8]) -> Result<(), Fault> {
        with(header, br#"{"iss":"i"}"#)
    }

    fn with(header: &[u8], claims: &[u8]) -> Result<(), Fault> {
        let encode = |text: &[u8]| BASE64URL_NOPAD.encode(text);
        let token = format!("{}.{}.{}", encode(header), encode(claims), encode(b"signature"));
        Parts::of(&token).map(|_| ())
    }

    #[test]
    fn no_claim_stands_twice_at_any_depth() {
        for (claims, fault) in [
            (&br#"{"sub":"a","sub":"b"}"#[..], Some(Fault::Twice)),
            (br#"{"sub":"a","s\u0075b":"a"}"#, Some(Fault::Twice)),
            (br#"{"a":{"b":1,"b":1}}"#, Some(Fault::Twice)),
            (br#"{"a":[1,{"b":null,"c":[],"b":null}]}"#, Some(Fault::Twice)),
            (br#"{"sub":"a","Sub":"b","a":{"sub":1},"b":[{"x":1},{"x":1}],"n":123456789012345678901234567890}"#, None),
            (br#"{"sub":"a","sub":"b""#, Some(Fault::Twice)),
            (br#"{"sub":"a""#, Some(Fault::Malformed)),
            (b"{\"n\":1e999}", Some(Fault::Malformed)),
            (b"7", Some(Fault::Malformed)),
        ] {
            let told = with(br#"{"alg":"RS256"}"#, claims).err();
            assert_eq!(told, fault, "{}", String::from_utf8_lossy(claims));
        }
    }

    #[test]
    fn a_header_is_text_and_asks_for_nothing_unknown() {
        for header in [
            "",
            r#","typ":"JWT""#,
            r#","typ":"application/jwt""#,
            r#","typ":"at+JWT""#,
            r#","kid":"1""#,
            r#","x":null"#,
        ] {
            assert_eq!(of(format!(r#"{{"alg":"RS256"{header}}}"#).as_bytes()), Ok(()), "{header}");
        }
        for (header, fault) in [
            (&b"{\"alg\":\"RS256\",\"z\":\"\xff\"}"[..], Fault::Malformed),
            (br#"{"alg":"RS256","kid":null}"#, Fault::Malformed),
            (br#"{"alg":"RS256","kid":7}"#, Fault::Malformed),
            (br#"{"alg":"RS256","kid":"a","kid":"a"}"#, Fault::Twice),
            (br#"{"alg":"RS256","x":1,"x":2}"#, Fault::Twice),
            (br#"{"alg":"RS256","x":{"y":[{"z":1,"\u007a":2}]}}"#, Fault::Twice),
            (b"[]", Fault::Malformed),
            (br#"{"alg":"RS256","crit":null}"#, Fault::Critical),
            (br#"{"alg":"RS256","crit":[]}"#, Fault::Critical),
            (br#"{"alg":"RS256","crit":["b64"],"b64":false}"#, Fault::Critical),
            (br#"{"alg":"RS256","typ":"logout+jwt"}"#, Fault::Critical),
            (br#"{"alg":"none"}"#, Fault::Algorithm),
        ] {
            assert_eq!(of(header), Err(fault), "{}", String::from_utf8_lossy(header));
        }
    }
}
