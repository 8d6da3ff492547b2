//! CBOR in the one form that authenticators write it: CTAP2's canonical form (CTAP 2.1, 8).
//!
//! Lengths are definite, numbers as short as they can be, keys of maps in order and each of them once; so no two texts mean the same, and no
//! two readers read one text differently. Tags and floats stand in nothing that is read here.

use std::cmp::Ordering;

/// Values within values, at most.
const MAX_DEPTH: usize = 4;

/// A value; texts and bytes are those of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Unsigned(u64),
    /// `-1 - n`.
    Negative(u64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Bool(bool),
    Null,
}

impl<'a> Value<'a> {
    /// What stands in a map under a word.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.find(|key| matches!(key, Value::Text(text) if *text == name))
    }

    /// What stands in a map under a number.
    #[must_use]
    pub fn at(&self, number: i64) -> Option<&Self> {
        self.find(|key| key.number() == Some(number))
    }

    fn find(&self, is_it: impl Fn(&Self) -> bool) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)
    }

    /// A number, where it is one that fits.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Unsigned(number) => i64::try_from(*number).ok(),
            Self::Negative(number) => i64::try_from(*number).ok().map(|number| -1 - number),
            _ => None,
        }
    }

    #[must_use]
    pub const fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    #[must_use]
    pub const fn text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// How many pairs a map has.
    #[must_use]
    pub const fn pairs(&self) -> Option<usize> {
        match self {
            Self::Map(pairs) => Some(pairs.len()),
            _ => None,
        }
    }
}

/// Reads one value, and what stands behind it; `None` where it is not in the canonical form, or too deep.
#[must_use]
pub fn read(message: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let mut reader = Reader { rest: message };
    let value = reader.value(MAX_DEPTH)?;
    Some((value, reader.rest))
}

/// Reads one value with nothing behind it.
#[must_use]
pub fn read_all(message: &[u8]) -> Option<Value<'_>> {
    read(message).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        let (major, number) = self.head()?;
        Some(match major {
            0 => Value::Unsigned(number),
            1 => Value::Negative(number),
            2 => Value::Bytes(self.take(number)?),
            3 => Value::Text(std::str::from_utf8(self.take(number)?).ok()?),
            4 => {
                let depth = depth.checked_sub(1)?;
                // Each value has a byte at least: what is longer than the message ends with it, and nothing is set aside before.
                let mut values = Vec::new();
                for _ in 0..number {
                    values.push(self.value(depth)?);
                }
                Value::Array(values)
            }
            5 => self.map(number, depth.checked_sub(1)?)?,
            7 => match number {
                20 => Value::Bool(false),
                21 => Value::Bool(true),
                22 => Value::Null,
                _ => return None,
            },
            _ => return None,
        })
    }

    fn map(&mut self, count: u64, depth: usize) -> Option<Value<'a>> {
        let mut pairs = Vec::new();
        let mut last: Option<&[u8]> = None;
        for _ in 0..count {
            let before = self.rest;
            let key = self.value(depth)?;
            let written = before.get(..before.len().checked_sub(self.rest.len())?)?;
            if last.is_some_and(|last| order(last, written) != Ordering::Less) {
                return None;
            }
            last = Some(written);
            pairs.push((key, self.value(depth)?));
        }
        Some(Value::Map(pairs))
    }

    /// The kind of a value, and its number: itself, or a length.
    fn head(&mut self) -> Option<(u8, u64)> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        let (major, short) = (first >> 5, first & 31);
        let (number, least) = match short {
            0..=23 => return Some((major, u64::from(short))),
            24 => (self.number::<1>()?, 24),
            25 => (self.number::<2>()?, 1 << 8),
            26 => (self.number::<4>()?, 1 << 16),
            27 => (self.number::<8>()?, 1 << 32),
            // 31 is an indefinite length.
            _ => return None,
        };
        // Behind 7 stand floats, and simple values that nobody has given a meaning.
        (number >= least && major != 7).then_some((major, number))
    }

    fn number<const N: usize>(&mut self) -> Option<u64> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(bytes)
    }
}

