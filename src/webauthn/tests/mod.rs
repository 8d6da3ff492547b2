//! Each step of 7.1 and 7.2 that a relying party takes is broken once, by an authenticator in software that does one thing wrong at a time.
//! The steps that are a browser's, or concern trust that we do not ask for, are named where the rows end.

mod authenticator;

use super::cbor::{Value, tests::write};
use super::{Assertion, Expected, Failure, Known, LONGEST_ID, RelyingParty, authenticate, register};
use authenticator::{FLAGS, Key, Said, USER, expected, map, number, party};
use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

type Wrong = (&'static str, fn(&mut Said), Failure);

/// What is wrong of the client data, the party and the flags is wrong of both ceremonies.
const BOTH: &[Wrong] = &[
    ("JSONtext: no UTF-8", |said| said.client_data = Some(vec![0xff]), Failure::ClientData),
    (
        "JSONtext: a byte order mark",
        |said| {
            said.client_data = Some([&[0xef, 0xbb, 0xbf][..], &said.client_data()].concat());
        },
        Failure::ClientData,
    ),
    ("C: no JSON", |said| said.client_data = Some(b"{".to_vec()), Failure::ClientData),
    (
        "C: something behind it",
        |said| said.client_data = Some([&said.client_data()[..], b"{}"].concat()),
        Failure::ClientData,
    ),
    ("C: a list", |said| said.client_data = Some(b"[]".to_vec()), Failure::ClientData),
    (
        "C: a member is missing",
        |said| said.client_data = Some(br#"{"type":"webauthn.get"}"#.to_vec()),
        Failure::ClientData,
    ),
    ("C: a name twice", |said| said.more = r#","origin":"https://id.example.com""#, Failure::ClientData),
    ("C: an unknown name twice", |said| said.more = r#","x":1,"x":2"#, Failure::ClientData),
    ("C: a member of another type", |said| said.more = r#","crossOrigin":"false""#, Failure::ClientData),
    (
        "C: too large",
        |said| {
            said.client_data = Some([&said.client_data()[..], &[b' '; 9000]].concat());
        },
        Failure::ClientData,
    ),
    (
        "type: of the other ceremony",
        |said| {
            said.kind = if said.kind == "webauthn.get" { "webauthn.create" } else { "webauthn.get" };
        },
        Failure::Type,
    ),
    ("type: in capitals", |said| said.kind = "WEBAUTHN.GET", Failure::Type),
    ("type: of a payment", |said| said.kind = "payment.get", Failure::Type),
    ("challenge: another", |said| said.challenge = BASE64URL_NOPAD.encode(&[8; 32]), Failure::Challenge),
    ("challenge: its begin", |said| said.challenge.truncate(42), Failure::Challenge),
    ("challenge: none", |said| said.challenge.clear(), Failure::Challenge),
    ("challenge: padded", |said| said.challenge.push('='), Failure::Challenge),
    ("origin: another host", |said| said.origin = "https://example.com", Failure::Origin),
    ("origin: a host below", |said| said.origin = "https://evil.id.example.com", Failure::Origin),
    ("origin: the begin of ours", |said| said.origin = "https://id.example.com.evil.example", Failure::Origin),
    ("origin: without TLS", |said| said.origin = "http://id.example.com", Failure::Origin),
    ("origin: another port", |said| said.origin = "https://id.example.com:8443", Failure::Origin),
    ("origin: a slash behind", |said| said.origin = "https://id.example.com/", Failure::Origin),
    ("origin: null", |said| said.origin = "null", Failure::Origin),
    ("origin: an application", |said| said.origin = "android:apk-key-hash:abc", Failure::Origin),
    ("crossOrigin: in a page of another origin", |said| said.more = r#","crossOrigin":true"#, Failure::CrossOrigin),
    (
        "topOrigin: in somebody's page",
        |said| said.more = r#","topOrigin":"https://evil.example""#,
        Failure::CrossOrigin,
    ),
    (
        "topOrigin: in ours",
        |said| said.more = r#","crossOrigin":false,"topOrigin":"https://id.example.com""#,
        Failure::CrossOrigin,
    ),
    ("rpIdHash: another", |said| said.party = "id.example.com", Failure::RelyingParty),
    ("UP: nobody there", |said| said.flags &= !1, Failure::Presence),
    ("UV: nobody verified", |said| said.flags &= !4, Failure::Verification),
    ("BE and BS: backed up, and cannot be", |said| said.flags |= 16, Failure::Backup),
    ("authData: something behind it", |said| said.behind = vec![0], Failure::AuthenticatorData),
    ("authData: extensions promised and missing", |said| said.flags |= 128, Failure::AuthenticatorData),
    (
        "authData: extensions that are no map",
        |said| {
            (said.flags, said.behind) = (said.flags | 128, vec![0x80]);
        },
        Failure::AuthenticatorData,
    ),
    (
        "authData: extensions in another form",
        |said| {
            (said.flags, said.behind) = (said.flags | 128, vec![0xbf, 0xff]);
        },
        Failure::AuthenticatorData,
    ),
];

/// 7.1. Steps 1 to 4 are the page's; 18 and 19 (backup) and 21 (extensions) ask nothing where there is no policy; 23 and 24 are about trust in
/// makers of authenticators; 26 (whose it is already) is tried with the directory.
#[test]
fn a_registration_that_breaks_one_step_is_refused() {
    let key = Key::one();
    let right = Said::new("webauthn.create", &key);
    assert!(right.register().is_ok());
    for (what, spoil, failure) in BOTH {
        let mut said = right.clone();
        spoil(&mut said);
        assert_eq!(said.register(), Err(*failure), "{what}");
    }
    let alone: &[Wrong] = &[
        ("13: no credential", |said| said.key.clear(), Failure::AuthenticatorData),
        ("13: half a key", |said| said.key.truncate(40), Failure::AuthenticatorData),
        ("13: a statement that is none", |said| said.statement = vec![0x00], Failure::Attestation),
        ("13: a list as statement", |said| (said.format, said.statement) = ("tpm", vec![0x80]), Failure::Attestation),
        ("20: an algorithm that was not asked for", |said| said.key = key_with(-35), Failure::PublicKey),
        ("20: an algorithm of another kind of key", |said| said.key = key_with(-257), Failure::PublicKey),
        ("20: a key that is no map", |said| said.key = vec![0x80], Failure::PublicKey),
        (
            "20: a point that is none",
            |said| {
                said.key = map(&[
                    (1, number(2)),
                    (3, number(-7)),
                    (-1, number(1)),
                    (-2, Value::Bytes(&[1; 32])),
                    (-3, Value::Bytes(&[1; 32])),
                ]);
            },
            Failure::PublicKey,
        ),
        (
            "20: another curve",
            |said| {
                said.key = map(&[
                    (1, number(2)),
                    (3, number(-7)),
                    (-1, number(2)),
                    (-2, Value::Bytes(&[1; 32])),
                    (-3, Value::Bytes(&[1; 32])),
                ]);
            },
            Failure::PublicKey,
        ),
        (
            "20: a short RSA key",
            |said| {
                said.key = map(&[
                    (1, number(3)),
                    (3, number(-257)),
                    (-1, Value::Bytes(&[255; 128])),
                    (-2, Value::Bytes(&[1, 0, 1])),
                ]);
            },
            Failure::PublicKey,
        ),
        (
            "20: zeros before an RSA key",
            |said| {
                said.key = map(&[
                    (1, number(3)),
                    (3, number(-257)),
                    (-1, Value::Bytes(&[&[0][..], &[255; 256]].concat())),
                    (-2, Value::Bytes(&[1, 0, 1])),
                ]);
            },
            Failure::PublicKey,
        ),
        ("22: `none` with a statement", |said| said.statement = vec![0xa1, 0x61, b'x', 0x00], Failure::Attestation),
        ("22: self attestation without a signature", |said| said.format = "packed", Failure::Attestation),
        (
            "22: self attestation that is wrong",
            |said| (said.format, said.statement) = ("packed", packed(-7, &[1; 70])),
            Failure::Attestation,
        ),
        ("25: no name", |said| said.id.clear(), Failure::Id),
        ("25: too long a name", |said| said.id = vec![1; LONGEST_ID + 1], Failure::Id),
    ];
    for (what, spoil, failure) in alone {
        let mut said = right.clone();
        spoil(&mut said);
        assert_eq!(said.register(), Err(*failure), "{what}");
    }
    // 20, of keys that are right but for one thing: `crv`, and a zero before a modulus (RFC 8230, 4).
    let mut said = right.clone();
    assert_eq!(said.key.get(5..7), Some(&[0x20, 1][..]));
    said.key[6] = 2;
    assert_eq!(said.register(), Err(Failure::PublicKey));
    let rsa = Key::all().into_iter().find(|key| key.algorithm() == -257).unwrap();
    let mut said = Said::new("webauthn.create", &rsa);
    let at = said.key.windows(3).position(|part| part == [0x59, 0x01, 0x00]).unwrap();
    said.key.splice(at..at + 3, [0x59, 0x01, 0x01, 0x00]);
    assert_eq!(said.register(), Err(Failure::PublicKey));
    // 13, of one that is larger than any.
    let statement = write(&Value::Map(vec![(Value::Text("x"), Value::Bytes(&[0; 33_000]))]));
    let said = Said { format: "tpm", statement, ..right.clone() };
    assert_eq!(said.register(), Err(Failure::Attestation));
    // 13, of the object itself.
    let object = right.attestation(&right.data(true));
    let text = |object: &[u8]| register(expected(&party()), &right.client_data(), object);
    assert!(text(&object).is_ok());
    for end in 0..object.len() {
        assert_eq!(text(&object[..end]), Err(Failure::Attestation), "the first {end} bytes");
    }
    for object in [[&object[..], &[0]].concat(), [&[0xbf], &object[1..], &[0xff]].concat(), vec![0xa0], vec![0; 40_000]]
    {
        assert_eq!(text(&object), Err(Failure::Attestation));
    }
    let without_credential = right.attestation(&right.data(false));
    assert_eq!(text(&without_credential), Err(Failure::AuthenticatorData));
}

fn key_with(algorithm: i64) -> Vec<u8> {
    Key::one().cose(algorithm)
}

fn packed(algorithm: i64, signature: &[u8]) -> Vec<u8> {
    let pairs = vec![(Value::Text("alg"), number(algorithm)), (Value::Text("sig"), Value::Bytes(signature))];
    write(&Value::Map(pairs))
}

#[test]
fn self_attestation_is_the_key_s_own_and_others_are_taken_as_none() {
    let keys = Key::all();
    for key in &keys {
        let mut said = Said { format: "packed", ..Said::new("webauthn.create", key) };
        let signed = [&said.data(true)[..], &Sha256::digest(said.client_data())].concat();
        said.statement = packed(key.algorithm(), &key.sign(&signed));
        assert!(said.register().is_ok());
        // 8.2: by the algorithm of the credential.
        said.statement = packed(-36, &key.sign(&signed));
        assert_eq!(said.register(), Err(Failure::Attestation));
        for other in &keys {
            said.statement = packed(key.algorithm(), &other.sign(&signed));
            assert_eq!(said.register().is_ok(), std::ptr::eq(key, other));
        }
        for format in ["tpm", "android-key", "apple", "fido-u2f"] {
            assert!(Said { format, ..said.clone() }.register().is_ok(), "{format}");
        }
    }
}

/// 7.2. Steps 1 to 4 are the page's; 22 (the counter), 24 (the record) and whose a credential is (6) are tried with the directory too.
#[test]
fn an_assertion_that_breaks_one_step_is_refused() {
    let key = Key::one();
    let public_key = key.cose(key.algorithm());
    let id = vec![1; 32];
    let known = Known { id: &id, public_key: &public_key, backup_eligible: false, user: USER };
    let right = Said::new("webauthn.get", &key);
    for allowed in [vec![], vec![id.clone()], vec![vec![2; 32], id.clone()]] {
        assert!(right.authenticate(&key, known, &allowed).is_ok());
        for (what, spoil, failure) in BOTH {
            let mut said = right.clone();
            spoil(&mut said);
            assert_eq!(said.authenticate(&key, known, &allowed), Err(*failure), "{what}");
        }
    }
    let with = |spoil: fn(&mut Said), known: Known<'_>, allowed: &[Vec<u8>]| {
        let mut said = right.clone();
        spoil(&mut said);
        said.authenticate(&key, known, allowed)
    };
    let same: fn(&mut Said) = |_| ();
    assert_eq!(with(same, known, &[vec![2; 32]]), Err(Failure::NotAllowed), "5");
    assert_eq!(with(|said| said.id = vec![2; 32], known, &[]), Err(Failure::User), "6: another credential");
    assert_eq!(with(|said| said.user = None, known, &[]), Err(Failure::User), "6: nobody is named");
    assert!(with(|said| said.user = None, known, std::slice::from_ref(&id)).is_ok(), "6: they were known before");
    for allowed in [vec![], vec![id.clone()]] {
        let other: fn(&mut Said) = |said| said.user = Some(b"another's handle".to_vec());
        assert_eq!(with(other, known, &allowed), Err(Failure::User), "6: somebody else");
        assert_eq!(with(|said| said.user = Some(vec![]), known, &allowed), Err(Failure::User), "6: nobody");
    }
    // 19: what it was made as, it stays.
    assert_eq!(with(|said| said.flags |= 8, known, &[]), Err(Failure::Backup), "19");
    let synced = Known { backup_eligible: true, ..known };
    assert_eq!(with(same, synced, &[]), Err(Failure::Backup), "19");
    assert!(with(|said| said.flags |= 8 | 16, synced, &[]).unwrap().backed_up);
    // 21.
    assert_eq!(with(|said| said.spoilt = true, known, &[]), Err(Failure::Signature), "21");
    let another = Key::one();
    assert_eq!(right.authenticate(&another, known, &[]), Err(Failure::Signature), "21: another key");
    let broken = Known { public_key: &public_key[1..], ..known };
    assert_eq!(with(same, broken, &[]), Err(Failure::PublicKey), "21: a key that cannot be read");
    // 23: extensions that nobody has asked for.
    let extended: fn(&mut Said) = |said| {
        said.flags |= 128;
        said.behind = vec![0xa1, 0x61, b'x', 0xf5];
    };
    assert!(with(extended, known, &[]).is_ok());
}

#[test]
fn each_algorithm_makes_a_credential_and_uses_it() {
    let keys = Key::all();
    for key in &keys {
        let said = Said { count: 5, flags: FLAGS | 8 | 16, ..Said::new("webauthn.create", key) };
        let made = said.register().unwrap();
        assert_eq!((made.sign_count, made.backup_eligible, made.backed_up, made.user_verified), (5, true, true, true));
        let known = Known { id: &made.id, public_key: &made.public_key, backup_eligible: true, user: USER };
        let used = Said { kind: "webauthn.get", count: 6, ..said };
        for other in &keys {
            let shown = used.authenticate(other, known, &[]);
            assert_eq!(shown.is_ok(), std::ptr::eq(key, other), "{}", key.algorithm());
            if let Ok(shown) = shown {
                assert_eq!((shown.sign_count, shown.backed_up, shown.user_verified), (6, true, true));
            }
        }
    }
}

#[test]
fn whoever_needs_nobody_verified_says_so() {
    let key = Key::one();
    let said = Said { flags: 1, ..Said::new("webauthn.create", &key) };
    let (party, data) = (party(), said.attestation(&said.data(true)));
    let lax = Expected { user_verification: false, ..expected(&party) };
    assert!(!register(lax, &said.client_data(), &data).unwrap().user_verified);
}

/// What python-fido2 has made and judged: see `tests/python/webauthn_vectors.py`.
#[test]
fn we_take_what_another_implementation_takes() {
    let vectors: Json = serde_json::from_str(include_str!("../../../tests/vectors/webauthn.json")).unwrap();
    let bytes = |json: &Json| BASE64URL_NOPAD.decode(json.as_str().unwrap().as_bytes()).unwrap();
    let (mut taken, mut refused) = (0, 0);
    for vector in vectors.as_array().unwrap() {
        let origin = vector["origin"].as_str().unwrap();
        let party = RelyingParty { id: vector["rp_id"].as_str().unwrap().into(), origins: vec![origin.into()] };
        let challenge = bytes(&vector["challenge"]);
        let expected =
            Expected { party: &party, challenge: &challenge, user_verification: vector["uv"].as_bool().unwrap() };
        let client_data = bytes(&vector["client_data"]);
        let is_taken = if vector["ceremony"] == "create" {
            register(expected, &client_data, &bytes(&vector["attestation_object"])).is_ok()
        } else {
            let [id, public_key, user] = ["id", "public_key", "user"].map(|name| bytes(&vector[name]));
            let [authenticator_data, signature] = ["authenticator_data", "signature"].map(|name| bytes(&vector[name]));
            let known = Known { id: &id, public_key: &public_key, backup_eligible: false, user: &user };
            let assertion = Assertion {
                id: &id,
                client_data: &client_data,
                authenticator_data: &authenticator_data,
                signature: &signature,
                user_handle: Some(&user),
            };
            authenticate(expected, known, &[], assertion).is_ok()
        };
        // We may be stricter, and never take what they refuse.
        let theirs = vector["taken"].as_bool().unwrap();
        assert!(is_taken <= theirs, "{vector}");
        assert!(is_taken == theirs || vector["may_differ"] == true, "{vector}");
        *(if is_taken { &mut taken } else { &mut refused }) += 1;
    }
    assert!(taken >= 12 && refused >= 60, "{taken} {refused}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    /// Nothing but what was signed is taken, and nothing ends the process.
    #[test]
    fn one_changed_byte_is_refused(at in any::<prop::sample::Index>(), by in 1..=255_u8, which in 0..3_usize) {
        let key = Key::one();
        let public_key = key.cose(key.algorithm());
        let said = Said::new("webauthn.get", &key);
        let (client_data, data) = (said.client_data(), said.data(false));
        let signature = key.sign(&[&data[..], &Sha256::digest(&client_data)].concat());
        let mut parts = [client_data, data, signature];
        let at = at.index(parts[which].len());
        parts[which][at] ^= by;
        let [client_data, data, signature] = &parts;
        let known = Known { id: &said.id, public_key: &public_key, backup_eligible: false, user: USER };
        let assertion = Assertion { id: &said.id, client_data, authenticator_data: data, signature, user_handle: Some(USER) };
        assert!(authenticate(expected(&party()), known, &[], assertion).is_err());
    }

    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let key = Key::one();
        let said = Said::new("webauthn.create", &key);
        let party = party();
        assert!(register(expected(&party), &said.client_data(), &noise).is_err());
        assert!(register(expected(&party), &said.client_data(), &said.attestation(&noise)).is_err());
    }
}
