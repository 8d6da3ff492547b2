//! What is told of a user.

use super::super::{Call, moment};
use crate::compat::openwisp::object::Object;
use crate::directory::{DeclaredFields, Person, UserRecord};
use crate::id::OrgId;
use std::sync::Arc;

/// Whom users are told to, and in which installation.
#[derive(Clone)]
pub(super) struct Reader {
    is_superuser: bool,
    is_compat: bool,
    declared: DeclaredFields,
    /// The organizations whose memberships they are told; `None`: all.
    managed: Option<Arc<[OrgId]>>,
}

impl Reader {
    pub(super) fn of(call: &Call) -> Self {
        let declared = call.api.store.declared().clone();
        // The reference tells all.
        let is_narrowed = !call.is_superuser() && !call.is_compat();
        let managed = call.asker.memberships().iter().filter(|tie| tie.is_admin).map(|tie| tie.organization.id);
        let managed = is_narrowed.then(|| managed.collect());
        Self { is_superuser: call.is_superuser(), is_compat: call.is_compat(), declared, managed }
    }
}

pub(super) fn in_list(person: &Person, reader: &Reader) -> String {
    let user = &person.user;
    let mut told = Object::default();
    told.put("id", &user.id);
    told.put("username", &user.username);
    told.put("email", &email(user, reader));
    told.put("first_name", &user.first_name);
    told.put("last_name", &user.last_name);
    told.put("phone_number", &phone_number(user, reader));
    told.put("birth_date", &user.birth_date);
    flags(&mut told, user, reader.is_superuser);
    told.put("expiration_date", &user.expiration_date);
    told.put("groups", &person.groups);
    ties(&mut told, person, reader);
    own(&mut told, user, reader);
    told.end()
}

pub(super) fn alone(person: &Person, reader: &Reader) -> String {
    let user = &person.user;
    let mut told = Object::default();
    told.put("id", &user.id);
    told.put("username", &user.username);
    told.put("first_name", &user.first_name);
    told.put("last_name", &user.last_name);
    told.put("email", &email(user, reader));
    told.put("bio", &user.bio);
    told.put("url", &user.url);
    told.put("company", &user.company);
    told.put("location", &user.location);
    told.put("phone_number", &phone_number(user, reader));
    told.put("birth_date", &user.birth_date);
    told.put("notes", &user.notes);
    flags(&mut told, user, reader.is_superuser);
    told.put("last_login", &user.last_login.map(moment::of_micros));
    told.put("expiration_date", &user.expiration_date);
    told.put("date_joined", &moment::written(user.created, user.created_micros));
    told.put("groups", &person.groups);
    if reader.is_superuser {
        told.put("user_permissions", &person.permissions);
    }
    ties(&mut told, person, reader);
    own(&mut told, user, reader);
    told.end()
}

fn email<'u>(user: &'u UserRecord, reader: &Reader) -> Option<&'u str> {
    user.email.as_deref().or_else(|| (user.email_blank && reader.is_compat).then_some(""))
}

fn phone_number<'u>(user: &'u UserRecord, reader: &Reader) -> Option<&'u str> {
    user.phone_number.as_deref().or_else(|| (user.phone_blank && reader.is_compat).then_some(""))
}

fn flags(told: &mut Object, user: &UserRecord, to_superuser: bool) {
    told.put("is_active", &user.is_active);
    told.put("is_staff", &user.is_staff);
    if to_superuser {
        told.put("is_superuser", &user.is_superuser);
    }
}

/// What the installation declares.
fn own(told: &mut Object, user: &UserRecord, reader: &Reader) {
    if !reader.declared.is_empty() {
        told.put("fields", &reader.declared.told(&user.fields));
    }
}

fn ties(told: &mut Object, person: &Person, reader: &Reader) {
    let is_told = |organization: &OrgId| reader.managed.as_ref().is_none_or(|managed| managed.contains(organization));
    let all = person.ties.iter().filter(|(organization, _)| is_told(organization));
    told.put_objects("organization_users", all, |tie, (organization, is_admin)| {
        tie.put("is_admin", is_admin);
        tie.put("organization", organization);
    });
}
