//! Serializers of Django REST framework: the fields that an operation takes and tells, how what is sent for them is read, and how
//! `OPTIONS` describes them.

use super::checks;
use super::fields::{FieldErrors, trimmed};
use super::object::Object;
use super::value::{self, Fields, Text, Value};
use jiff::civil::{Date, ISOWeekDate, Weekday};
use std::borrow::Cow;

/// A field, as clients see it.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub shape: Shape,
    /// What `OPTIONS` calls it, where that is not its name.
    label: &'static str,
    pub help: &'static str,
    pub required: bool,
    /// It may be `null`.
    pub nullable: bool,
    /// It is told as `null` where there is none, and not taken so.
    pub may_be_none: bool,
    /// A text that may be empty.
    pub blank: bool,
    /// Characters of a text.
    pub longest: Option<usize>,
    pub access: Access,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Both,
    ReadOnly,
    WriteOnly,
}

/// What its value is.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Text,
    /// A text that keeps the blanks around it.
    Untrimmed,
    Username,
    Email,
    Url,
    Slug,
    /// A text that some country has as a telephone number.
    Phone,
    Flag,
    Date,
    Moment,
    Number,
    Uuid,
    /// Keys of other records.
    Keys(Keys),
    /// The key of another record.
    Key,
    /// Values by name.
    Map,
    Nested(&'static [Field]),
    /// The same, or a list of which the first counts.
    First(&'static [Field]),
    /// One object, or a list of them.
    Each(&'static [Field]),
}

/// How other records are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    Numbers,
    Uuids,
    /// By a name of theirs.
    Words,
    /// Numbers, told as `12: model | name`.
    Numbered,
}

impl Field {
    pub const fn new(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            shape,
            label: "",
            help: "",
            required: false,
            nullable: false,
            may_be_none: false,
            blank: false,
            longest: None,
            access: Access::Both,
        }
    }

    pub const fn text(name: &'static str) -> Self {
        Self::new(name, Shape::Text)
    }

    pub const fn flag(name: &'static str) -> Self {
        Self::new(name, Shape::Flag)
    }

    pub const fn date(name: &'static str) -> Self {
        Self { nullable: true, ..Self::new(name, Shape::Date) }
    }

    pub const fn label(self, label: &'static str) -> Self {
        Self { label, ..self }
    }

    pub const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }

    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub const fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }

    pub const fn or_none(self) -> Self {
        Self { may_be_none: true, ..self }
    }

    /// A text that may be empty.
    pub const fn blank(self) -> Self {
        Self { blank: true, ..self }
    }

    pub const fn at_most(self, longest: usize) -> Self {
        Self { longest: Some(longest), ..self }
    }

    pub const fn read_only(self) -> Self {
        Self { access: Access::ReadOnly, ..self }
    }

    pub const fn write_only(self) -> Self {
        Self { access: Access::WriteOnly, ..self }
    }

    /// What is sent for it; `None` where nothing is.
    fn sent<'f>(&self, fields: &'f Fields, partial: bool) -> Option<Cow<'f, Value>> {
        if fields.is_form() {
            return self.sent_by_form(fields, partial);
        }
        fields.get(self.name).map(Cow::Borrowed)
    }

    /// In a form what was not ticked or chosen is not there, and what was left empty is an empty text.
    fn sent_by_form<'f>(&self, fields: &'f Fields, partial: bool) -> Option<Cow<'f, Value>> {
        match self.shape {
            Shape::Map | Shape::Nested(_) | Shape::First(_) | Shape::Each(_) => {
                let within = fields.nested(self.name);
                if within.is_empty() { None } else { Some(Cow::Owned(Value::Object(within))) }
            }
            Shape::Keys(_) => {
                let values: Vec<Value> = fields.all(self.name).cloned().collect();
                if values.is_empty() && partial { None } else { Some(Cow::Owned(Value::List(values))) }
            }
            _ => match fields.get(self.name) {
                None if matches!(self.shape, Shape::Flag) && !partial => Some(Cow::Owned(Value::Bool(false))),
                Some(Value::Text(text)) if text.text.is_empty() && self.nullable && !self.blank => {
                    Some(Cow::Owned(Value::Null))
                }
                Some(Value::Text(text)) if text.text.is_empty() && !self.required && !self.blank && !self.nullable => {
                    None
                }
                other => other.map(Cow::Borrowed),
            },
        }
    }

    /// Reads what is sent for it, as the framework's classes of fields do.
    fn read(&self, value: &Value, partial: bool) -> Result<Datum, Problem> {
        if matches!(value, Value::Null) {
            return if self.nullable { Ok(Datum::Null) } else { Err("This field may not be null.".into()) };
        }
        match self.shape {
            Shape::Flag => flag(value).map(Datum::Flag).ok_or_else(|| "Must be a valid boolean.".into()),
            Shape::Date => date(value)
                .map(Datum::Date)
                .ok_or_else(|| "Date has wrong format. Use one of these formats instead: YYYY-MM-DD.".into()),
            Shape::Keys(_) => match value {
                Value::List(items) => Ok(Datum::Keys(items.clone())),
                Value::Object(fields) => Ok(Datum::Keys(fields.names().map(Value::from).collect())),
                other => Err(format!("Expected a list of items but got type \"{}\".", other.kind()).into()),
            },
            Shape::Key => Ok(match value {
                Value::Text(text) if text.text.is_empty() => {
                    return if self.nullable { Ok(Datum::Null) } else { Err("This field may not be null.".into()) };
                }
                other => Datum::Keys(vec![other.clone()]),
            }),
            Shape::Map => match value {
                Value::Object(fields) => Ok(Datum::Map(fields.clone())),
                other => Err(format!("Expected a dictionary of items but got type \"{}\".", other.kind()).into()),
            },
            Shape::Nested(fields) => nested(fields, value, partial)
                .map(Datum::Nested)
                .map_err(|(right, wrong)| Problem::Within(right, wrong)),
            Shape::First(fields) => {
                let empty = Value::Object(Fields::default());
                let first = if let Value::List(items) = value { items.first().unwrap_or(&empty) } else { value };
                nested(fields, first, partial)
                    .map(Datum::Nested)
                    .map_err(|(right, wrong)| Problem::Within(right, wrong))
            }
            Shape::Each(fields) => {
                let items = if let Value::List(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
                let read: Vec<_> = items.iter().map(|item| nested(fields, item, false)).collect();
                if read.iter().all(Result::is_ok) {
                    return Ok(Datum::Each(read.into_iter().flatten().collect()));
                }
                Err(Problem::Each(read.into_iter().map(|item| item.err().unwrap_or_default().1).collect()))
            }
            Shape::Moment | Shape::Number | Shape::Uuid => Ok(Datum::Null),
            _ => self.read_text(value).map(Datum::Text),
        }
    }

    fn read_text(&self, value: &Value) -> Result<String, Problem> {
        let (text, surrogate) = match value {
            Value::Text(Text { text, surrogate }) => (text.clone(), *surrogate),
            Value::Int(digits) => (digits.clone(), None),
            Value::Float(number) => (value::float(*number), None),
            _ => return Err(self.format().unwrap_or("Not a valid string.").into()),
        };
        let text = if matches!(self.shape, Shape::Untrimmed) { text } else { trimmed(&text).to_owned() };
        if text.is_empty() {
            return if self.blank { Ok(text) } else { Err("This field may not be blank.".into()) };
        }
        let mut messages = Vec::new();
        if matches!(self.shape, Shape::Username) && !checks::is_username(&text) {
            messages.push(
                "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."
                    .to_owned(),
            );
        }
        let number = if matches!(self.shape, Shape::Phone) { crate::phone::e164(&text) } else { None };
        if matches!(self.shape, Shape::Phone) && number.is_none() {
            messages.push("The phone number entered is not valid.".to_owned());
        }
        if let Some(longest) = self.longest.filter(|longest| text.chars().count() > *longest) {
            messages.push(format!("Ensure this field has no more than {longest} characters."));
        }
        if text.contains('\0') {
            messages.push("Null characters are not allowed.".to_owned());
        }
        if let Some(surrogate) = surrogate {
            messages.push(format!("Surrogate characters are not allowed: U+{surrogate:X}."));
        }
        let fits = match self.shape {
            Shape::Email => checks::is_email(&text),
            Shape::Url => checks::is_url(&text),
            Shape::Slug => checks::is_slug(&text),
            _ => true,
        };
        messages.extend(self.format().filter(|_| !fits).map(str::to_owned));
        if messages.is_empty() { Ok(number.unwrap_or(text)) } else { Err(Problem::Messages(messages)) }
    }

    /// What is said of a text that is not of the field's format.
    const fn format(&self) -> Option<&'static str> {
        match self.shape {
            Shape::Email => Some("Enter a valid email address."),
            Shape::Url => Some("Enter a valid URL."),
            Shape::Slug => Some("Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens."),
            _ => None,
        }
    }

    /// What `OPTIONS` says of it.
    fn describe(&self) -> String {
        let kind = match self.shape {
            Shape::Text | Shape::Untrimmed | Shape::Username | Shape::Phone | Shape::Uuid => "string",
            Shape::Email => "email",
            Shape::Url => "url",
            Shape::Slug => "slug",
            Shape::Flag => "boolean",
            Shape::Date => "date",
            Shape::Moment => "datetime",
            Shape::Number => "integer",
            Shape::Keys(_) | Shape::Key => "field",
            Shape::Map | Shape::Nested(_) | Shape::First(_) | Shape::Each(_) => "nested object",
        };
        let mut told = Object::default();
        told.put("type", kind);
        told.put("required", &self.required);
        told.put("read_only", &(self.access == Access::ReadOnly));
        told.put("label", &self.told_as());
        if !self.help.is_empty() {
            told.put("help_text", self.help);
        }
        if let Some(longest) = self.longest {
            told.put("max_length", &longest);
        }
        if let Shape::Nested(fields) | Shape::First(fields) | Shape::Each(fields) = self.shape {
            told.put_json("children", &describe(fields));
        }
        told.end()
    }

    /// What people call it.
    #[must_use]
    pub fn told_as(&self) -> String {
        if !self.label.is_empty() {
            return self.label.to_owned();
        }
        let mut words = self.name.replace('_', " ");
        if let Some(first) = words.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        words
    }
}

