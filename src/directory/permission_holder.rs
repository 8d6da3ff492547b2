//! What groups, roles and super roles have in common: permissions, and users who hold them.

use super::error::DirectoryError;
use super::grants::BundleEdit;
use super::name::PermissionName;
use super::resources::OrganizationRecord;
use super::selector::UserSelector;
use super::sql::Param;
use super::tx::Tx;
use super::{lookup, memberships, permissions};
use crate::id::PermissionId;
use serde_json::{Value, json};

/// The statements on one kind of bundle. `$1` is its id, `$2` that of a permission or a user.
pub(super) struct PermissionHolder {
    pub(super) grant: &'static str,
    pub(super) revoke: &'static str,
    /// Selects its permissions, `id` and `codename`.
    pub(super) held: &'static str,
    pub(super) add: &'static str,
    pub(super) remove: &'static str,
    /// The users who hold `$?`.
    pub(super) users: &'static str,
}

/// The [`PermissionHolder`] of the tables that begin with a word; how a user is added, where that is particular.
macro_rules! bundle {
    ($word:literal) => {
        bundle!(
            $word,
            concat!("INSERT INTO ", $word, "_users (", $word, "_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        )
    };
    ($word:literal, $add:expr) => {
        $crate::directory::permission_holder::PermissionHolder {
            grant: concat!(
                "INSERT INTO ",
                $word,
                "_permissions (",
                $word,
                "_id, permission_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
            ),
            revoke: concat!("DELETE FROM ", $word, "_permissions WHERE ", $word, "_id = $1 AND permission_id = $2"),
            held: concat!(
                "SELECT p.id, p.codename FROM ",
                $word,
                "_permissions x JOIN permissions p ON p.id = x.permission_id WHERE x.",
                $word,
                "_id = $1"
            ),
            add: $add,
            remove: concat!("DELETE FROM ", $word, "_users WHERE ", $word, "_id = $1 AND user_id = $2"),
            users: concat!("u.id IN (SELECT user_id FROM ", $word, "_users WHERE ", $word, "_id = $?)"),
        }
    };
}
pub(super) use bundle;

impl PermissionHolder {
    /// Applies all of an edit but the name; only members of `organization` may hold it, where there is one.
    pub(super) async fn apply(
        &self,
        tx: &Tx<'_>,
        id: &dyn Param,
        edit: &BundleEdit,
        organization: Option<&OrganizationRecord>,
    ) -> Result<(), DirectoryError> {
        let BundleEdit { name: _, permissions: exactly, grants, add, remove } = edit;
        let mut kept = Vec::new();
        if let Some(exactly) = exactly {
            for held in tx.rows(self.held, &[id]).await? {
                let codename: String = held.get("codename")?;
                if exactly.iter().any(|kept| kept.as_str() == codename) {
                    kept.push(codename);
                } else {
                    tx.execute(self.revoke, &[id, &held.get::<PermissionId>("id")?]).await?;
                }
            }
        }
        let scope = organization.map(|organization| organization.id);
        for permission in &grants.revoke {
            let permission = permissions::find(tx, permission).await?.id;
            tx.execute(self.revoke, &[id, &permission]).await?;
        }
        // What it has already nobody gives.
        let new = |permission: &&PermissionName| !kept.iter().any(|kept| kept == permission.as_str());
        for permission in exactly.iter().flatten().filter(new).chain(&grants.grant) {
            tx.viewer.may_give(permission.as_str(), scope)?;
            let permission = permissions::find(tx, permission).await?.id;
            tx.execute(self.grant, &[id, &permission]).await?;
        }
        for user in remove {
            let user = lookup::user(tx, user).await?.id;
            tx.execute(self.remove, &[id, &user]).await?;
        }
        if !add.is_empty() && !tx.viewer.is_unbounded() {
            // Whoever gives it gives all of what it permits.
            for held in tx.rows(self.held, &[id]).await? {
                tx.viewer.may_give(&held.get::<String>("codename")?, scope)?;
            }
        }
        for user in add {
            let user = lookup::user(tx, user).await?;
            if let Some(organization) = organization {
                memberships::find(tx, organization, &user).await?;
            }
            tx.execute(self.add, &[id, &user.id]).await?;
        }
        Ok(())
    }
}

/// What was asked of a group or role, for the audit log: its records say how many hold it, and not who.
pub(super) fn asked(edit: &BundleEdit) -> Value {
    let users = |users: &[UserSelector]| users.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({ "add": users(&edit.add), "remove": users(&edit.remove) })
}
