//! Which methods a rule is for.

use http::Method;

/// Methods that the language knows by name beside the seven; for others there is `write`.
pub(crate) const METHODS: [&str; 20] = [
    "GET",
    "HEAD",
    "OPTIONS",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "QUERY",
    "SEARCH",
    "REPORT",
    "PURGE",
    "LINK",
    "UNLINK",
    "LOCK",
    "UNLOCK",
    "COPY",
    "MOVE",
    "MKCOL",
    "PROPFIND",
    "PROPPATCH",
];

/// The methods of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Methods {
    Read,
    Write,
    /// This one; GET stands for HEAD too.
    One(Method),
}

impl Methods {
    /// What a key of a route means, where it is one for a rule.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        match word {
            "read" => Some(Self::Read),
            "write" => Some(Self::Write),
            word if METHODS.contains(&word) => Method::from_bytes(word.as_bytes()).ok().map(Self::One),
            _ => None,
        }
    }
}
