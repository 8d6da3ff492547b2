//! How many there are, and how many have come: for dashboards.
//!
//! All are never counted where the number is kept (`totals`); those of the last days are looked up by an index, and of very many only the
//! newest.

use super::engine::operations;
use super::error::DirectoryError;
use super::tx::Tx;
use std::collections::BTreeMap;

/// Records that are looked at to see on which days they were made, at most.
pub const NEWEST: u32 = 20_000;
const DAY: i64 = 86_400;

/// How many there are of something, and how many were made on each of the last days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub total: u64,
    /// By the day, in days since the Unix epoch; days without any are not there.
    pub by_day: BTreeMap<i64, u64>,
    /// There were more than were looked at: the first days are not whole.
    pub is_cut: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    pub users: Count,
    pub organizations: Count,
}

operations! {
    /// Users and organizations, and those of so many days.
    read growth(; days: i64) -> Growth = growth;
}

async fn growth(tx: &Tx<'_>, days: i64) -> Result<Growth, DirectoryError> {
    tx.viewer.unless(tx.viewer.is_unbounded(), || "see how many there are of all".to_owned())?;
    let mut growth =
        Growth { users: newest(tx, "users", days).await?, organizations: newest(tx, "organizations", days).await? };
    let sql = "SELECT name, CAST(sum(number) AS bigint) AS number FROM totals GROUP BY name";
    for row in tx.rows(sql, &[]).await? {
        let (name, number): (String, i64) = (row.get("name")?, row.get("number")?);
        let place = match name.as_str() {
            "users" => &mut growth.users,
            "organizations" => &mut growth.organizations,
            _ => continue,
        };
        place.total = u64::try_from(number).unwrap_or_default();
    }
    Ok(growth)
}

async fn newest(tx: &Tx<'_>, table: &'static str, days: i64) -> Result<Count, DirectoryError> {
    let since = (tx.now / DAY - days + 1) * DAY;
    let sql = format!(
        "SELECT created / {DAY} AS day, count(*) AS number FROM (
             SELECT created FROM {table} WHERE created >= $1 ORDER BY created DESC, created_micros DESC, id DESC LIMIT $2
         ) AS newest GROUP BY created / {DAY}"
    );
    let mut count = Count::default();
    let mut seen = 0;
    for row in tx.rows(&sql, &[&since, &i64::from(NEWEST)]).await? {
        let (day, number): (i64, i64) = (row.get("day")?, row.get("number")?);
        let number = u64::try_from(number).unwrap_or_default();
        seen += number;
        count.by_day.insert(day, number);
    }
    count.is_cut = seen >= u64::from(NEWEST);
    Ok(count)
}
