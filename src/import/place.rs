//! Where tables are: in a schema, of a database. Facts of one place alone count, and which one is never guessed.

use std::fmt;
use thiserror::Error;

/// PostgreSQL's, and that of names without a schema.
pub(super) const PUBLIC: &str = "public";

/// A schema; of a database where several are in one dump.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub database: Option<String>,
    pub schema: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.database {
            Some(database) => write!(f, "{database}.{}", self.schema),
            None => f.write_str(&self.schema),
        }
    }
}

/// It is not clear which tables are meant.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// There are several of the name.
    #[error("the table `{table}` is there more than once, in {places}: say which counts, --schema {first}")]
    Ambiguous { table: String, places: String, first: String },
    /// There is none where it was said to be.
    #[error("there is no table `{table}` in `{wanted}`, but in {places}")]
    Elsewhere { table: String, wanted: String, places: String },
}

/// The one of `places` that counts, all of which have this table: the only one, or the only one that was said. Nothing where there
/// are none.
///
/// # Errors
/// See [`PlaceError`].
pub fn choose(table: &str, places: &[Place], wanted: Option<&str>) -> Result<Option<Place>, PlaceError> {
    let is_meant = |place: &&Place| wanted.is_none_or(|wanted| place.schema == wanted || place.to_string() == wanted);
    let meant: Vec<&Place> = places.iter().filter(is_meant).collect();
    let list = |places: &[&Place]| places.iter().map(|place| format!("`{place}`")).collect::<Vec<_>>().join(", ");
    match (meant.as_slice(), wanted) {
        ([], Some(wanted)) if !places.is_empty() => Err(PlaceError::Elsewhere {
            table: table.to_owned(),
            wanted: wanted.to_owned(),
            places: list(&places.iter().collect::<Vec<_>>()),
        }),
        ([], _) => Ok(None),
        ([one], _) => Ok(Some((*one).clone())),
        ([first, ..], _) => {
            Err(PlaceError::Ambiguous { table: table.to_owned(), places: list(&meant), first: first.to_string() })
        }
    }
}
