//! What a credential says of its bearer besides who they are, and how policies and configurations name a part of it.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The claims of a JWT, whose signature was good.
///
/// Kept as the text that was signed, and taken apart only where a policy asks: few do, and there is one of these for each
/// remembered token. So a number stays as it is written, however large.
#[derive(Clone)]
pub struct Claims(Box<str>);

/// Names one claim, or what lies within one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClaimName {
    /// The claim of that name, whatever characters it has: `claim.tenant`, `claim.a.b`, `claim."https://id.example.com/tenant"`.
    Name(Box<str>),
    /// What a JSON pointer (RFC 6901) leads to: `claim./realm_access/roles`.
    Path(Box<[Box<str>]>),
}

/// A value within the claims.
pub enum Claim<'c> {
    Null,
    Flag(bool),
    /// A number as it is written.
    Number(&'c str),
    Text(Cow<'c, str>),
    List(Vec<&'c RawValue>),
    Map(BTreeMap<Cow<'c, str>, &'c RawValue>),
}

impl ClaimName {
    /// Reads what stands behind `claim.` in a policy; `None` where that is no name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | ',');
            return text.chars().all(is_plain).then(|| Self::path(text));
        }
        if let Some(quoted) = text.strip_prefix('"') {
            let name = quoted.strip_suffix('"')?;
            return (!name.is_empty() && !name.contains('"')).then(|| Self::Name(name.into()));
        }
        is_plain(text).then(|| Self::Name(text.into()))
    }

    /// Reads the value of a key that names a claim: a name as it is, or a path, which begins with `/`.
    #[must_use]
    pub fn of_value(text: &str) -> Self {
        if text.starts_with('/') { Self::path(text) } else { Self::Name(text.into()) }
    }

    fn path(text: &str) -> Self {
        let steps = text.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~").into());
        Self::Path(steps.collect())
    }

    /// Whether it is one name with a dot in it, that could be taken for a path.
    #[must_use]
    pub fn looks_like_a_path(text: &str) -> bool {
        is_plain(text) && text.trim_matches('.').contains('.')
    }

    /// Whether it is the claim of this name, however it is written.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.steps().eq([name])
    }

    fn steps(&self) -> impl Iterator<Item = &str> {
        let (name, path) = match self {
            Self::Name(name) => (Some(&**name), &[][..]),
            Self::Path(path) => (None, &**path),
        };
        name.into_iter().chain(path.iter().map(|step| &**step))
    }

    /// Puts a value where it leads to, into claims that are made up for a tool.
    pub fn put(&self, claims: &mut serde_json::Map<String, serde_json::Value>, value: serde_json::Value) {
        let mut steps = self.steps().peekable();
        let mut map = claims;
        while let Some(step) = steps.next() {
            let place = map.entry(step).or_insert(serde_json::Value::Null);
            if steps.peek().is_none() {
                *place = value;
                return;
            }
            if !place.is_object() {
                *place = serde_json::Value::Object(serde_json::Map::new());
            }
            let serde_json::Value::Object(inner) = place else { return };
            map = inner;
        }
    }
}

/// Names that need no quotes.
fn is_plain(name: &str) -> bool {
    name.bytes().any(|b| b.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'))
}

/// As a policy writes it, behind `claim.`.
impl fmt::Display for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) if is_plain(name) => f.write_str(name),
            Self::Name(name) => write!(f, "\"{name}\""),
            Self::Path(steps) => {
                steps.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
            }
        }
    }
}

impl<'c> Claim<'c> {
    /// Takes a value apart, by one level.
    #[must_use]
    pub fn read(raw: &'c RawValue) -> Option<Self> {
        let text = raw.get();
        Some(match text.as_bytes().first()? {
            b'n' => Self::Null,
            b't' => Self::Flag(true),
            b'f' => Self::Flag(false),
            b'"' => Self::Text(serde_json::from_str::<Text<'c>>(text).ok()?.0),
            b'[' => Self::List(serde_json::from_str(text).ok()?),
            b'{' => {
                let map: BTreeMap<Text<'c>, &RawValue> = serde_json::from_str(text).ok()?;
                Self::Map(map.into_iter().map(|(name, value)| (name.0, value)).collect())
            }
            _ => Self::Number(text),
        })
    }

    /// A text as it is, a number or a flag as it is written; `None` for anything else.
    #[must_use]
    pub fn into_text(self) -> Option<Cow<'c, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(number) => Some(Cow::Borrowed(number)),
            Self::Flag(is) => Some(Cow::Borrowed(if is { "true" } else { "false" })),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Text<'c>(#[serde(borrow)] Cow<'c, str>);

impl Claims {
    /// Takes the text of a JSON object.
    #[must_use]
    pub fn new(json: &str) -> Self {
        Self(json.into())
    }

    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<Cow<'_, str>, &RawValue> {
        match self.whole() {
            Some(Claim::Map(all)) => all,
            _ => BTreeMap::new(),
        }
    }

