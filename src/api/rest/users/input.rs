//! What is sent for a user, checked against the directory: keys of other records, and what only one user may have.

use super::super::super::error::ApiError;
use super::super::Call;
use super::super::keys;
use super::super::refused::{refused, taken};
use crate::compat::openwisp::fields::{FieldErrors, Fields};
use crate::compat::openwisp::serializer::{Data, Datum, Field};
use crate::compat::openwisp::value::{Text, Value};
use crate::directory::{
    CustomFields, DirectoryError, Given, Keyed, Taken, TieChange, UnfitFields, Unique, UserRecord, UserWords, Viewer,
};
use crate::id::{GroupId, OrgId, PermissionId, UserId};
use jiff::civil::Date;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// What was sent, with what is wrong of it.
pub(in crate::api::rest) struct Input {
    data: Data,
    errors: FieldErrors,
    /// What names the fields in order.
    fields: &'static [Field],
}

/// A membership that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tie {
    pub organization: OrgId,
    pub is_admin: Option<bool>,
}

impl Input {
    pub(in crate::api::rest) fn new((data, errors): (Data, FieldErrors), fields: &'static [Field]) -> Self {
        Self { data, errors, fields }
    }

    pub(super) fn data(&self) -> &Data {
        &self.data
    }

    pub(super) fn refuse(&mut self, field: &str, message: impl Into<String>) {
        if !self.errors.concerns(field) {
            self.errors.add(field, message);
        }
    }

    /// # Errors
    /// Something was wrong; all of it is told.
    pub(in crate::api::rest) fn settle(&mut self) -> Result<(), ApiError> {
        if self.errors.is_empty() {
            return Ok(());
        }
        let order = |name: &str| self.fields.iter().position(|field| field.name == name).unwrap_or(usize::MAX);
        Err(ApiError::of_fields(std::mem::take(&mut self.errors).in_order_of(order)))
    }

    /// Notes what another user has. Fields first; whatever differs in its case alone is found when all else is right.
    pub(super) async fn must_be_unique(&mut self, call: &Call, user: Option<UserId>) -> Result<bool, ApiError> {
        let text = |name| self.data.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
        let words = UserWords { username: text("username"), email: text("email"), phone_number: text("phone_number") };
        if words == UserWords::default() {
            return Ok(false);
        }
        let everything = call.api.store.as_seen_by(Viewer::Operator);
        let look = async { everything.taken(words, user).await.map_err(refused::<UserRecord>) };
        let mut others = call.is_taken(look, |others| *others != Taken::default()).await?;
        // How others write their address is nobody's business.
        if !call.is_compat() {
            others.email |= std::mem::take(&mut others.email_in_another_case);
        }
        for (is_taken, unique) in [
            (others.username, Unique::Username),
            (others.email, Unique::Email),
            (others.phone_number, Unique::PhoneNumber),
        ] {
            if is_taken {
                let (field, message) = taken(unique);
                self.refuse(field, message);
            }
        }
        Ok(others.email_in_another_case)
    }

    /// That fields of the installation's own are declared, and of their types.
    pub(super) fn must_be_declared(&mut self, call: &Call, kept: &CustomFields) {
        let Some(Datum::Map(sent)) = self.data.get("fields") else { return };
        if let Err(UnfitFields(unfit)) = call.api.store.declared().put(kept, &members(sent).into_iter().collect()) {
            let mut errors = FieldErrors::default();
            unfit.iter().for_each(|(name, problem)| errors.add(name, problem.as_str()));
            self.errors.add_within("fields", errors);
        }
    }

    /// The groups that were sent.
    pub(super) async fn groups(&mut self, call: &Call) -> Result<Option<Vec<GroupId>>, ApiError> {
        let known = self.keys(call, "groups", Keyed::Groups).await?;
        Ok(known.map(|known| known.into_iter().map(GroupId).collect()))
    }

    pub(super) async fn permissions(&mut self, call: &Call) -> Result<Option<Vec<PermissionId>>, ApiError> {
        let known = self.keys(call, "user_permissions", Keyed::Permissions).await?;
        Ok(known.map(|known| known.into_iter().map(PermissionId).collect()))
    }

    async fn keys(&mut self, call: &Call, field: &str, of: Keyed) -> Result<Option<Vec<i64>>, ApiError> {
        let Some(sent) = self.data.keys(field) else { return Ok(None) };
        let there = call.view.existing(of, keys::numbers(sent).collect()).await.map_err(refused::<UserRecord>)?;
        match keys::known(sent, &there.into_iter().collect()) {
            Ok(known) => Ok(Some(known)),
            Err(problem) => {
                self.refuse(field, problem);
                Ok(None)
            }
        }
    }

