//! `export_users:` — the columns of exported users.

use super::keys::{Reader, Section, Shape, TEXT, custom, keys};
use crate::export::{Column, Written};
use crate::yaml::{Node, Value};

keys! {
    #[derive(Clone, Debug)]
    pub struct Export {
        fields: Vec<Column> = crate::export::usual(), custom(FIELDS, fields),
            "The columns: names, paths as `organizations.slug`, or maps of `name`, `fields`, `header` and `header_fields`. [as openwisp-users has them]";
    }
}

const FIELDS: Shape = Shape::List(&Shape::Any(&[Shape::Text, Shape::Map(Said::KEYS, 1)]));

keys! {
    struct Said {
        name: Option<String> = None, TEXT, "What the column is of.";
        fields: Option<Vec<String>> = None, custom(Shape::Texts, texts), "The parts of each, where there are several.";
        header: Option<String> = None, TEXT, "The column's header.";
        header_fields: Option<Vec<String>> = None, custom(Shape::Texts, texts), "What the header calls the parts.";
    }
}

fn texts(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let texts = node.expect_strs(&format!("`{key}`"), reader.findings)?;
    Some(texts.into_iter().map(|(text, _)| text.to_owned()).collect())
}

fn fields(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Column>> {
    let nodes = node.expect_seq("`fields`", reader.findings)?;
    Some(nodes.iter().filter_map(|node| column(key, node, reader)).collect())
}

fn column(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Column> {
    let said = match &node.value {
        Value::Map(map) => reader.read::<Said>(key, "a column", map),
        _ => Said { name: Some(node.expect_str("a column", reader.findings)?.to_owned()), ..Said::default() },
    };
    let Some(name) = &said.name else {
        reader.findings.error("missing_key", node.span, "a column has no `name`").help("write `name: organizations`");
        return None;
    };
    fn all(texts: Option<&Vec<String>>) -> Option<Vec<&str>> {
        texts.map(|texts| texts.iter().map(String::as_str).collect())
    }
    let written = Written {
        fields: all(said.fields.as_ref()),
        header: said.header.as_deref(),
        header_fields: all(said.header_fields.as_ref()),
    };
    match Column::new(name, &written) {
        Ok(column) => Some(column),
        Err(message) => {
            reader.findings.error("wrong_value", node.span, message);
            None
        }
    }
}
