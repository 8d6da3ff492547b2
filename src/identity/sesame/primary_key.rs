//! How a token names its user: Django's packers, by the type of the primary key.

use crate::directory::UserKey;
use crate::id::UserId;
use data_encoding::HEXLOWER;
use uuid::Uuid;

/// The type of the field that names users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// A signed integer of so many bytes (`AutoField` 4, `BigAutoField` 8, `SmallAutoField` 2 …).
    Signed(usize),
    /// A positive integer of so many bytes.
    Unsigned(usize),
    Uuid,
    Text,
    Binary,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrimaryKey {
    Integer(i128),
    Uuid(Uuid),
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl KeyType {
    /// The names of the configuration: those of Django's fields, without their last word.
    pub const WORDS: [(&'static str, Self); 9] = [
        ("uuid", Self::Uuid),
        ("auto", Self::Signed(4)),
        ("big_auto", Self::Signed(8)),
        ("small_auto", Self::Signed(2)),
        ("positive_integer", Self::Unsigned(4)),
        ("positive_big_integer", Self::Unsigned(8)),
        ("positive_small_integer", Self::Unsigned(2)),
        ("char", Self::Text),
        ("binary", Self::Binary),
    ];

    /// Takes a key off the front of a token's bytes.
    #[must_use]
    pub fn unpack(self, bytes: &[u8]) -> Option<(PrimaryKey, &[u8])> {
        match self {
            Self::Signed(size) | Self::Unsigned(size) => {
                let (own, rest) = bytes.split_at_checked(size)?;
                let is_negative = matches!(self, Self::Signed(_)) && own.first().is_some_and(|b| *b >= 0x80);
                let number = own.iter().fold(if is_negative { -1_i128 } else { 0 }, |n, b| (n << 8) | i128::from(*b));
                Some((PrimaryKey::Integer(number), rest))
            }
            Self::Uuid => {
                let (own, rest) = bytes.split_at_checked(16)?;
                Some((PrimaryKey::Uuid(Uuid::from_slice(own).ok()?), rest))
            }
            Self::Text | Self::Binary => {
                let (length, rest) = bytes.split_first()?;
                let (own, rest) = rest.split_at_checked(usize::from(*length))?;
                let key = match self {
                    Self::Text => PrimaryKey::Text(std::str::from_utf8(own).ok()?.to_owned()),
                    _ => PrimaryKey::Binary(own.to_vec()),
                };
                Some((key, rest))
            }
        }
    }

    /// The bytes of a key; `None` where it is none of this type, or too large for it.
    #[must_use]
    pub fn pack(self, key: &PrimaryKey) -> Option<Vec<u8>> {
        let counted = |bytes: &[u8]| Some([&[u8::try_from(bytes.len()).ok()?], bytes].concat());
        match (self, key) {
            (Self::Signed(size) | Self::Unsigned(size), PrimaryKey::Integer(number)) => {
                let bits = u32::try_from(size * 8).ok()?;
                let (least, most) = match self {
                    Self::Signed(_) => (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1),
                    _ => (0, (1_i128 << bits) - 1),
                };
                let fits = (least..=most).contains(number);
                number.to_be_bytes().get(16 - size..).filter(|_| fits).map(<[u8]>::to_vec)
            }
            (Self::Uuid, PrimaryKey::Uuid(id)) => Some(id.as_bytes().to_vec()),
            (Self::Text, PrimaryKey::Text(text)) => counted(text.as_bytes()),
            (Self::Binary, PrimaryKey::Binary(bytes)) => counted(bytes),
            _ => None,
        }
    }
}

/// Which field of ours it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Id,
    Username,
    Email,
    /// The key of a legacy system: a number, a text, or bytes in lower-case hex.
    ExternalId,
}

impl Field {
    /// How the directory finds the user.
    #[must_use]
    pub fn user(self, key: PrimaryKey) -> Option<UserKey> {
        Some(match (self, key) {
            (Self::Id, PrimaryKey::Uuid(id)) => UserKey::Id(UserId(id)),
            (Self::Username, PrimaryKey::Text(name)) => UserKey::Username(name),
            (Self::Email, PrimaryKey::Text(email)) => UserKey::Email(email),
            (Self::ExternalId, PrimaryKey::Text(key)) => UserKey::ExternalId(key),
            (Self::ExternalId, PrimaryKey::Integer(number)) => UserKey::ExternalId(number.to_string()),
            (Self::ExternalId, PrimaryKey::Uuid(id)) => UserKey::ExternalId(id.to_string()),
            (Self::ExternalId, PrimaryKey::Binary(bytes)) => UserKey::ExternalId(HEXLOWER.encode(&bytes)),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyType, PrimaryKey};

    #[test]
    fn what_is_packed_is_unpacked() {
        for (kind, number, bytes) in [
            (KeyType::Signed(4), -1, vec![255; 4]),
            (KeyType::Signed(2), -32768, vec![128, 0]),
            (KeyType::Unsigned(2), 65535, vec![255, 255]),
            (KeyType::Signed(8), 1 << 40, vec![0, 0, 1, 0, 0, 0, 0, 0]),
        ] {
            let key = PrimaryKey::Integer(number);
            assert_eq!(kind.pack(&key).unwrap(), bytes);
            assert_eq!(kind.unpack(&bytes).unwrap(), (key, &[][..]));
        }
        for (kind, number) in [(KeyType::Signed(2), 32768), (KeyType::Unsigned(4), -1), (KeyType::Unsigned(2), 65536)] {
            assert_eq!(kind.pack(&PrimaryKey::Integer(number)), None);
        }
        assert_eq!(KeyType::Text.pack(&PrimaryKey::Text("x".repeat(256))), None);
        for (kind, _) in [(KeyType::Uuid, 0), (KeyType::Text, 0), (KeyType::Binary, 0), (KeyType::Signed(8), 0)] {
            assert_eq!(kind.unpack(&[3, 1, 2]), None, "{kind:?}");
        }
    }
}
