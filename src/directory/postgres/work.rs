//! A transaction in PostgreSQL, as the directory's operations use it.

use super::session::Session;
use super::{gateway, import, value};
use crate::directory::sql::{Failure, Insert, Param, Params, Row, Value};
use crate::directory::{StoreError, tx};
use crate::facts::Snapshot;
use crate::id::UserId;
use async_trait::async_trait;
use tokio_postgres::types::ToSql;

#[async_trait]
impl tx::Session for Session<'_> {
    async fn rows(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let values = values(params);
        Ok(value::rows(&self.query(sql, &references(&values)).await?)?)
    }

    async fn rows_anew(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let values = values(params);
        Ok(value::rows(&self.query_anew(sql, &references(&values)).await?)?)
    }

    async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, Failure> {
        let values = values(params);
        Ok(self.modify(sql, &references(&values)).await?)
    }

    async fn lock(&self, table: &'static str, id: &dyn Param) -> Result<(), Failure> {
        if self.bridged {
            // A view has no rows to lock: those behind it.
            let id = id.value().to_string();
            return tx::Session::execute(self, "SELECT put_lock($1, $2)", &[&table, &id]).await.map(drop);
        }
        let sql = format!("SELECT 1 FROM {table} WHERE id = $1 FOR NO KEY UPDATE");
        tx::Session::execute(self, &sql, &[id]).await.map(drop)
    }

    fn has_member(&self, object: &str, name: &str, value: Option<&str>) -> String {
        let (object, name) = (format!("CAST({object} AS jsonb)"), format!("CAST({name} AS text)"));
        match value {
            Some(value) => format!("{object} @> jsonb_build_object({name}, CAST(CAST({value} AS text) AS jsonb))"),
            None => format!("NOT {object} ? {name}"),
        }
    }

    async fn lock_name(&self, name: &str) -> Result<(), Failure> {
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        tx::Session::execute(self, sql, &[&name]).await.map(drop)
    }

    async fn snapshot(&self, user: UserId) -> Result<Option<Snapshot>, StoreError> {
        gateway::snapshot(self, user).await
    }

    fn has_thread(&self) -> bool {
        false
    }

    async fn begin_import(&self) -> Result<i64, StoreError> {
        if self.bridged {
            return Err(StoreError::Unavailable("it is OpenWISP's own: there is nothing to import".to_owned()));
        }
        import::begin(self).await.map(|()| 0)
    }

    async fn insert(&self, insert: &Insert, rows: &[Vec<Value<'_>>]) -> Result<Vec<(usize, String)>, StoreError> {
        import::insert(self, insert, rows).await
    }

    /// They follow by themselves.
    fn defer_foreign_keys(&self, _: bool) -> Result<(), StoreError> {
        Ok(())
    }

    async fn end_import(&self, _: i64, is_good: bool) -> Result<(), StoreError> {
        if is_good { import::end(self).await } else { Ok(()) }
    }
}

fn values<'p>(params: Params<'p>) -> Vec<Value<'p>> {
    params.iter().map(|param| param.value()).collect()
}

fn references<'v>(values: &'v [Value<'_>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|value| value as _).collect()
}
