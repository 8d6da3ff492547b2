//! Lists: which records, in which order, and which part of them; the same for every front end.

use super::error::DirectoryError;
use super::keyset::{self, Key, Keyset, Reach};
use super::lookup;
use super::records::Conditions;
use super::resources::{Field, Kind, Resource};
use super::selector::{OrgSelector, UserSelector};
use super::sql::{FromCell, Value};
use super::tx::Tx;
use super::viewer::{Action, Viewer};
use jiff::civil::Date;
use uuid::Uuid;

/// A part of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// At most so many records; where absent, all for who sees everything at the command line, and a usual page for others.
    pub limit: Option<u32>,
    pub offset: u32,
}

/// A usual page, and the longest, but for the command line.
const USUAL: u32 = 100;
const LONGEST: u32 = 1_000;
/// So many filters, words and sort keys are enough for anybody.
const PARTS: usize = 20;

/// What to list; everything where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Those of this user.
    pub user: Option<UserSelector>,
    /// Those of this organization.
    pub organization: Option<OrgSelector>,
    /// Names of fields, and what they must be; an empty text where there must be nothing.
    pub filter: Vec<(String, String)>,
    /// Words that must all be found in some field, whatever their case.
    pub search: Option<String>,
    /// Names of fields, the first first; one behind `-` from high to low.
    pub order: Vec<String>,
    pub page: Page,
    /// The part that begins behind a record, in the place of the page's offset.
    pub keyset: Option<Keyset>,
    /// Where not all are meant, they are counted so far and no further; without it, to the end.
    pub counted_to: Option<u32>,
}

impl From<Page> for List {
    fn from(page: Page) -> Self {
        Self { page, ..Self::default() }
    }
}

impl List {
    #[must_use]
    pub fn of_user(user: impl Into<UserSelector>) -> Self {
        Self { user: Some(user.into()), ..Self::default() }
    }

    #[must_use]
    pub fn of_organization(organization: impl Into<OrgSelector>) -> Self {
        Self { organization: Some(organization.into()), ..Self::default() }
    }

    /// Their number alone.
    #[must_use]
    pub fn counted(self) -> Self {
        Self { page: Page { limit: Some(0), offset: 0 }, ..self }
    }
}

/// A part of a list, and how many records there are in all of it; of one by its neighbour, how many it has and how far it reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows<R> {
    pub rows: Vec<R>,
    pub total: u64,
    /// There are more than were counted.
    pub has_more: bool,
    pub reach: Option<Reach>,
}

/// Lists what the viewer sees.
pub(super) async fn all<R: Resource>(tx: &Tx<'_>, wanted: &List) -> Result<Rows<R>, DirectoryError> {
    list(tx, wanted, None).await
}