    /// The memberships that were sent, in organizations that who asks may give: superusers all, others those that they manage.
    pub(super) async fn ties(&mut self, call: &Call) -> Result<Vec<Tie>, ApiError> {
        let (sent, is_list) = match self.data.get("organization_users") {
            Some(Datum::Nested(one)) => (std::slice::from_ref(one), false),
            Some(Datum::Each(each)) => (each.as_slice(), true),
            _ => return Ok(Vec::new()),
        };
        let (mut ties, mut wrong) = (Vec::new(), Vec::new());
        for sent in sent {
            let found = match sent.keys("organization") {
                Some(keys) => organization(call, keys).await?,
                None => Ok(None),
            };
            match found {
                Ok(Some(organization)) => ties.push(Tie { organization, is_admin: sent.flag("is_admin") }),
                Ok(None) => {}
                Err(problem) => wrong.push(FieldErrors::of("organization", problem)),
            }
        }
        if is_list && !wrong.is_empty() {
            self.errors.add_each("organization_users", wrong);
        } else if let Some(wrong) = wrong.pop() {
            self.errors.add_within("organization_users", wrong);
        }
        Ok(ties)
    }

    /// What was sent of the user's own fields, as the directory reads it.
    pub(in crate::api::rest) fn given(&self, compat: bool) -> Vec<(&'static str, Given)> {
        let mut given = Vec::new();
        for (name, datum) in self.data.iter() {
            let text = match datum {
                Datum::Flag(flag) => {
                    given.push((name, Given::Flag(*flag)));
                    continue;
                }
                Datum::Text(text) => text.clone(),
                Datum::Date(date) => date.to_string(),
                Datum::Null => String::new(),
                Datum::Map(fields) => {
                    given.push((name, Given::Map(members(fields))));
                    continue;
                }
                Datum::Keys(_) | Datum::Nested(_) | Datum::Each(_) => continue,
            };
            let blank = match name {
                "email" => Some("email_blank"),
                "phone_number" => Some("phone_blank"),
                _ => None,
            };
            if let Some(blank) = blank {
                given.push((blank, Given::Flag(compat && *datum == Datum::Text(String::new()))));
            }
            given.push((name, Given::Text(text)));
        }
        given
    }

    /// That an account is not given a day that is over; that none is woken up after its last day the directory sees to.
    pub(super) fn must_not_be_over(&mut self, before: Option<&UserRecord>, today: Date) {
        let day = match self.data.get("expiration_date") {
            Some(Datum::Date(day)) => Some(*day),
            Some(_) => None,
            None => before.and_then(|before| before.expiration_date),
        };
        let Some(day) = day.filter(|day| *day < today) else { return };
        if before.and_then(|before| before.expiration_date) != Some(day) {
            self.refuse("expiration_date", "Expiration date cannot be in the past.");
        }
    }
}

async fn organization(call: &Call, keys: &[Value]) -> Result<Result<Option<OrgId>, String>, ApiError> {
    let (id, unknown) = match keys::organization(keys) {
        Ok(named) => named,
        Err(problem) => return Ok(Err(problem)),
    };
    let is_theirs = call.is_superuser() || call.asker.membership(id).is_some_and(|tie| tie.is_admin);
    if !is_theirs {
        return Ok(Err(unknown));
    }
    match call.api.store.as_seen_by(Viewer::Operator).organization_record(&id.into()).await {
        Ok(found) => Ok(Ok(Some(found.id))),
        Err(DirectoryError::NotFound { .. }) => Ok(Err(unknown)),
        Err(error) => Err(refused::<UserRecord>(error)),
    }
}

/// Values by name. What no field can be, such as a list, is an object without anything, which no field is either.
fn members(sent: &Fields) -> BTreeMap<String, Json> {
    let value = |value: &Value| match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(digits) => digits.parse::<i64>().map_or_else(|_| Json::Object(Map::new()), Json::from),
        Value::Text(Text { text, surrogate: None }) => Json::String(text.clone()),
        _ => Json::Object(Map::new()),
    };
    sent.names().filter_map(|name| Some((name.to_owned(), value(sent.get(name)?)))).collect()
}

/// What memberships become: openwisp-users' API takes away what is sent again as it is.
pub(super) fn changes(ties: Vec<Tie>, compat: bool) -> Vec<TieChange> {
    let change = |Tie { organization, is_admin }| {
        if compat { TieChange::Toggle { organization, is_admin } } else { TieChange::Set { organization, is_admin } }
    };
    ties.into_iter().map(change).collect()
}
