//! Users.

use super::engine::{View, operations};
use super::error::{BatchError, DirectoryError};
use super::fields::CustomFields;
use super::list::{List, Rows, all};
use super::resources::{NewUser, OrganizationRecord, UserEdit, UserRecord};
use super::selector::{OrgSelector, UserSelector};
use super::tx::Tx;
use super::usernames::Usernames;
use super::viewer::Action;
use super::{lookup, memberships};
use crate::clock;
use crate::id::UserId;
use serde_json::json;

/// As openwisp-users says it.
const EXPIRED: &str = "Cannot activate an expired account. Clear or extend the expiration date first.";

impl View {
    /// Makes users, all or none, members of their primary organizations. Usernames (or, where they are per organization, usernames in one
    /// primary organization), e-mail addresses (whatever the case), phone numbers and external ids are unique.
    pub async fn create_users(&self, users: Vec<NewUser>) -> Result<Vec<UserRecord>, BatchError> {
        self.write_all(users, |tx, new| Box::pin(create(tx, new))).await
    }
}

operations! {
    look user(user: &UserSelector) -> UserRecord = show;
    look users(list: &List) -> Rows<UserRecord> = all;
    /// Writes down that a link was made with which somebody logs in as this user.
    write note_magic_link(user: &UserSelector) -> UserRecord = note_magic_link;
    write edit_user(user: &UserSelector; new: UserEdit) -> UserRecord = edit;
    /// Deletes a user with their memberships and tokens; refused while they own an organization.
    write delete_user(user: &UserSelector) -> UserRecord = delete;
    /// Deletes a user with what they own: organizations that were theirs are nobody's.
    write delete_user_and_ownership(user: &UserSelector) -> UserRecord = delete_with_ownership;
}

pub(super) async fn create(tx: &Tx<'_>, new: NewUser) -> Result<UserRecord, DirectoryError> {
    tx.viewer.may::<UserRecord>(Action::Add)?;
    if new.is_staff {
        tx.viewer.may_give_staff()?;
    }
    let primary = match &new.organization_slug {
        Some(by) => Some(lookup::organization(tx, by).await?),
        None => None,
    };
    let id = new.id.unwrap_or_else(UserId::generate);
    let fields = tx.declared.put(&CustomFields::default(), &new.fields)?;
    let mut user = UserRecord {
        fields,
        created: tx.now,
        created_micros: tx.micros,
        modified: tx.now,
        modified_micros: tx.micros,
        ..new.into_record(id)
    };
    set_primary(&mut user, primary.as_ref());
    must_have_primary(tx, &user).await?;
    tx.insert(&user).await?;
    if let Some(organization) = primary {
        // The store's rule made them a member.
        tx.created("membership.create", &memberships::find(tx, &organization, &user).await?);
    }
    Ok(user)
}

fn set_primary(user: &mut UserRecord, organization: Option<&OrganizationRecord>) {
    user.organization = organization.map(|organization| organization.id);
    user.organization_slug = organization.map(|organization| organization.slug.clone());
}

/// Where usernames are per organization, everybody has a primary one, but for superusers.
async fn must_have_primary(tx: &Tx<'_>, user: &UserRecord) -> Result<(), DirectoryError> {
    let is_fine = user.organization.is_some() || user.is_superuser || Usernames::of(tx).await? == Usernames::Global;
    if is_fine { Ok(()) } else { Err(DirectoryError::NoPrimary { user: user.username.clone() }) }
}

pub(super) async fn show(tx: &Tx<'_>, by: &UserSelector) -> Result<UserRecord, DirectoryError> {
    tx.viewer.may::<UserRecord>(Action::View)?;
    lookup::user(tx, by).await
}

pub(super) async fn edit(tx: &Tx<'_>, by: &UserSelector, mut edit: UserEdit) -> Result<UserRecord, DirectoryError> {
    tx.viewer.may::<UserRecord>(Action::Change)?;
    // Two who edit one user do so one after the other.
    let id = lookup::user(tx, by).await?.id;
    tx.session.lock("users", &id).await?;
    let before = lookup::user(tx, &id.into()).await?;
    must_be_changeable(tx, &before).await?;
    let mut after = UserRecord { modified: tx.now, modified_micros: tx.micros, ..before.clone() };
    let moved = edit.organization_slug.take();
    // Those that are not named stay, also such as only another replica has declared.
    if let Some(fields) = edit.fields.take() {
        after.fields = tx.declared.put(&before.fields, &fields)?;
    }
    edit.apply(&mut after);
    if let Some(to) = moved {
        let primary = primary_of(tx, &before, to).await?;
        set_primary(&mut after, primary.as_ref());
    }
    if (after.organization, after.is_superuser) != (before.organization, before.is_superuser) {
        must_have_primary(tx, &after).await?;
    }
    if after.is_staff && !before.is_staff {
        tx.viewer.may_give_staff()?;
    }
    if after.is_active && !before.is_active && after.expiration_date.is_some_and(|last| last < clock::today()) {
        return Err(DirectoryError::invalid("is_active", EXPIRED));
    }
    tx.update(&before, &after).await?;
    Ok(after)
}

pub(super) async fn delete(tx: &Tx<'_>, by: &UserSelector) -> Result<UserRecord, DirectoryError> {
    tx.viewer.may::<UserRecord>(Action::Delete)?;
    let user = lookup::user(tx, by).await?;
    must_be_changeable(tx, &user).await?;
    let organizations = owned(tx, user.id).await?;
    if !organizations.is_empty() {
        return Err(DirectoryError::OwnerDeleted { user: user.username, organizations });
    }
    tx.delete(&user).await?;
    Ok(user)
}

