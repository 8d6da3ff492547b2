//! Folded names: what is left of a name when case and every byte that is not an ASCII letter or digit are ignored.
//!
//! Upstreams read names loosely: CGI and WSGI turn `X-User`, `x_user` and `X.User` into one variable, form parsers take
//! `org[]` for `org`. Whoever strips a header or reads a parameter compares folded names, so that no spelling slips by.
//! Bytes beyond ASCII vanish too: two names may then fold alike that nobody would confuse, which only refuses more.

/// The folded bytes of `text`: ASCII letters in lower case and digits, in order.
pub fn folded<T: AsRef<[u8]> + ?Sized>(text: &T) -> impl Iterator<Item = u8> + '_ {
    text.as_ref().iter().filter(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase)
}

/// Whether two names fold to the same; allocates nothing.
#[must_use]
pub fn fold_eq<A: AsRef<[u8]> + ?Sized, B: AsRef<[u8]> + ?Sized>(a: &A, b: &B) -> bool {
    folded(a).eq(folded(b))
}

/// The folded name as text, to be the key of a table.
#[must_use]
pub fn fold_key(text: &str) -> Box<str> {
    folded(text).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::{fold_eq, fold_key};
    use proptest::prelude::*;

    #[test]
    fn every_spelling_that_some_upstream_reads_alike_folds_alike() {
        for spelling in [
            "X-Postern-User",
            "X_Postern_User",
            "x.postern.user",
            "X--POSTERN~User",
            "xposternuser",
            "X-Po\u{e9}stern+User",
        ] {
            assert!(fold_eq(spelling, "x-postern-user"), "{spelling}");
            assert_eq!(&*fold_key(spelling), "xposternuser");
        }
    }

    #[test]
    fn another_name_stays_another_name() {
        for (a, b) in [("x-user", "x-users"), ("user1", "user2"), ("", "a"), ("organization", "organisation")] {
            assert!(!fold_eq(a, b), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn comparing_and_keys_agree(a in "[a-cA-C0_.é-]{0,6}", b in "[a-cA-C0_.é-]{0,6}") {
            prop_assert_eq!(fold_eq(&a, &b), fold_key(&a) == fold_key(&b));
        }
    }
}
