//! Groups.

use super::permission_holder::{PermissionHolder, asked, bundle, contents, permissions_of, users_of};

use super::engine::Directory;
use super::name::RightsName;
use super::sql::{Failure, Row};
use super::tx::{Tx, limit, offset};
use super::{BatchError, StoreError, users as people};
use super::{
    BundleEdit, DirectoryError, Grants, GroupRecord, GroupSelector, NewGroup, Noun, Page, Unique, UserRecord,
    UserSelector,
};
use crate::id::GroupId;

const GROUP: PermissionHolder = bundle!("group");

/// The columns of [`record`].
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT b.id, b.name, ", contents!("group"), "FROM groups b ", $rest)
    };
}

impl Directory {
    /// Makes groups with their permissions and users, all or none. Names are unique.
    pub async fn create_groups(&self, groups: Vec<NewGroup>) -> Result<Vec<GroupRecord>, BatchError> {
        self.write_all(groups, |tx, new| Box::pin(create(tx, new))).await
    }

    pub async fn group(&self, group: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
        let group = group.clone();
        self.read(move |tx| Box::pin(async move { find(tx, &group).await })).await
    }

    /// Groups by name; those of one user, or all.
    pub async fn groups(&self, user: Option<&UserSelector>, page: Page) -> Result<Vec<GroupRecord>, DirectoryError> {
        let user = user.cloned();
        self.read(move |tx| Box::pin(async move { list(tx, user.as_ref(), page).await })).await
    }

    /// The users of a group, by username.
    pub async fn group_users(&self, group: &GroupSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
        let group = group.clone();
        self.read(move |tx| Box::pin(async move { users(tx, &group, page).await })).await
    }

    /// Changes a group, its permissions and its users.
    pub async fn edit_group(&self, group: &GroupSelector, new: BundleEdit) -> Result<GroupRecord, DirectoryError> {
        let group = group.clone();
        self.write(move |tx| Box::pin(async move { edit(tx, &group, &new).await })).await
    }

    /// Deletes a group; its users lose what they had by it.
    pub async fn delete_group(&self, group: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
        let group = group.clone();
        self.write(move |tx| Box::pin(async move { delete(tx, &group).await })).await
    }
}

async fn create(tx: &Tx<'_>, new: NewGroup) -> Result<GroupRecord, DirectoryError> {
    let made = tx.row("INSERT INTO groups (name) VALUES ($1) RETURNING id", &[&new.name.as_str()]).await;
    let made = made.map_err(|failure| taken(failure, &new.name))?;
    let Some(row) = made else { return find(tx, &new.name.as_str().into()).await };
    let id: GroupId = row.get("id")?;
    let grants = Grants { grant: new.permissions, revoke: Vec::new() };
    GROUP.apply(tx, &id, &BundleEdit { grants, add: new.users, ..BundleEdit::default() }, None).await?;
    let group = find(tx, &id.into()).await?;
    tx.created("group.create", &group);
    Ok(group)
}

/// The one group that a selector means.
async fn find(tx: &Tx<'_>, by: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
    const SQL: &str = select!("WHERE b.id = $1 OR b.name = $2 LIMIT 2");
    let (id, name) = match by {
        GroupSelector::Id(id) => (Some(*id), None),
        GroupSelector::Text(text) => (text.parse().ok().map(GroupId), Some(text)),
    };
    match &*tx.rows(SQL, &[&id, &name]).await? {
        [] => Err(DirectoryError::NotFound { noun: Noun::Group, reference: by.to_string() }),
        [one] => Ok(record(one)?),
        _ => Err(DirectoryError::Ambiguous { noun: Noun::Group, reference: by.to_string() }),
    }
}

async fn list(tx: &Tx<'_>, user: Option<&UserSelector>, page: Page) -> Result<Vec<GroupRecord>, DirectoryError> {
    const SQL: &str = select!(
        "WHERE CAST($3 AS uuid) IS NULL OR b.id IN (SELECT group_id FROM group_users WHERE user_id = $3)
         ORDER BY b.name LIMIT $1 OFFSET $2"
    );
    let user = match user {
        Some(by) => Some(people::find(tx, by).await?.id),
        None => None,
    };
    let rows = tx.rows(SQL, &[&limit(page), &offset(page), &user]).await?;
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

async fn users(tx: &Tx<'_>, by: &GroupSelector, page: Page) -> Result<Vec<UserRecord>, DirectoryError> {
    people::among(tx, GROUP.users, &find(tx, by).await?.id, page).await
}

async fn edit(tx: &Tx<'_>, by: &GroupSelector, edit: &BundleEdit) -> Result<GroupRecord, DirectoryError> {
    let before = find(tx, by).await?;
    let id = before.id;
    if let Some(name) = &edit.name {
        let saved = tx.execute("UPDATE groups SET name = $2 WHERE id = $1", &[&id, &name.as_str()]).await;
        saved.map_err(|failure| taken(failure, name))?;
    }
    GROUP.apply(tx, &id, edit, None).await?;
    let after = find(tx, &id.into()).await?;
    tx.changed_as("group.edit", asked(edit), &before, &after);
    Ok(after)
}

async fn delete(tx: &Tx<'_>, by: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
    let group = find(tx, by).await?;
    tx.execute("DELETE FROM groups WHERE id = $1", &[&group.id]).await?;
    tx.deleted("group.delete", &group);
    Ok(group)
}

fn taken(failure: Failure, name: &RightsName) -> DirectoryError {
    if failure.violates("groups_name") {
        DirectoryError::Taken { unique: Unique::GroupName, value: name.to_string() }
    } else {
        failure.into()
    }
}

fn record(row: &Row) -> Result<GroupRecord, StoreError> {
    Ok(GroupRecord {
        id: row.get("id")?,
        name: row.get("name")?,
        permissions: permissions_of(row)?,
        users: users_of(row)?,
    })
}
