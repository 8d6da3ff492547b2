//! Normalized names: what is left of a name when case and every byte that is not an ASCII letter or digit are ignored.
//!
//! Upstreams read names loosely: CGI and WSGI turn `X-User`, `x_user` and `X.User` into one variable, form parsers take
//! `org[]` for `org`. Whoever strips a header or reads a parameter compares normalized names, so that no spelling slips by.
//! Bytes beyond ASCII vanish too: two names may then be the same that nobody would confuse, which only refuses more.

/// The bytes of `text` that count: ASCII letters in lower case and digits, in order.
pub fn normalized<T: AsRef<[u8]> + ?Sized>(text: &T) -> impl Iterator<Item = u8> + '_ {
    text.as_ref().iter().filter(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase)
}

/// Whether two names are the same once normalized; allocates nothing.
#[must_use]
pub fn same_name<A: AsRef<[u8]> + ?Sized, B: AsRef<[u8]> + ?Sized>(a: &A, b: &B) -> bool {
    normalized(a).eq(normalized(b))
}

/// Whether a name is letters, digits and hyphens: no two of these become one variable of CGI.
#[must_use]
pub fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The normalized name as text, to be the key of a table.
#[must_use]
pub fn normalized_key(text: &str) -> Box<str> {
    // At most as long as the text: made at once, where a collection would grow.
    let mut key = String::with_capacity(text.len());
    key.extend(normalized(text).map(char::from));
    key.into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::{normalized_key, same_name};
    use proptest::prelude::*;

    #[test]
    fn every_spelling_that_some_upstream_reads_alike_is_one_name() {
        for spelling in [
            "X-Postern-User",
            "X_Postern_User",
            "x.postern.user",
            "X--POSTERN~User",
            "xposternuser",
            "X-Po\u{e9}stern+User",
        ] {
            assert!(same_name(spelling, "x-postern-user"), "{spelling}");
            assert_eq!(&*normalized_key(spelling), "xposternuser");
        }
    }

    #[test]
    fn another_name_stays_another_name() {
        for (a, b) in [("x-user", "x-users"), ("user1", "user2"), ("", "a"), ("organization", "organisation")] {
            assert!(!same_name(a, b), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn comparing_and_keys_agree(a in "[a-cA-C0_.é-]{0,6}", b in "[a-cA-C0_.é-]{0,6}") {
            prop_assert_eq!(same_name(&a, &b), normalized_key(&a) == normalized_key(&b));
        }
    }
}
