//! Who asks, and what they may see and change. What is out of somebody's sight is not there for them: they are told the same as of
//! what does not exist.
//!
//! The rules are those of openwisp-users, made safe where those are not: owners are changed by superusers and themselves alone,
//! and nobody gives what they lack. [`Rules`] says whether its own are wanted.

use super::error::{DirectoryError, Noun};
use super::resources::{Resource, Writer};
use super::sql::Value;
use crate::facts::Snapshot;
use crate::id::{OrgId, UserId};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub enum Viewer {
    /// Whoever has a shell on this machine, and postern itself.
    Operator,
    Superuser(UserId, Rules),
    /// Sees what belongs to the organizations that they manage, and does with it what their permissions let them.
    Manager(Arc<Snapshot>, Rules),
    /// Sees and changes what is their own.
    Oneself(UserId),
}

/// What managers may, besides what their permissions say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rules {
    #[default]
    Safe,
    /// Whatever openwisp-users' API lets them: they change owners, and give groups and flags that they lack.
    OpenwispUsers,
}

/// What is done with a record, as Django's permissions name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Add,
    Change,
    Delete,
    View,
}

impl Action {
    const fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::View => "view",
        }
    }
}

impl Viewer {
    /// How an active user sees the directory that they manage a part of, or all.
    #[must_use]
    pub fn of(user: Arc<Snapshot>, rules: Rules) -> Self {
        if user.user.is_superuser { Self::Superuser(user.user.id, rules) } else { Self::Manager(user, rules) }
    }

    /// Who it is, where it is a user.
    pub(super) fn user(&self) -> Option<UserId> {
        match self {
            Self::Operator => None,
            Self::Superuser(user, _) | Self::Oneself(user) => Some(*user),
            Self::Manager(user, _) => Some(user.user.id),
        }
    }

    /// Whether everything is theirs to see and to change.
    pub(super) const fn is_unbounded(&self) -> bool {
        matches!(self, Self::Operator | Self::Superuser(..))
    }

    /// Whether nothing but their permissions bounds what they do with what they see.
    pub(super) const fn is_unchecked(&self) -> bool {
        self.is_unbounded() || matches!(self, Self::Manager(_, Rules::OpenwispUsers))
    }

    /// Whether openwisp-users' own rules are wanted.
    pub(super) const fn is_lenient(&self) -> bool {
        matches!(self, Self::Manager(_, Rules::OpenwispUsers) | Self::Superuser(_, Rules::OpenwispUsers))
    }

    /// The condition on the records that they see, where they do not see all; `$?` in it is the value.
    pub(super) fn sees<R: Resource>(&self) -> Option<(&'static str, Value<'static>)> {
        let (condition, user) = match self {
            Self::Operator | Self::Superuser(..) => return None,
            Self::Manager(user, _) => (R::SEEN_BY_MANAGER, user.user.id),
            Self::Oneself(user) => (R::SEEN_BY_ONESELF, *user),
        };
        (!condition.is_empty()).then_some((condition, Value::Uuid(Some(user.0))))
    }

    /// That they may do this with such records at all.
    pub(super) fn may<R: Resource>(&self, action: Action) -> Result<(), DirectoryError> {
        let has = |user: &Snapshot, action: Action| {
            user.has_permission_everywhere(&R::PERMISSION.replace("{}", action.word()))
        };
        let may = match self {
            Self::Operator | Self::Superuser(..) => true,
            // Tokens are one's own, for whoever has any; history is of a record that they may see.
            Self::Manager(..) if matches!(R::NOUN, Noun::Token | Noun::History) => true,
            Self::Manager(user, _) => has(user, action) || action == Action::View && has(user, Action::Change),
            Self::Oneself(_) => match R::NOUN {
                Noun::Email | Noun::Token => true,
                Noun::User => matches!(action, Action::View | Action::Change),
                _ => action == Action::View,
            },
        };
        self.unless(may, || format!("{} {}s", action.word(), R::NOUN))
    }

    /// That they may make such a record, or change one so: each field has somebody who must be at least that.
    pub(super) fn may_write<R: Resource>(&self, before: Option<&R>, after: &R) -> Result<(), DirectoryError> {
        let least = match self {
            Self::Operator | Self::Superuser(..) => return Ok(()),
            Self::Manager(..) => Writer::Manager,
            Self::Oneself(_) => Writer::Oneself,
        };
        let old = before.map(Resource::values);
        for (at, (field, new)) in R::FIELDS.iter().zip(after.values()).enumerate() {
            let is_same = match old.as_ref().and_then(|old| old.get(at)) {
                Some(old) => *old == new,
                // What is not given is not chosen, and whoever may make a record chooses what is not for superusers.
                None => new.is_blank() || field.writer <= Writer::Manager,
            };
            self.unless(is_same || field.writer <= least, || format!("set {} of a {}", field.word, R::NOUN))?;
        }
        Ok(())
    }

    /// That they may give a permission, which counts in an organization or everywhere.
    pub(super) fn may_give(&self, permission: &str, organization: Option<OrgId>) -> Result<(), DirectoryError> {
        let has = match self {
            Self::Operator | Self::Superuser(..) => true,
            Self::Manager(_, Rules::OpenwispUsers) => true,
            Self::Manager(user, _) if organization.is_some() => user.has_permission(permission, organization),
            Self::Manager(user, _) => user.has_permission_everywhere(permission),
            Self::Oneself(_) => false,
        };
        self.unless(has, || format!("give the permission {permission}, which they lack"))
    }

    /// That they may make staff of somebody.
    pub(super) fn may_give_staff(&self) -> Result<(), DirectoryError> {
        let is_staff = matches!(self, Self::Manager(user, _) if user.user.is_staff);
        self.unless(is_staff || self.is_unchecked(), || "give the staff flag, which they lack".to_owned())
    }

    /// That they may do what superusers alone do.
    pub(super) fn must_be_superuser(&self, what: &str) -> Result<(), DirectoryError> {
        self.unless(self.is_unbounded(), || what.to_owned())
    }

    pub(super) fn unless(&self, may: bool, what: impl FnOnce() -> String) -> Result<(), DirectoryError> {
        if may { Ok(()) } else { Err(DirectoryError::Forbidden { what: what() }) }
    }
}

#[cfg(test)]
mod tests;
