use super::{Algorithm, Key, KeyError, Provenance};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

const MESSAGE: &[u8] = b"header.claims";

fn key(jwk: &Value, algorithm: Algorithm) -> Result<Key, KeyError> {
    Key::of_jwk(jwk, &[algorithm], Provenance::Published)
}

fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

#[test]
fn zeros_before_the_numbers_of_an_rsa_key_do_not_matter() {
    let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
    let (n, e) = (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
    let mut signature = vec![0; 256];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), MESSAGE, &mut signature).unwrap();
    for (before_n, before_e) in [(0, 0), (1, 0), (0, 1), (1, 1), (3, 5)] {
        let padded = |zeros: usize, number: &[u8]| encode(&[&vec![0; zeros][..], number].concat());
        let jwk = json!({ "kty": "RSA", "n": padded(before_n, n), "e": padded(before_e, e) });
        assert!(
            key(&jwk, Algorithm::RS256).unwrap().verifies(Algorithm::RS256, MESSAGE, &signature),
            "{before_n} {before_e}"
        );
    }
    // Zeros make no short key a long one.
    let short = json!({ "kty": "RSA", "n": encode(&[&[0; 128][..], &n[..128]].concat()), "e": encode(e) });
    assert_eq!(key(&short, Algorithm::RS256).err(), Some(KeyError::Unfit));
}

/// Some leave out the zeros that RFC 7518 wants before a coordinate, some write one as ASN.1 does.
#[test]
fn a_point_s_coordinates_may_be_shorter_or_longer_than_their_curve() {
    let point = |algorithm: &'static EcdsaSigningAlgorithm| loop {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        let bytes = point;
        let half = bytes.len() / 2;
        if bytes[1] == 0 || bytes[half + 1] == 0 {
            return (pair, bytes);
        }
    };
    for (signing, algorithm, curve) in [
        (&ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256, "P-256"),
        (&ECDSA_P521_SHA512_FIXED_SIGNING, Algorithm::ES512, "P-521"),
    ] {
        let (pair, bytes) = point(signing);
        let (x, y) = bytes[1..].split_at((bytes.len() - 1) / 2);
        let signature = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
        let bare = |number: &[u8]| number.iter().copied().skip_while(|b| *b == 0).collect::<Vec<_>>();
        for (x, y) in
            [(x.to_vec(), y.to_vec()), (bare(x), bare(y)), ([&[0][..], x].concat(), [&[0, 0][..], y].concat())]
        {
            let jwk = json!({ "kty": "EC", "crv": curve, "x": encode(&x), "y": encode(&y) });
            assert!(key(&jwk, algorithm).unwrap().verifies(algorithm, MESSAGE, signature.as_ref()), "{curve}");
        }
        let long = json!({ "kty": "EC", "crv": curve, "x": encode(&[&[1][..], x].concat()), "y": encode(y) });
        assert_eq!(key(&long, algorithm).err(), Some(KeyError::Unfit));
    }
}

#[test]
fn ed25519_has_two_names() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let signature = pair.sign(MESSAGE);
    for pinned in [json!(null), json!("EdDSA"), json!("Ed25519")] {
        let mut jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()), "alg": pinned });
        if pinned.is_null() {
            jwk.as_object_mut().unwrap().remove("alg");
        }
        for name in ["EdDSA", "Ed25519"] {
            let algorithm = Algorithm::parse(name).unwrap();
            assert!(key(&jwk, algorithm).unwrap().verifies(algorithm, MESSAGE, signature.as_ref()), "{pinned} {name}");
        }
    }
    let other = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()), "alg": "Ed448" });
    assert_eq!(key(&other, Algorithm::EdDSA).err(), Some(KeyError::NoAlgorithm));
    assert!(Algorithm::parse("ed25519").is_none() && Algorithm::parse("Ed448").is_none());
}
