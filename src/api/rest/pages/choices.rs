//! What a field of a form may be chosen from: as many as can be looked over, of what who asks may use.

use super::super::refused::refused;
use super::super::{ApiError, Call};
use crate::directory::{
    DirectoryError, GroupRecord, List, MembershipRecord, OrganizationRecord, Page, PermissionRecord,
};
use crate::id::OrgId;
use std::collections::BTreeSet;

/// More are searched for in their list.
const MOST: usize = 50;

pub(super) enum Choices {
    /// A value, and what it is called.
    These(Vec<(String, String)>),
    /// Too many to show; they are in this list.
    Listed(String),
}

/// One more than are shown, without counting how many there are.
fn some() -> List {
    let limit = u32::try_from(MOST + 1).ok();
    List { page: Page { limit, offset: 0 }, counted_to: limit, ..List::default() }
}

fn few<R>(rows: Vec<R>, list: &str, choice: impl Fn(R) -> (String, String)) -> Choices {
    if rows.len() > MOST {
        Choices::Listed(list.to_owned())
    } else {
        Choices::These(rows.into_iter().map(choice).collect())
    }
}

/// Nothing of what may not be listed.
fn or_listed(found: Result<Choices, DirectoryError>, list: &str) -> Result<Choices, ApiError> {
    match found {
        Err(DirectoryError::Forbidden { .. }) => Ok(Choices::Listed(list.to_owned())),
        found => found.map_err(refused::<OrganizationRecord>),
    }
}

/// Organizations that they manage, or, for a token, belong to.
pub(super) async fn organizations(call: &Call, managed: bool) -> Result<Choices, ApiError> {
    const LIST: &str = "organization/";
    if !call.is_superuser() {
        let theirs = call.asker.memberships().iter().filter(|tie| tie.is_admin || !managed);
        let named = theirs.map(|tie| (tie.organization.id.to_string(), tie.organization.name.as_str().to_owned()));
        return Ok(few(named.collect(), LIST, |choice| choice));
    }
    let list = List { order: vec!["name".to_owned()], ..some() };
    let rows = call.view.organizations(&list).await.map(|found| found.rows);
    let choice = |one: OrganizationRecord| (one.id.to_string(), one.name);
    or_listed(rows.map(|rows| few(rows, LIST, choice)), LIST)
}

/// Groups that they may put somebody into: those of which they have every permission.
pub(super) async fn groups(call: &Call) -> Result<Choices, ApiError> {
    const LIST: &str = "group/";
    let rows = call.view.groups(&some()).await.map(|found| found.rows);
    let may_give = |group: &GroupRecord| {
        let has = |name: &String| call.asker.has_permission_everywhere(name);
        call.is_superuser() || call.is_compat() || group.permissions.iter().all(has)
    };
    let choice = |one: GroupRecord| (one.id.0.to_string(), one.name);
    let found = rows.map(|rows| match rows.len() > MOST {
        true => Choices::Listed(LIST.to_owned()),
        false => few(rows.into_iter().filter(may_give).collect(), LIST, choice),
    });
    or_listed(found, LIST)
}

/// Permissions that they may give, by their numbers or by their names.
pub(super) async fn permissions(call: &Call, by_number: bool) -> Result<Choices, ApiError> {
    const LIST: &str = "permission/";
    if !call.is_superuser() && !by_number {
        let all = call.asker.permissions();
        let theirs = all.into_iter().flat_map(|all| {
            let somewhere = all.all_by_organization().flat_map(|(_, names)| names.iter());
            all.all_everywhere().iter().chain(somewhere).map(|name| name.to_string())
        });
        let names: BTreeSet<String> = theirs.collect();
        return Ok(few(names.into_iter().collect(), LIST, |name: String| (name.clone(), name)));
    }
    let rows = call.view.permissions(&some()).await.map(|found| found.rows);
    let choice = |one: PermissionRecord| {
        let value = if by_number { one.id.0.to_string() } else { one.codename.clone() };
        let label = if one.name.is_empty() { one.codename } else { format!("{}: {}", one.codename, one.name) };
        (value, label)
    };
    or_listed(rows.map(|rows| few(rows, LIST, choice)), LIST)
}

/// Members of an organization, by the keys of their memberships.
pub(super) async fn members(call: &Call, organization: OrgId) -> Result<Choices, ApiError> {
    let at = format!("organization/{organization}/member/");
    let list = List { organization: Some(organization.into()), ..some() };
    let rows = call.view.memberships(&list).await.map(|found| found.rows);
    let choice = |one: MembershipRecord| (one.id.to_string(), one.username);
    or_listed(rows.map(|rows| few(rows, &at, choice)), &at)
}
