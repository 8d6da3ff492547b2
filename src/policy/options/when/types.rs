//! What an expression may name, and of which type each name is.

use crate::normalized_name::same_name;
use crate::policy::pattern::Kind;
use http::HeaderName;
use ipnet::IpNet;

/// A value of the request that an expression uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Method,
    Path,
    Host,
    Address,
    /// Whether the client's address is in one of the networks, under the name that the answer has.
    Within(Box<str>, Box<[IpNet]>),
    Parameter(Box<str>),
    Query,
    Header(HeaderName),
    Headers,
    UserId,
    Username,
    Login,
    Organization,
    Email,
    Issuer,
    IsStaff,
    IsSuperuser,
    Groups,
    /// What the installation knows of the user besides.
    UserFields,
    OrgId,
    Slug,
    ExternalId,
    Level,
    Claims,
    /// The variable of the path with that number, and its name.
    Variable(usize, Box<str>, Kind),
    /// Of the lookup with that number and name, that column.
    Column(usize, Box<str>, Box<str>),
}

/// What an expression can be, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int,
    Number,
    Text,
    /// The text of an address.
    Address,
    Null,
    List,
    Texts,
    Map,
    Name(Name),
    Query,
    Headers,
    /// Only the request can tell.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Request,
    Client,
    User,
    Org,
    Path,
    Lookup,
    /// What the lookup with that number found; of none, where there is no rule yet.
    Object(Option<usize>),
}

impl Type {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int => "a whole number",
            Self::Number => "a number",
            Self::Text | Self::Address => "a text",
            Self::Null => "null",
            Self::List | Self::Texts => "a list",
            Self::Name(_) => "one of the names",
            Self::Map | Self::Query | Self::Headers => "a map",
            Self::Unknown => "unknown",
        }
    }

    /// Whether `==` of the two can be true.
    pub(super) fn can_equal(self, other: Self) -> bool {
        use Type::{Address, Int, List, Map, Name, Null, Number, Text, Texts, Unknown};
        match (self, other) {
            (Unknown, _) | (_, Unknown) | (Null, Name(_)) | (Name(_), Null) => true,
            (Int | Number, Int | Number) => true,
            (List | Texts, List | Texts) | (Text | Address, Text | Address) => true,
            // What a name has is known in part: the members that the expression asks for.
            (Name(_), _) | (_, Name(_)) => false,
            (a, b) => a == b || (a == Map && b.is_map()) || (b == Map && a.is_map()),
        }
    }

    pub(super) const fn is_map(self) -> bool {
        matches!(self, Self::Map | Self::Name(_) | Self::Query | Self::Headers)
    }
}

pub(super) const REQUEST: [(&str, Field, Type); 3] =
    [("method", Field::Method, Type::Text), ("path", Field::Path, Type::Text), ("host", Field::Host, Type::Text)];
pub(super) const CLIENT: [(&str, Field, Type); 1] = [("address", Field::Address, Type::Address)];
pub(super) const USER: [(&str, Field, Type); 10] = [
    ("id", Field::UserId, Type::Text),
    ("username", Field::Username, Type::Text),
    ("login", Field::Login, Type::Text),
    ("organization", Field::Organization, Type::Text),
    ("email", Field::Email, Type::Text),
    ("issuer", Field::Issuer, Type::Text),
    ("is_staff", Field::IsStaff, Type::Bool),
    ("is_superuser", Field::IsSuperuser, Type::Bool),
    ("groups", Field::Groups, Type::Texts),
    ("fields", Field::UserFields, Type::Map),
];
pub(super) const ORG: [(&str, Field, Type); 4] = [
    ("id", Field::OrgId, Type::Text),
    ("slug", Field::Slug, Type::Text),
    ("external_id", Field::ExternalId, Type::Text),
    ("level", Field::Level, Type::Text),
];
pub(super) const NAMES: [&str; 7] = ["request", "client", "user", "org", "path", "claims", "lookup"];
pub(super) const FUNCTIONS: [&str; 14] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "string",
    "int",
    "double",
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "within",
];
/// Headers that carry credentials are nobody's condition.
pub(super) const SECRET: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// Whether a header carries a credential, in whatever spelling: upstreams read `Proxy_Authorization` as one.
pub(super) fn is_secret(name: &HeaderName) -> bool {
    SECRET.iter().any(|secret| same_name(*secret, name.as_str()))
}
