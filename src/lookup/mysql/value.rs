//! What columns of MySQL and MariaDB say.

use crate::facts::{Column, Object};
use mysql_async::consts::ColumnType;
use mysql_async::{Column as Field, Row, Value};
use uuid::Uuid;

/// The character set of what is no text.
const BINARY: u16 = 63;

/// As what a column is read.
#[derive(Clone, Copy)]
enum Reading {
    Nothing,
    Flag,
    Number,
    Text,
    Uuid,
}

impl Reading {
    /// `None`: not at all.
    fn of(field: &Field) -> Option<Self> {
        use ColumnType::*;
        Some(match field.column_type() {
            MYSQL_TYPE_NULL => Self::Nothing,
            // BOOLEAN is TINYINT(1).
            MYSQL_TYPE_TINY | MYSQL_TYPE_BIT if field.column_length() == 1 => Self::Flag,
            MYSQL_TYPE_TINY | MYSQL_TYPE_SHORT | MYSQL_TYPE_INT24 | MYSQL_TYPE_LONG | MYSQL_TYPE_LONGLONG => {
                Self::Number
            }
            MYSQL_TYPE_FLOAT | MYSQL_TYPE_DOUBLE => Self::Number,
            MYSQL_TYPE_VARCHAR | MYSQL_TYPE_VAR_STRING | MYSQL_TYPE_STRING if field.character_set() == BINARY => {
                if field.column_length() != 16 {
                    return None;
                }
                Self::Uuid
            }
            MYSQL_TYPE_VARCHAR | MYSQL_TYPE_VAR_STRING | MYSQL_TYPE_STRING => Self::Text,
            MYSQL_TYPE_TINY_BLOB | MYSQL_TYPE_BLOB | MYSQL_TYPE_MEDIUM_BLOB | MYSQL_TYPE_LONG_BLOB
                if field.character_set() != BINARY =>
            {
                Self::Text
            }
            _ => return None,
        })
    }

    fn value(self, value: &Value) -> Option<Column> {
        Some(match (self, value) {
            (_, Value::NULL) => Column::Null,
            (Self::Flag, Value::Int(number)) => Column::Flag(*number != 0),
            (Self::Flag, Value::UInt(number)) => Column::Flag(*number != 0),
            (Self::Flag, Value::Bytes(bits)) => Column::Flag(bits.iter().any(|bit| *bit != 0)),
            (Self::Number, Value::Int(number)) => Column::Whole(*number),
            (Self::Number, Value::UInt(number)) => match i64::try_from(*number) {
                Ok(number) => Column::Whole(number),
                Err(_) => Column::Text(number.to_string().into()),
            },
            (Self::Number, Value::Float(number)) => Column::Number((*number).into()),
            (Self::Number, Value::Double(number)) => Column::Number(*number),
            (Self::Text, Value::Bytes(text)) => Column::Text(std::str::from_utf8(text).ok()?.into()),
            (Self::Uuid, Value::Bytes(id)) => Column::Text(Uuid::from_slice(id).ok()?.to_string().into()),
            _ => return None,
        })
    }
}

/// The type of a column, where its values are not read.
pub(super) fn unread(field: &Field) -> Option<String> {
    let name = || {
        let name = format!("{:?}", field.column_type());
        let name = name.trim_start_matches("MYSQL_TYPE_").to_lowercase();
        if field.character_set() == BINARY { format!("{name} (binary)") } else { name }
    };
    Reading::of(field).is_none().then(name)
}

/// The columns from `from` on as an object; the name of one that cannot be read is the error.
pub(super) fn object(row: &Row, from: usize) -> Result<Object, String> {
    let columns = row.columns_ref().iter().enumerate().skip(from).map(|(at, field)| {
        let value = Reading::of(field).zip(row.as_ref(at)).and_then(|(reading, value)| reading.value(value));
        let name = field.name_str();
        value.map(|value| (name.as_ref().into(), value)).ok_or_else(|| name.into_owned())
    });
    columns.collect::<Result<_, _>>().map(Object::new)
}