/// What was sent for a field, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    Null,
    Text(String),
    Flag(bool),
    Date(Date),
    /// As they were sent: whether there are such records shows the directory.
    Keys(Vec<Value>),
    /// As they were sent, by name.
    Map(Fields),
    Nested(Data),
    Each(Vec<Data>),
}

/// What was sent, by field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data(Vec<(&'static str, Datum)>);

impl Data {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Datum> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, datum)| datum)
    }

    /// A text, where one was sent.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        if let Some(Datum::Text(text)) = self.get(name) { Some(text) } else { None }
    }

    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        if let Some(Datum::Flag(flag)) = self.get(name) { Some(*flag) } else { None }
    }

    #[must_use]
    pub fn keys(&self, name: &str) -> Option<&[Value]> {
        if let Some(Datum::Keys(keys)) = self.get(name) { Some(keys) } else { None }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Datum)> {
        self.0.iter().map(|(name, datum)| (*name, datum))
    }
}

/// Why a field's value is not taken.
enum Problem {
    Messages(Vec<String>),
    /// What is right of an object's own fields, and what is wrong.
    Within(Data, FieldErrors),
    Each(Vec<FieldErrors>),
}

impl<T: Into<String>> From<T> for Problem {
    fn from(message: T) -> Self {
        Self::Messages(vec![message.into()])
    }
}

