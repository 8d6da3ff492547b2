//! Many objects by one statement: the lookup's own, asked beside each of the keys that are given.
//!
//! One that is no value of the type that it is compared with fails the statement: where that is not known before, the keys are asked again, in
//! halves, until the one is alone that it is about, which names nothing.

use super::{Failure, Postgres, bounded, object, query};
use crate::lookup::database::{Found, Unanswered};
use crate::policy;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

impl Postgres {
    /// The first two rows of each object, in the order of what names them.
    pub(in crate::lookup) async fn objects_of_all(
        &self,
        statement: &policy::Statement,
        args: &[Box<str>],
    ) -> Result<Vec<Found>, Unanswered> {
        let mut found: Vec<Found> = args.iter().map(|_| Found::new()).collect();
        let mut left = vec![(0, args)];
        while let Some((from, args)) = left.pop() {
            let rows = match self.rows_of_all(statement, args).await {
                Ok(rows) => rows,
                Err(failure) if !failure.is_bad_argument() => return Err(failure.into()),
                Err(_) if args.len() > 1 => {
                    let (one, other) = args.split_at(args.len() / 2);
                    left.extend([(from, one), (from + one.len(), other)]);
                    continue;
                }
                Err(_) => continue,
            };
            for row in rows {
                let at = row.try_get::<_, i64>(0).ok().and_then(|at| usize::try_from(at).ok()?.checked_sub(1));
                if let Some(found) = at.and_then(|at| found.get_mut(from + at)) {
                    found.push(object(&row, 1));
                }
            }
        }
        Ok(found)
    }

    async fn rows_of_all(&self, statement: &policy::Statement, args: &[Box<str>]) -> Result<Vec<Row>, Failure> {
        let connection = self.pool.get().await?;
        let of_one = connection.prepare_cached(&bounded(statement)).await?;
        let key = of_one.params().first().cloned().unwrap_or(Type::TEXT);
        // What is no value of the type that it is compared with names nothing, and must not keep the others from being found.
        let args: Vec<Option<&str>> = args.iter().map(|arg| Some(&**arg).filter(|arg| is_value(&key, arg))).collect();
        query(&connection, &of_all(statement, &key), &[&args]).await
    }
}

/// The statement for an array of keys. Each is a column in the place of the parameter, as which it has the same type.
fn of_all(statement: &policy::Statement, key: &Type) -> String {
    let of_one = statement.with_parameter("postern_page.key");
    let [schema, name] = [key.schema(), key.name()].map(|name| format!("\"{}\"", name.replace('"', "\"\"")));
    format!(
        "SELECT postern_page.at, object.* FROM (\
         SELECT at, text::{schema}.{name} AS key FROM unnest($1::text[]) WITH ORDINALITY AS given(text, at) WHERE text IS NOT NULL\
         ) AS postern_page, LATERAL (SELECT * FROM (\n{of_one}\n) AS object LIMIT 2) AS object"
    )
}

/// Whether a text is a value of a type: of those that keys have. What else is no value fails the statement.
fn is_value(of: &Type, text: &str) -> bool {
    match *of {
        Type::INT2 => text.parse::<i16>().is_ok(),
        Type::INT4 => text.parse::<i32>().is_ok(),
        Type::INT8 => text.parse::<i64>().is_ok(),
        Type::UUID => Uuid::try_parse(text).is_ok(),
        _ => true,
    }
}
