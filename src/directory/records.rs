//! Reading and writing of records by their definitions, within what the viewer sees and may change.

use super::error::{DirectoryError, StoreError};
use super::resources::Resource;
use super::sql::{Failure, Param, Params, Row, Value};
use super::tx::Tx;

/// Conditions that all hold, and their values.
#[derive(Default)]
pub(super) struct Conditions<'v> {
    all: Vec<String>,
    values: Vec<Value<'v>>,
    /// Which way to what is meant is short depends on the values.
    is_planned_anew: bool,
    /// Which primary organizations are told.
    home: String,
}

impl<'v> Conditions<'v> {
    /// One more; `$?` in it is the value.
    pub(super) fn and(&mut self, condition: &str, value: Value<'v>) {
        let place = self.place(value);
        self.all.push(format!("({})", condition.replace("$?", &place)));
    }

    pub(super) fn and_plain(&mut self, condition: &str) {
        self.all.push(format!("({condition})"));
    }

    /// The engine looks at the values when it plans: how many records have a word, or a value of a field, differs too much between them.
    pub(super) fn plan_anew(&mut self) {
        self.is_planned_anew = true;
    }

    /// The place of one more value.
    pub(super) fn place(&mut self, value: Value<'v>) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// Forgets the last values, which no condition names.
    pub(super) fn forget(&mut self, count: usize) {
        self.values.truncate(self.values.len().saturating_sub(count));
    }

    pub(super) fn params(&self) -> Vec<&dyn Param> {
        self.values.iter().map(|value| value as _).collect()
    }

    /// The rows of a statement that takes these values.
    pub(super) async fn rows(&self, tx: &Tx<'_>, sql: &str) -> Result<Vec<Row>, Failure> {
        match self.is_planned_anew {
            true => tx.session.rows_anew(sql, &self.params()).await,
            false => tx.rows(sql, &self.params()).await,
        }
    }

    /// With its keyword, where there is any.
    pub(super) fn clause(&self) -> String {
        if self.all.is_empty() { String::new() } else { self.narrowed(&format!("WHERE {}", self.all.join(" AND "))) }
    }

    /// A part of a statement, in which primary organizations are told that the viewer sees, and no others.
    pub(super) fn narrowed(&self, sql: &str) -> String {
        sql.replace(HOME, &self.home)
    }
}

impl Tx<'_> {
    /// The fields of the records that the viewer sees. Counts of users are of those that they see.
    pub(super) fn seen<R: Resource>(&self, conditions: &mut Conditions<'_>) -> String {
        if let Some((condition, value)) = self.viewer.sees::<R>() {
            conditions.and(condition, value);
        }
        self.told::<R>(conditions)
    }

    /// The fields of records, whether the viewer sees those or not: what of others they tell is what the viewer sees.
    pub(super) fn told<R: Resource>(&self, conditions: &mut Conditions<'_>) -> String {
        let mut fields = R::statements().fields.clone();
        if let Some((condition, value)) = self.viewer.sees::<super::UserRecord>()
            && fields.contains(SEEN)
        {
            let place = conditions.place(value);
            let condition = condition.replace("$?", &place);
            fields = fields.replace(SEEN, &format!("AND x.user_id IN (SELECT u.id FROM users u WHERE {condition})"));
        }
        if let Some((condition, value)) = self.viewer.sees::<super::OrganizationRecord>()
            && R::FIELDS.iter().any(|field| field.sql.contains(HOME))
        {
            let place = conditions.place(value);
            conditions.home = format!("AND {}", condition.replace("$?", &place));
        }
        conditions.narrowed(&fields)
    }

    /// Records that the viewer sees, of those for which a condition holds; `tail` orders and limits them.
    pub(super) async fn select<R: Resource>(
        &self,
        condition: &str,
        params: Params<'_>,
        tail: &str,
    ) -> Result<Vec<R>, StoreError> {
        let mut conditions = Conditions::default();
        for param in params {
            conditions.place(param.value());
        }
        conditions.and_plain(condition);
        let fields = self.seen::<R>(&mut conditions);
        let sql = format!("SELECT {fields} FROM {} {} {tail}", R::statements().from, conditions.clause());
        let rows = self.rows(&sql, &conditions.params()).await?;
        rows.into_iter().map(|row| self.read(row)).collect()
    }

