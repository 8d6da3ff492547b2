//! What the configuration says of AuthZEN.

use super::template::Template;
use crate::directory::UserKey;
use crate::facts::User;
use crate::id::UserId;

/// What the ids of subjects are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectIs {
    Id,
    /// Or the id: no username is one.
    #[default]
    Username,
    Email,
    ExternalId,
}

impl SubjectIs {
    /// Longest that is looked for.
    const LONGEST: usize = 512;

    /// Whom an id names; `None` where it can be nobody's.
    #[must_use]
    pub fn key(self, id: &str) -> Option<UserKey> {
        if id.is_empty() || id.len() > Self::LONGEST {
            return None;
        }
        let user = || UserId::parse(id).ok().map(UserKey::Id);
        match self {
            Self::Id => user(),
            Self::Username => user().or_else(|| Some(UserKey::Username(id.to_owned()))),
            Self::Email => Some(UserKey::Email(id.to_owned())),
            Self::ExternalId => Some(UserKey::ExternalId(id.to_owned())),
        }
    }

    /// The id of somebody; `None` where they have none.
    #[must_use]
    pub fn of(self, user: &User) -> Option<String> {
        let text = match self {
            Self::Id => return Some(user.id.to_string()),
            Self::Username => user.username.as_ref(),
            Self::Email => user.email.as_deref(),
            Self::ExternalId => user.external_id.as_deref(),
        };
        text.map(|text| text.as_str().to_owned())
    }
}

/// Whose ids those of a type of resource are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    Organizations,
    Users,
}

/// A type of resource that stands for requests.
#[derive(Clone, Debug)]
pub struct ResourceType {
    pub name: Box<str>,
    /// What its ids are, where postern has a list of them.
    pub ids: Option<Ids>,
    /// Its actions, sorted by name.
    pub actions: Vec<(Box<str>, Template)>,
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// Who asks has it everywhere, or is a superuser.
    pub permission: Box<str>,
    /// The same for searches, which tell who there is.
    pub search_permission: Box<str>,
    pub subject: SubjectIs,
    /// Whether a refusal says why.
    pub reasons: bool,
    pub resources: Vec<ResourceType>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            permission: "authzen.evaluate".into(),
            search_permission: "authzen.search".into(),
            subject: SubjectIs::default(),
            reasons: false,
            resources: Vec::new(),
        }
    }
}

impl Settings {
    /// What an action on a type of resource stands for.
    #[must_use]
    pub fn template(&self, kind: &str, action: &str) -> Option<&Template> {
        let (_, template) = self.resource(kind)?.actions.iter().find(|(name, _)| **name == *action)?;
        Some(template)
    }

    #[must_use]
    pub fn resource(&self, kind: &str) -> Option<&ResourceType> {
        self.resources.iter().find(|one| *one.name == *kind)
    }
}