/// Lists what the viewer sees, of the records for which `also` holds: a condition in which `$?` is the value.
pub(super) async fn list<R: Resource>(
    tx: &Tx<'_>,
    list: &List,
    also: Option<(&str, Value<'_>)>,
) -> Result<Rows<R>, DirectoryError> {
    tx.viewer.may::<R>(Action::View)?;
    let mut conditions = Conditions::default();
    let fields = tx.seen::<R>(&mut conditions);
    let none_such = |what| DirectoryError::invalid("filter", format!("{}s are no {what}'s", R::NOUN));
    if let Some(by) = &list.user {
        let of = Some(R::OF_USER).filter(|of| !of.is_empty()).ok_or_else(|| none_such("user"))?;
        conditions.and(of, Value::Uuid(Some(lookup::user(tx, by).await?.id.0)));
    }
    if let Some(by) = &list.organization {
        let of = Some(R::OF_ORGANIZATION).filter(|of| !of.is_empty()).ok_or_else(|| none_such("organization"))?;
        conditions.and(of, Value::Uuid(Some(lookup::organization(tx, by).await?.id.0)));
    }
    if let Some((condition, value)) = also {
        conditions.and(condition, value);
    }
    let words: Vec<&str> = list.search.iter().flat_map(|text| text.split_whitespace()).collect();
    // No text of a record has one, and PostgreSQL takes none.
    let has_nul = |text: &str| text.contains('\0');
    for (what, has) in [
        ("filter", list.filter.iter().any(|(_, value)| has_nul(value))),
        ("search", list.search.as_deref().is_some_and(has_nul)),
    ] {
        if has {
            return Err(DirectoryError::invalid(what, "null characters are not allowed"));
        }
    }
    for (what, parts) in [("filter", list.filter.len()), ("search", words.len()), ("order", list.order.len())] {
        if parts > PARTS {
            return Err(DirectoryError::invalid(
                what,
                format!("at most {PARTS} parts are taken, and {parts} are there"),
            ));
        }
    }
    let members = list.filter.iter().map(|(name, value)| {
        let of_map = named::<R>("filter", name, |field| field.filter)?.kind == Kind::Map;
        of_map.then(|| tx.declared.wanted(name, value)).transpose()
    });
    let members = members.collect::<Result<Vec<_>, DirectoryError>>()?;
    for ((name, value), member) in list.filter.iter().zip(&members) {
        let field = named::<R>("filter", name, |field| field.filter)?;
        let expression = field.expression::<R>();
        if let Some((name, json)) = member {
            let name = conditions.place(Value::Text(Some(name)));
            let json = json.as_deref().map(|json| conditions.place(Value::Text(Some(json))));
            conditions.and_plain(&tx.session.has_member(&expression, &name, json.as_deref()));
            conditions.plan_anew();
            continue;
        }
        match filter_value(field, value)? {
            Some(value) if !field.found_by.is_empty() => {
                conditions.and(&format!("{} AND ({expression}) = $?", field.found_by), value);
            }
            // Written out, since one plan for both would find few among many by reading all.
            Some(Value::Bool(Some(flag))) => conditions.and_plain(&format!("({expression}) = {flag}")),
            Some(value) => conditions.and(&format!("({expression}) = $?"), value),
            None => conditions.and_plain(&format!("({expression}) IS NULL")),
        }
    }
    let words: Vec<String> = words.into_iter().map(pattern).collect();
    let searched = &R::statements().searched;
    if !words.is_empty() && searched.is_empty() {
        return Err(DirectoryError::invalid("search", format!("{}s cannot be searched", R::NOUN)));
    }
    for word in &words {
        conditions.and(&format!(r"{searched} LIKE $? ESCAPE '\'"), Value::Text(Some(word)));
        conditions.plan_anew();
    }
    let keys = keys::<R>(&list.order)?;
    if let Some(keyset) = &list.keyset {
        let limit = limit(tx, list.page).unwrap_or(LONGEST);
        return keyset::rows(tx, (keyset, &keys), limit, &fields, conditions).await;
    }
    let order = conditions.narrowed(&keyset::order(&keys, false));
    let (from, clause) = (&R::statements().from, conditions.clause());
    let (limit, offset) = (limit(tx, list.page), list.page.offset);
    // What is told is counted whatever the bound.
    let told = u64::from(offset) + u64::from(limit.unwrap_or(0));
    let bound = list.counted_to.filter(|_| !clause.is_empty()).map(|bound| told.max(bound.into()));
    let count = if R::IS_TOTALLED && clause.is_empty() {
        format!("SELECT CAST(sum(number) AS bigint) AS total FROM totals WHERE name = '{}'", R::TABLE)
    } else {
        // Each value must be named in a statement.
        let counted = if fields.contains('$') { fields.as_str() } else { "1" };
        let end = bound.map(|bound| format!("LIMIT {}", bound + 1)).unwrap_or_default();
        format!("SELECT count(*) AS total FROM (SELECT {counted} FROM {from} {clause} {end}) AS listed")
    };
    let mut rows = Vec::new();
    if limit != Some(0) {
        // The number of all comes along where this may not be all.
        let first = (offset > 0).then(|| conditions.place(Value::Int(Some(i64::from(offset)))));
        let part = match (limit, &first) {
            (Some(most), None) => format!("LIMIT {most}"),
            (Some(most), Some(first)) => format!("LIMIT {most} OFFSET {first}"),
            (None, None) => String::new(),
            // SQLite takes none without a limit.
            (None, Some(first)) => format!("LIMIT {} OFFSET {first}", u32::MAX),
        };
        let sql = if limit.is_some() {
            // Which records these are is found first: of those that others stand before, nothing else is read.
            let key = R::FIELDS.first().map(Field::expression::<R>).unwrap_or_default();
            format!(
                "SELECT {fields}, ({count}) FROM {from}
                 JOIN (SELECT {key} AS picked FROM {from} {clause} ORDER BY {order} {part}) AS page ON page.picked = {key}
                 ORDER BY {order}"
            )
        } else {
            format!("SELECT {fields} FROM {from} {clause} ORDER BY {order} {part}")
        };
        rows = conditions.rows(tx, &sql).await?;
        conditions.forget(usize::from(first.is_some()));
    }
    let total = match rows.last().filter(|_| limit.is_some()).and_then(|row| row.cells.last().cloned()) {
        Some(total) => i64::from_cell(total).unwrap_or_default().unsigned_abs(),
        None if rows.is_empty() && (offset > 0 || limit == Some(0)) => {
            let counted = conditions.rows(tx, &count).await?;
            counted.first().map_or(Ok(0), |row| row.get::<i64>("total"))?.unsigned_abs()
        }
        None => u64::from(offset) + rows.len() as u64,
    };
    let mut read = Vec::with_capacity(rows.len());
    for row in rows {
        read.push(tx.read(row)?);
    }
    let most = bound.unwrap_or(u64::MAX);
    Ok(Rows { rows: read, total: total.min(most), has_more: total > most, reach: None })
}

fn limit(tx: &Tx<'_>, page: Page) -> Option<u32> {
    if matches!(tx.viewer, Viewer::Operator) { page.limit } else { Some(page.limit.unwrap_or(USUAL).min(LONGEST)) }
}

/// A field by its name, or by its word at the command line, where lists can do this with it.
fn named<R: Resource>(
    what: &'static str,
    name: &str,
    can: impl Fn(&Field) -> bool,
) -> Result<&'static Field, DirectoryError> {
    let fields = || R::FIELDS.iter().filter(|field| can(field));
    fields().find(|field| field.is_called(name)).ok_or_else(|| {
        let names: Vec<_> = fields()
            .map(|field| if field.kind == Kind::Map { format!("{}.NAME", field.word) } else { field.word.to_owned() })
            .collect();
        DirectoryError::invalid(what, format!("for {}s it is one of {}", R::NOUN, names.join(", ")))
    })
}

