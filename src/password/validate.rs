//! **Pure**: whether a password will do as a new one. Django's validators, with its words, in its order.
//!
//! Common passwords are Django's list of some 20,000 (`common/`, under its licence). They are kept sorted, so that the list is searched
//! where it lies.

use std::collections::HashMap;
use std::sync::LazyLock;
use thiserror::Error;

/// What a new password is looked at for, besides that it is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validators {
    /// Characters, at least.
    pub min_length: u32,
    /// Whether it is like what is known of its user.
    pub similarity: bool,
    /// Whether it is one of those that many people have.
    pub common: bool,
    /// Whether it is of digits alone.
    pub numeric: bool,
}

impl Validators {
    /// What NIST SP 800-63B asks for, and Django's template of a project.
    pub const USUAL: Self = Self { min_length: 8, similarity: true, common: true, numeric: true };
    /// What the reference looks at.
    pub const NONE: Self = Self { min_length: 1, similarity: false, common: false, numeric: false };
}

/// What is known of a password's user, for the password not to be like it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Personal<'p> {
    pub username: &'p str,
    pub first_name: &'p str,
    pub last_name: &'p str,
    pub email: &'p str,
}

/// Why a password will not do as a new one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    #[error("The password is too similar to the {0}.")]
    Similar(&'static str),
    #[error("This password is too short. It must contain at least {0} character{ending}.", ending = plural(*.0))]
    Short(u32),
    #[error("This password is too common.")]
    Common,
    #[error("This password is entirely numeric.")]
    Numeric,
    /// It is the one that they have.
    #[error("You cannot re-use your current password. Enter a new password.")]
    Reused,
}

/// Why a text will not do, all of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))]
pub struct UnfitPassword(pub Vec<Unfit>);

/// A password that is at least as similar will not do.
const SIMILARITY: f64 = 0.7;

static COMMON: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("common/passwords.txt").lines().collect());

impl Validators {
    /// Whether a password will do for somebody.
    ///
    /// # Errors
    /// Why not.
    pub fn check(self, password: &str, whose: Personal<'_>) -> Result<(), UnfitPassword> {
        let similar = if self.similarity { similar(password, whose) } else { None };
        let is_short = u32::try_from(password.chars().count()).is_ok_and(|count| count < self.min_length);
        let unfit = [
            similar.map(Unfit::Similar),
            is_short.then_some(Unfit::Short(self.min_length)),
            (self.common && is_common(password)).then_some(Unfit::Common),
            (self.numeric && is_numeric(password)).then_some(Unfit::Numeric),
        ];
        let unfit: Vec<Unfit> = unfit.into_iter().flatten().collect();
        if unfit.is_empty() { Ok(()) } else { Err(UnfitPassword(unfit)) }
    }
}

const fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn is_common(password: &str) -> bool {
    COMMON.binary_search(&password.to_lowercase().trim()).is_ok()
}

fn is_numeric(password: &str) -> bool {
    !password.is_empty() && password.chars().all(char::is_numeric)
}

/// What of a user a password is like (`UserAttributeSimilarityValidator`): the whole of it, or one of its words.
fn similar(password: &str, whose: Personal<'_>) -> Option<&'static str> {
    let password = password.to_lowercase();
    let attributes = [
        ("username", whose.username),
        ("first name", whose.first_name),
        ("last name", whose.last_name),
        ("email address", whose.email),
    ];
    let is_like = |value: &str| {
        let value = value.to_lowercase();
        let words = value.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        words
            .chain([value.as_str()])
            .any(|word| !is_much_shorter(word, &password) && ratio(&password, word) >= SIMILARITY)
    };
    attributes.into_iter().find(|(_, value)| !value.is_empty() && is_like(value)).map(|(name, _)| name)
}

/// Django leaves out what is too short to matter, since comparing takes time.
fn is_much_shorter(word: &str, password: &str) -> bool {
    let (word, password) = (word.chars().count(), password.chars().count());
    password >= 10 * word && (count(word)) < SIMILARITY / 2.0 * count(password)
}

/// How many of the characters of both are in common, whatever their order: `difflib.SequenceMatcher.quick_ratio`.
fn ratio(one: &str, other: &str) -> f64 {
    let mut left: HashMap<char, usize> = HashMap::new();
    for c in other.chars() {
        *left.entry(c).or_default() += 1;
    }
    let mut matches = 0;
    for c in one.chars() {
        if let Some(count) = left.get_mut(&c).filter(|count| **count > 0) {
            *count -= 1;
            matches += 1;
        }
    }
    let length = one.chars().count() + other.chars().count();
    if length == 0 { 1.0 } else { 2.0 * count(matches) / count(length) }
}

#[allow(clippy::cast_precision_loss)] // characters of a password
fn count(characters: usize) -> f64 {
    characters as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Personal<'_> =
        Personal { username: "ann.o-leary", first_name: "Ann", last_name: "O'Leary", email: "aoleary@example.org" };

    fn told(password: &str, whose: Personal<'_>) -> String {
        Validators::USUAL.check(password, whose).map_or_else(|unfit| unfit.to_string(), |()| String::new())
    }

    /// What Django 5.2 says of each.
    #[test]
    fn words_and_order_are_django_s() {
        let short = "This password is too short. It must contain at least 8 characters.";
        let common = "This password is too common.";
        let numeric = "This password is entirely numeric.";
        for (password, said) in [
            ("correct horse", String::new()),
            ("annOleary", "The password is too similar to the username.".to_owned()),
            ("example.org", "The password is too similar to the email address.".to_owned()),
            ("Leary", format!("The password is too similar to the username. {short}")),
            ("1234", format!("{short} {common} {numeric}")),
            ("PassWord1", common.to_owned()),
            (" password1 ", common.to_owned()),
            ("918273645546372819", numeric.to_owned()),
            ("٠١٢٣٤٥٦٧٨٩٠١", numeric.to_owned()),
            ("", short.to_owned()),
        ] {
            assert_eq!(told(password, ANN), said, "{password}");
        }
        assert_eq!(
            Validators { min_length: 2, ..Validators::NONE }.check("x", ANN).unwrap_err().to_string(),
            "This password is too short. It must contain at least 2 characters."
        );
        assert_eq!(Validators::NONE.check("1", ANN), Ok(()));
    }

    #[test]
    fn common_passwords_are_sorted_and_small() {
        assert_eq!(COMMON.len(), 19_640);
        assert!(COMMON.is_sorted() && COMMON.iter().all(|word| word.to_lowercase() == **word));
    }

    #[test]
    fn similarity_is_that_of_difflib() {
        for (one, other, expected) in
            [("abcd", "bcde", 0.75), ("", "", 1.0), ("a", "", 0.0), ("aab", "abb", 2.0 / 3.0), ("xyz", "abc", 0.0)]
        {
            assert!((ratio(one, other) - expected).abs() < 1e-9, "{one} {other}");
        }
        // A long password is no less good for a short name in it.
        assert!(is_much_shorter("ann", &"x".repeat(30)) && !is_much_shorter("ann", &"x".repeat(29)));
    }
}
