//! What groups, roles and super roles have in common in SQLite: permissions, and users who hold them.

use super::{permissions, users};
use crate::directory::{BundleEdit, DirectoryError, UserRecord};

use rusqlite::{Row, ToSql, Transaction};

/// The statements on one kind of bundle. `?1` is its id, `?2` that of a permission or a user.
pub(super) struct Bundle {
    pub(super) grant: &'static str,
    pub(super) revoke: &'static str,
    /// Takes all permissions but those of a JSON array of codenames.
    pub(super) restrict: &'static str,
    pub(super) add: &'static str,
    pub(super) remove: &'static str,
    /// Selects the ids of the users of `?3`.
    pub(super) users: &'static str,
}

/// The [`Bundle`] of the tables that begin with a word; how a user is added, where that is particular.
macro_rules! bundle {
    ($word:literal) => {
        bundle!(
            $word,
            concat!("INSERT INTO ", $word, "_users (", $word, "_id, user_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
        )
    };
    ($word:literal, $add:expr) => {
        $crate::directory::sqlite::bundle::Bundle {
            grant: concat!(
                "INSERT INTO ",
                $word,
                "_permissions (",
                $word,
                "_id, permission_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
            ),
            revoke: concat!("DELETE FROM ", $word, "_permissions WHERE ", $word, "_id = ?1 AND permission_id = ?2"),
            restrict: concat!(
                "DELETE FROM ",
                $word,
                "_permissions WHERE ",
                $word,
                "_id = ?1 AND permission_id NOT IN ",
                "(SELECT p.id FROM permissions p JOIN json_each(?2) kept ON kept.value = p.codename)"
            ),
            add: $add,
            remove: concat!("DELETE FROM ", $word, "_users WHERE ", $word, "_id = ?1 AND user_id = ?2"),
            users: concat!("SELECT user_id FROM ", $word, "_users WHERE ", $word, "_id = ?3"),
        }
    };
}
pub(super) use bundle;

/// The columns `permissions` and `users` of [`permissions_of`] and of a record; `b` is the table of the bundle.
macro_rules! contents {
    ($word:literal) => {
        concat!(
            "(SELECT group_concat(p.codename, ',' ORDER BY p.codename) FROM ",
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

impl Bundle {
    /// Applies all of an edit but the name; `may_hold` refuses users who cannot hold the bundle.
    pub(super) fn apply(
        &self,
        tx: &Transaction<'_>,
        id: impl ToSql,
        edit: &BundleEdit,
        may_hold: impl Fn(&UserRecord) -> Result<(), DirectoryError>,
    ) -> Result<(), DirectoryError> {
        let BundleEdit { name: _, permissions: exactly, grants, add, remove } = edit;
        if let Some(exactly) = exactly {
            let kept: Vec<&str> = exactly.iter().map(|permission| permission.as_str()).collect();
            let kept = serde_json::Value::from(kept).to_string();
            tx.prepare_cached(self.restrict)?.execute((&id, kept))?;
        }
        for permission in &grants.revoke {
            let permission = permissions::find(tx, permission)?.id;
            tx.prepare_cached(self.revoke)?.execute((&id, permission))?;
        }
        for permission in exactly.iter().flatten().chain(&grants.grant) {
            let permission = permissions::find(tx, permission)?.id;
            tx.prepare_cached(self.grant)?.execute((&id, permission))?;
        }
        for user in remove {
            let user = users::find(tx, user)?.id;
            tx.prepare_cached(self.remove)?.execute((&id, user))?;
        }
        for user in add {
            let user = users::find(tx, user)?;
            may_hold(&user)?;
            tx.prepare_cached(self.add)?.execute((&id, user.id))?;
        }
        Ok(())
    }
}

/// The column `permissions`: codenames, which have no commas.
pub(super) fn permissions_of(row: &Row<'_>) -> rusqlite::Result<Vec<String>> {
    let joined: Option<String> = row.get("permissions")?;
    Ok(joined.iter().flat_map(|joined| joined.split(',')).map(str::to_owned).collect())
}
