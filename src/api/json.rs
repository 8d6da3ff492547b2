//! JSON, and what is said of it when it is none: the words of Python's parser, which clients of the reference know.

use super::error::ApiError;
use serde_json::Value;

/// Deeper than that nobody nests.
const DEEPEST: usize = 100;

/// Parses a body.
///
/// # Errors
/// [`ApiError::Parse`].
pub fn parse(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|_| ApiError::Parse(format!("JSON parse error - {}", problem(body))))
}

fn problem(body: &[u8]) -> String {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let byte = body.get(at).copied().unwrap_or_default();
            return format!("'utf-8' codec can't decode byte 0x{byte:02x} in position {at}: invalid start byte");
        }
    };
    let chars: Vec<char> = text.chars().collect();
    let mut scanner = Scanner { chars: &chars, at: 0 };
    let (message, at) = match scanner.document() {
        Ok(()) => return "the document cannot be read".to_owned(),
        Err(Problem::At(message, at)) => (message, at),
        Err(Problem::Constant(name)) => return format!("Out of range float values are not JSON compliant: '{name}'"),
    };
    let before = chars.get(..at).unwrap_or(&chars);
    let line = before.iter().filter(|c| **c == '\n').count() + 1;
    let column = before.iter().rev().take_while(|c| **c != '\n').count() + 1;
    format!("{message}: line {line} column {column} (char {at})")
}

enum Problem {
    At(&'static str, usize),
    Constant(&'static str),
}

/// Python's scanner, as far as it finds what is wrong.
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

    fn document(&mut self) -> Result<(), Problem> {
        self.blanks();
        self.value(0)?;
        self.blanks();
        if self.at < self.chars.len() { Err(Problem::At("Extra data", self.at)) } else { Ok(()) }
    }

    fn value(&mut self, depth: usize) -> Result<(), Problem> {
        if depth > DEEPEST {
            return Err(Problem::At("Too deeply nested", self.at));
        }
        match self.peek() {
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => self.string(),
            Some(c) if c == '-' || c.is_ascii_digit() => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<(), Problem> {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let begins =
            |word: &str| rest.len() >= word.len() && rest.iter().copied().zip(word.chars()).all(|(a, b)| a == b);
        for word in ["true", "false", "null"] {
            if begins(word) {
                self.at += word.len();
                return Ok(());
            }
        }
        for constant in ["NaN", "Infinity"] {
            if begins(constant) {
                return Err(Problem::Constant(constant));
            }
        }
        Err(Problem::At("Expecting value", self.at))
    }

    fn number(&mut self) -> Result<(), Problem> {
        let begin = self.at;
        let negative = self.take('-');
        if negative
            && self.chars.get(self.at..).unwrap_or_default().starts_with(&['I', 'n', 'f', 'i', 'n', 'i', 't', 'y'])
        {
            return Err(Problem::Constant("-Infinity"));
        }
        if !self.peek().is_some_and(|c| c.is_ascii_digit()) {
            return Err(Problem::At("Expecting value", begin));
        }
        if !self.take('0') {
            self.digits();
        }
        // A point or an exponent without digits is left standing, as extra data.
        for signs in [&['.'][..], &['e', 'E']] {
            let before = self.at;
            if self.peek().is_some_and(|c| signs.contains(&c)) {
                self.at += 1;
                if signs.len() == 2 && matches!(self.peek(), Some('+' | '-')) {
                    self.at += 1;
                }
                if !self.digits() {
                    self.at = before;
                }
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> bool {
        let begin = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        self.at > begin
    }

    fn string(&mut self) -> Result<(), Problem> {
        let begin = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(Problem::At("Unterminated string starting at", begin)),
                Some('"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some('\\') => match self.chars.get(self.at + 1) {
                    None => return Err(Problem::At("Unterminated string starting at", begin)),
                    Some('u') => {
                        let hex = self.chars.get(self.at + 2..self.at + 6).unwrap_or_default();
                        if hex.len() < 4 || !hex.iter().all(char::is_ascii_hexdigit) {
                            return Err(Problem::At("Invalid \\uXXXX escape", self.at + 1));
                        }
                        self.at += 6;
                    }
                    Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => self.at += 2,
                    Some(_) => return Err(Problem::At("Invalid \\escape", self.at)),
                },
                Some(c) if c < ' ' => return Err(Problem::At("Invalid control character at", self.at)),
                Some(_) => self.at += 1,
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Problem> {
        self.at += 1;
        self.blanks();
        if self.take('}') {
            return Ok(());
        }
        loop {
            if self.peek() != Some('"') {
                return Err(Problem::At("Expecting property name enclosed in double quotes", self.at));
            }
            self.string()?;
            self.blanks();
            if !self.take(':') {
                return Err(Problem::At("Expecting ':' delimiter", self.at));
            }
            self.blanks();
            self.value(depth + 1)?;
            self.blanks();
            if self.take('}') {
                return Ok(());
            }
            if !self.take(',') {
                return Err(Problem::At("Expecting ',' delimiter", self.at));
            }
            self.blanks();
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Problem> {
        self.at += 1;
        self.blanks();
        if self.take(']') {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.blanks();
            if self.take(']') {
                return Ok(());
            }
            if !self.take(',') {
                return Err(Problem::At("Expecting ',' delimiter", self.at));
            }
            self.blanks();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
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
        ] {
            assert_eq!(
                parse(text.as_bytes()).unwrap_err().to_string(),
                format!("JSON parse error - {message}"),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in "[\\[\\]{}\",:0-9a-zA-Z\\\\ \n.+-]{0,60}|\\PC{0,40}") {
            let _ = parse(text.as_bytes());
        }
    }
}
