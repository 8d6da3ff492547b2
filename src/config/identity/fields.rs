//! `identity.fields` — what an installation knows of its users besides.

use crate::config::keys::{Reader, Section, Shape, count, custom, keys, one_of};
use crate::directory::{DeclaredFields, FieldType};
use crate::yaml::{Node, Value};

/// So many are enough for anybody.
const MOST: usize = 50;
const MOST_NUMBER: u64 = 1_000_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Text,
    Number,
    Flag,
    Date,
}

keys! {
    struct Said {
        of ("type"): Word = Word::Text, one_of!("text" => Word::Text, "number" => Word::Number, "flag" => Word::Flag, "date" => Word::Date),
            "What it is: `text`, `number` (a whole one), `flag` or `date`. [text]";
        max_length: Option<u32> = None, count::<u32, 1, 1000>(), "Characters of a text, at most. [255]";
        choices: Vec<String> = Vec::new(), custom(Shape::Texts, choices), "What a text may be.";
        min: Option<i64> = None, count::<i64, 0, MOST_NUMBER>(), "The least that a number may be.";
        max: Option<i64> = None, count::<i64, 0, MOST_NUMBER>(), "The most that a number may be.";
    }
}

pub(in crate::config) const SHAPE: Shape = Shape::Named(&Shape::Map(Said::KEYS, 0));

fn choices(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let choices = node.expect_strs("`choices`", reader.findings)?;
    Some(choices.into_iter().map(|(text, _)| text.to_owned()).collect())
}

pub(in crate::config) fn read(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<DeclaredFields> {
    let map = node.expect_map("`fields`", reader.findings)?;
    if map.entries.len() > MOST {
        reader.findings.error("wrong_value", node.span, format!("`fields` are at most {MOST}"));
    }
    let mut declared = Vec::new();
    for entry in &map.entries {
        let name = entry.key.text.as_str();
        let is_name = name.len() <= 64
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !is_name {
            let message = format!("`{name}` is no name of a field");
            let detail = reader.findings.error("wrong_value", entry.key.span, message);
            detail.help("write small letters, digits and `_`, a letter first: `cost_centre`");
        }
        let said = match &entry.value.value {
            Value::Map(map) => reader.read::<Said>(key, &format!("the field `{name}`"), map),
            _ => match entry.value.expect_map("a field", reader.findings) {
                Some(_) | None => continue,
            },
        };
        let Said { of, max_length, choices, min, max } = said;
        let has_text = max_length.is_some() || !choices.is_empty();
        let has_number = min.is_some() || max.is_some();
        if has_text && of != Word::Text || has_number && of != Word::Number {
            let message = format!("the field `{name}` has bounds that are of another type");
            let detail = reader.findings.error("no_meaning", entry.key.span, message);
            detail.help("`max_length` and `choices` are of a text, `min` and `max` of a number");
        }
        let of = match of {
            Word::Text => FieldType::Text { max_length, choices },
            Word::Number => FieldType::Number { min, max },
            Word::Flag => FieldType::Flag,
            Word::Date => FieldType::Date,
        };
        if is_name {
            declared.push((name.to_owned(), of));
        }
    }
    Some(declared.into_iter().collect())
}
