//! JSON, and what is said of it when it is none: the words of Python's parser, which clients of the reference know.
//!
//! Numbers and texts are kept as Python has them (see [`super::value`]): whole numbers of any size, half surrogate pairs.

use super::charset::Charset;
use super::error::ApiError;
use super::value::{Fields, Text, Value};

/// Deeper than that nobody nests.
const DEEPEST: usize = 500;
/// Python reads no whole number of more digits.
const MOST_DIGITS: usize = 4300;

/// Parses a body.
///
/// # Errors
/// [`ApiError::Parse`].
pub(super) fn parse(body: &[u8], charset: Charset) -> Result<Value, ApiError> {
    let text = charset.strict(body).map_err(|problem| told(&problem))?;
    if text.starts_with('\u{FEFF}') {
        return Err(told("Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)"));
    }
    let chars: Vec<char> = text.chars().collect();
    let mut scanner = Scanner { chars: &chars, at: 0 };
    scanner.document().map_err(|problem| match problem {
        Problem::At(message, at) => {
            let before = chars.get(..at).unwrap_or(&chars);
            let line = before.iter().filter(|c| **c == '\n').count() + 1;
            let column = before.iter().rev().take_while(|c| **c != '\n').count() + 1;
            told(&format!("{message}: line {line} column {column} (char {at})"))
        }
        Problem::Constant(name) => told(&format!("Out of range float values are not JSON compliant: '{name}'")),
        Problem::Digits(count) => told(&format!(
            "Exceeds the limit ({MOST_DIGITS} digits) for integer string conversion: value has {count} digits; use \
             sys.set_int_max_str_digits() to increase the limit"
        )),
    })
}

fn told(problem: &str) -> ApiError {
    ApiError::Parse(format!("JSON parse error - {problem}"))
}

enum Problem {
    At(&'static str, usize),
    Constant(&'static str),
    Digits(usize),
}

/// Python's scanner.
struct Scanner<'c> {
    chars: &'c [char],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, c: char) -> bool {
        let there = self.peek() == Some(c);
        self.at += usize::from(there);
        there
    }

    /// Takes a word where it stands.
    fn word(&mut self, word: &str) -> bool {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let begins = rest.len() >= word.len() && rest.iter().copied().zip(word.chars()).all(|(a, b)| a == b);
        self.at += if begins { word.len() } else { 0 };
        begins
    }

