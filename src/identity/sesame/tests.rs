//! The vectors of the real django-sesame: 75 tokens, 250 checks, every setting.

use super::primary_key::{KeyType, PrimaryKey};
use super::{Person, Sesame, Settings, Version, decode, isoformat};
use serde_json::Value;
use std::time::Duration;

fn settings(of: &Value, changed: &Value) -> Settings {
    let get = |name: &str| changed.get(name).unwrap_or(&of[name]).clone();
    let text = |name: &str| get(name).as_str().unwrap().to_owned();
    let texts = |name: &str| -> Vec<String> {
        get(name).as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let number = |name: &str| usize::try_from(get(name).as_u64().unwrap()).unwrap();
    let key_type =
        match (get("SESAME_PACKER").as_str(), text("pk_type").as_str(), text("SESAME_PRIMARY_KEY_FIELD").as_str()) {
            (Some("sesame.packers.UUIDPacker"), ..) | (None, "UUIDField", "pk") => KeyType::Uuid,
            (Some("sesame.packers.LongPacker"), ..) => KeyType::Signed(4),
            (None, "BigAutoField", "pk") => KeyType::Signed(8),
            (None, "AutoField", "pk") => KeyType::Signed(4),
            (None, "SmallAutoField", "pk") => KeyType::Signed(2),
            (None, "PositiveIntegerField", "pk") => KeyType::Unsigned(4),
            (None, "PositiveBigIntegerField", "pk") => KeyType::Unsigned(8),
            (None, "PositiveSmallIntegerField", "pk") => KeyType::Unsigned(2),
            (None, "CharField", "pk") | (None, _, "username") => KeyType::Text,
            (None, "BinaryField", "pk") => KeyType::Binary,
            other => panic!("{other:?}"),
        };
    let version = |name: &String| if name == "sesame.tokens_v2" { Version::V2 } else { Version::V1 };
    Settings {
        secret_keys: [vec![text("SECRET_KEY")], texts("SECRET_KEY_FALLBACKS")].concat(),
        key: text("SESAME_KEY"),
        max_age: get("SESAME_MAX_AGE").as_i64(),
        one_time: get("SESAME_ONE_TIME").as_bool().unwrap(),
        invalidate_on_password_change: get("SESAME_INVALIDATE_ON_PASSWORD_CHANGE").as_bool().unwrap(),
        invalidate_on_email_change: get("SESAME_INVALIDATE_ON_EMAIL_CHANGE").as_bool().unwrap(),
        packer: get("SESAME_PACKER").as_str().map(str::to_owned),
        primary_key_field: text("SESAME_PRIMARY_KEY_FIELD"),
        key_type,
        signature_size: number("SESAME_SIGNATURE_SIZE"),
        salt: text("SESAME_SALT"),
        iterations: u32::try_from(number("SESAME_ITERATIONS")).unwrap(),
        versions: texts("SESAME_TOKENS").iter().map(version).collect(),
    }
}

/// A user of the vectors.
struct Owner {
    key: PrimaryKey,
    password: String,
    email: String,
    last_login: Option<String>,
    is_active: bool,
}

impl Owner {
    fn of(user: &Value, changed: &Value, settings: &Settings) -> Self {
        let get = |name: &str| changed.get(name).unwrap_or(&user[name]).clone();
        let field = if settings.primary_key_field == "pk" { get("pk") } else { get(&settings.primary_key_field) };
        let key = match (settings.key_type, &field) {
            (KeyType::Uuid, Value::String(id)) => PrimaryKey::Uuid(id.parse().unwrap()),
            (KeyType::Text, Value::String(text)) => PrimaryKey::Text(text.clone()),
            (KeyType::Binary, Value::String(hex)) => {
                PrimaryKey::Binary(data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap())
            }
            (_, Value::Number(number)) => PrimaryKey::Integer(number.to_string().parse().unwrap()),
            (_, other) => PrimaryKey::Text(other.to_string()),
        };
        let text = |name: &str| get(name).as_str().unwrap().to_owned();
        let last_login = get("last_login").as_str().map(str::to_owned);
        Self {
            key,
            password: text("password"),
            email: text("email"),
            last_login,
            is_active: get("is_active").as_bool().unwrap(),
        }
    }

    fn person(&self) -> Person<'_> {
        Person { password: Some(&self.password), email: Some(&self.email), last_login: self.last_login.as_deref() }
    }
}

