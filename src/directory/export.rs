//! All users, oldest first, as they are kept: for an export. One look, read piece by piece, however many they are.

use super::engine::Directory;
use super::error::StoreError;
use super::resources::{Resource, UserRecord};
use super::sql::Row;
use super::tx::Tx;
use crate::id::{GroupId, OrgId, UserId};
use crate::password::PasswordHash;
use std::collections::HashMap;
use std::io;
use thiserror::Error;

/// Users of a piece.
const PIECE: usize = 1000;

/// A user with what is theirs.
pub struct ExportedUser {
    pub user: UserRecord,
    /// The password's hash, which is a secret.
    pub password: Option<PasswordHash>,
    /// By the organization's name; those of disabled organizations too.
    pub memberships: Vec<ExportedMembership>,
    /// Their groups, by name.
    pub groups: Vec<ExportedGroup>,
}

pub struct ExportedGroup {
    pub id: GroupId,
    pub name: String,
}

pub struct ExportedMembership {
    pub organization: OrgId,
    pub slug: String,
    pub name: String,
    /// Whether the organization is.
    pub is_active: bool,
    pub is_admin: bool,
    pub is_owner: bool,
}

/// Why an export ended before its end.
#[derive(Debug, Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whoever takes the users cannot.
    #[error(transparent)]
    Taken(#[from] io::Error),
}

impl Directory {
    /// Gives all users to `take`, piece by piece, in the order in which they joined; memory does not grow with their number.
    ///
    /// # Errors
    /// See [`ExportError`].
    pub async fn export_users(
        &self,
        take: impl FnMut(&[ExportedUser]) -> io::Result<()> + Send + 'static,
    ) -> Result<(), ExportError> {
        self.read(move |tx| Box::pin(export(tx, take))).await
    }
}

/// Where a piece begins and ends: users are ordered by this.
type Place = (i64, u32, UserId);

async fn export(
    tx: &Tx<'_>,
    mut take: impl FnMut(&[ExportedUser]) -> io::Result<()> + Send,
) -> Result<(), ExportError> {
    // Nobody has joined before time began, and nobody's id is nil.
    let mut behind: Place = (i64::MIN, 0, UserId(uuid::Uuid::nil()));
    loop {
        let mut users = piece(tx, behind).await?;
        let Some(last) = users.last().map(place) else { return Ok(()) };
        let at: HashMap<UserId, usize> = users.iter().enumerate().map(|(at, user)| (user.user.id, at)).collect();
        for row in related(tx, MEMBERSHIPS, behind).await? {
            if let Some(user) = at.get(&row.get("user_id")?).and_then(|at| users.get_mut(*at)) {
                user.memberships.push(membership(&row)?);
            }
        }
        for row in related(tx, GROUPS, behind).await? {
            if let Some(user) = at.get(&row.get("user_id")?).and_then(|at| users.get_mut(*at)) {
                user.groups.push(ExportedGroup { id: row.get("id")?, name: row.get("name")? });
            }
        }
        take(&users)?;
        if users.len() < PIECE {
            return Ok(());
        }
        behind = last;
    }
}

fn place(exported: &ExportedUser) -> Place {
    (exported.user.created, exported.user.created_micros, exported.user.id)
}

async fn piece(tx: &Tx<'_>, behind: Place) -> Result<Vec<ExportedUser>, StoreError> {
    let statements = UserRecord::statements();
    let sql = format!(
        "SELECT {}, u.password FROM {} WHERE (u.created, u.created_micros, u.id) > ($1, $2, $3)
         ORDER BY u.created, u.created_micros, u.id LIMIT {PIECE}",
        statements.fields, statements.from
    );
    let read = |row: Row| {
        let password = row.cells.last().cloned().and_then(<Option<String> as super::sql::FromCell>::from_cell);
        let password = password.flatten().map(PasswordHash::from_stored);
        Ok(ExportedUser { user: UserRecord::read(row)?, password, memberships: Vec::new(), groups: Vec::new() })
    };
    tx.rows(&sql, &[&behind.0, &behind.1, &behind.2]).await?.into_iter().map(read).collect()
}

/// What is theirs, of the users of a piece, `u`: what is read, of what, in which order.
type Related = [&'static str; 3];

const MEMBERSHIPS: Related = [
    "m.user_id, m.organization_id, m.is_admin, w.user_id IS NOT NULL AS is_owner, o.slug, o.name, o.is_active",
    "memberships m ON m.user_id = u.id JOIN organizations o ON o.id = m.organization_id
     LEFT JOIN owners w ON w.organization_id = o.id AND w.user_id = u.id",
    "o.name, o.id",
];

const GROUPS: Related =
    ["x.user_id, g.id, g.name", "group_users x ON x.user_id = u.id JOIN groups g ON g.id = x.group_id", "g.name"];

/// The same users as [`piece`] reads. Their number is said: a planner that has to guess it reads the memberships of all for each piece.
async fn related(tx: &Tx<'_>, [columns, of, order]: Related, behind: Place) -> Result<Vec<Row>, StoreError> {
    let sql = format!(
        "SELECT {columns} FROM (
             SELECT u.id FROM users u WHERE (u.created, u.created_micros, u.id) > ($1, $2, $3)
             ORDER BY u.created, u.created_micros, u.id LIMIT {PIECE}
         ) AS u JOIN {of} ORDER BY {order}"
    );
    Ok(tx.rows(&sql, &[&behind.0, &behind.1, &behind.2]).await?)
}

fn membership(row: &Row) -> Result<ExportedMembership, StoreError> {
    Ok(ExportedMembership {
        organization: row.get("organization_id")?,
        slug: row.get("slug")?,
        name: row.get("name")?,
        is_active: row.get("is_active")?,
        is_admin: row.get("is_admin")?,
        is_owner: row.get("is_owner")?,
    })
}
