//! The same done to several users at once: each by the rules of one, in one transaction; what is refused is told, and the others are done.

use super::engine::operations;
use super::error::DirectoryError;
use super::resources::{UserEdit, UserRecord};
use super::sql::{Param, Value};
use super::tx::Tx;
use super::users;
use super::viewer::Action;
use crate::id::UserId;

/// So many, at most.
pub const MOST_AT_ONCE: usize = 100;

/// What became of one of them.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The username, or the id of whom there is not.
    pub name: String,
    /// Why nothing was changed.
    pub refused: Option<DirectoryError>,
}

operations! {
    /// Users by their ids, by username; of those alone that there are, and that the viewer sees.
    look users_of(; ids: Vec<UserId>) -> Vec<UserRecord> = of;
    /// Activates or deactivates users.
    write set_users_active(; ids: Vec<UserId>, is_active: bool) -> Vec<Changed> = set_active;
}

async fn of(tx: &Tx<'_>, ids: Vec<UserId>) -> Result<Vec<UserRecord>, DirectoryError> {
    tx.viewer.may::<UserRecord>(Action::View)?;
    must_be_few(&ids)?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let values: Vec<Value<'_>> = ids.iter().map(Param::value).collect();
    let params: Vec<&dyn Param> = values.iter().map(|value| value as _).collect();
    let places: Vec<String> = (1..=ids.len()).map(|at| format!("${at}")).collect();
    let condition = format!("u.id IN ({})", places.join(", "));
    Ok(tx.select(&condition, &params, "ORDER BY u.username").await?)
}

fn must_be_few(ids: &[UserId]) -> Result<(), DirectoryError> {
    let problem = || DirectoryError::invalid("users", format!("at most {MOST_AT_ONCE} at a time"));
    if ids.len() > MOST_AT_ONCE { Err(problem()) } else { Ok(()) }
}

async fn set_active(tx: &Tx<'_>, mut ids: Vec<UserId>, is_active: bool) -> Result<Vec<Changed>, DirectoryError> {
    must_be_few(&ids)?;
    // In one order, so that two who do so at once do not wait for each other.
    ids.sort_unstable();
    ids.dedup();
    let known = of(tx, ids.clone()).await?;
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        let name = known.iter().find(|user| user.id == id).map_or_else(|| id.to_string(), |user| user.username.clone());
        let edit = UserEdit { is_active: Some(is_active), ..UserEdit::default() };
        let refused = match users::edit(tx, &id.into(), edit).await {
            Ok(_) => None,
            // The others would not be kept either.
            Err(error @ DirectoryError::Store(_)) => return Err(error),
            Err(error) => Some(error),
        };
        all.push(Changed { name, refused });
    }
    Ok(all)
}