#[test]
fn every_token_and_every_check_of_the_reference() {
    let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/sesame.json")).unwrap();
    let (mut tokens, mut checks) = (0, 0);
    let none = Value::Null;
    for vector in vectors["vectors"].as_array().unwrap() {
        let what = format!("{} {}", vector["id"], vector["description"]);
        let own = settings(&vector["settings"], &none);
        let owner = Owner::of(&vector["user"], &none, &own);
        let mut first = own.clone();
        let version = if vector["version"] == 1 { Version::V1 } else { Version::V2 };
        first.versions = vec![version];
        let scope = vector["scope"].as_str().unwrap();
        let made = vector["issued_at"].as_f64().unwrap().floor() as i64;
        let minted = Sesame::new(first).mint(&owner.key, owner.person(), scope, made);
        assert_eq!(minted.as_deref(), vector["token"].as_str(), "{what}");
        tokens += 1;
        for check in vector["verify"].as_array().unwrap() {
            let changed = |name: &str| check.get(name).unwrap_or(&none);
            let now = settings(&vector["settings"], changed("settings_changed"));
            let user = Owner::of(&vector["user"], changed("user_changed"), &now);
            let sesame = Sesame::new(now);
            let scope = check["scope"].as_str().unwrap();
            let time = Duration::from_secs_f64(check["now"].as_f64().unwrap());
            let max_age = check["max_age"].as_i64();
            let valid = sesame.open(check["token"].as_str().unwrap()).is_some_and(|token| {
                token.primary_key == user.key
                    && user.is_active
                    && sesame.is_in_time(&token, max_age, time)
                    && sesame.is_of(&token, user.person(), scope)
            });
            // Where the reference raises, nobody is let in.
            let expected = check["expect_valid"].as_bool().unwrap_or(false);
            assert_eq!(valid, expected, "{what}: {}", check["note"]);
            checks += 1;
        }
    }
    assert_eq!((tokens, checks), (75, 250));
}

/// The reference adds `None` to a text there, and raises: no link is made, and none is good.
#[test]
fn who_has_no_address_has_no_token_that_rests_on_one() {
    let key = PrimaryKey::Uuid("5c1a5d0e-9a5e-5f3a-8a63-0a1b2c3d4e5f".parse().unwrap());
    let whole = Person { password: Some("!unusable"), email: Some("ann@example.org"), last_login: None };
    let (no_email, empty, no_password) =
        (Person { email: None, ..whole }, Person { email: Some(""), ..whole }, Person { password: None, ..whole });
    for version in [Version::V2, Version::V1] {
        let sesame = |on_email| {
            let secret_keys = vec!["secret".to_owned()];
            let versions = vec![version];
            Sesame::new(Settings { secret_keys, versions, invalidate_on_email_change: on_email, ..Settings::default() })
        };
        let (with, without) = (sesame(true), sesame(false));
        assert!(with.mint(&key, no_email, "", 0).is_none());
        for person in [whole, empty] {
            let token = with.mint(&key, person, "", 0).unwrap();
            let opened = with.open(&token).unwrap();
            assert!(with.is_of(&opened, person, "") && !with.is_of(&opened, no_email, ""));
        }
        // Where it does not rest on one, nobody needs one; nor, in version 2, a password.
        let token = without.mint(&key, no_email, "", 0).unwrap();
        assert!(without.is_of(&without.open(&token).unwrap(), whole, ""));
        let token = without.mint(&key, no_password, "", 0);
        assert_eq!(token.is_some(), version == Version::V2);
        if let Some(token) = token {
            assert!(without.is_of(&without.open(&token).unwrap(), no_password, ""));
        }
    }
}

#[test]
fn times_are_written_as_python_writes_them() {
    assert_eq!(isoformat(1_767_225_599_123_456), "2025-12-31T23:59:59.123456+00:00");
    assert_eq!(isoformat(1_767_225_599_000_400), "2025-12-31T23:59:59.000400+00:00");
    assert_eq!(isoformat(1_767_225_599_000_000), "2025-12-31T23:59:59+00:00");
}

proptest::proptest! {
    /// Whatever is sent is read or refused.
    #[test]
    fn nothing_is_too_odd_to_be_refused(token in "[A-Za-z0-9_:-]{0,120}|\\PC{0,60}", seconds in 0_u64..1 << 40) {
        for max_age in [None, Some(300)] {
            for key_type in KeyType::WORDS.map(|(_, key_type)| key_type) {
                let sesame = Sesame::new(Settings { secret_keys: vec!["k".into()], max_age, key_type, ..Settings::default() });
                if let Some(opened) = sesame.open(&token) {
                    let person = Person { password: Some(""), email: Some(""), last_login: None };
                    let _ = sesame.is_in_time(&opened, None, Duration::from_secs(seconds));
                    proptest::prop_assert!(!sesame.is_of(&opened, person, ""));
                }
            }
        }
        let _ = decode(&token);
    }
}
