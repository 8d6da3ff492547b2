//! The access words: who may pass.

use crate::facts::Level;
use crate::yaml::{Findings, Node, Value, suggest};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Anybody; credentials are not looked at.
    Public,
    /// Anybody; a credential that was sent must be good.
    Optional,
    Authenticated,
    /// An active user with the staff flag. Being a superuser is not enough.
    Staff,
    /// A user of at least that level in the organization of the request, or in any one where the rule names none.
    In(Level),
    /// Whoever has the permissions of the rule in the organization of the request, member or not.
    Permitted,
    Superuser,
    Deny,
}

/// What a rule asks of the caller's credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialNeed {
    Ignored,
    /// One that was sent must be good; none is fine.
    Optional,
    /// There must be a good one.
    Required,
}

impl Access {
    /// All of them, in the order of the manual.
    pub const ALL: [Self; 10] = [
        Self::Public,
        Self::Optional,
        Self::Authenticated,
        Self::Staff,
        Self::In(Level::Member),
        Self::In(Level::Manager),
        Self::In(Level::Owner),
        Self::Permitted,
        Self::Superuser,
        Self::Deny,
    ];

    /// The word of the language.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Optional => "optional",
            Self::Authenticated => "authenticated",
            Self::Staff => "staff",
            Self::In(level) => level.as_str(),
            Self::Permitted => "permitted",
            Self::Superuser => "superuser",
            Self::Deny => "deny",
        }
    }

    /// What it asks of the credential.
    #[must_use]
    pub const fn credential(self) -> CredentialNeed {
        match self {
            Self::Public | Self::Deny => CredentialNeed::Ignored,
            Self::Optional => CredentialNeed::Optional,
            Self::Authenticated | Self::Staff | Self::In(_) | Self::Permitted | Self::Superuser => {
                CredentialNeed::Required
            }
        }
    }

    /// Whether the organization decides. Where it does not, it is read for the headers alone, if it can be.
    #[must_use]
    pub const fn asks_organization(self) -> bool {
        matches!(self, Self::In(_) | Self::Permitted | Self::Superuser)
    }

    /// The level that another program calls so.
    fn of_other(word: &str) -> Option<&'static str> {
        match word.to_lowercase().as_str() {
            "admin" | "administrator" => Some("manager"),
            "all" | "anonymous" | "anybody" | "anyone" | "everybody" | "everyone" | "open" => Some("public"),
            "login" | "user" | "users" => Some("authenticated"),
            "denied" | "forbidden" | "nobody" | "none" => Some("deny"),
            "root" => Some("superuser"),
            _ => None,
        }
    }

    /// Reads the word; `None` when it was reported.
    pub(super) fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let words = Self::ALL.map(Self::as_str).join(", ");
        let word = match &node.value {
            Value::Scalar(scalar) => scalar.text.as_str(),
            Value::Faulty => return None,
            other => {
                let found = if matches!(other, Value::Seq(_)) { "a list" } else { "a map" };
                findings
                    .error("wrong_type", node.span, format!("the level must be one word, not {found}"))
                    .help(format!("write the word alone, as in `read: member`; the levels are {words}"));
                return None;
            }
        };
        let found = Self::ALL.into_iter().find(|a| a.as_str() == word);
        if found.is_none() {
            let near = suggest(word, Self::ALL.iter().map(|a| a.as_str())).or_else(|| Self::of_other(word));
            let help = near.map_or(format!("the levels are {words}"), |w| format!("did you mean `{w}`?"));
            findings.error("unknown_level", node.span, format!("`{word}` is not a level")).help(help);
        }
        found
    }
}
