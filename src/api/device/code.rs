//! The two codes of a login of a device (RFC 8628, 3.2 and 6.1), and what it asks for.

use crate::directory::name::PermissionName;
use crate::directory::{NewScope, OrgSelector};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

/// Letters of a user code: no vowels, so no words, and none that looks like another or like a digit. Ten of twenty are 43 bits.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 10;
/// Words of a scope, at most.
const MOST: usize = 20;
const LONGEST: usize = 1000;

/// What the device keeps: 256 bits.
///
/// # Errors
/// The system has no randomness.
pub fn device_code() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// What somebody types: `BCDFG-HJKLM`.
///
/// # Errors
/// The system has no randomness.
pub fn user_code() -> Result<String, getrandom::Error> {
    let mut code = String::new();
    while code.len() < LENGTH + 1 {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        // Of 256 values the last 16 would make some letters likelier than others.
        for byte in bytes.into_iter().filter(|byte| *byte < 240) {
            if code.len() == LENGTH / 2 {
                code.push('-');
            }
            if code.len() < LENGTH + 1 {
                code.extend(LETTERS.get(usize::from(byte % 20)).map(|letter| char::from(*letter)));
            }
        }
    }
    Ok(code)
}

/// What is kept of a device code.
#[must_use]
pub fn device_digest(code: &str) -> [u8; 32] {
    Sha256::digest(format!("postern device code 1:{code}")).into()
}

/// What is kept of a user code, however it is typed; `None` for what is none.
#[must_use]
pub fn user_digest(typed: &str) -> Option<[u8; 32]> {
    let plain: String = typed.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_uppercase()).collect();
    let is_one = plain.len() == LENGTH && plain.bytes().all(|letter| LETTERS.contains(&letter));
    is_one.then(|| Sha256::digest(format!("postern user code 1:{plain}")).into())
}

/// What a token is narrowed to by the words of a scope: `read`, `org:SLUG`, `permission:NAME`; `None` where one is none of these.
#[must_use]
pub fn scope(words: &str) -> Option<NewScope> {
    let mut scope = NewScope::default();
    if words.len() > LONGEST || words.split(' ').filter(|word| !word.is_empty()).count() > MOST {
        return None;
    }
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        match word.split_once(':') {
            None if word == "read" => scope.read_only = true,
            Some(("org", slug)) if !slug.is_empty() => scope.organizations.push(OrgSelector::from(slug)),
            Some(("permission", name)) => scope.permissions.push(PermissionName::new(name).ok()?),
            _ => return None,
        }
    }
    Some(scope)
}

#[cfg(test)]
mod tests {
    use super::{LETTERS, device_code, device_digest, scope, user_code, user_digest};

    #[test]
    fn a_user_code_is_known_however_it_is_typed() {
        let code = user_code().unwrap();
        assert_eq!((code.len(), code.find('-')), (11, Some(5)), "{code}");
        let digest = user_digest(&code).unwrap();
        for typed in [code.to_lowercase(), code.replace('-', ""), code.replace('-', " "), format!(" {code} ")] {
            assert_eq!(user_digest(&typed), Some(digest), "{typed}");
        }
        for typed in ["", "BCDFG", "AAAAA-AAAAA", "BCDFG-HJKL0", "BCDFG-HJKLMN", "бcdfg-hjklm"] {
            assert_eq!(user_digest(typed), None, "{typed}");
        }
        assert_ne!(user_code().unwrap(), code);
        let all: String = (0..500).map(|_| user_code().unwrap()).collect();
        assert!(LETTERS.iter().all(|letter| all.contains(char::from(*letter))));
        assert!(20_f64.powi(10).log2() > 40.0);
        assert_eq!(device_code().unwrap().len(), 43);
        assert_ne!(device_digest("a"), device_digest("b"));
    }

    #[test]
    fn a_scope_narrows_by_words_and_refuses_others() {
        let narrowed = scope("read org:acme org:globex permission:config.add_device").unwrap();
        assert!(narrowed.read_only && narrowed.organizations.len() == 2 && narrowed.permissions.len() == 1);
        assert!(!scope("").unwrap().read_only);
        for words in ["write", "read write", "org:", "org", "permission:", "openid", "read:all", &"read ".repeat(21)] {
            assert!(scope(words).is_none(), "{words}");
        }
    }
}