async fn delete_with_ownership(tx: &Tx<'_>, by: &UserSelector) -> Result<UserRecord, DirectoryError> {
    tx.viewer.may::<UserRecord>(Action::Delete)?;
    let user = lookup::user(tx, by).await?;
    must_be_changeable(tx, &user).await?;
    tx.execute("DELETE FROM owners WHERE user_id = $1", &[&user.id]).await?;
    tx.delete(&user).await?;
    Ok(user)
}

async fn note_magic_link(tx: &Tx<'_>, by: &UserSelector) -> Result<UserRecord, DirectoryError> {
    let user = show(tx, by).await?;
    must_be_changeable(tx, &user).await?;
    tx.created("user.magic-link", &json!({ "id": user.id, "username": user.username }));
    Ok(user)
}

/// That the viewer may change a user whom they see: owners of organizations are changed by superusers and themselves alone.
pub(super) async fn must_be_changeable(tx: &Tx<'_>, user: &UserRecord) -> Result<(), DirectoryError> {
    let may = tx.viewer.is_unchecked() || tx.viewer.user() == Some(user.id) || owned(tx, user.id).await?.is_empty();
    tx.viewer.unless(may, || format!("change `{}`", user.username))
}

/// The slugs of the organizations that a user owns.
async fn owned(tx: &Tx<'_>, user: UserId) -> Result<Vec<String>, DirectoryError> {
    let sql = "SELECT o.slug FROM owners w JOIN organizations o ON o.id = w.organization_id
               WHERE w.user_id = $1 ORDER BY o.slug";
    Ok(tx.rows(sql, &[&user]).await?.iter().map(|row| row.get("slug")).collect::<Result<_, _>>()?)
}

/// Where the name of a user moves to: an organization that they belong to, or none. Who does not see where it is now does not take it
/// from there.
async fn primary_of(
    tx: &Tx<'_>,
    user: &UserRecord,
    to: Option<OrgSelector>,
) -> Result<Option<OrganizationRecord>, DirectoryError> {
    let to = match &to {
        Some(by) => Some(lookup::organization(tx, by).await?),
        None => None,
    };
    let id = to.as_ref().map(|organization| organization.id);
    if let Some(from) = user.organization.filter(|from| id != Some(*from)) {
        let seen = lookup::organization(tx, &from.into()).await;
        tx.viewer.unless(seen.is_ok(), || format!("move the name of `{}`", user.username))?;
    }
    if let Some(organization) = &to {
        memberships::find(tx, organization, user).await?;
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::error::{Noun, Unique};
    use crate::directory::memory::Memory;
    use crate::directory::name::{Email, ExternalId, PhoneNumber};

    fn ann() -> NewUser {
        NewUser {
            email: Some(Email::new("ann@example.org").unwrap()),
            phone_number: Some(PhoneNumber::new("+393665243702").unwrap()),
            external_id: Some(ExternalId::new("7").unwrap()),
            ..NewUser::named("ann").unwrap()
        }
    }

    #[test]
    fn duplicate_user_is_told_by_the_value_that_is_taken() {
        let mut memory = Memory::new();
        let first = memory.write(|tx| Box::pin(create(tx, ann()))).unwrap();
        let other = NewUser::named("bob").unwrap();
        for (new, unique) in [
            (NewUser::named("ann").unwrap(), Unique::Username),
            (NewUser { email: Some(Email::new("ANN@example.org").unwrap()), ..other.clone() }, Unique::Email),
            (NewUser { phone_number: ann().phone_number, ..other.clone() }, Unique::PhoneNumber),
            (NewUser { external_id: ann().external_id, ..other.clone() }, Unique::UserExternalId),
            (NewUser { id: Some(first.id), ..other.clone() }, Unique::UserId),
        ] {
            let refused = memory.write(|tx| Box::pin(create(tx, new))).unwrap_err();
            assert!(refused.taken(unique).is_some(), "{unique:?}: {refused}");
        }
        assert_eq!(memory.count("users"), 1);
    }

    #[test]
    fn last_owner_is_not_deleted() {
        let mut memory = Memory::new().users(&["ann"]).organization("Acme").organization("Bolt");
        memory.join("acme", "ann", true).unwrap();
        memory.join("bolt", "ann", true).unwrap();
        let deleted = memory.write(|tx| Box::pin(async move { delete(tx, &"ann".into()).await }));
        let organizations = vec!["acme".to_owned(), "bolt".to_owned()];
        assert_eq!(deleted, Err(DirectoryError::OwnerDeleted { user: "ann".to_owned(), organizations }));
    }

    #[test]
    fn nobody_wakes_up_after_their_last_day() {
        let mut memory = Memory::new().users(&["ann"]);
        let mut change = |is_active, last: Option<&str>| {
            let last = last.map(|last| Some(last.parse().unwrap()));
            let change = UserEdit { is_active: Some(is_active), expiration_date: last, ..UserEdit::default() };
            memory.write(|tx| Box::pin(async move { edit(tx, &"ann".into(), change).await })).map(|user| user.is_active)
        };
        assert_eq!(change(false, Some("2001-01-01")), Ok(false));
        assert_eq!(change(true, None), Err(DirectoryError::invalid("is_active", EXPIRED)));
        assert_eq!(change(true, Some("2999-01-01")), Ok(true));
        assert_eq!(change(true, Some("2001-01-01")), Ok(true), "who is active stays so until the day is looked at");
    }

    #[test]
    fn username_that_is_the_address_of_another_is_ambiguous() {
        let mut memory = Memory::new().users(&["ann@example.org"]);
        memory.write(|tx| Box::pin(create(tx, ann()))).unwrap();
        let found = memory.write(|tx| Box::pin(async move { lookup::user(tx, &"ann@example.org".into()).await }));
        assert!(matches!(found, Err(DirectoryError::Ambiguous { noun: Noun::User, .. })), "{found:?}");
    }
}
