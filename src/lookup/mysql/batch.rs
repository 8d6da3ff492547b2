//! Many objects by few statements: the lookup's own for each of the keys, in one `UNION ALL`. MariaDB has no `LATERAL`.
//!
//! A key that is no value of the column's type only makes these servers warn, and finds what begins like it. Of a statement that has warned nothing
//! is believed: its keys are asked again, in halves, until the one is alone that it is about.

use super::super::database::{Found, Unanswered, bounded};
use super::{Failure, Mysql, found, has_bad_value, rows, spelled, value};
use crate::policy;
use mysql_async::{Conn, Row};

/// Keys of one statement, at most. There are as many statements to prepare as there are powers of two up to it.
const MOST: usize = 128;

impl Mysql {
    /// The first two rows of each object, in the order of what names them.
    pub(in crate::lookup) async fn objects_of_all(
        &self,
        statement: &policy::Statement,
        args: &[Box<str>],
    ) -> Result<Vec<Found>, Unanswered> {
        let asked = self.on_a_session(async |connection| of_all(connection, statement, args).await).await;
        asked.map_err(|failure| failure.unanswered(args))
    }
}

async fn of_all(
    connection: &mut Conn,
    statement: &policy::Statement,
    args: &[Box<str>],
) -> Result<Vec<Found>, Failure> {
    let mut objects: Vec<Found> = args.iter().map(|_| Found::new()).collect();
    let (unusual, usual): (Vec<usize>, Vec<usize>) =
        (0..args.len()).partition(|at| args.get(*at).is_some_and(|arg| spelled(arg)));
    for at in unusual {
        let arg = args.get(at..=at).unwrap_or_default();
        match found(connection, &bounded(statement), arg).await {
            Ok(rows) => put(&mut objects, at, rows.iter().map(|row| value::object(row, 0)).collect()),
            Err(failure) if failure.is_bad_argument(arg) => {}
            Err(failure) => return Err(failure),
        }
    }
    let mut left: Vec<&[usize]> = usual.chunks(MOST).collect();
    while let Some(places) = left.pop() {
        let keys: Vec<Box<str>> = places.iter().filter_map(|at| args.get(*at)).cloned().collect();
        match of_some(connection, statement, &keys).await {
            Ok(Some(rows)) => {
                for row in rows {
                    // Behind the keys of the page stand those that only fill the statement.
                    let at = row.get::<usize, _>(0).and_then(|at| places.get(at));
                    if let Some(objects) = at.and_then(|at| objects.get_mut(*at)) {
                        objects.push(value::object(&row, 1));
                    }
                }
            }
            Err(failure) if !failure.is_bad_argument(&keys) => return Err(failure),
            Ok(None) | Err(_) if places.len() > 1 => {
                let (one, other) = places.split_at(places.len() / 2);
                left.extend([one, other]);
            }
            Ok(None) | Err(_) => {}
        }
    }
    Ok(objects)
}

fn put(objects: &mut [Found], at: usize, found: Found) {
    if let Some(place) = objects.get_mut(at) {
        *place = found;
    }
}

/// The rows of some objects; `None`: the server has warned of a key.
async fn of_some(
    connection: &mut Conn,
    statement: &policy::Statement,
    keys: &[Box<str>],
) -> Result<Option<Vec<Row>>, Failure> {
    let size = keys.len().next_power_of_two();
    let mut keys = keys.to_vec();
    if let Some(last) = keys.last().cloned() {
        keys.resize(size, last);
    }
    let one = |at: usize| format!("SELECT {at} AS postern_at, object.* FROM ({}) AS object", bounded(statement));
    let sql = (0..size).map(one).collect::<Vec<_>>().join("\nUNION ALL\n");
    let rows = rows(connection, &sql, &keys).await?;
    Ok((!has_bad_value(connection).await?).then_some(rows))
}