/// Reads what was sent for some fields: all that is read, and all that is wrong. Where `partial`, nothing is required.
#[must_use]
pub fn read(serializer: &[Field], fields: &Fields, partial: bool) -> (Data, FieldErrors) {
    let (mut data, mut errors) = (Data::default(), FieldErrors::default());
    for field in serializer.iter().filter(|field| field.access != Access::ReadOnly) {
        let Some(sent) = field.sent(fields, partial) else {
            if field.required && !partial {
                errors.add(field.name, "This field is required.");
            }
            continue;
        };
        match field.read(&sent, partial) {
            Ok(datum) => data.0.push((field.name, datum)),
            Err(Problem::Messages(messages)) => {
                messages.into_iter().for_each(|message| errors.add(field.name, message))
            }
            Err(Problem::Within(right, wrong)) => {
                // More may be wrong of what is right as far as it can be seen here.
                data.0.push((field.name, Datum::Nested(right)));
                errors.add_within(field.name, wrong);
            }
            Err(Problem::Each(each)) => errors.add_each(field.name, each),
        }
    }
    (data, errors)
}

fn nested(serializer: &[Field], value: &Value, partial: bool) -> Result<Data, (Data, FieldErrors)> {
    let Value::Object(given) = value else {
        let message = format!("Invalid data. Expected a dictionary, but got {}.", value.kind());
        return Err((Data::default(), FieldErrors::of_all(&message)));
    };
    let (data, errors) = read(serializer, given, partial);
    if errors.is_empty() { Ok(data) } else { Err((data, errors)) }
}

