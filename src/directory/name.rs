//! Checked words: what a username, an e-mail address, a phone number, a slug and so on may look like.
//!
//! A value of one of these types has been checked; stores take nothing else. Uniqueness is the store's to check.

use super::error::DirectoryError;
use crate::id::UserId;
use std::fmt;
use unicode_normalization::UnicodeNormalization;

macro_rules! word {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            pub(super) fn into_inner(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

word! {
    /// A login name: letters and digits of any script, `_`, `.`, `@`, `+`, `-`; 1 to 150 characters; case matters. Never a UUID, since
    /// people are named by id too.
    Username
}
word! {
    /// An e-mail address in ASCII, at most 254 characters, kept as written and compared without regard to case.
    Email
}
word! {
    /// A phone number in international form, `+` and 5 to 15 digits (E.164).
    PhoneNumber
}
word! {
    /// An organization's short name: ASCII letters, digits, `_` and `-`; 1 to 200 characters.
    Slug
}
word! {
    /// A key of a legacy system: 1 to 255 characters, none of them a control character.
    ExternalId
}
word! {
    /// The name of an organization: 1 to 200 characters, none of them a control character, no blanks around it.
    OrgName
}
word! {
    /// A permission, `app.codename` as Django writes it: letters, digits and `_`, the codename with `-`, `.` and `:` too; at
    /// most 200 characters; case matters.
    PermissionName
}
word! {
    /// The name of a group or a role: 1 to 150 characters, none of them a control character, no blanks around it.
    RightsName
}
word! {
    /// Text of several lines, perhaps empty: at most 10,000 characters, no control characters but tabs and ends of lines.
    Prose
}

/// Text of one line and at most so many characters, perhaps empty, without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MAX: usize>(String);

impl Username {
    /// # Errors
    /// [`DirectoryError::Invalid`].
    pub fn new(text: &str) -> Result<Self, DirectoryError> {
        let fits = |c: char| c.is_alphanumeric() || "_.@+-".contains(c);
        if UserId::parse(text).is_ok() {
            return Err(DirectoryError::invalid("username", "any name but a UUID, which would be taken for an id"));
        }
        if !text.is_empty() && text.chars().count() <= 150 && text.chars().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(DirectoryError::invalid("username", "1 to 150 letters, digits and @ . + - _, without blanks"))
    }
}

impl Email {
    /// # Errors
    /// [`DirectoryError::Invalid`]: not `local@domain`. Quoted local parts and raw international characters are refused:
    /// two spellings of one mailbox must never be two users (write an international domain as punycode).
    pub fn new(text: &str) -> Result<Self, DirectoryError> {
        let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b);
        let local_ok =
            |local: &str| local.len() <= 64 && local.split('.').all(|a| !a.is_empty() && a.bytes().all(atom));
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        match text.split_once('@') {
            Some((local, domain)) if text.len() <= 254 && local_ok(local) && domain.split('.').all(label) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(DirectoryError::invalid("email", "an address such as ann@example.org, in ASCII")),
        }
    }
}

impl PhoneNumber {
    /// Drops blanks, dots, dashes, slashes and brackets.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`]: no `+`, or not 5 to 15 digits.
    pub fn new(text: &str) -> Result<Self, DirectoryError> {
        let bare: String = text.chars().filter(|c| !" .-/()".contains(*c)).collect();
        match bare.strip_prefix('+') {
            Some(digits) if (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Self(bare))
            }
            _ => Err(DirectoryError::invalid("phone", "an international number such as +393331234567")),
        }
    }
}

impl Slug {
    /// The longest slug, in characters.
    pub const MAX: usize = 200;

    /// # Errors
    /// [`DirectoryError::Invalid`].
    pub fn new(text: &str) -> Result<Self, DirectoryError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if (1..=Self::MAX).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(DirectoryError::invalid("slug", "1 to 200 ASCII letters, digits, - and _"))
    }

    /// Makes a slug of a name, as Django does: decomposed (NFKD) to ASCII, lower case, other characters dropped, blanks and
    /// dashes to one dash, none at the ends. A name of which nothing is left gives `organization`.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let mut slug = String::new();
        for c in name.nfkd().filter(char::is_ascii).map(|c| c.to_ascii_lowercase()) {
            match c {
                'a'..='z' | '0'..='9' | '_' => slug.push(c),
                '-' | ' ' | '\t' | '\n' | '\r' if !slug.ends_with('-') => slug.push('-'),
                _ => {}
            }
        }
        let ends = ['-', '_'];
        let mut slug = slug.trim_matches(ends).to_owned();
        slug.truncate(Self::MAX);
        let slug = slug.trim_end_matches(ends);
        Self(if slug.is_empty() { "organization".to_owned() } else { slug.to_owned() })
    }

    /// The slug with a number behind it, for a name whose slug is taken: `acme-2`.
    #[must_use]
    pub fn numbered(&self, number: usize) -> Self {
        let suffix = format!("-{number}");
        let mut stem = self.0.clone();
        stem.truncate(Self::MAX.saturating_sub(suffix.len()));
        Self(stem + &suffix)
    }
}

impl ExternalId {
    /// # Errors
    /// [`DirectoryError::Invalid`].
    pub fn new(text: &str) -> Result<Self, DirectoryError> {
        line("external_id", text, 1, 255).map(Self)
    }
}

