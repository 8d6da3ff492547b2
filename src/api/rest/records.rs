//! Records that are told as the directory defines them, and lists of them that are filtered, searched and ordered by its fields.

use super::super::error::ApiError;
use super::cursors::Cursors;
use super::paging::Paging;
use super::refused::refused;
use super::{Call, Done, moment};
use crate::compat::openwisp::fields::FieldErrors;
use crate::compat::openwisp::object::Object;
use crate::compat::openwisp::value::Value;
use crate::directory::name::PermissionName;
use crate::directory::{DirectoryError, Kind, List, Resource, Rows, UserSelector, View};

/// Parameters that mean a page or a representation.
const OTHERS: [&str; 4] = ["page", "page_size", "format", "cursor"];

/// A record by its fields.
pub(super) fn tell<R: Resource>(record: &R) -> String {
    told(record).end()
}

/// The same, for more to be told.
pub(super) fn told<R: Resource>(record: &R) -> Object {
    // A record has nothing that is no JSON.
    let mut values = serde_json::to_value(record).unwrap_or_default();
    let mut told = Object::default();
    for field in R::FIELDS.iter().filter(|field| field.is_told()) {
        let value = values.get_mut(field.name).map(serde_json::Value::take).unwrap_or_default();
        match (field.kind, value.as_i64()) {
            (Kind::Time, Some(seconds)) => told.put(field.name, &moment::written(seconds, 0)),
            (Kind::Moment, Some(micros)) => told.put(field.name, &moment::of_micros(micros)),
            _ => told.put(field.name, &value),
        }
    }
    told
}

/// What a request's query asks of a list: `?level=manager&search=ann&ordering=-created`. openwisp-users knows nothing of it.
pub(super) fn wanted<R: Resource>(call: &Call, paging: &Paging, list: List) -> List {
    let mut list = list;
    if call.is_compat() {
        return list;
    }
    for (name, value) in paging.query() {
        match name.as_str() {
            "search" => list.search = Some(value.clone()).filter(|text| !text.is_empty()),
            "ordering" if !value.is_empty() => list.order = value.split(',').map(str::to_owned).collect(),
            name if OTHERS.contains(&name) => {}
            name if R::FIELDS.iter().any(|field| field.filter && field.is_called(name)) => {
                list.filter.push((name.to_owned(), value.clone()));
            }
            _ => {}
        }
    }
    list
}

/// A page of a list; `read` lists.
pub(super) async fn page<R, T, F>(
    call: &Call,
    list: List,
    read: impl Fn(View, List) -> F + Send,
    tell: impl Fn(&T) -> String + Send,
) -> Result<Done, ApiError>
where
    R: Resource,
    T: Send,
    F: Future<Output = Result<Rows<T>, DirectoryError>> + Send,
{
    let mut paging = Paging::of(call)?;
    let list = wanted::<R>(call, &paging, list);
    if let Some(cursors) = Cursors::of(call, &paging, &list)? {
        let rows = read(call.view.clone(), cursors.list(list)).await.map_err(refused::<R>)?;
        return Ok(Done::Told(cursors.tell(call, &rows, tell)?));
    }
    let list = paging.list(list);
    let mut rows = read(call.view.clone(), list.clone()).await.map_err(refused::<R>)?;
    if let Some(page) = paging.last(&rows)? {
        rows = read(call.view.clone(), List { page, ..list }).await.map_err(refused::<R>)?;
    }
    Ok(Done::Told(paging.tell(call, &rows, tell)?))
}

/// Permissions that were sent by their names.
pub(super) fn permissions(
    field: &str,
    sent: Option<&[Value]>,
    errors: &mut FieldErrors,
) -> Option<Vec<PermissionName>> {
    let names = sent?.iter().map(|value| {
        let problem =
            || format!("“{}” is no permission, such as app.add_model.", value.as_str().unwrap_or(value.kind()));
        PermissionName::new(value.as_str().unwrap_or_default()).map_err(|_| problem())
    });
    match names.collect() {
        Ok(names) => Some(names),
        Err(problem) => {
            errors.add(field, problem);
            None
        }
    }
}

/// Users that were sent, by id, name or address.
pub(super) fn users(sent: Option<&[Value]>) -> Vec<UserSelector> {
    sent.unwrap_or_default().iter().filter_map(Value::as_str).map(UserSelector::from).collect()
}