/// What `OPTIONS` says of fields.
#[must_use]
pub fn describe(serializer: &[Field]) -> String {
    let mut told = Object::default();
    for field in serializer {
        told.put_json(field.name, &field.describe());
    }
    told.end()
}

/// What Django REST framework takes for a yes or a no.
fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Int(digits) if digits == "1" => Some(true),
        Value::Int(digits) if digits == "0" => Some(false),
        Value::Float(1.0) => Some(true),
        Value::Float(0.0) => Some(false),
        Value::Text(text) => match text.text.to_lowercase().as_str() {
            "t" | "y" | "yes" | "true" | "on" | "1" => Some(true),
            "f" | "n" | "no" | "false" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// What Python's `date.fromisoformat` takes, and days and months of one digit.
fn date(value: &Value) -> Option<Date> {
    let Value::Text(Text { text, surrogate: None }) = value else { return None };
    // Python's dates begin with the year 1.
    let number = |digits: &str| -> Option<i16> {
        if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
    };
    let of = |year: &str, month: &str, day: &str| {
        Date::new(
            number(year).filter(|year| *year > 0)?,
            number(month)?.try_into().ok()?,
            number(day)?.try_into().ok()?,
        )
        .ok()
    };
    if let Some((year, rest)) =
        text.split_once("-W").or_else(|| text.split_once('W')).filter(|(year, _)| year.len() == 4)
    {
        let (week, day) = match (rest.len(), text.contains("-W")) {
            (2, _) => (rest, "1"),
            (3, false) => rest.split_at_checked(2)?,
            (4, true) => rest.split_once('-')?,
            _ => return None,
        };
        let day = Weekday::from_monday_one_offset(number(day)?.try_into().ok()?).ok()?;
        return ISOWeekDate::new(number(year)?, number(week)?.try_into().ok()?, day).ok().map(ISOWeekDate::date);
    }
    if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        return of(text.get(..4)?, text.get(4..6)?, text.get(6..)?);
    }
    // `$` of a regular expression stands before a line feed at the end too.
    let mut parts = text.strip_suffix('\n').unwrap_or(text).split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let fits = |part: &str| (1..=2).contains(&part.len());
    if year.len() != 4 || !fits(month) || !fits(day) || parts.next().is_some() {
        return None;
    }
    of(year, month, day)
}

#[cfg(test)]
mod tests;