    fn document(&mut self) -> Result<Value, Problem> {
        self.blanks();
        let value = self.value(0)?;
        self.blanks();
        if self.at < self.chars.len() { Err(Problem::At("Extra data", self.at)) } else { Ok(value) }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Problem> {
        if depth > DEEPEST {
            return Err(Problem::At("Too deeply nested", self.at));
        }
        match self.peek() {
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => self.string().map(Value::Text),
            Some(c) if c == '-' || c.is_ascii_digit() => self.number(),
            _ if self.word("true") => Ok(Value::Bool(true)),
            _ if self.word("false") => Ok(Value::Bool(false)),
            _ if self.word("null") => Ok(Value::Null),
            _ if self.word("NaN") => Err(Problem::Constant("NaN")),
            _ if self.word("Infinity") => Err(Problem::Constant("Infinity")),
            _ => Err(Problem::At("Expecting value", self.at)),
        }
    }

    fn number(&mut self) -> Result<Value, Problem> {
        let begin = self.at;
        if self.take('-') && self.word("Infinity") {
            return Err(Problem::Constant("-Infinity"));
        }
        let first = self.at;
        if !self.take('0') && !self.digits() {
            return Err(Problem::At("Expecting value", begin));
        }
        let digits = self.at - first;
        // A point or an exponent without digits is left standing, as extra data.
        let mut whole = true;
        for signs in [&['.'][..], &['e', 'E']] {
            let before = self.at;
            if self.peek().is_some_and(|c| signs.contains(&c)) {
                self.at += 1;
                if signs.len() == 2 && matches!(self.peek(), Some('+' | '-')) {
                    self.at += 1;
                }
                if self.digits() {
                    whole = false;
                } else {
                    self.at = before;
                }
            }
        }
        let text: String = self.chars.get(begin..self.at).unwrap_or_default().iter().collect();
        match text.as_str() {
            "-0" => Ok(Value::Int("0".to_owned())),
            _ if whole && digits > MOST_DIGITS => Err(Problem::Digits(digits)),
            _ if whole => Ok(Value::Int(text)),
            _ => text.parse().map(Value::Float).map_err(|_| Problem::At("Expecting value", begin)),
        }
    }

    fn digits(&mut self) -> bool {
        let begin = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        self.at > begin
    }

    fn string(&mut self) -> Result<Text, Problem> {
        let begin = self.at;
        let open = Problem::At("Unterminated string starting at", begin);
        let mut read = Text::default();
        self.at += 1;
        loop {
            let Some(c) = self.peek() else { return Err(open) };
            self.at += 1;
            match c {
                '"' => return Ok(read),
                '\\' => {
                    let Some(c) = self.peek() else { return Err(open) };
                    self.at += 1;
                    let c = match c {
                        'u' => {
                            self.escaped(&mut read)?;
                            continue;
                        }
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        '"' | '\\' | '/' => c,
                        _ => return Err(Problem::At("Invalid \\escape", self.at - 2)),
                    };
                    read.text.push(c);
                }
                c if c < ' ' => return Err(Problem::At("Invalid control character at", self.at - 1)),
                c => read.text.push(c),
            }
        }
    }

    /// What stands behind `\u`, and the other half of a pair behind it.
    fn escaped(&mut self, read: &mut Text) -> Result<(), Problem> {
        let code = self.hex()?;
        let second = (0xd800..0xdc00).contains(&code) && self.word("\\u");
        if !second {
            push(read, code);
            return Ok(());
        }
        let before = self.at;
        let low = self.hex()?;
        if (0xdc00..0xe000).contains(&low) {
            let pair = 0x10000 + (u32::from(code) - 0xd800) * 0x400 + u32::from(low) - 0xdc00;
            read.text.extend(char::from_u32(pair));
        } else {
            // No pair: what follows is read for itself.
            push(read, code);
            self.at = before - 2;
        }
        Ok(())
    }

    fn hex(&mut self) -> Result<u16, Problem> {
        let begin = self.at;
        let digits: String = self.chars.get(begin..begin + 4).unwrap_or_default().iter().collect();
        self.at += 4;
        let is_hex = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let code = u16::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
        code.ok_or(Problem::At("Invalid \\uXXXX escape", begin - 1))
    }

    fn object(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut fields = Fields::default();
        self.at += 1;
        self.blanks();
        if self.take('}') {
            return Ok(Value::Object(fields));
        }
        loop {
            if self.peek() != Some('"') {
                return Err(Problem::At("Expecting property name enclosed in double quotes", self.at));
            }
            let name = self.string()?;
            self.blanks();
            if !self.take(':') {
                return Err(Problem::At("Expecting ':' delimiter", self.at));
            }
            self.blanks();
            fields.insert(name.text, self.value(depth + 1)?);
            self.blanks();
            if self.take('}') {
                return Ok(Value::Object(fields));
            }
            if !self.take(',') {
                return Err(Problem::At("Expecting ',' delimiter", self.at));
            }
            self.blanks();
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut values = Vec::new();
        self.at += 1;
        self.blanks();
        if self.take(']') {
            return Ok(Value::List(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            self.blanks();
            if self.take(']') {
                return Ok(Value::List(values));
            }
            if !self.take(',') {
                return Err(Problem::At("Expecting ',' delimiter", self.at));
            }
            self.blanks();
        }
    }
}

/// A code that is half of a pair is noted, and stands as U+FFFD.
fn push(read: &mut Text, code: u16) {
    match char::from_u32(code.into()) {
        Some(c) => read.text.push(c),
        None => {
            read.surrogate.get_or_insert(code);
            read.text.push('\u{FFFD}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::api::charset::Charset;
    use crate::api::value::{Text, Value};
    use proptest::prelude::*;

    /// As Python 3.11 says it.
    #[test]
    fn what_is_wrong_is_said_as_python_says_it() {
        for (text, message) in [
            ("{bad", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
            ("", "Expecting value: line 1 column 1 (char 0)"),
            ("{\"a\" 1}", "Expecting ':' delimiter: line 1 column 6 (char 5)"),
            ("{\"a\": }", "Expecting value: line 1 column 7 (char 6)"),
            ("{\"a\": 1\n \"b\"", "Expecting ',' delimiter: line 2 column 2 (char 9)"),
            ("{\"a\": 1,}", "Expecting property name enclosed in double quotes: line 1 column 9 (char 8)"),
            ("[1,]", "Expecting value: line 1 column 4 (char 3)"),
            ("{} x", "Extra data: line 1 column 4 (char 3)"),
            ("\"abc", "Unterminated string starting at: line 1 column 1 (char 0)"),
            ("\"a\nb\"", "Invalid control character at: line 1 column 3 (char 2)"),
            ("\"a\\x\"", "Invalid \\escape: line 1 column 3 (char 2)"),
            ("{\"a\": NaN}", "Out of range float values are not JSON compliant: 'NaN'"),
            ("\u{FEFF}{}", "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)"),
            ("\"\\u12g4\"", "Invalid \\uXXXX escape: line 1 column 3 (char 2)"),
            ("[1.e5]", "Expecting ',' delimiter: line 1 column 3 (char 2)"),
        ] {
            assert_eq!(
                parse(text.as_bytes(), Charset::UTF8).unwrap_err().to_string(),
                format!("JSON parse error - {message}"),
                "{text}"
            );
        }
    }

    #[test]
    fn values_are_kept_as_python_keeps_them() {
        let text = |text: &str, surrogate| Value::Text(Text { text: text.to_owned(), surrogate });
        for (json, value) in [
            ("-0", Value::Int("0".into())),
            ("12345678901234567890123", Value::Int("12345678901234567890123".into())),
            ("1e400", Value::Float(f64::INFINITY)),
            ("-1.50", Value::Float(-1.5)),
            ("\"\\ud83d\\ude00\"", text("\u{1F600}", None)),
            ("\"\\ud83dx\"", text("\u{FFFD}x", Some(0xd83d))),
            ("\"\\udc00\\ud800\\u0041\"", text("\u{FFFD}\u{FFFD}A", Some(0xdc00))),
            ("[1, null]", Value::List(vec![Value::Int("1".into()), Value::Null])),
            ("{\"a\": 1, \"a\": true}", Value::Object([("a".to_owned(), Value::Bool(true))].into_iter().collect())),
        ] {
            assert_eq!(parse(json.as_bytes(), Charset::UTF8).unwrap(), value, "{json}");
        }
        let long = "9".repeat(4301);
        assert!(parse(long.as_bytes(), Charset::UTF8).unwrap_err().to_string().contains("value has 4301 digits"));
        assert!(parse(&long.as_bytes()[1..], Charset::UTF8).is_ok());
        assert!(parse("[".repeat(60_000).as_bytes(), Charset::UTF8).is_err());
    }

    proptest! {
        #[test]
        fn what_another_parser_reads_is_read_the_same(text in "[\\[\\]{}\",:0-9a\\\\ \\n.+-]{0,30}|\\PC{0,10}|\\[(-?[0-9]{1,4}(\\.[0-9]{1,3})?(e-?[0-9]{1,2})?,? ?){1,4}\\]") {
            // Without values: a number may be larger than any that it has, and is infinite here, as in Python.
            let other = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(parse(text.as_bytes(), Charset::UTF8).is_ok(), other, "{}", text);
        }

        #[test]
        fn no_text_makes_it_stumble(text in "[\\[\\]{}\",:0-9a-zA-Z\\\\ \n.+-]{0,60}|\\PC{0,40}") {
            let _ = parse(text.as_bytes(), Charset::UTF8);
        }
    }
}
