//! An object of a service, as a lookup finds it: its organization, and what else was asked of it.

use super::header_value;
use http::HeaderValue;

/// What one column of an object says.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    Null,
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(Box<str>),
}

impl Column {
    /// As a text: what organizations are named by, arguments are made of and headers carry. `None` for null.
    #[must_use]
    pub fn text(&self) -> Option<Box<str>> {
        Some(match self {
            Self::Null => return None,
            Self::Flag(is) => is.to_string().into(),
            Self::Whole(number) => number.to_string().into(),
            Self::Number(number) => number.to_string().into(),
            Self::Text(text) => text.clone(),
        })
    }

    /// As a header carries it.
    #[must_use]
    pub fn header(&self) -> Option<HeaderValue> {
        self.text().map(|text| header_value(&text))
    }
}

/// One row: named columns, the first of which is the organization.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    organization: Option<Box<str>>,
    columns: Box<[(Box<str>, Column)]>,
}

impl Object {
    #[must_use]
    pub fn new(columns: Vec<(Box<str>, Column)>) -> Self {
        let organization = columns.first().and_then(|(_, column)| column.text());
        Self { organization, columns: columns.into() }
    }

    /// What names its organization; `None`: it belongs to none.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    /// The column of that name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|(column, _)| **column == *name).map(|(_, column)| column)
    }
}
