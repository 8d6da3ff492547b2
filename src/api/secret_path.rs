//! Paths that carry a secret: the link of a letter, and a token that stands behind the path instead of in the query.
//!
//! A link is good until it is used, and whoever copies it by hand, or a program that mends it, spells it in many ways. None of these
//! reaches its page, and all of them hold the secret: so what only resembles such a path is kept out of logs and traces too.

use crate::normalized_name::normalized;
use std::borrow::Cow;

/// What the path of a link holds in front of its secret, folded ([`super::paths::RESET_PAGE`] and the like, under any prefix).
const PAGE: &[u8] = b"passwordresetkey";
/// Characters of the MAC of a link's token, at least: allauth's old ones have 20.
const MAC: usize = 20;
/// Characters of the time in a link's token, in base 36.
const TIME: std::ops::RangeInclusive<usize> = 5..=7;

/// The path as it may be shown: what could be a secret is left out, with everything behind it. `parameter` is the name of the query
/// parameter that holds a token, where there is one.
#[must_use]
pub fn shown<'p>(path: &'p str, parameter: Option<&str>) -> Cow<'p, str> {
    match secret_at(path, parameter).and_then(|at| path.get(..at)) {
        Some(before) => Cow::Owned(format!("{before}...")),
        None => Cow::Borrowed(path),
    }
}

/// Where in the path a secret begins.
fn secret_at(path: &str, parameter: Option<&str>) -> Option<usize> {
    let mut page = 0;
    let mut link = Link::default();
    for Character { byte, start, end } in characters(path.as_bytes()) {
        let byte = byte.to_ascii_lowercase();
        if let Some(at) = link.feed(byte, start) {
            return Some(at);
        }
        if byte.is_ascii_alphanumeric() {
            page = match PAGE.get(page) {
                Some(next) if *next == byte => page + 1,
                // No other letter of it is its first.
                _ => usize::from(byte == b'p'),
            };
            if page == PAGE.len() {
                let rest = path.get(end..)?;
                let at = end + usize::from(rest.starts_with('/'));
                return (at < path.len()).then_some(at);
            }
        } else if byte == b'='
            && end < path.len()
            && let Some(name) = parameter
            && ends_with(path.get(..start)?, name)
        {
            return Some(end);
        }
    }
    None
}

/// A character of the path, percent-decoded, and where it stands.
struct Character {
    byte: u8,
    start: usize,
    end: usize,
}

/// Decodes as often as somebody has encoded: `%2561` is an `a` too.
fn characters(path: &[u8]) -> impl Iterator<Item = Character> + '_ {
    let mut start = 0;
    std::iter::from_fn(move || {
        let first = *path.get(start)?;
        let mut character = Character { byte: first, start, end: start + 1 };
        if first == b'%' {
            let mut digits = start + 1;
            while path.get(digits..digits + 2) == Some(b"25") {
                digits += 2;
            }
            let digit = |at: usize| path.get(at).and_then(|b| char::from(*b).to_digit(16));
            if let (Some(high), Some(low)) = (digit(digits), digit(digits + 1)) {
                character.byte = u8::try_from(high * 16 + low).unwrap_or(first);
                character.end = digits + 2;
            } else if digits > start + 1 {
                character.end = digits;
            }
        }
        start = character.end;
        Some(character)
    })
}

/// Whether what stands before a `=` is this name, in any spelling.
fn ends_with(before: &str, name: &str) -> bool {
    let before: Vec<u8> = characters(before.as_bytes()).map(|character| character.byte).collect();
    let word = before.rsplit(|b| matches!(b, b'/' | b'?' | b'&' | b';')).next().unwrap_or_default();
    normalized(word).eq(normalized(name))
}

/// Looks for `USER-TIME-MAC`, which is a link's secret wherever it stands.
#[derive(Default)]
struct Link {
    /// The words that hang together by hyphens: the last three, the one that is being read behind them.
    words: [Word; 3],
}

#[derive(Clone, Copy, Default)]
struct Word {
    start: usize,
    length: usize,
    /// All of it are hexadecimal digits.
    is_hex: bool,
}

