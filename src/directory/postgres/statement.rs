//! Statements: kept by the server under a name where a connection is a session of our own, and without a name where a pooler
//! gives each transaction any of its sessions (PgBouncer in transaction mode).
//!
//! There a name that we gave may be unknown in the next session, or another client's: a question under it could be answered
//! as theirs. A statement without a name is sent with its parameters and their types in one round, and planned each time.

use bytes::BytesMut;
use tokio_postgres::types::{ToSql, Type};

pub(super) type Params<'p> = &'p [&'p (dyn ToSql + Sync)];

/// What the parameters of our statements are.
const TYPES: [Type; 15] = [
    Type::TEXT,
    Type::UUID,
    Type::INT8,
    Type::BOOL,
    Type::BYTEA,
    Type::INT4,
    Type::FLOAT8,
    Type::DATE,
    Type::TEXT_ARRAY,
    Type::UUID_ARRAY,
    Type::INT8_ARRAY,
    Type::INT4_ARRAY,
    Type::BYTEA_ARRAY,
    Type::BOOL_ARRAY,
    Type::DATE_ARRAY,
];

/// The type that a value has by itself.
fn natural(value: &(dyn ToSql + Sync)) -> Type {
    let mut scratch = BytesMut::new();
    TYPES.into_iter().find(|ty| value.to_sql_checked(ty, &mut scratch).is_ok()).unwrap_or(Type::UNKNOWN)
}

pub(super) fn typed<'p>(params: Params<'p>) -> Vec<(&'p (dyn ToSql + Sync), Type)> {
    params.iter().map(|param| (*param, natural(*param))).collect()
}

#[cfg(test)]
mod tests {
    use super::natural;
    use crate::id::UserId;
    use tokio_postgres::types::Type;

    #[test]
    fn a_value_tells_its_type() {
        assert_eq!(natural(&"text"), Type::TEXT);
        assert_eq!(natural(&Some(String::new())), Type::TEXT);
        assert_eq!(natural(&UserId::generate()), Type::UUID);
        assert_eq!(natural(&7_i64), Type::INT8);
        assert_eq!(natural(&None::<i64>), Type::INT8);
        assert_eq!(natural(&7_i32), Type::INT4);
        assert_eq!(natural(&true), Type::BOOL);
        assert_eq!(natural(&[1_u8].as_slice()), Type::BYTEA);
        assert_eq!(natural(&vec!["a"]), Type::TEXT_ARRAY);
        assert_eq!(natural(&vec![UserId::generate()]), Type::UUID_ARRAY);
        assert_eq!(natural(&vec![1_i64]), Type::INT8_ARRAY);
    }
}
