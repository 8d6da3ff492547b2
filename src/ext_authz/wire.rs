//! Fields of Protocol Buffers (<https://protobuf.dev/programming-guides/encoding/>), read strictly and written.
//!
//! Where a lenient reader and a strict one would differ, the message is refused: what was judged must be what was meant.

use thiserror::Error;

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Malformed {
    #[error("a field ends behind the end of its message")]
    Truncated,
    #[error("a number is longer than it must be")]
    Varint,
    #[error("a field has no number, or a type that is not used any more")]
    Tag,
    #[error("a field has another type than it is known for")]
    Type,
    #[error("a field stands there twice")]
    Repeated,
    #[error("a text is not UTF-8")]
    Text,
    #[error("something that must be there is missing")]
    Missing,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Varint(u64),
    /// Four or eight bytes, which none of our messages has.
    Fixed,
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// A message, or bytes.
    ///
    /// # Errors
    /// It is something else.
    pub const fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed => Err(Malformed::Type),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// It is something else.
    pub fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::Text)
    }

    /// A number.
    ///
    /// # Errors
    /// It is something else.
    pub const fn number(self) -> Result<u64, Malformed> {
        match self {
            Self::Varint(number) => Ok(number),
            Self::Bytes(_) | Self::Fixed => Err(Malformed::Type),
        }
    }
}

/// The fields of a message, one after the other.
#[derive(Clone, Debug)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    #[must_use]
    pub const fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// Nearly all numbers have one byte.
    #[inline]
    fn varint(&mut self) -> Result<u64, Malformed> {
        match self.0 {
            [byte, rest @ ..] if byte & 0x80 == 0 => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for at in 0..10 {
            let (byte, rest) = self.0.split_first().ok_or(Malformed::Truncated)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                // The tenth byte has room for one bit; and a last byte of 0 could be left out.
                let is_overlong = (at == 9 && *byte > 1) || (at > 0 && *byte == 0);
                return if is_overlong { Err(Malformed::Varint) } else { Ok(number) };
            }
        }
        Err(Malformed::Varint)
    }

    #[inline]
    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed::Truncated)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        let tag = u32::try_from(self.varint()?).map_err(|_| Malformed::Tag)?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            // Groups are deprecated, and no message of ours has ever had any.
            _ => return Err(Malformed::Tag),
        };
        match tag >> 3 {
            0 => Err(Malformed::Tag),
            number => Ok((number, value)),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Keeps what a field holds that may stand in its message once.
///
/// # Errors
/// It was there already.
pub fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Malformed> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::Repeated),
    }
}

/// A message that is being written.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A message behind these bytes.
    #[must_use]
    pub const fn behind(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    #[allow(clippy::cast_possible_truncation)]
    fn raw(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A number.
    pub fn number(&mut self, field: u32, number: u64) {
        self.raw(u64::from(field) << 3);
        self.raw(number);
    }

    /// A text, or bytes.
    pub fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.raw(u64::from(field) << 3 | 2);
        self.raw(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A message within this one. Its length stands before it, and is known when it has been written: nearly always it needs the one byte
    /// that is kept for it.
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.raw(u64::from(field) << 3 | 2);
        let at = self.0.len();
        self.0.push(0);
        write(self);
        let length = self.0.len() - at - 1;
        let mut prefix = Self::default();
        prefix.raw(length as u64);
        match (prefix.0.as_slice(), self.0.get_mut(at)) {
            ([byte], Some(kept)) => *kept = *byte,
            (prefix, _) => drop(self.0.splice(at..=at, prefix.iter().copied())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, Malformed, Value, Writer};

    fn read(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        Fields::of(message).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let long = vec![b'x'; 300];
        let mut writer = Writer::default();
        writer.number(1, 0);
        writer.number(2, u64::MAX);
        writer.message(3, |inner| inner.bytes(1, &long));
        writer.bytes(4, b"");
        let bytes = writer.into_bytes();
        let fields = read(&bytes).unwrap();
        assert_eq!(fields[..2], [(1, Value::Varint(0)), (2, Value::Varint(u64::MAX))]);
        assert_eq!(read(fields[2].1.bytes().unwrap()).unwrap(), [(1, Value::Bytes(&long))]);
        assert_eq!(fields[3], (4, Value::Bytes(b"")));
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        for (message, why) in [
            (&b"\x0a"[..], Malformed::Truncated),
            (b"\x0a\x05abc", Malformed::Truncated),
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Malformed::Truncated),
            (b"\x08\x80", Malformed::Truncated),
            (b"\x08\x80\x00", Malformed::Varint),
            (b"\x88\x00\x01", Malformed::Varint),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", Malformed::Varint),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Malformed::Varint),
            (b"\x02\x00", Malformed::Tag),
            (b"\x0b\x0c", Malformed::Tag),
            (b"\x0e", Malformed::Tag),
            (b"\x88\x80\x80\x80\x10\x00", Malformed::Tag),
            (b"\x0d\x00\x00", Malformed::Truncated),
        ] {
            assert_eq!(read(message), Err(why), "{message:x?}");
        }
        assert_eq!(read(b"\x0d\0\0\0\0\x09\0\0\0\0\0\0\0\0"), Ok(vec![(1, Value::Fixed), (1, Value::Fixed)]));
    }
}
