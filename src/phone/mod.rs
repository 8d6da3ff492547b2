//! Phone numbers as people write them, read as Google's libphonenumber reads them.
//!
//! [`candidates`] makes of a login identifier the texts to look for among the users' numbers; [`e164`] reads one number.
//! The `phonenumber` crate brings the world's numbering plans; its own reader differs from the reference's in what it
//! tolerates (a plus after other text, digits of other scripts, Italian zeros …), so reading follows libphonenumber's
//! algorithm here (`text` for what people write, `plan` for what a country allows). Plans are unpacked at the first use.

mod plan;
mod text;

pub use text::digit;

/// Longer texts are no numbers (libphonenumber's own limit, in characters).
const LONGEST: usize = 250;

/// One way to read a login identifier as a phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What was read: a prefix and the identifier.
    pub text: String,
    /// What users' numbers are compared with: the number in E.164, or, where no country has such a number, the text.
    pub lookup: String,
    /// Whether some country has such a number.
    pub valid: bool,
}

/// A number that was read, valid or not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Number {
    code: u16,
    /// The national significant number; leading zeros count.
    national: String,
}

/// The ways to read an identifier: as it is, then behind each prefix; each time also without one leading zero.
///
/// Empty for what cannot be a number, such as an e-mail address or most usernames.
#[must_use]
pub fn candidates(identifier: &str, prefixes: &[String]) -> Vec<Candidate> {
    let without_zero = identifier.strip_prefix('0');
    let mut candidates = Vec::new();
    for prefix in std::iter::once("").chain(prefixes.iter().map(String::as_str)) {
        for number in std::iter::once(identifier).chain(without_zero) {
            let text = format!("{prefix}{number}");
            if let Some(read) = read(&text) {
                let valid = plan::is_valid(&read);
                let lookup = if valid { read.to_string() } else { text.clone() };
                candidates.push(Candidate { text, lookup, valid });
            }
        }
    }
    candidates
}

/// A number in E.164, where it is one that some country has. It must begin with `+` and the country's code.
#[must_use]
pub fn e164(text: &str) -> Option<String> {
    read(text).filter(plan::is_valid).map(|number| number.to_string())
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "+{}{}", self.code, self.national)
    }
}

/// libphonenumber's `parse` without a default region.
fn read(text: &str) -> Option<Number> {
    if text.chars().count() > LONGEST {
        return None;
    }
    let digits = text::international(text)?;
    let (code, national) = plan::country(&digits)?;
    if national.len() < 2 {
        return None;
    }
    let national = plan::without_national_prefix(code, national);
    // libphonenumber keeps the number as an integer and its zeros apart: a number of zeros alone keeps one for the integer.
    (2..=17).contains(&national.len()).then_some(Number { code, national })
}

#[cfg(test)]
mod tests {
    use super::{candidates, e164};
    use proptest::prelude::*;
    use serde_json::Value;

    /// What the reference makes of 131 identifiers.
    #[test]
    fn identifiers_are_read_as_by_the_reference() {
        read_alike(include_str!("../../tests/vectors/phones.json"), 100);
    }

    /// Numbers of all countries in the ways in which people write them, and what is no number.
    #[test]
    fn identifiers_made_at_random_are_read_as_by_the_reference() {
        read_alike(include_str!("../../tests/vectors/phones_random.json"), 2000);
    }

    fn read_alike(file: &str, least: usize) {
        let file: Value = serde_json::from_str(file).unwrap();
        let vectors = file["vectors"].as_array().unwrap();
        assert!(vectors.len() > least);
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let mut wrong = Vec::new();
        for vector in vectors {
            let got = candidates(vector["identifier"].as_str().unwrap(), &texts(&vector["prefixes"]));
            let valid: Vec<bool> = vector["valid"].as_array().unwrap().iter().map(|v| v.as_bool().unwrap()).collect();
            let same = got.iter().map(|c| c.text.clone()).eq(texts(&vector["candidates"]))
                && got.iter().map(|c| c.lookup.clone()).eq(texts(&vector["lookup_values"]))
                && got.iter().map(|c| c.valid).eq(valid);
            if !same {
                wrong.push(format!("{}: {:?}: {got:?}", vector["id"], vector["identifier"]));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_number_has_one_form() {
        for (text, number) in [
            ("+39 366 52.43.702", Some("+393665243702")),
            ("+1 (202) 555-0123", Some("+12025550123")),
            ("+54 9 11 2345 6789", Some("+5491123456789")),
            ("+54 011 15 2345 6789", Some("+5491123456789")),
            ("+52 1 55 1234 5678", None),
            ("+800 1234 5678", Some("+80012345678")),
            ("+7 701 234 5678", Some("+77012345678")),
            ("+39", None),
            ("366 5243702", None),
        ] {
            assert_eq!(e164(text).as_deref(), number, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in "\\PC{0,40}|[+0-9 ()x;,#=a-z./-]{0,30}") {
            for candidate in candidates(&text, &["+39".to_owned(), "+1".to_owned()]) {
                prop_assert!(!candidate.valid || candidate.lookup.starts_with('+'));
                // A number in E.164 stays itself.
                if candidate.valid {
                    let again = e164(&candidate.lookup);
                    prop_assert_eq!(again.as_deref(), Some(&*candidate.lookup));
                }
            }
        }
    }
}
