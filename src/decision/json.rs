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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// An object may stand there, and says what null does.
    pub(super) objects: bool,
}

impl Expected {
    /// One value; two are too many for a rule, but which they are is for it to say.
    pub(super) const fn one(absent: Absent) -> Self {
        Self { absent, most: 4, lists: false, objects: false }
    }
}

/// What is asked of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'p> {
    pub(super) pointer: &'p Pointer,
    pub(super) expected: Expected,
    /// The number of the `*`, from 1 on, whose elements are told apart; 0: of none.
    pub(super) through: usize,
}

/// What a document says at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Values<T> {
    /// Each once.
    pub(super) all: Vec<T>,
    /// The elements that are told apart, by numbers that are the same for all that is asked of a document at once, and what they say.
    pub(super) places: Vec<(u32, u8)>,
}

/// Reads what a document says at several places; nothing where there is no such place.
///
/// # Errors
/// See [`Problem`]; where it is no JSON, all of them.
pub(super) fn read(document: &[u8], asked: &[Asked<'_>]) -> Vec<Result<Values<Field>, Problem>> {
    read_as(document, asked, leaf)
}

/// The same, where `leaf` says what a value is, or that it is none.
pub(super) fn read_as<T: PartialEq>(
    document: &[u8],
    asked: &[Asked<'_>],
    leaf: fn(&str) -> Option<T>,
) -> Vec<Result<Values<T>, Problem>> {
    let answer = |asked: &Asked<'_>| Answer {
        values: Values { all: Vec::new(), places: Vec::new() },
        problem: None,
        expected: asked.expected,
    };
    let mut found = Found { answers: asked.iter().map(answer).collect(), elements: 0, leaf };
    // What is skipped is not looked at: not whether it is UTF-8, so that is asked first.
    let read = std::str::from_utf8(document).map_err(|_| Problem::NotUtf8).and_then(|text| {
        let mut reader = serde_json::Deserializer::from_str(text);
        let cursors = asked.iter().enumerate().map(|(at, asked)| Cursor::new(at, asked)).collect();
        let walk = Walk { cursors, found: &mut found };
        walk.deserialize(&mut reader).and_then(|()| reader.end()).map_err(|_| Problem::NotJson)
    });
    found.answers.into_iter().map(|answer| answer.problem.map_or(read, Err).map(|()| answer.values)).collect()
}

/// The one place of a document that is asked for.
///
/// # Errors
/// See [`Problem`].
pub(super) fn read_one<T: PartialEq>(
    document: &[u8],
    pointer: &Pointer,
    expected: Expected,
    leaf: fn(&str) -> Option<T>,
) -> Result<Vec<T>, Problem> {
    let answer = read_as(document, &[Asked { pointer, expected, through: 0 }], leaf).pop();
    answer.unwrap_or(Err(Problem::NotJson)).map(|values| values.all)
}

/// What was found so far.
struct Found<T> {
    answers: Vec<Answer<T>>,
    /// Elements that were come by.
    elements: u32,
    leaf: fn(&str) -> Option<T>,
}

/// The same of one question.
struct Answer<T> {
    values: Values<T>,
    /// The first thing that is wrong, where the document itself is JSON so far.
    problem: Option<Problem>,
    expected: Expected,
}

impl<T: PartialEq> Answer<T> {
    fn refuse(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }

    fn leaf(&mut self, raw: &str, element: Option<u32>, leaf: fn(&str) -> Option<T>) {
        if let Some(value) = self.value(raw, leaf) {
            return self.find(value, element);
        }
        match serde_json::from_str::<Vec<&RawValue>>(raw).ok().filter(|_| self.expected.lists) {
            // A list of nothing is what null is, and no field that was not sent.
            Some(list) if list.is_empty() => self.say(leaf(NULL), element),
            Some(list) => list.iter().for_each(|raw| self.say(self.value(raw.get(), leaf), element)),
            None => self.refuse(Problem::NoName),
        }
    }

    fn value(&self, raw: &str, leaf: fn(&str) -> Option<T>) -> Option<T> {
        leaf(if self.expected.objects && raw.starts_with('{') { NULL } else { raw })
    }

    fn say(&mut self, value: Option<T>, element: Option<u32>) {
        match value {
            Some(value) => self.find(value, element),
            None => self.refuse(Problem::NoName),
        }
    }

    fn find(&mut self, value: T, element: Option<u32>) {
        let Values { all, places } = &mut self.values;
        let at = match all.iter().position(|known| *known == value) {
            Some(at) => at,
            None if all.len() < self.expected.most => {
                all.push(value);
                all.len() - 1
            }
            None => return self.refuse(Problem::TooManyValues),
        };
        if let (Some(element), Ok(at)) = (element, u8::try_from(at))
            && places.last() != Some(&(element, at))
        {
            places.push((element, at));
        }
    }
}

/// The way of one pointer through a document.
#[derive(Clone, Copy)]
struct Cursor<'p> {
    /// The number of the question.
    at: usize,
    steps: &'p [Box<str>],
    /// It is on its way through one of several elements, each of which says something.
    is_element: bool,
    /// So many `*` are still to come until the elements are told apart.
    until: Option<usize>,
    element: Option<u32>,
    /// It leads further from here.
    is_there: bool,
}

