//! Users and organizations, as callers refer to them.

use super::error::DirectoryError;
use super::resources::{OrganizationRecord, UserRecord};
use super::selector::{OrgSelector, UserSelector};
use super::tx::Tx;
use crate::id::{OrgId, UserId};

/// The one user that a selector means, among those that the viewer sees: by id, username, e-mail address, or as `acme/ann`.
pub(super) async fn user(tx: &Tx<'_>, by: &UserSelector) -> Result<UserRecord, DirectoryError> {
    let (id, text) = match by {
        UserSelector::Id(id) => (Some(*id), None),
        UserSelector::Text(text) => (UserId::parse(text).ok(), Some(text)),
    };
    // The name of somebody's primary organization before theirs. Addresses may have such a stroke too.
    if let Some((slug, name)) = text.and_then(|text| text.split_once('/')) {
        let condition =
            "u.username = $2 AND u.organization_id = (SELECT id FROM organizations WHERE lower(slug) = lower($1))
                         OR lower(u.email) = lower($3)";
        return tx.find(condition, &[&slug, &name, &text], by).await;
    }
    tx.find("u.id = $1 OR u.username = $2 OR lower(u.email) = lower($2)", &[&id, &text], by).await
}

pub(super) async fn organization(tx: &Tx<'_>, by: &OrgSelector) -> Result<OrganizationRecord, DirectoryError> {
    let (id, slug) = match by {
        OrgSelector::Id(id) => (Some(*id), None),
        OrgSelector::Text(text) => (OrgId::parse(text).ok(), Some(text)),
    };
    tx.find("o.id = $1 OR o.slug = $2", &[&id, &slug], by).await
}
