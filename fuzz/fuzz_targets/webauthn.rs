//! What a browser says of a passkey is taken or refused, whatever is in it; nothing that a stranger writes is signed, and CBOR that is read
//! ends where it is said to end.
#![no_main]

use postern::webauthn::{Assertion, Expected, Known, RelyingParty, authenticate, cbor, register};

/// A key of ES256: the base point of its curve, whose secret is 1 and used by nobody here.
const KEY: &[u8] = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20\
\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\
\x22\x58\x20\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";
const CREATED: &[u8] = br#"{"type":"webauthn.create","challenge":"YQ","origin":"https://a"}"#;
const USED: &[u8] = br#"{"type":"webauthn.get","challenge":"YQ","origin":"https://a"}"#;

libfuzzer_sys::fuzz_target!(|said: &[u8]| {
    let party = RelyingParty { id: "a".into(), origins: vec!["https://a".into()] };
    let expected = Expected { party: &party, challenge: b"a", user_verification: true };
    if let Some((_, rest)) = cbor::read(said) {
        assert!(said.ends_with(rest) && rest.len() < said.len());
    }
    let _ = register(expected, said, said);
    if let Ok(made) = register(expected, CREATED, said) {
        assert!(made.user_verified && (1..=1023).contains(&made.id.len()) && cbor::read_all(&made.public_key).is_some());
    }
    let known = Known { id: b"i", public_key: KEY, backup_eligible: false, user: b"u" };
    let (data, signature) = said.split_at(said.len() / 2);
    for client_data in [USED, said] {
        let assertion =
            Assertion { id: b"i", client_data, authenticator_data: data, signature, user_handle: Some(b"u") };
        assert!(authenticate(expected, known, &[], assertion).is_err());
    }
});