impl Link {
    /// One more character, in lower case; where the secret begins once it is all there.
    fn feed(&mut self, byte: u8, start: usize) -> Option<usize> {
        let [user, time, mac] = &mut self.words;
        if byte.is_ascii_alphanumeric() {
            if mac.length == 0 {
                *mac = Word { start, length: 0, is_hex: true };
            }
            mac.length += 1;
            mac.is_hex &= byte.is_ascii_hexdigit();
        } else if byte == b'-' {
            (*user, *time, *mac) = (*time, *mac, Word::default());
        } else {
            self.words = [Word::default(); 3];
            return None;
        }
        let [user, time, mac] = self.words;
        let is_there = mac.length == MAC && mac.is_hex && TIME.contains(&time.length) && user.length > 0;
        is_there.then_some(user.start)
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    const LINK: &str = "0b5c1f0e8a7d4c3b9a2f1e0d9c8b7a6f-ck3x9a-0123456789abcdef0123456789abcdef";

    #[test]
    fn a_link_is_shown_without_its_secret_however_it_is_spelt() {
        for path in [
            "/accounts/password/reset/key/LINK/",
            "/api/v1/users/password/reset/key/LINK",
            "/accounts/password/reset/key/LINK/.",
            "/accounts/password/reset/key/LINK//",
            "/accounts/password/reset/key/LINK;x",
            "//accounts/password//reset/./key/LINK/",
            "/ACCOUNTS/Password/RESET/key/LINK/",
            "/somewhere/accounts/password/reset/key/LINK/",
            "/accounts/password/reset/k%65y/LINK/",
            "/accounts/password/reset%2fkey%2FLINK%2f",
            "/accounts/password/reset/%256bey/LINK/",
            "/accounts/password_reset_key/LINK/",
            "/accounts\\password\\reset\\key\\LINK",
            "/accounts/password/reset/keyLINK/",
            "/accounts/password/resets/keys/LINK/",
            "/elsewhere/LINK",
            "/LINK.",
            "/x/%3Flink=LINK",
        ] {
            for link in [LINK.to_owned(), LINK.to_uppercase(), LINK.replace('-', "%2D"), LINK.replace('a', "%2561")] {
                let path = path.replace("LINK", &link);
                let shown = shown(&path, None);
                assert!(shown.ends_with("...") && path.starts_with(shown.trim_end_matches("...")), "{path}: {shown}");
                assert!(!shown.contains("0b5c") && !shown.contains("0B5C"), "{path}: {shown}");
            }
        }
        assert_eq!(shown("/accounts/password/reset/key/x-y/", None), "/accounts/password/reset/key/...");
        // What an older installation has sent.
        assert_eq!(
            shown("/accounts/pasword/reset/key/3-ck3x9a-0123456789abcdef0123/", None),
            "/accounts/pasword/reset/key/..."
        );
    }

    #[test]
    fn a_token_of_the_query_that_has_slipped_into_the_path_is_left_out() {
        for path in
            ["/x;sesame=TOKEN", "/x%3Fsesame=TOKEN", "/x&Sesame%3dTOKEN", "/x%253Fsesame%253DTOKEN", "/sesame=TOKEN"]
        {
            let shown = shown(path, Some("sesame"));
            assert!(!shown.contains("TOKEN") && shown.ends_with("..."), "{path}: {shown}");
        }
        assert_eq!(shown("/x;sesame=TOKEN", None), "/x;sesame=TOKEN");
        assert_eq!(shown("/x;sesames=1", Some("sesame")), "/x;sesames=1");
    }

    #[test]
    fn every_other_path_is_shown_as_it_is() {
        for path in [
            "/",
            "",
            "*",
            "/api/v1/users/password/reset/",
            "/accounts/password/reset/key/",
            "/api/v1/org/aaaaaaaa-0000-4000-8000-00000000000a/x",
            "/files/photo-2024-d41d8cd98f00b204e9800998ecf8427e",
            "/%",
            "/%2",
            "/%25",
            "/%2525zz",
            "/commit/0123456789abcdef0123456789abcdef01234567",
        ] {
            assert_eq!(shown(path, Some("sesame")), path);
        }
    }
}
