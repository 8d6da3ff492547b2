//! What groups, roles and super roles have in common in PostgreSQL: permissions, and users who hold them.

use super::transaction::Tx;
use super::{permissions, users};
use crate::directory::{BundleEdit, DirectoryError, OrganizationRecord};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

/// The statements on one kind of bundle. `$1` is its id, `$2` that of a permission or a user.
pub(super) struct Bundle {
    pub(super) grant: &'static str,
    pub(super) revoke: &'static str,
    /// Takes all permissions but those of an array of codenames.
    pub(super) restrict: &'static str,
    pub(super) add: &'static str,
    pub(super) remove: &'static str,
    /// Selects the ids of the users of `$3`.
    pub(super) users: &'static str,
}

/// The [`Bundle`] of the tables that begin with a word; how a user is added, where that is particular.
macro_rules! bundle {
    ($word:literal) => {
        bundle!(
            $word,
            concat!("INSERT INTO ", $word, "_users (", $word, "_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        )
    };
    ($word:literal, $add:expr) => {
        $crate::directory::postgres::bundle::Bundle {
            grant: concat!(
                "INSERT INTO ",
                $word,
                "_permissions (",
                $word,
                "_id, permission_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
            ),
            revoke: concat!("DELETE FROM ", $word, "_permissions WHERE ", $word, "_id = $1 AND permission_id = $2"),
            restrict: concat!(
                "DELETE FROM ",
                $word,
                "_permissions WHERE ",
                $word,
                "_id = $1 AND permission_id NOT IN (SELECT id FROM permissions WHERE codename = ANY ($2))"
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
            "ARRAY(SELECT p.codename FROM ",
            $word,
            "_permissions x JOIN permissions p ON p.id = x.permission_id WHERE x.",
            $word,
            "_id = b.id ORDER BY p.codename) AS permissions, (SELECT count(*) FROM ",
            $word,
            "_users x WHERE x.",
            $word,
            "_id = b.id) AS users "
        )
    };
}
pub(super) use contents;

impl Bundle {
    /// Applies all of an edit but the name; only members of `organization` may hold it, where there is one.
    pub(super) async fn apply(
        &self,
        tx: &Tx<'_>,
        id: &(dyn ToSql + Sync),
        edit: &BundleEdit,
        organization: Option<&OrganizationRecord>,
    ) -> Result<(), DirectoryError> {
        let BundleEdit { name: _, permissions: exactly, grants, add, remove } = edit;
        if let Some(exactly) = exactly {
            let kept: Vec<&str> = exactly.iter().map(|permission| permission.as_str()).collect();
            tx.execute(self.restrict, &[id, &kept]).await?;
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
                super::memberships::find(tx, organization, &user).await?;
            }
            tx.execute(self.add, &[id, &user.id]).await?;
        }
        Ok(())
    }
}

/// The column `permissions`: codenames.
pub(super) fn permissions_of(row: &Row) -> Result<Vec<String>, Error> {
    row.try_get("permissions")
}

/// The column `users`: how many.
pub(super) fn users_of(row: &Row) -> Result<u32, Error> {
    Ok(u32::try_from(row.try_get::<_, i64>("users")?).unwrap_or(u32::MAX))
}
