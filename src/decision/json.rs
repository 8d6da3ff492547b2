//! What a JSON document says at a place: of a request's body, or of a service's answer.
//!
//! A document that two readers could read in two ways has a [`Problem`]: a key that decides and is there twice or in another spelling, or
//! what is no JSON, however far behind.

use crate::policy::Pointer;
use crate::request_target::query::spells;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

const NULL: &str = "null";

/// What a document says at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Null,
    Text(Box<str>),
}

/// Why nothing can be said of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    NotUtf8,
    NotJson,
    /// A key that decides is there twice, or in another spelling.
    Twice,
    TooManyValues,
    /// What stands there is neither a text nor a number nor null.
    NoName,
    /// An element of a list does not say it, where each must.
    Missing,
}

/// What it means that an element of a list does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    Null,
    Problem,
}

/// What one pointer may lead to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) absent: Absent,
    /// Different values, at most.
    pub(super) most: usize,
    /// A list of values may stand in the place of one.
    pub(super) lists: bool,
}

impl Expected {
    /// One value; two are too many for a rule, but which they are is for it to say.
    pub(super) const fn one(absent: Absent) -> Self {
        Self { absent, most: 4, lists: false }
    }
}

/// Reads what a document says at a place, each of its values once; nothing where there is no such place.
///
/// # Errors
/// See [`Problem`].
pub(super) fn read(document: &[u8], pointer: &Pointer, expected: Expected) -> Result<Vec<Field>, Problem> {
    read_as(document, pointer, expected, leaf)
}

/// The same, where `leaf` says what a value is, or that it is none.
///
/// # Errors
/// See [`Problem`].
pub(super) fn read_as<T: PartialEq>(
    document: &[u8],
    pointer: &Pointer,
    expected: Expected,
    leaf: fn(&str) -> Option<T>,
) -> Result<Vec<T>, Problem> {
    // What is skipped is not looked at: not whether it is UTF-8, so that is asked first.
    let text = std::str::from_utf8(document).map_err(|_| Problem::NotUtf8)?;
    let mut found = Found { values: Vec::new(), problem: None, expected, leaf };
    let mut reader = serde_json::Deserializer::from_str(text);
    let walk = Walk { steps: pointer.steps(), is_element: false, found: &mut found };
    let read = walk.deserialize(&mut reader).and_then(|()| reader.end());
    match (found.problem, read) {
        (Some(problem), _) => Err(problem),
        (None, Ok(())) => Ok(found.values),
        (None, Err(_)) => Err(Problem::NotJson),
    }
}

/// What was found so far.
struct Found<T> {
    values: Vec<T>,
    /// The first thing that is wrong, where the document itself is JSON so far.
    problem: Option<Problem>,
    expected: Expected,
    leaf: fn(&str) -> Option<T>,
}

impl<T: PartialEq> Found<T> {
    fn refuse(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }

    fn leaf(&mut self, raw: &str) {
        if let Some(value) = (self.leaf)(raw) {
            return self.find(value);
        }
        match serde_json::from_str::<Vec<&RawValue>>(raw).ok().filter(|_| self.expected.lists) {
            // A list of nothing is what null is, and no field that was not sent.
            Some(list) if list.is_empty() => self.null(),
            Some(list) => list.iter().for_each(|raw| match (self.leaf)(raw.get()) {
                Some(value) => self.find(value),
                None => self.refuse(Problem::NoName),
            }),
            None => self.refuse(Problem::NoName),
        }
    }

    fn null(&mut self) {
        match (self.leaf)(NULL) {
            Some(value) => self.find(value),
            None => self.refuse(Problem::NoName),
        }
    }

    fn find(&mut self, value: T) {
        if self.values.contains(&value) {
            return;
        }
        match self.values.len() < self.expected.most {
            true => self.values.push(value),
            false => self.refuse(Problem::TooManyValues),
        }
    }
}

/// The way of a pointer through a document. All of the document is read, so that what is no JSON behind it is refused too.
struct Walk<'w, T> {
    steps: &'w [Box<str>],
    /// It is on its way through one of several elements, each of which says something.
    is_element: bool,
    found: &'w mut Found<T>,
}

impl<T: PartialEq> Walk<'_, T> {
    /// There is nothing where the rest of the pointer would lead.
    fn miss(self) {
        match self.found.expected.absent {
            Absent::Null if self.is_element => self.found.null(),
            Absent::Problem if self.is_element => self.found.refuse(Problem::Missing),
            Absent::Null | Absent::Problem => {}
        }
    }
}

impl<'de, T: PartialEq> DeserializeSeed<'de> for Walk<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        if !self.steps.is_empty() {
            return reader.deserialize_any(self);
        }
        let raw: &RawValue = serde::Deserialize::deserialize(reader)?;
        self.found.leaf(raw.get());
        Ok(())
    }
}

/// A text, a number as it is written, or null.
fn leaf(raw: &str) -> Option<Field> {
    match raw.as_bytes().first()? {
        b'n' => Some(Field::Null),
        b'"' => serde_json::from_str::<Cow<'_, str>>(raw).ok().map(|text| Field::Text(text.into())),
        b'-' | b'0'..=b'9' => Some(Field::Text(raw.into())),
        _ => None,
    }
}

impl<'de, T: PartialEq> Visitor<'de> for Walk<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.steps.split_first() else { return Ok(()) };
        let mut is_there = false;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if *key == **step && !is_there {
                is_there = true;
                map.next_value_seed(Walk { steps: rest, is_element: self.is_element, found: &mut *self.found })?;
                continue;
            }
            // Some readers take the first of two, some the last, and some any spelling.
            if spells(key.as_bytes(), step) {
                self.found.refuse(Problem::Twice);
            }
            map.next_value::<IgnoredAny>()?;
        }
        if !is_there {
            self.miss();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let each = self.steps.split_first().filter(|(step, _)| &***step == "*").map(|(_, rest)| rest);
        let mut at = 0_usize;
        loop {
            let is_it = || self.steps.first().is_some_and(|step| **step == *at.to_string());
            let steps = match (each, self.steps.split_first()) {
                (Some(rest), _) => Some(rest),
                (None, Some((_, rest))) if is_it() => Some(rest),
                _ => None,
            };
            let more = match steps {
                Some(steps) => {
                    let is_element = self.is_element || each.is_some();
                    list.next_element_seed(Walk { steps, is_element, found: &mut *self.found })?.is_some()
                }
                None => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                return Ok(());
            }
            at += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.miss();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.miss();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.miss();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.miss();
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.miss();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.miss();
        Ok(())
    }
}
