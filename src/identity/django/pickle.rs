//! A dictionary as Python's `pickle` writes it (protocols 2 to 5, <https://peps.python.org/pep-3154/>), which is how Django's caches keep
//! sessions.
//!
//! Nothing is made and nothing is called: of texts, numbers and truth values the value is kept, of dictionaries what stands under texts, and
//! what would be an object of any other class is null.

use serde_json::{Map, Value};

/// Things on the stack, and things that are remembered, at most.
const MOST: usize = 10_000;

/// What lies on the stack.
#[derive(Clone)]
enum Item {
    Mark,
    Value(Value),
}

/// Reads a pickled dictionary; `None` where it is none, or breaks off.
#[must_use]
pub fn dictionary(bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut machine = Machine { bytes, stack: Vec::new(), memo: Vec::new() };
    while machine.step()? {}
    match machine.value()? {
        Value::Object(map) if machine.stack.is_empty() => Some(map),
        _ => None,
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    stack: Vec<Item>,
    memo: Vec<Value>,
}

impl<'a> Machine<'a> {
    /// One instruction; `false` at the end.
    fn step(&mut self) -> Option<bool> {
        if self.stack.len() > MOST || self.memo.len() > MOST {
            return None;
        }
        match self.byte()? {
            b'.' => return Some(false),
            // The protocol, and how long a frame is.
            0x80 => drop(self.byte()?),
            0x95 => drop(self.take(8)?),
            b'(' => self.stack.push(Item::Mark),
            b'}' => self.push(Value::Object(Map::new())),
            b']' | b')' | 0x8f | b'N' => self.push(Value::Null),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            0x8c => self.text(1)?,
            b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'C' => self.opaque(1)?,
            b'B' | 0x8b => self.opaque(4)?,
            0x8e | 0x96 => self.opaque(8)?,
            b'J' => {
                let number = i32::from_le_bytes(self.take(4)?.try_into().ok()?);
                self.push(number.into());
            }
            b'K' => self.number(1)?,
            b'M' => self.number(2)?,
            b'G' => {
                self.take(8)?;
                self.push(Value::Null);
            }
            // A number of any length: none that is asked for.
            0x8a => self.opaque(1)?,
            0x94 => self.memo.push(self.top()?),
            b'q' => self.put(1)?,
            b'r' => self.put(4)?,
            b'h' => self.get(1)?,
            b'j' => self.get(4)?,
            b's' => {
                let value = self.value()?;
                let key = self.value()?;
                self.set(key, value)?;
            }
            b'u' => {
                let items = self.marked()?;
                let mut items = items.into_iter();
                while let Some(key) = items.next() {
                    self.set(key, items.next()?)?;
                }
            }
            // What is put into a list or a set, or says how an object is: it stays what it was.
            b'a' | b'b' => drop(self.value()?),
            b'e' | 0x90 => drop(self.marked()?),
            b't' | b'l' | 0x91 => {
                self.marked()?;
                self.push(Value::Null);
            }
            b'd' => {
                let items = self.marked()?;
                self.push(Value::Object(Map::new()));
                let mut items = items.into_iter();
                while let Some(key) = items.next() {
                    self.set(key, items.next()?)?;
                }
            }
            0x85 => self.instead_of(1)?,
            // Pairs; a class by its names; what a class makes of arguments.
            0x86 | 0x93 | b'R' | 0x81 => self.instead_of(2)?,
            0x87 | 0x92 => self.instead_of(3)?,
            b'c' => {
                self.line()?;
                self.line()?;
                self.push(Value::Null);
            }
            b'0' => drop(self.stack.pop()?),
            b'1' => drop(self.marked()?),
            b'2' => {
                let top = self.top()?;
                self.push(top);
            }
            _ => return None,
        }
        Some(true)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn line(&mut self) -> Option<()> {
        let end = memchr::memchr(b'\n', self.bytes)?;
        self.take(end + 1).map(drop)
    }

    /// A number without a sign, in so many bytes, the least first.
    fn length(&mut self, bytes: usize) -> Option<usize> {
        let taken = self.take(bytes)?;
        let number = taken.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        usize::try_from(number).ok()
    }

    fn text(&mut self, bytes: usize) -> Option<()> {
        let length = self.length(bytes)?;
        // Python may write halves of surrogate pairs: a text of no use here.
        let text = std::str::from_utf8(self.take(length)?).map_or(Value::Null, Value::from);
        self.push(text);
        Some(())
    }

    fn opaque(&mut self, bytes: usize) -> Option<()> {
        let length = self.length(bytes)?;
        self.take(length)?;
        self.push(Value::Null);
        Some(())
    }

    fn number(&mut self, bytes: usize) -> Option<()> {
        let number = self.length(bytes)?;
        self.push(number.into());
        Some(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(Item::Value(value));
    }

    fn value(&mut self) -> Option<Value> {
        match self.stack.pop()? {
            Item::Value(value) => Some(value),
            Item::Mark => None,
        }
    }

    /// What lies on top, for somebody who will refer to it: a dictionary is not full yet, so nothing is known of it there.
    fn top(&self) -> Option<Value> {
        match self.stack.last()? {
            Item::Value(Value::Object(_)) => Some(Value::Null),
            Item::Value(value) => Some(value.clone()),
            Item::Mark => None,
        }
    }

    /// Everything above the last mark, which goes too.
    fn marked(&mut self) -> Option<Vec<Value>> {
        let at = self.stack.iter().rposition(|item| matches!(item, Item::Mark))?;
        let above = self.stack.split_off(at);
        let values = above.into_iter().filter_map(|item| match item {
            Item::Value(value) => Some(value),
            Item::Mark => None,
        });
        Some(values.collect())
    }

    fn set(&mut self, key: Value, value: Value) -> Option<()> {
        if let (Item::Value(Value::Object(map)), Value::String(key)) = (self.stack.last_mut()?, key) {
            map.insert(key, value);
        }
        Some(())
    }

    fn instead_of(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            self.value()?;
        }
        self.push(Value::Null);
        Some(())
    }

    fn put(&mut self, bytes: usize) -> Option<()> {
        let (at, top) = (self.length(bytes)?, self.top()?);
        if at >= MOST {
            return None;
        }
        if self.memo.len() <= at {
            self.memo.resize(at + 1, Value::Null);
        }
        *self.memo.get_mut(at)? = top;
        Some(())
    }

    fn get(&mut self, bytes: usize) -> Option<()> {
        let at = self.length(bytes)?;
        let value = self.memo.get(at)?.clone();
        self.push(value);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::dictionary;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(hex: &str) -> Option<serde_json::Value> {
        dictionary(&HEXLOWER.decode(hex.as_bytes()).unwrap()).map(Into::into)
    }

    /// `pickle.dumps({"_auth_user_id": "7", "n": 300, "b": True, "when": datetime.date(2026, 1, 2), "l": ["7", 1], "t": ("7",), "m": {"x": None},
    /// "big": 1 << 70, "neg": -1, "f": 1.5}, protocol)` of Python 3.11.
    const BY_5: &str = "80059594000000000000007d94288c0d5f617574685f757365725f6964948c0137948c016e944d2c018c016294888c047768656e948c08\
        6461746574696d65948c0464617465949394430407ea010294859452948c016c945d942868024b01658c017494680285948c016d947d94\
        8c0178944e738c03626967948a090000000000000000408c036e6567944affffffff8c016694473ff8000000000000752e";
    const BY_2: &str = "80027d710028580d0000005f617574685f757365725f69647101580100000037710258010000006e71034d2c0158010000006271048858\
        040000007768656e7105636461746574696d650a646174650a7106635f636f646563730a656e636f64650a7107580500000007c3aa0102\
        710858060000006c6174696e31710986710a52710b85710c52710d58010000006c710e5d710f2868024b01655801000000747110680285\
        711158010000006d71127d711358010000007871144e73580300000062696771158a0900000000000000004058030000006e656771164a\
        ffffffff5801000000667117473ff8000000000000752e";

    #[test]
    fn plain_values_are_read_and_nothing_is_made_of_the_others() {
        let expected = json!({ "_auth_user_id": "7", "n": 300, "b": true, "when": null, "l": null, "t": null, "m": { "x": null },
                               "big": null, "neg": -1, "f": null });
        assert_eq!(read(BY_5), Some(expected.clone()));
        assert_eq!(read(BY_2), Some(expected));
        // {}, a list, a call of os.system, and a text.
        assert_eq!(read("80057d942e"), Some(json!({})));
        for other in
            ["80055d942e", "8005636f730a73797374656d0a8c0269649485522e", "80058c0161942e", "", "8005", "80057d94"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = dictionary(&bytes);
        }

        #[test]
        fn what_breaks_off_is_nothing(length in 0_usize..400) {
            let whole = HEXLOWER.decode(BY_5.as_bytes()).unwrap();
            if length < whole.len() {
                prop_assert!(dictionary(&whole[..length]).is_none());
            }
        }
    }
}