    pub(super) fn read<R: Resource>(&self, row: Row) -> Result<R, StoreError> {
        let mut record = R::read(row)?;
        record.at(self.now);
        Ok(record)
    }

    /// The one record for which a condition holds; `reference` is how the caller referred to it.
    pub(super) async fn find<R: Resource>(
        &self,
        condition: &str,
        params: Params<'_>,
        reference: impl ToString + Send,
    ) -> Result<R, DirectoryError> {
        // No text of a record has a NUL, and PostgreSQL takes none.
        let has_nul = |param: &&dyn Param| matches!(param.value(), Value::Text(Some(text)) if text.contains('\0'));
        if params.iter().any(has_nul) {
            return Err(DirectoryError::NotFound { noun: R::NOUN, reference: reference.to_string() });
        }
        let mut found = self.select(condition, params, "LIMIT 2").await?;
        let reference = || reference.to_string();
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(_), false) => Err(DirectoryError::Ambiguous { noun: R::NOUN, reference: reference() }),
            (None, _) => Err(DirectoryError::NotFound { noun: R::NOUN, reference: reference() }),
        }
    }

    /// Keeps a new record.
    pub(super) async fn insert<R: Resource>(&self, record: &R) -> Result<(), DirectoryError> {
        self.viewer.may_write(None, record)?;
        let values = columns(record, |_| true);
        let params: Vec<&dyn Param> = values.iter().map(|value| value as _).collect();
        let saved = self.execute(&R::statements().insert, &params).await;
        saved.map_err(|failure| refused(failure, record))?;
        self.created(&format!("{}.create", R::NOUN.word()), record);
        Ok(())
    }

    /// Keeps what a record is now.
    pub(super) async fn update<R: Resource>(&self, before: &R, after: &R) -> Result<(), DirectoryError> {
        self.viewer.may_write(Some(before), after)?;
        let mut values = columns(after, |field| !field.fixed);
        values.splice(0..0, after.values().first().copied());
        let params: Vec<&dyn Param> = values.iter().map(|value| value as _).collect();
        let saved = self.execute(&R::statements().update, &params).await;
        saved.map_err(|failure| refused(failure, after))?;
        self.changed(&format!("{}.edit", R::NOUN.word()), before, after);
        Ok(())
    }

    /// Forgets a record.
    pub(super) async fn delete<R: Resource>(&self, record: &R) -> Result<(), DirectoryError> {
        let sql = format!("DELETE FROM {} WHERE id = $1", R::TABLE);
        if let Some(id) = record.values().first() {
            self.execute(&sql, &[id]).await?;
        }
        self.deleted(&format!("{}.delete", R::NOUN.word()), record);
        Ok(())
    }
}

/// Stands in a definition where a count of users may be narrowed.
const SEEN: &str = "/*seen*/";

/// … and where a primary organization, `o`, is told.
const HOME: &str = "/*home*/";

/// The values of a record's columns.
fn columns<R: Resource>(record: &R, which: impl Fn(&super::resources::Field) -> bool) -> Vec<Value<'_>> {
    let fields = R::FIELDS.iter().zip(record.values());
    fields.filter(|(field, _)| field.is_column() && which(field)).map(|(_, value)| value).collect()
}

/// Says which unique value is taken.
pub(super) fn refused<R: Resource>(failure: Failure, record: &R) -> DirectoryError {
    for (field, value) in R::FIELDS.iter().zip(record.values()) {
        if let Some((_, unique)) = field.unique.iter().find(|(index, _)| failure.violates(index)) {
            return DirectoryError::Taken { unique: *unique, value: value.to_string() };
        }
    }
    failure.into()
}
