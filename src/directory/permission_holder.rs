//! What groups, roles and super roles have in common: permissions, and users who hold them.

use super::sql::{Param, Row};
use super::tx::Tx;
use super::{BundleEdit, DirectoryError, OrganizationRecord};
use super::{StoreError, UserSelector, memberships, permissions, users};
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
    /// Selects the ids of the users of `$3`.
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
            users: concat!("SELECT user_id FROM ", $word, "_users WHERE ", $word, "_id = $3"),
        }
    };
}
pub(super) use bundle;

/// The columns `permissions` and `users` of [`permissions_of`] and [`users_of`]; `b` is the table of the bundle.
macro_rules! contents {
    ($word:literal) => {
        concat!(
            "(SELECT string_agg(p.codename, ',' ORDER BY p.codename) FROM ",
            $word,
            "_permissions x JOIN permissions p ON p.id = x.permission_id WHERE x.",
            $word,
            "_id = b.id) AS permissions, (SELECT count(*) FROM ",
            $word,
            "_users x WHERE x.",
            $word,
            "_id = b.id) AS users "
        )
    };
}
pub(super) use contents;

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
        if let Some(exactly) = exactly {
            for held in tx.rows(self.held, &[id]).await? {
                let codename: String = held.get("codename")?;
                if !exactly.iter().any(|kept| kept.as_str() == codename) {
                    tx.execute(self.revoke, &[id, &held.get::<PermissionId>("id")?]).await?;
                }
            }
        }
        for permission in &grants.revoke {
            let permission = permissions::find(tx, permission).await?.id;
            tx.execute(self.revoke, &[id, &permission]).await?;
        }
        for permission in exactly.iter().flatten().chain(&grants.grant) {
            let permission = permissions::find(tx, permission).await?.id;
            tx.execute(self.grant, &[id, &permission]).await?;
        }
        for user in remove {
            let user = users::find(tx, user).await?.id;
            tx.execute(self.remove, &[id, &user]).await?;
        }
        for user in add {
            let user = users::find(tx, user).await?;
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

/// The column `permissions`: codenames, which have no commas.
pub(super) fn permissions_of(row: &Row) -> Result<Vec<String>, StoreError> {
    let joined: Option<String> = row.get("permissions")?;
    Ok(joined.iter().flat_map(|joined| joined.split(',')).map(str::to_owned).collect())
}

/// The column `users`: how many.
pub(super) fn users_of(row: &Row) -> Result<u32, StoreError> {
    row.get("users")
}