    fn whole(&self) -> Option<Claim<'_>> {
        Claim::read(serde_json::from_str(&self.0).ok()?)
    }

    /// What a name leads to.
    #[must_use]
    pub fn get(&self, name: &ClaimName) -> Option<Claim<'_>> {
        let mut found = self.whole()?;
        for step in name.steps() {
            let inner = match found {
                Claim::Map(mut map) => map.remove(step)?,
                // An index has one spelling (RFC 6901, 4).
                Claim::List(list) if step == "0" || !step.starts_with(['0', '+']) => {
                    *list.get(step.parse::<usize>().ok()?)?
                }
                _ => return None,
            };
            found = Claim::read(inner)?;
        }
        Some(found)
    }

    /// One of them, as text: see [`Claim::into_text`].
    #[must_use]
    pub fn text(&self, name: &ClaimName) -> Option<Cow<'_, str>> {
        self.get(name)?.into_text()
    }

    /// One of them, as texts: the elements of a list of such as have a text, or the one that it is itself.
    #[must_use]
    pub fn texts(&self, name: &ClaimName) -> Option<Vec<Cow<'_, str>>> {
        match self.get(name)? {
            Claim::List(list) => list.into_iter().map(|raw| Claim::read(raw)?.into_text()).collect(),
            one => Some(vec![one.into_text()?]),
        }
    }
}

/// Says nothing: claims are about people.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::{ClaimName, Claims};

    fn name(text: &str) -> ClaimName {
        ClaimName::parse(text).unwrap()
    }

    #[test]
    fn a_claim_is_named_by_one_name_or_by_the_way_to_it() {
        let claims = Claims::new(
            r#"{ "tenant": "acme", "a.b": "one name", "a": { "b": "within" }, "https://id.example.com/t": "url", "x:y z": 7,
                 "realm_access": { "roles": ["admin", "au\u0064it"] }, "~/": { "": true }, "/x": "slash" }"#,
        );
        for (text, expected) in [
            ("tenant", Some("acme")),
            ("a.b", Some("one name")),
            ("/a/b", Some("within")),
            ("\"https://id.example.com/t\"", Some("url")),
            ("/https:~1~1id.example.com~1t", Some("url")),
            ("\"x:y z\"", Some("7")),
            ("\"/x\"", Some("slash")),
            ("/realm_access/roles/1", Some("audit")),
            ("/realm_access/roles/01", None),
            ("/realm_access/roles/+1", None),
            ("/realm_access/roles", None),
            ("/realm_access/nothing/x", None),
            ("/~0~1/", Some("true")),
            ("nothing", None),
        ] {
            assert_eq!(claims.text(&name(text)).as_deref(), expected, "{text}");
            assert_eq!(name(text).to_string(), text);
        }
        assert_eq!(claims.texts(&name("/realm_access/roles")).unwrap(), ["admin", "audit"]);
        assert_eq!(claims.texts(&name("tenant")).unwrap(), ["acme"]);
        assert!(claims.texts(&name("realm_access")).is_none());
        for bad in ["", "a b", "a:b", "\"", "\"\"", "\"a\"b\"", "/a b", "/a,"] {
            assert!(ClaimName::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_number_stays_as_it_is_written() {
        for number in
            ["1", "-0", "9007199254740993", "18446744073709551616", "123456789012345678901234567890", "1.50", "1e400"]
        {
            let claims = Claims::new(&format!(r#"{{"n": {number} }}"#));
            assert_eq!(claims.text(&name("n")).as_deref(), Some(number));
        }
    }

    #[test]
    fn a_made_up_claim_is_found_where_it_was_put() {
        let mut claims = serde_json::Map::new();
        for text in ["a", "/b/c/d", "/b/e", "\"x:y\""] {
            name(text).put(&mut claims, text.into());
        }
        let claims = Claims::new(&serde_json::Value::Object(claims).to_string());
        for text in ["a", "/b/c/d", "/b/e", "\"x:y\""] {
            assert_eq!(claims.text(&name(text)).as_deref(), Some(text));
        }
    }
}
