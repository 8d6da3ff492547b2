//! A condition and one request: the names that the expression uses get their values, and it holds or does not.

use super::Condition;
use super::types::{Field, is_secret};
use crate::claims::{Claim, Claims};
use crate::facts::{Column, FieldValue, Snapshot, User, UserFields, Value as FactValue};
use crate::normalized_name::normalized_key;
use crate::policy::options::subject::{Failure, Subject};
use crate::policy::pattern::Kind;
use crate::request_target::field::{self, FieldError};
use crate::request_target::hop::{Options, is_hop_by_hop};
use crate::request_target::query;
use cel::objects::{Key, Map};
use cel::{Context, Env, Value};
use http::HeaderMap;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Most headers that are looked through as a whole.
const MAX_HEADERS: usize = 128;

thread_local! {
    /// The functions of the language: made once, never changed.
    static ENVIRONMENT: Arc<Env> = Arc::new(Env::stdlib());
}

#[derive(Default)]
struct Values {
    request: HashMap<Key, Value>,
    client: HashMap<Key, Value>,
    query: HashMap<Key, Value>,
    headers: HashMap<Key, Value>,
    user: HashMap<Key, Value>,
    organization: HashMap<Key, Value>,
    path: HashMap<Key, Value>,
    claims: HashMap<Key, Value>,
    lookup: HashMap<Box<str>, HashMap<Key, Value>>,
}

impl Condition {
    /// Whether it holds.
    ///
    /// # Errors
    /// See [`Failure`]: then it does not hold.
    pub fn holds(&self, subject: &Subject<'_>) -> Result<bool, Failure> {
        let mut values = Values::default();
        for field in &self.fields {
            values.take(field, subject)?;
        }
        let Values { mut request, client, query, headers, user, organization, path, claims, lookup } = values;
        request.insert(key("query"), map(query));
        request.insert(key("headers"), map(headers));
        let mut context = ENVIRONMENT.with(|env| Context::with_env(Arc::clone(env)));
        context.add_variable_from_value("request", map(request));
        context.add_variable_from_value("client", map(client));
        context.add_variable_from_value("user", subject.user.map_or(Value::Null, |_| map(user)));
        context.add_variable_from_value("org", subject.organization.map_or(Value::Null, |_| map(organization)));
        context.add_variable_from_value("path", map(path));
        context.add_variable_from_value("claims", map(claims));
        // Few conditions ask one: the others pay nothing for it.
        if !lookup.is_empty() {
            let lookup = lookup.into_iter().map(|(name, object)| (key(&name), map(object))).collect();
            context.add_variable_from_value("lookup", map(lookup));
        }
        match context.resolve(&self.expression) {
            Ok(Value::Bool(holds)) => Ok(holds),
            _ => Err(Failure::Undefined),
        }
    }
}

impl Values {
    fn take(&mut self, field: &Field, subject: &Subject<'_>) -> Result<(), Failure> {
        let user = subject.user.map(|snapshot| &snapshot.user);
        let organization = subject.organization.map(|(organization, _)| organization);
        match field {
            Field::Method => set(&mut self.request, "method", text(subject.method.as_str())),
            Field::Path => set(&mut self.request, "path", text(subject.path)),
            Field::Host => set(&mut self.request, "host", text(subject.host)),
            Field::Address => {
                known(&mut self.client, "address", subject.client.map(|address| address.to_string()).as_deref());
            }
            Field::Within(name, networks) => {
                if let Some(address) = subject.client {
                    let is_within = networks.iter().any(|network| network.contains(&address));
                    set(&mut self.client, name, Value::Bool(is_within));
                }
            }
            Field::Parameter(name) => {
                let value = query::single(subject.query, name).map_err(Failure::Parameter)?;
                known(&mut self.query, name, value.as_deref());
            }
            Field::Query => {
                for (name, value) in query::all(subject.query).map_err(Failure::Parameter)? {
                    set(&mut self.query, &name, text(&value));
                }
            }
            Field::Header(name) => {
                known(&mut self.headers, name.as_str(), field::single(subject.headers, name).map_err(Failure::Header)?)
            }
            Field::Headers => self.all_headers(subject.headers)?,
            Field::UserId => known(&mut self.user, "id", user.map(|u| u.id.to_string()).as_deref()),
            Field::Username => {
                known(&mut self.user, "username", user.and_then(|u| u.username.as_ref()).map(FactValue::as_str))
            }
            Field::Login => known(&mut self.user, "login", user.and_then(User::login).map(FactValue::as_str)),
            Field::Organization => {
                known(&mut self.user, "organization", user.and_then(User::organization).map(FactValue::as_str))
            }
            Field::Email => {
                known(&mut self.user, "email", user.and_then(|u| u.email.as_deref()).map(FactValue::as_str))
            }
            Field::Issuer => {
                known(&mut self.user, "issuer", user.and_then(|u| u.issuer.as_deref()).map(FactValue::as_str))
            }
            Field::IsStaff => set(&mut self.user, "is_staff", Value::Bool(user.is_some_and(|u| u.is_staff))),
            Field::IsSuperuser => {
                set(&mut self.user, "is_superuser", Value::Bool(user.is_some_and(|u| u.is_superuser)))
            }
            Field::Groups => {
                let groups = subject.user.map(Snapshot::groups).unwrap_or_default();
                let list = groups.iter().map(|group| text(group)).collect();
                set(&mut self.user, "groups", Value::List(Arc::new(list)));
            }
            Field::UserFields => {
                let fields = user.and_then(|u| u.fields.as_deref()).map(UserFields::all).unwrap_or_default();
                let all = fields.iter().map(|(name, value)| (key(name), of_field(value))).collect();
                set(&mut self.user, "fields", map(all));
            }
            Field::OrgId => known(&mut self.organization, "id", organization.map(|o| o.id.to_string()).as_deref()),
            Field::Slug => known(&mut self.organization, "slug", organization.map(|o| o.slug.as_str())),
            Field::ExternalId => {
                let key = organization.and_then(|o| o.external_id.as_deref());
                known(&mut self.organization, "external_id", key.map(FactValue::as_str));
            }
            Field::Level => known(&mut self.organization, "level", subject.organization.map(|(_, level)| level)),
            Field::Claims => {
                for (name, value) in subject.claims.map(Claims::all).unwrap_or_default() {
                    set(&mut self.claims, &name, of_claim(value));
                }
            }
            Field::Column(at, name, column) => {
                let object = self.lookup.entry(name.clone()).or_default();
                if let Some(found) = (subject.object)(*at).and_then(|object| object.column(column)) {
                    set(object, column, of_column(found));
                }
            }
            Field::Variable(at, name, kind) => {
                if let Some(value) = (subject.variable)(*at).and_then(|matched| variable(&matched, *kind)) {
                    set(&mut self.path, name, value);
                }
            }
        }
        Ok(())
    }

