//! What an installation knows of its users besides: fields that it declares, each of a type, kept as one JSON object.

use super::error::DirectoryError;
use super::resources::{Content, Given, Kept, Kind};
use super::sql::{Cell, FromCell, Param, Value};
use jiff::civil::Date;
use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value as Json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The fields of a user, as JSON. Names are sorted, so that the same fields are the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomFields(String);

/// All of a user's fields together, in bytes of JSON.
const LONGEST: usize = 16 << 10;

impl Default for CustomFields {
    fn default() -> Self {
        Self("{}".to_owned())
    }
}

impl CustomFields {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is kept.
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok().map(|all| Self::of(&all))
    }

    /// By name. What is no object has none.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Json> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    fn of(all: &BTreeMap<String, Json>) -> Self {
        Self(serde_json::to_string(all).unwrap_or_else(|_| "{}".to_owned()))
    }
}

impl Serialize for CustomFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.all().serialize(serializer)
    }
}

impl Kept for CustomFields {
    const KIND: Kind = Kind::Map;
    const SQL_TYPE: &'static str = "text";
}

impl Param for CustomFields {
    fn value(&self) -> Value<'_> {
        Value::Text(Some(&self.0))
    }

    fn absent() -> Value<'static> {
        Value::Text(None)
    }
}

impl FromCell for CustomFields {
    fn from_cell(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Text(text) => Some(Self(text)),
            _ => None,
        }
    }
}

impl Content for CustomFields {
    type Kept = Self;

    fn check(word: &'static str, given: Given) -> Result<Self, DirectoryError> {
        match given {
            Given::Map(all) => Ok(Self::of(&all)),
            Given::Text(_) | Given::Flag(_) => Err(DirectoryError::invalid(word, "an object")),
        }
    }

    fn keep(self) -> Self {
        self
    }
}

/// The type of a field, and its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// One of the choices, where there are any.
    Text {
        max_length: Option<u32>,
        choices: Vec<String>,
    },
    Number {
        min: Option<i64>,
        max: Option<i64>,
    },
    Flag,
    Date,
}

impl FieldType {
    /// A text, in characters, where nothing else is declared.
    pub const LONGEST: u32 = 255;

    /// A value as it is kept: texts of the command line and of forms become what they are meant as.
    fn check(&self, value: &Json) -> Result<Json, String> {
        let text = value.as_str();
        match self {
            Self::Text { max_length, choices } => {
                let text = text.ok_or("it is a text")?;
                let most = max_length.unwrap_or(Self::LONGEST);
                if text.chars().count() > most as usize {
                    return Err(format!("it has at most {most} characters"));
                }
                if text.chars().any(|c| c.is_control() && c != '\n') {
                    return Err("it has no control characters".to_owned());
                }
                if !choices.is_empty() && !choices.iter().any(|choice| choice == text) {
                    return Err(format!("it is one of {}", choices.join(", ")));
                }
                Ok(value.clone())
            }
            Self::Number { min, max } => {
                let number = value.as_i64().or_else(|| text?.parse().ok()).ok_or("it is a whole number")?;
                match (min.filter(|min| number < *min), max.filter(|max| number > *max)) {
                    (Some(min), _) => Err(format!("it is {min} at least")),
                    (_, Some(max)) => Err(format!("it is {max} at most")),
                    (None, None) => Ok(Json::Number(Number::from(number))),
                }
            }
            Self::Flag => {
                let flag = value.as_bool().or_else(|| text?.parse().ok());
                flag.map(Json::Bool).ok_or_else(|| "it is true or false".to_owned())
            }
            Self::Date => {
                let date = text.and_then(|text| text.parse::<Date>().ok());
                date.map(|date| Json::String(date.to_string()))
                    .ok_or_else(|| "it is a date such as 2026-01-31".to_owned())
            }
        }
    }
}

/// The fields that are declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredFields(Arc<BTreeMap<String, FieldType>>);

impl FromIterator<(String, FieldType)> for DeclaredFields {
    fn from_iter<I: IntoIterator<Item = (String, FieldType)>>(fields: I) -> Self {
        Self(Arc::new(fields.into_iter().collect()))
    }
}

/// What is wrong of fields that were given: which, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfitFields(pub Vec<(String, String)>);

impl From<UnfitFields> for DirectoryError {
    fn from(UnfitFields(all): UnfitFields) -> Self {
        let all: Vec<_> = all.into_iter().map(|(name, problem)| format!("{name}: {problem}")).collect();
        Self::invalid(WORD, all.join("; "))
    }
}

/// What they are called in errors.
const WORD: &str = "fields";

