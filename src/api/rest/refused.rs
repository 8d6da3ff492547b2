//! What the directory refuses, as an answer: the texts are those of Django's models.

use super::super::error::ApiError;
use super::FORBIDDEN;
use crate::compat::openwisp::fields::FieldErrors;
use crate::decision::Reason;
use crate::directory::{DirectoryError, Noun, Resource, Unique};

/// An error of the directory about a record of this kind.
pub(super) fn refused<R: Resource>(error: DirectoryError) -> ApiError {
    match error {
        DirectoryError::NotFound { noun, .. } => ApiError::NotFound(model(noun)),
        DirectoryError::Forbidden { .. } | DirectoryError::NotOwner { .. } | DirectoryError::SlugImmutable => {
            tracing::debug!(%error, "the identity API refuses");
            ApiError::Forbidden(Reason::PermissionMissing, FORBIDDEN)
        }
        DirectoryError::Changed => ApiError::Changed,
        DirectoryError::Repeated => ApiError::Repeated,
        DirectoryError::KeyOfAnother => ApiError::KeyOfAnother,
        DirectoryError::Invalid { field, problem } => {
            // What a client knows, also of an address that Django would take.
            let problem = if field == "email" { "Enter a valid email address.".to_owned() } else { problem };
            let name = R::FIELDS.iter().find(|known| known.word == field).map_or(field, |known| known.name);
            ApiError::of_fields(FieldErrors::of(name, problem))
        }
        DirectoryError::Taken { unique, .. } => {
            let (field, message) = taken(unique);
            ApiError::of_fields(FieldErrors::of(field, message))
        }
        DirectoryError::SlugOnceUsed { .. } => ApiError::of_fields(FieldErrors::of("slug", error.to_string())),
        DirectoryError::OwnerDemoted { .. }
        | DirectoryError::OwnerRemoved { .. }
        | DirectoryError::NameRemoved { .. } => {
            ApiError::of_fields(FieldErrors::of("organization_users", error.to_string()))
        }
        DirectoryError::Store(error) => {
            tracing::warn!(%error, "the identity API cannot answer");
            ApiError::Unavailable
        }
        other => ApiError::of_fields(FieldErrors::of("__all__", other.to_string())),
    }
}

/// What a record is called in "No … matches the given query."
const fn model(noun: Noun) -> &'static str {
    match noun {
        Noun::Organization => "Organization",
        Noun::Group => "Group",
        Noun::Email => "EmailAddress",
        Noun::Membership => "OrganizationUser",
        Noun::Token => "Token",
        Noun::Permission => "Permission",
        Noun::Role => "Role",
        Noun::History => "LogEntry",
        Noun::User | Noun::Subject => "User",
    }
}

/// Which field has a value that another record has, and what is said of it.
pub(super) const fn taken(unique: Unique) -> (&'static str, &'static str) {
    match unique {
        Unique::Username => ("username", "A user with that username already exists."),
        Unique::Email => ("email", "user with this email address already exists."),
        Unique::PhoneNumber => ("phone_number", "user with this phone number already exists."),
        Unique::Slug => ("slug", "organization with this slug already exists."),
        Unique::GroupName => ("name", "group with this name already exists."),
        Unique::EmailAddress => ("email", "email address with this email address already exists."),
        _ => ("__all__", "This value already exists."),
    }
}
