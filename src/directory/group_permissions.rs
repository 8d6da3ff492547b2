//! Groups with what they permit, told by number and by what people call it; read by one statement.

use super::engine::operations;
use super::error::{DirectoryError, Noun, StoreError};
use super::groups;
use super::list::{List, Rows, all};
use super::resources::{Field, GroupRecord, NewGroup, Resource, Statements};
use super::sql::{Cells, Value};
use super::tx::Tx;
use super::viewer::Action;
use crate::id::GroupId;
use serde::Serialize;
use std::sync::LazyLock;

/// A group, and its permissions.
#[derive(Clone, Debug, Serialize)]
pub struct GroupWithPermissions {
    pub group: GroupRecord,
    pub permissions: Vec<GroupPermission>,
}

/// A permission of a group: its number, what it is called, and the model that it is of, where that is known.
#[derive(Clone, Debug, Serialize)]
pub struct GroupPermission {
    pub id: i64,
    pub codename: String,
    pub model: String,
    pub name: String,
}

/// Between the parts of a permission, and between permissions: no name has control characters.
const PART: char = '\u{1f}';
const NEXT: char = '\u{1e}';

impl Resource for GroupWithPermissions {
    const NOUN: Noun = GroupRecord::NOUN;
    const PERMISSION: &'static str = GroupRecord::PERMISSION;
    const TABLE: &'static str = GroupRecord::TABLE;
    const ALIAS: &'static str = GroupRecord::ALIAS;
    const JOINS: &'static str = GroupRecord::JOINS;
    const ORDER: &'static [&'static str] = GroupRecord::ORDER;
    const FIELDS: &'static [Field] = GroupRecord::FIELDS;
    const COLUMNS: &'static [&'static str] = GroupRecord::COLUMNS;
    const OF_USER: &'static str = GroupRecord::OF_USER;
    const SEEN_BY_MANAGER: &'static str = GroupRecord::SEEN_BY_MANAGER;
    const SEEN_BY_ONESELF: &'static str = GroupRecord::SEEN_BY_ONESELF;

    fn take(cells: &mut Cells) -> Result<Self, StoreError> {
        let group = GroupRecord::take(cells)?;
        let joined = cells.next::<Option<String>>("permissions")?.unwrap_or_default();
        let part = |text: &str| {
            let mut parts = text.split(PART);
            let id = parts.next()?.parse().ok()?;
            let mut text = || parts.next().map(str::to_owned);
            Some(GroupPermission { id, codename: text()?, model: text()?, name: text()? })
        };
        let permissions = joined.split(NEXT).filter(|text| !text.is_empty()).map(part).collect::<Option<_>>();
        let broken = || StoreError::Broken("a permission of a group cannot be read".to_owned());
        Ok(Self { group, permissions: permissions.ok_or_else(broken)? })
    }

    fn values(&self) -> Vec<Value<'_>> {
        self.group.values()
    }

    fn statements() -> &'static Statements {
        static STATEMENTS: LazyLock<Statements> = LazyLock::new(|| {
            let mut statements = Statements::of::<GroupRecord>();
            statements.fields += &format!(
                ", (SELECT string_agg(CAST(p.id AS text) || '{PART}' || p.codename || '{PART}' || p.model || '{PART}' || p.name, '{NEXT}')
                    FROM group_permissions x JOIN permissions p ON p.id = x.permission_id WHERE x.group_id = b.id)"
            );
            statements
        });
        &STATEMENTS
    }
}

operations! {
    write create_group(; new: NewGroup) -> GroupWithPermissions = create;
    look group_with_permissions(; group: GroupId) -> GroupWithPermissions = show;
    /// Groups by name.
    look groups_with_permissions(list: &List) -> Rows<GroupWithPermissions> = all;
}

/// Whoever makes a group is told what they have made.
async fn create(tx: &Tx<'_>, new: NewGroup) -> Result<GroupWithPermissions, DirectoryError> {
    let group = groups::create(tx, new).await?.id;
    tx.find("b.id = $1", &[&group], group).await
}

async fn show(tx: &Tx<'_>, group: GroupId) -> Result<GroupWithPermissions, DirectoryError> {
    tx.viewer.may::<GroupRecord>(Action::View)?;
    tx.find("b.id = $1", &[&group], group).await
}