/// The order of keys: by kind, then shorter ones first, then by their bytes.
fn order(left: &[u8], right: &[u8]) -> Ordering {
    let kind = |key: &[u8]| key.first().map(|first| first >> 5);
    (kind(left), left.len(), left).cmp(&(kind(right), right.len(), right))
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Value, order, read, read_all};
    use data_encoding::HEXLOWER;
    use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

    fn head(major: u8, number: u64) -> Vec<u8> {
        let bytes = number.to_be_bytes();
        match number {
            0..=23 => vec![major << 5 | u8::try_from(number).unwrap()],
            24..=0xff => [&[major << 5 | 24][..], &bytes[7..]].concat(),
            0x100..=0xffff => [&[major << 5 | 25][..], &bytes[6..]].concat(),
            0x1_0000..=0xffff_ffff => [&[major << 5 | 26][..], &bytes[4..]].concat(),
            _ => [&[major << 5 | 27][..], &bytes[..]].concat(),
        }
    }

    /// Writes a value in the canonical form; pairs are put in order.
    pub fn write(value: &Value<'_>) -> Vec<u8> {
        match value {
            Value::Unsigned(number) => head(0, *number),
            Value::Negative(number) => head(1, *number),
            Value::Bytes(bytes) => [head(2, bytes.len() as u64), bytes.to_vec()].concat(),
            Value::Text(text) => [head(3, text.len() as u64), text.as_bytes().to_vec()].concat(),
            Value::Array(values) => {
                [head(4, values.len() as u64), values.iter().flat_map(write).collect::<Vec<u8>>()].concat()
            }
            Value::Map(pairs) => {
                let mut pairs: Vec<_> = pairs.iter().map(|(key, value)| (write(key), write(value))).collect();
                pairs.sort_by(|left, right| order(&left.0, &right.0));
                let pairs: Vec<u8> = pairs.into_iter().flat_map(|(key, value)| [key, value].concat()).collect();
                let Value::Map(count) = value else { unreachable!() };
                [head(5, count.len() as u64), pairs].concat()
            }
            Value::Bool(is) => vec![if *is { 0xf5 } else { 0xf4 }],
            Value::Null => vec![0xf6],
        }
    }

    /// The examples of RFC 8949, appendix A, that have the canonical form, and those that have not.
    #[test]
    fn the_canonical_form_is_read_and_nothing_else() {
        for (text, value) in [
            ("00", Value::Unsigned(0)),
            ("17", Value::Unsigned(23)),
            ("1818", Value::Unsigned(24)),
            ("1903e8", Value::Unsigned(1000)),
            ("1a000f4240", Value::Unsigned(1_000_000)),
            ("1bffffffffffffffff", Value::Unsigned(u64::MAX)),
            ("20", Value::Negative(0)),
            ("3903e7", Value::Negative(999)),
            ("4401020304", Value::Bytes(&[1, 2, 3, 4])),
            ("62c3bc", Value::Text("\u{fc}")),
            ("80", Value::Array(vec![])),
            ("f4", Value::Bool(false)),
            ("f6", Value::Null),
            (
                "a201020304",
                Value::Map(vec![(Value::Unsigned(1), Value::Unsigned(2)), (Value::Unsigned(3), Value::Unsigned(4))]),
            ),
        ] {
            assert_eq!(read_all(&HEXLOWER.decode(text.as_bytes()).unwrap()), Some(value), "{text}");
        }
        for (text, why) in [
            ("", "nothing"),
            ("1817", "23 in two bytes"),
            ("190017", "23 in three bytes"),
            ("1a000003e8", "1000 in five bytes"),
            ("1b00000000000f4240", "a million in nine bytes"),
            ("5800", "a length of 0 in two bytes"),
            ("5f42010243030405ff", "bytes of indefinite length"),
            ("7f657374726561646d696e67ff", "a text of indefinite length"),
            ("9fff", "a list of indefinite length"),
            ("bf61610161629f0203ffff", "a map of indefinite length"),
            ("c074323031332d30332d32315432303a30343a30305a", "a tag"),
            ("f90000", "a float"),
            ("fb3ff199999999999a", "a float"),
            ("f7", "undefined"),
            ("f0", "a simple value"),
            ("f8ff", "a simple value"),
            ("1c", "a reserved length"),
            ("ff", "a break without a begin"),
            ("62c328", "no UTF-8"),
            ("4401020", "half a byte"),
            ("44010203", "too few bytes"),
            ("9bffffffffffffffff", "a list that has more values than bytes"),
            ("bbffffffffffffffff", "a map that has more pairs than bytes"),
            ("5bffffffffffffffff", "bytes without end"),
            ("a203040102", "keys out of order"),
            ("a201020102", "a key twice"),
            ("a2616101182001", "a text before a number"),
            ("a26261610161620a", "a longer key before a shorter one"),
            ("0000", "two values"),
        ] {
            let bytes = HEXLOWER.decode(text.as_bytes()).unwrap_or_default();
            assert_eq!(read_all(&bytes), None, "{why}");
        }
        let deep = |depth: usize| [vec![0x81; depth], vec![0]].concat();
        assert!(read_all(&deep(4)).is_some() && read_all(&deep(5)).is_none());
        assert!(read_all(&deep(1_000_000)).is_none());
    }

    fn any_value() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            any::<u64>().prop_map(|number| write(&Value::Unsigned(number))),
            (0..300_u64).prop_map(|number| write(&Value::Negative(number))),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| write(&Value::Bytes(&bytes))),
            ".{0,20}".prop_map(|text| write(&Value::Text(&text))),
            Just(vec![0xf4]),
            Just(vec![0xf6]),
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|values| [
                    head(4, values.len() as u64),
                    values.concat()
                ]
                .concat()),
                prop::collection::btree_map(inner.clone(), inner, 0..5).prop_map(|pairs| {
                    let mut pairs: Vec<_> = pairs.into_iter().collect();
                    pairs.sort_by(|left, right| order(&left.0, &right.0));
                    let written: Vec<u8> = pairs.iter().flat_map(|(key, value)| [&**key, &**value].concat()).collect();
                    [head(5, pairs.len() as u64), written].concat()
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn what_is_written_is_read_back(message in any_value()) {
            let value = read_all(&message).unwrap();
            assert_eq!(write(&value), message);
        }

        /// Whatever is read has one text only: the one that was read.
        #[test]
        fn nothing_has_two_texts(mut message in any_value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let at = at.index(message.len());
            message[at] = byte;
            if let Some((value, rest)) = read(&message) {
                assert_eq!(write(&value), message[..message.len() - rest.len()]);
            }
        }
    }
}