impl OrgName {
    /// # Errors
    /// [`DirectoryError::Invalid`].
    pub fn new(text: &str) -> Result<Self, DirectoryError> {
        line("name", text.trim(), 1, 200).map(Self)
    }
}

impl PermissionName {
    /// # Errors
    /// [`DirectoryError::Invalid`].
    pub fn new(text: &str) -> Result<Self, DirectoryError> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let fits = |(app, codename): (&str, &str)| {
            !app.starts_with(|c: char| c.is_ascii_digit())
                && !app.is_empty()
                && app.bytes().all(word)
                && !codename.is_empty()
                && codename.bytes().all(|b| word(b) || b"-.:".contains(&b))
        };
        if text.len() <= 200 && text.split_once('.').is_some_and(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(DirectoryError::invalid("permission", "an app, a dot and a codename, such as config.add_device"))
    }
}

impl RightsName {
    /// # Errors
    /// [`DirectoryError::Invalid`].
    pub fn new(text: &str) -> Result<Self, DirectoryError> {
        line("name", text.trim(), 1, 150).map(Self)
    }
}

impl<const MAX: usize> Text<MAX> {
    /// `field` names the text in the error.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`].
    pub fn new(field: &'static str, text: &str) -> Result<Self, DirectoryError> {
        line(field, text, 0, MAX).map(Self)
    }

    #[must_use]
    pub const fn empty() -> Self {
        Self(String::new())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_inner(self) -> String {
        self.0
    }
}

impl Text<8> {
    /// The language of those who say nothing of it, as in the reference.
    #[must_use]
    pub(super) fn english() -> Self {
        Self("en-gb".to_owned())
    }
}

impl Prose {
    /// `field` names the text in the error.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`].
    pub fn new(field: &'static str, text: &str) -> Result<Self, DirectoryError> {
        let fits = |c: char| !c.is_control() || "\t\r\n".contains(c);
        if text.chars().count() <= 10_000 && text.chars().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(DirectoryError::invalid(field, "at most 10000 characters, without control characters but ends of lines"))
    }

    #[must_use]
    pub const fn empty() -> Self {
        Self(String::new())
    }
}

/// A text of some length without control characters: none can break a line of a log, or steer a terminal.
fn line(field: &'static str, text: &str, min: usize, max: usize) -> Result<String, DirectoryError> {
    if (min..=max).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(DirectoryError::invalid(field, format!("{min} to {max} characters, without control characters")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_become_slugs_as_in_django() {
        for (name, slug) in [
            ("Acme", "acme"),
            ("  Acme  Inc. ", "acme-inc"),
            ("Caf\u{e9} \u{212b}ngstr\u{f6}m", "cafe-angstrom"),
            ("A -- B", "a-b"),
            ("snake_case", "snake_case"),
            ("_-edge-_", "edge"),
            ("\u{65e5}\u{672c}", "organization"),
            ("\u{fb01}ne", "fine"),
        ] {
            assert_eq!(Slug::from_name(name).as_str(), slug, "{name:?}");
        }
    }

    #[test]
    fn a_username_has_no_blank_and_no_control_character() {
        for good in ["ann", "ann@example.org", "A.n-n_+", "\u{e9}lo\u{ef}se", &"x".repeat(150)] {
            assert!(Username::new(good).is_ok(), "{good:?}");
        }
        let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        assert!(Username::new(&format!("{id}0")).is_ok());
        for bad in
            ["", "a b", "a\n", "a\0", "a,b", "a/b", &"x".repeat(151), id, &id.to_uppercase(), &id.replace('-', "")]
        {
            assert!(Username::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_email_address_has_one_spelling_of_each_part() {
        for good in ["ann@example.org", "a.b+c@x-y.example", "root@localhost"] {
            assert!(Email::new(good).is_ok(), "{good:?}");
        }
        for bad in
            ["", "ann", "@x", "a@", "a@b@c", "a..b@x.y", ".a@x.y", "\"a b\"@x.y", "a@-x.y", "a@x..y", "\u{e9}@x.y"]
        {
            assert!(Email::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_phone_number_is_kept_in_one_form() {
        assert_eq!(PhoneNumber::new("+39 333 (123) 45-67").map(|p| p.to_string()), Ok("+393331234567".to_owned()));
        for bad in ["", "333 1234567", "+1", "+39a3331234567", "+1234567890123456"] {
            assert!(PhoneNumber::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_permission_is_an_app_a_dot_and_a_codename() {
        for good in ["config.add_device", "_a.b", "app2.can-do:this.too", &format!("a.{}", "x".repeat(198))] {
            assert!(PermissionName::new(good).is_ok(), "{good:?}");
        }
        let long = format!("a.{}", "x".repeat(199));
        for bad in
            ["", "add_device", ".x", "x.", "2x.y", "a b.c", "a.b c", "a-b.c", "a.b,c", "a.\u{e9}", "a.b\n", &long]
        {
            assert!(PermissionName::new(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_gives_a_valid_slug_that_stays_itself(name in "\\PC{0,300}", number in 2_usize..100_000) {
            let slug = Slug::from_name(&name);
            prop_assert!(Slug::new(slug.as_str()).is_ok());
            prop_assert_eq!(&Slug::from_name(slug.as_str()), &slug);
            prop_assert!(Slug::new(slug.numbered(number).as_str()).is_ok());
        }
    }
}