impl<'p> Cursor<'p> {
    fn new(at: usize, asked: &Asked<'p>) -> Self {
        let until = asked.through.checked_sub(1);
        Self { at, steps: asked.pointer.steps(), is_element: false, until, element: None, is_there: false }
    }

    fn on(&self, steps: &'p [Box<str>]) -> Self {
        Self { steps, is_there: false, ..*self }
    }

    /// On through an element of the list whose elements are all meant.
    fn through(&self, steps: &'p [Box<str>], number: u32) -> Self {
        let element = if self.until == Some(0) { Some(number) } else { self.element };
        let until = self.until.and_then(|until| until.checked_sub(1));
        Self { is_element: true, until, element, ..self.on(steps) }
    }
}

/// The ways of all pointers that lead on from here. All of the document is read, so that what is no JSON behind it is refused too.
struct Walk<'w, 'p, T> {
    cursors: Vec<Cursor<'p>>,
    found: &'w mut Found<T>,
}

impl<T: PartialEq> Walk<'_, '_, T> {
    /// There is nothing where the rest of a pointer would lead.
    fn miss(self) {
        let Found { answers, leaf, .. } = self.found;
        for Cursor { at, element, .. } in self.cursors.into_iter().filter(|c| c.is_element && !c.is_there) {
            let Some(answer) = answers.get_mut(at) else { continue };
            match answer.expected.absent {
                Absent::Null => answer.say(leaf(NULL), element),
                Absent::Problem => answer.refuse(Problem::Missing),
            }
        }
    }
}

impl<'de, T: PartialEq> DeserializeSeed<'de> for Walk<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, reader: D) -> Result<(), D::Error> {
        let ends = self.cursors.extract_if(.., |cursor| cursor.steps.is_empty()).collect::<Vec<_>>();
        if ends.is_empty() {
            return reader.deserialize_any(self);
        }
        let raw: &RawValue = serde::Deserialize::deserialize(reader)?;
        for Cursor { at, element, .. } in ends {
            let leaf = self.found.leaf;
            if let Some(answer) = self.found.answers.get_mut(at) {
                answer.leaf(raw.get(), element, leaf);
            }
        }
        // Where one pointer ends, another may lead further.
        if self.cursors.is_empty() {
            return Ok(());
        }
        serde_json::Deserializer::from_str(raw.get()).deserialize_any(self).map_err(serde::de::Error::custom)
    }
}

/// A text, a number as it is written, or null.
pub(super) fn leaf(raw: &str) -> Option<Field> {
    match raw.as_bytes().first()? {
        b'n' => Some(Field::Null),
        b'"' => serde_json::from_str::<Cow<'_, str>>(raw).ok().map(|text| Field::Text(text.into())),
        b'-' | b'0'..=b'9' => Some(Field::Text(raw.into())),
        _ => None,
    }
}

impl<'de, T: PartialEq> Visitor<'de> for Walk<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            let mut further = Vec::new();
            for cursor in &mut self.cursors {
                let Some((step, rest)) = cursor.steps.split_first() else { continue };
                if *key == **step && !cursor.is_there {
                    cursor.is_there = true;
                    further.push(cursor.on(rest));
                } else if spells(key.as_bytes(), step)
                    && let Some(answer) = self.found.answers.get_mut(cursor.at)
                {
                    // Some readers take the first of two, some the last, and some any spelling.
                    answer.refuse(Problem::Twice);
                }
            }
            if further.is_empty() {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Walk { cursors: further, found: &mut *self.found })?;
            }
        }
        self.miss();
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let mut at = 0_usize;
        loop {
            let number = self.found.elements;
            let mut further = Vec::new();
            for cursor in &self.cursors {
                match cursor.steps.split_first() {
                    Some((step, rest)) if &**step == "*" => further.push(cursor.through(rest, number)),
                    Some((step, rest)) if **step == *at.to_string() => further.push(cursor.on(rest)),
                    _ => {}
                }
            }
            let more = if further.is_empty() {
                list.next_element::<IgnoredAny>()?.is_some()
            } else {
                self.found.elements = number.saturating_add(1);
                let meant: Vec<usize> = further.iter().map(|cursor| cursor.at).collect();
                let more = list.next_element_seed(Walk { cursors: further, found: &mut *self.found })?.is_some();
                let cursors = self.cursors.iter_mut().filter(|cursor| more && meant.contains(&cursor.at));
                cursors.for_each(|cursor| cursor.is_there = true);
                more
            };
            if !more {
                self.miss();
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
