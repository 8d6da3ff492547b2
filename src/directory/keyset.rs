//! A part of a list by the record that it begins behind, whatever comes and goes before that one: what the record is ordered by is
//! compared, so that an index finds the place however deep it is.

use super::error::DirectoryError;
use super::list::Rows;
use super::records::Conditions;
use super::resources::{Field, Resource};
use super::sql::Cell;
use super::tx::Tx;
use serde::{Deserialize, Serialize};

/// Where a part of a list begins or ends: what a record is ordered by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place(Vec<Cell>);

/// A part of a list by its neighbour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyset {
    /// It begins behind this one; at the beginning where absent.
    pub from: Option<Place>,
    /// It ends before that one instead.
    pub backwards: bool,
}

/// How far a part reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    pub first: Place,
    pub last: Place,
    /// Whether there are more in the direction that was asked for.
    pub goes_on: bool,
}

/// Something that a list is ordered by.
pub(super) struct Key {
    sql: String,
    descending: bool,
    /// It may be absent, which is less than anything.
    nullable: bool,
}

impl Key {
    pub(super) fn of<R: Resource>(field: &Field, descending: bool) -> Self {
        Self { sql: field.expression::<R>(), descending, nullable: field.nullable }
    }

    /// What stands behind ORDER BY, the same on every engine.
    pub(super) fn order(&self, backwards: bool) -> String {
        match (self.descending != backwards, self.nullable) {
            (false, false) => self.sql.clone(),
            (true, false) => format!("{} DESC", self.sql),
            (false, true) => format!("{} NULLS FIRST", self.sql),
            (true, true) => format!("{} DESC NULLS LAST", self.sql),
        }
    }

    /// That a record is the same in this.
    fn equals(&self, place: &(String, bool)) -> String {
        let (value, is_null) = place;
        if *is_null { format!("{} IS NULL", self.sql) } else { format!("{} = {value}", self.sql) }
    }

    /// That a record comes behind in this.
    fn follows(&self, place: &(String, bool), backwards: bool) -> String {
        let (value, is_null) = place;
        match (self.descending != backwards, *is_null, self.nullable) {
            (false, true, _) => format!("{} IS NOT NULL", self.sql),
            (true, true, _) => "1 = 0".to_owned(),
            (false, false, _) => format!("{} > {value}", self.sql),
            (true, false, false) => format!("{} < {value}", self.sql),
            (true, false, true) => format!("({0} < {value} OR {0} IS NULL)", self.sql),
        }
    }
}

pub(super) fn order(keys: &[Key], backwards: bool) -> String {
    keys.iter().map(|key| key.order(backwards)).collect::<Vec<_>>().join(", ")
}

/// That a record comes behind the place, or before it.
fn behind<'v>(keys: &[Key], place: &'v Place, backwards: bool, conditions: &mut Conditions<'v>) -> Option<String> {
    if place.0.len() != keys.len() {
        return None;
    }
    let values: Vec<(String, bool)> = place
        .0
        .iter()
        .map(|cell| match cell.value() {
            Some(value) => (conditions.place(value), false),
            None => (String::new(), true),
        })
        .collect();
    let first = keys.first()?;
    let are_alike = keys.iter().all(|key| key.descending == first.descending && !key.nullable);
    if are_alike && values.iter().all(|(_, is_null)| !is_null) {
        let sign = if first.descending == backwards { ">" } else { "<" };
        let columns: Vec<&str> = keys.iter().map(|key| key.sql.as_str()).collect();
        let values: Vec<&str> = values.iter().map(|(value, _)| value.as_str()).collect();
        return Some(format!("({}) {sign} ({})", columns.join(", "), values.join(", ")));
    }
    let mut ways = Vec::new();
    for at in 0..keys.len() {
        let same = keys.iter().zip(&values).take(at).map(|(key, value)| key.equals(value));
        let behind = keys.iter().zip(&values).skip(at).take(1).map(|(key, value)| key.follows(value, backwards));
        ways.push(same.chain(behind).collect::<Vec<_>>().join(" AND "));
    }
    Some(ways.join(" OR "))
}

/// Reads a part of what the conditions leave; how many there are in all is not counted.
pub(super) async fn rows<'v, R: Resource>(
    tx: &Tx<'_>,
    (keyset, keys): (&'v Keyset, &[Key]),
    limit: u32,
    fields: &str,
    mut conditions: Conditions<'v>,
) -> Result<Rows<R>, DirectoryError> {
    let backwards = keyset.backwards;
    if let Some(place) = &keyset.from {
        let wrong = || DirectoryError::invalid("cursor", "it is of another list");
        let condition = behind(keys, place, backwards, &mut conditions).ok_or_else(wrong)?;
        conditions.and_plain(&condition);
    }
    let columns: Vec<&str> = keys.iter().map(|key| key.sql.as_str()).collect();
    let columns = conditions.narrowed(&columns.join(", "));
    let (order, clause) = (conditions.narrowed(&order(keys, backwards)), conditions.clause());
    // Written out: as a value it would be planned for anew each time.
    let most = u64::from(limit) + 1;
    let from = &R::statements().from;
    let sql = format!("SELECT {fields}, {columns} FROM {from} {clause} ORDER BY {order} LIMIT {most}");
    let mut found = conditions.rows(tx, &sql).await?;
    let goes_on = found.len() > limit as usize;
    found.truncate(limit as usize);
    if backwards {
        found.reverse();
    }
    let mut places = Vec::new();
    let mut rows = Vec::new();
    for mut row in found {
        places.push(Place(row.cells.split_off(row.cells.len().saturating_sub(keys.len()))));
        rows.push(tx.read(row)?);
    }
    let ends = (places.first().cloned(), places.pop());
    let reach = if let (Some(first), Some(last)) = ends { Some(Reach { first, last, goes_on }) } else { None };
    Ok(Rows { total: rows.len() as u64, rows, has_more: false, reach })
}