/// What a field must be; `None` where it must be absent.
fn filter_value<'v>(field: &Field, text: &'v str) -> Result<Option<Value<'v>>, DirectoryError> {
    let wrong = |what: &str| DirectoryError::invalid("filter", format!("{} is {what}", field.word));
    if text.is_empty() && field.nullable {
        return Ok(None);
    }
    Ok(Some(match field.kind {
        Kind::Text | Kind::Words | Kind::Map => Value::Text(Some(text)),
        Kind::Flag => Value::Bool(Some(text.parse().map_err(|_| wrong("true or false"))?)),
        Kind::Number | Kind::Time | Kind::Moment => {
            Value::Int(Some(text.parse().map_err(|_| wrong("a whole number"))?))
        }
        Kind::Id => Value::Uuid(Some(Uuid::try_parse(text).map_err(|_| wrong("a UUID"))?)),
        Kind::Date => Value::Date(Some(text.parse::<Date>().map_err(|_| wrong("a date such as 2026-01-31"))?)),
    }))
}

/// What is like a word wherever it stands.
fn pattern(word: &str) -> String {
    let mut pattern = "%".to_owned();
    for c in word.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}

/// What a list is ordered by. The key comes last, so that each part begins where the one before ended.
fn keys<R: Resource>(names: &[String]) -> Result<Vec<Key>, DirectoryError> {
    let key = R::FIELDS.first();
    let mut order = Vec::new();
    for name in names {
        let (name, descending) = name.strip_prefix('-').map_or((name.as_str(), false), |name| (name, true));
        order.push((named::<R>("order", name, |field| field.sort)?, descending));
    }
    if order.is_empty() {
        let usual = R::ORDER.iter().filter_map(|name| R::FIELDS.iter().find(|field| field.name == *name));
        order.extend(usual.map(|field| (field, false)));
    }
    if let Some(key) = key.filter(|key| !order.iter().any(|(field, _)| field.name == key.name)) {
        order.push((key, false));
    }
    Ok(order.into_iter().map(|(field, descending)| Key::of::<R>(field, descending)).collect())
}