impl DeclaredFields {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &FieldType)> {
        self.0.iter().map(|(name, of)| (name.as_str(), of))
    }

    /// What a user has, with others in the place of theirs. What is not named stays, also what only another replica declares; null, or an
    /// empty text, takes a field away.
    ///
    /// # Errors
    /// Fields that are not declared, or values that are not of their types.
    pub fn put(&self, kept: &CustomFields, given: &CustomFields) -> Result<CustomFields, UnfitFields> {
        let (mut all, mut unfit) = (kept.all(), Vec::new());
        for (name, value) in given.all() {
            let is_absent = value.is_null() || value.as_str() == Some("");
            if is_absent && (self.0.contains_key(&name) || all.contains_key(&name)) {
                all.remove(&name);
                continue;
            }
            match self.checked(&name, &value) {
                Ok(value) => drop(all.insert(name, value)),
                Err(problem) => unfit.push((name, problem)),
            }
        }
        let all = CustomFields::of(&all);
        if let (true, Some((first, _))) = (unfit.is_empty() && all.0.len() > LONGEST, given.all().into_iter().next()) {
            unfit.push((first, format!("all fields of a user together have at most {} KiB", LONGEST >> 10)));
        }
        if unfit.is_empty() { Ok(all) } else { Err(UnfitFields(unfit)) }
    }

    fn checked(&self, name: &str, value: &Json) -> Result<Json, String> {
        let declared = self.0.get(name).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none is".to_owned() } else { format!("{} are", known.join(", ")) };
            format!("it is not declared in the configuration: {known}")
        })?;
        declared.check(value)
    }

    /// What a list is filtered by: the name of a field, and its value as it is kept; none where there must be none.
    pub(super) fn wanted<'n>(&self, filter: &'n str, text: &str) -> Result<(&'n str, Option<String>), DirectoryError> {
        let name = filter.split_once('.').map_or("", |(_, name)| name);
        let wrong = |problem| DirectoryError::invalid("filter", format!("{filter}: {problem}"));
        if text.is_empty() && self.0.contains_key(name) {
            return Ok((name, None));
        }
        let value = self.checked(name, &text.into()).map_err(wrong)?;
        Ok((name, Some(value.to_string())))
    }

    /// What is told of a user: each field that is declared, null where they have none.
    #[must_use]
    pub fn told(&self, kept: &CustomFields) -> BTreeMap<&str, Json> {
        let mut all = kept.all();
        self.0.keys().map(|name| (name.as_str(), all.remove(name).unwrap_or_default())).collect()
    }
}

/// As the command line and batches give them.
impl FromIterator<(String, Json)> for CustomFields {
    fn from_iter<I: IntoIterator<Item = (String, Json)>>(fields: I) -> Self {
        let all: Map<String, Json> = fields.into_iter().collect();
        Self::of(&all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn declared() -> DeclaredFields {
        [
            ("team".to_owned(), FieldType::Text { max_length: Some(5), choices: Vec::new() }),
            (
                "tier".to_owned(),
                FieldType::Text { max_length: None, choices: vec!["gold".to_owned(), "tin".to_owned()] },
            ),
            ("seats".to_owned(), FieldType::Number { min: Some(1), max: Some(9) }),
            ("contractor".to_owned(), FieldType::Flag),
            ("since".to_owned(), FieldType::Date),
        ]
        .into_iter()
        .collect()
    }

    fn fields(json: Json) -> CustomFields {
        json.as_object().unwrap().clone().into_iter().collect()
    }

    fn kept(json: Json) -> Result<CustomFields, UnfitFields> {
        declared().put(&CustomFields::default(), &fields(json))
    }

    #[test]
    fn values_are_kept_as_what_they_are_declared_to_be() {
        let given = json!({ "team": "ops", "seats": "7", "contractor": "true", "since": "2026-01-31", "tier": "" });
        let all = kept(given).unwrap();
        assert_eq!(all.as_str(), r#"{"contractor":true,"seats":7,"since":"2026-01-31","team":"ops"}"#);
        let changed = declared().put(&all, &fields(json!({ "team": null, "seats": 3 }))).unwrap();
        assert_eq!(changed.as_str(), r#"{"contractor":true,"seats":3,"since":"2026-01-31"}"#);
        let told = serde_json::to_string(&declared().told(&changed)).unwrap();
        assert_eq!(told, r#"{"contractor":true,"seats":3,"since":"2026-01-31","team":null,"tier":null}"#);
    }

    #[test]
    fn what_another_replica_declares_stays_until_it_is_taken_away() {
        let other = CustomFields(r#"{"colour":"red","team":"ops"}"#.to_owned());
        let changed = declared().put(&other, &fields(json!({ "team": "dev" }))).unwrap();
        assert_eq!(changed.as_str(), r#"{"colour":"red","team":"dev"}"#);
        assert!(declared().put(&changed, &fields(json!({ "colour": "blue" }))).is_err());
        assert_eq!(declared().put(&changed, &fields(json!({ "colour": null }))).unwrap().as_str(), r#"{"team":"dev"}"#);
        assert!(!declared().told(&changed).contains_key("colour"));
    }

    #[test]
    fn all_together_are_bounded() {
        let text = |most| FieldType::Text { max_length: Some(most), choices: Vec::new() };
        let many: DeclaredFields = (0..20).map(|at| (format!("f{at}"), text(1000))).collect();
        let long: CustomFields = (0..20).map(|at| (format!("f{at}"), "x".repeat(1000).into())).collect();
        let UnfitFields(unfit) = many.put(&CustomFields::default(), &long).unwrap_err();
        assert!(unfit[0].1.contains("16 KiB"), "{unfit:?}");
    }

    #[test]
    fn what_is_not_of_its_type_is_told() {
        for (given, told) in [
            (
                json!({ "temas": "x" }),
                "temas: it is not declared in the configuration: contractor, seats, since, team, tier are",
            ),
            (json!({ "team": "longer" }), "team: it has at most 5 characters"),
            (json!({ "team": 5 }), "team: it is a text"),
            (json!({ "team": "a\u{7}" }), "team: it has no control characters"),
            (json!({ "tier": "iron" }), "tier: it is one of gold, tin"),
            (json!({ "seats": "many" }), "seats: it is a whole number"),
            (json!({ "seats": 0 }), "seats: it is 1 at least"),
            (json!({ "seats": 10 }), "seats: it is 9 at most"),
            (json!({ "seats": 1.5 }), "seats: it is a whole number"),
            (json!({ "contractor": "yes" }), "contractor: it is true or false"),
            (json!({ "since": "31.1.2026" }), "since: it is a date"),
        ] {
            let error = DirectoryError::from(kept(given).unwrap_err()).to_string();
            assert!(error.contains(told), "{error}");
        }
        assert!(DeclaredFields::default().put(&CustomFields::default(), &fields(json!({ "a": 1 }))).is_err());
    }
}
