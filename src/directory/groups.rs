//! Groups.

use super::engine::{View, operations};
use super::error::{BatchError, DirectoryError, StoreError};
use super::grants::{BundleEdit, Grants};
use super::list::{List, Rows, all, list};
use super::permission_holder::{PermissionHolder, asked, bundle};
use super::records::refused;
use super::resources::{GroupRecord, NewGroup, UserRecord};
use super::selector::GroupSelector;
use super::sql::Param;
use super::tx::Tx;
use super::viewer::Action;
use crate::id::GroupId;

const GROUP: PermissionHolder = bundle!("group");

impl View {
    /// Makes groups with their permissions and users, all or none. Names are unique.
    pub async fn create_groups(&self, groups: Vec<NewGroup>) -> Result<Vec<GroupRecord>, BatchError> {
        self.write_all(groups, |tx, new| Box::pin(create(tx, new))).await
    }
}

operations! {
    read group(group: &GroupSelector) -> GroupRecord = show;
    /// Groups by name.
    look groups(list: &List) -> Rows<GroupRecord> = all;
    /// The users of a group, by username.
    read group_users(group: &GroupSelector, list: &List) -> Rows<UserRecord> = users;
    /// Changes a group, its permissions and its users.
    write edit_group(group: &GroupSelector; new: BundleEdit) -> GroupRecord = edit;
    /// Deletes a group; its users lose what they had by it.
    write delete_group(group: &GroupSelector) -> GroupRecord = delete;
}

pub(super) async fn create(tx: &Tx<'_>, new: NewGroup) -> Result<GroupRecord, DirectoryError> {
    tx.viewer.may::<GroupRecord>(Action::Add)?;
    let named = GroupRecord { id: GroupId(0), name: new.name.to_string(), permissions: Vec::new(), users: 0 };
    let row = tx.row("INSERT INTO groups (name) VALUES ($1) RETURNING id", &[&named.name]).await;
    let row = row.map_err(|failure| refused(failure, &named))?;
    let id: GroupId = row.ok_or_else(|| StoreError::Broken("a new group is not there".to_owned()))?.get("id")?;
    let grants = Grants { grant: new.permissions, revoke: Vec::new() };
    GROUP.apply(tx, &id, &BundleEdit { grants, add: new.users, ..BundleEdit::default() }, None).await?;
    let group = find(tx, &id.into()).await?;
    tx.created("group.create", &group);
    Ok(group)
}

/// That the viewer may give a group to somebody: all of what it permits.
pub(super) async fn may_be_given(tx: &Tx<'_>, group: GroupId) -> Result<(), DirectoryError> {
    find(tx, &group.into()).await?.permissions.iter().try_for_each(|permission| tx.viewer.may_give(permission, None))
}

/// The one group that a selector means.
pub(super) async fn find(tx: &Tx<'_>, by: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
    let (id, name) = match by {
        GroupSelector::Id(id) => (Some(*id), None),
        GroupSelector::Text(text) => (text.parse().ok().map(GroupId), Some(text)),
    };
    tx.find("b.id = $1 OR b.name = $2", &[&id, &name], by).await
}

pub(super) async fn show(tx: &Tx<'_>, by: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
    tx.viewer.may::<GroupRecord>(Action::View)?;
    find(tx, by).await
}

async fn users(tx: &Tx<'_>, by: &GroupSelector, wanted: &List) -> Result<Rows<UserRecord>, DirectoryError> {
    list(tx, wanted, Some((GROUP.users, show(tx, by).await?.id.value()))).await
}

pub(super) async fn edit(tx: &Tx<'_>, by: &GroupSelector, edit: BundleEdit) -> Result<GroupRecord, DirectoryError> {
    if edit.changes_holder() {
        tx.viewer.may::<GroupRecord>(Action::Change)?;
    } else {
        tx.viewer.may::<UserRecord>(Action::Change)?;
    }
    let id = find(tx, by).await?.id;
    // Two who change one do so one after the other.
    tx.session.lock("groups", &id).await?;
    let before = find(tx, &id.into()).await?;
    if let Some(name) = &edit.name {
        let renamed = GroupRecord { name: name.to_string(), ..before.clone() };
        let saved = tx.execute("UPDATE groups SET name = $2 WHERE id = $1", &[&id, &renamed.name]).await;
        saved.map_err(|failure| refused(failure, &renamed))?;
    }
    GROUP.apply(tx, &id, &edit, None).await?;
    let after = find(tx, &id.into()).await?;
    tx.changed_as("group.edit", asked(&edit), &before, &after);
    Ok(after)
}

async fn delete(tx: &Tx<'_>, by: &GroupSelector) -> Result<GroupRecord, DirectoryError> {
    tx.viewer.may::<GroupRecord>(Action::Delete)?;
    let group = find(tx, by).await?;
    tx.delete(&group).await?;
    Ok(group)
}
