use super::names::client_name;
use super::{Files, Pair, Tls, TlsError};
use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use std::path::Path;

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

fn write(dir: &Path, name: &str, names: &[&str]) -> Pair {
    let key = KeyPair::generate().unwrap();
    let pair = Pair { cert: dir.join(format!("{name}.crt")), key: dir.join(format!("{name}.key")) };
    std::fs::write(&pair.cert, params(names).self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&pair.key, key.serialize_pem()).unwrap();
    pair
}

fn files(pairs: &[&Pair]) -> Files {
    Files { pairs: pairs.iter().map(|pair| (*pair).clone()).collect(), client_ca: None, client_optional: false }
}

#[test]
fn a_changed_pair_is_taken_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let pair = write(dir.path(), "a", &["a.example"]);
    let files = files(&[&pair]);
    let tls = Tls::load(&files).unwrap();
    let before = tls.acceptor();
    let in_force = |other: &tokio_rustls::TlsAcceptor| std::sync::Arc::ptr_eq(tls.acceptor().config(), other.config());
    assert!(tls.read_again(&files).unwrap().is_none(), "nothing has changed");
    write(dir.path(), "a", &["b.example"]);
    let loaded = tls.read_again(&files).unwrap().unwrap();
    assert!(in_force(&before), "not yet");
    tls.activate(loaded);
    assert!(!in_force(&before));
    assert!(tls.read_again(&files).unwrap().is_none());
    let before = tls.acceptor();
    std::fs::write(&pair.key, "half a key").unwrap();
    assert!(tls.read_again(&files).is_err());
    assert!(in_force(&before));
    // Who must show a certificate is part of it.
    let pair = write(dir.path(), "a", &["b.example"]);
    tls.activate(tls.read_again(&files).unwrap().unwrap());
    let asking = super::Files { client_ca: Some(pair.cert.clone()), ..files };
    assert!(tls.read_again(&asking).unwrap().is_some());
}

#[test]
fn what_cannot_be_served_says_which_file_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (write(dir.path(), "one", &["one.example"]), write(dir.path(), "two", &["two.example"]));
    let crossed = Pair { cert: one.cert.clone(), key: two.key.clone() };
    let missing = Pair { cert: dir.path().join("none.crt"), key: one.key.clone() };
    let swapped = Pair { cert: one.key.clone(), key: one.cert.clone() };
    for (pair, part) in [(crossed, "two.key: does not go with"), (missing, "none.crt"), (swapped, "one.key")] {
        let error = Tls::load(&files(&[&pair])).unwrap_err();
        assert!(matches!(error, TlsError::File { .. }));
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(Tls::load(&files(&[])).is_err());
}

#[test]
fn a_client_is_called_by_the_first_of_its_names() {
    let name = |params: CertificateParams| {
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        client_name(certificate.der()).map(|name| name.to_str().unwrap().to_owned())
    };
    let mut spiffe = params(&["dns.example"]);
    spiffe.subject_alt_names.push(SanType::URI("spiffe://example/ns/a/sa/b".try_into().unwrap()));
    assert_eq!(name(spiffe).as_deref(), Some("spiffe://example/ns/a/sa/b"));
    assert_eq!(name(params(&["dns.example"])).as_deref(), Some("dns.example"));
    let mut common = params(&[]);
    common.distinguished_name.push(DnType::CommonName, "Zoë\r\nX-Postern-User: root");
    let told = name(common).unwrap();
    assert!(told.contains("%0D%0A") && told.contains("Zo%C3%AB"), "{told}");
    assert_eq!(client_name(b"not a certificate"), None);
}