    /// Every header but credentials. One that is there twice, or in two spellings, is ambiguous as a parameter is: an
    /// upstream may take the first, the last or all of them (RFC 9110, 5.3), and `X_Tenant` for `X-Tenant`.
    fn all_headers(&mut self, headers: &HeaderMap) -> Result<(), Failure> {
        if headers.len() > MAX_HEADERS {
            return Err(Failure::Undefined);
        }
        let options = Options::of(headers);
        let mut seen = HashSet::with_capacity(headers.len());
        for (name, value) in headers.iter().filter(|(name, _)| !is_secret(name)) {
            if !seen.insert(normalized_key(name.as_str())) {
                return Err(Failure::Header(FieldError::Repeated));
            }
            if options.names(name.as_str()) && !is_hop_by_hop(name.as_str()) {
                return Err(Failure::Header(FieldError::Dropped));
            }
            set(&mut self.headers, name.as_str(), text(field::text(value).map_err(Failure::Header)?));
        }
        Ok(())
    }
}

/// A UUID in its one spelling, so that it compares with `org.id`; a whole number as a number, `None` beyond 64 bits, where
/// CEL has none; a text as it is.
fn variable(matched: &str, kind: Kind) -> Option<Value> {
    Some(match kind {
        Kind::Int => Value::Int(matched.parse().ok()?),
        Kind::Uuid => text(&matched.to_ascii_lowercase()),
        Kind::Slug | Kind::Str | Kind::Any => text(matched),
    })
}

fn of_column(column: &Column) -> Value {
    match column {
        Column::Null => Value::Null,
        Column::Flag(is) => Value::Bool(*is),
        Column::Whole(number) => Value::Int(*number),
        Column::Number(number) => Value::Float(*number),
        Column::Text(found) => text(found),
    }
}

/// A claim as CEL has it. A whole number that CEL has no room for is a text, as it is written. What was signed is bounded by the length of
/// a head, and its depth by the reader that has seen it first.
fn of_claim(raw: &RawValue) -> Value {
    match Claim::read(raw) {
        None | Some(Claim::Null) => Value::Null,
        Some(Claim::Flag(is)) => Value::Bool(is),
        Some(Claim::Number(number)) => match number.parse() {
            Ok(whole) => Value::Int(whole),
            Err(_) if number.bytes().all(|b| b == b'-' || b.is_ascii_digit()) => text(number),
            Err(_) => number.parse().map_or(Value::Null, Value::Float),
        },
        Some(Claim::Text(found)) => text(&found),
        Some(Claim::List(list)) => Value::List(Arc::new(list.into_iter().map(of_claim).collect())),
        Some(Claim::Map(members)) => {
            map(members.into_iter().map(|(name, value)| (key(&name), of_claim(value))).collect())
        }
    }
}

fn of_field(value: &FieldValue) -> Value {
    match value {
        FieldValue::Text(known) => text(known.as_str()),
        FieldValue::Number(number, _) => Value::Int(*number),
        FieldValue::Flag(flag) => Value::Bool(*flag),
    }
}

/// What is not known is not there: to ask for it is an error, and `has` of it is false.
fn known(map: &mut HashMap<Key, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        set(map, name, text(value));
    }
}

fn set(map: &mut HashMap<Key, Value>, name: &str, value: Value) {
    map.insert(key(name), value);
}

fn key(name: &str) -> Key {
    Key::String(Arc::new(name.to_owned()))
}

fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn map(map: HashMap<Key, Value>) -> Value {
    Value::Map(Map { map: Arc::new(map) })
}
