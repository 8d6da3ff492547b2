//! What Chromium's authenticator makes is judged by somebody else's verifier too: what postern takes it takes, and what was changed by one
//! byte on its way both refuse.

use super::browser::Browser;
use super::passkeys::{PASSKEY, PASSKEYS, Site, WORD, capture};
use crate::support::Answer;
use crate::support::chromium::Chromium;
use data_encoding::BASE64URL_NOPAD;
use postern::webauthn::{Assertion, Expected, Known, NewCredential, RelyingParty, authenticate, register};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The fields of a form, as the page's script sends them.
type Sent = BTreeMap<String, String>;

fn bytes(text: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
}

fn text(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// The same with some bits of one byte changed.
fn changed(bytes: &[u8], at: usize, bits: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= bits;
    bytes
}

/// What the page asks for, what its script would send, and a browser that can send it.
fn held_back<'g>(site: &'g Site, chromium: &mut Chromium) -> (Vec<u8>, Sent, Browser<'g>) {
    let asked = chromium.eval("JSON.parse(document.getElementById('passkey').dataset.options).challenge");
    let (fields, cookies) = capture(chromium);
    let mut browser = Browser::of(&site.gate);
    browser.cookies = cookies;
    (bytes(asked.as_str().unwrap()), fields.into_iter().collect(), browser)
}

fn send(browser: &mut Browser<'_>, path: &str, fields: &Sent) -> Answer {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.ask("POST", path, Some(&fields))
}

fn oracle(asked: &Value) -> (Vec<bool>, Vec<bool>) {
    let packages = crate::oidc::script("node.sh");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/login/passkey_oracle.mjs");
    let mut command = Command::new(packages.join("bin/node"));
    command.arg(file).arg(packages).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success());
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    let of = |name: &str| serde_json::from_value(told[name].clone()).unwrap();
    (of("registrations"), of("assertions"))
}

#[test]
fn another_verifier_judges_passkeys_alike() {
    let site = Site::new("", "");
    let party = RelyingParty { id: "localhost".into(), origins: vec![site.base.as_str().into()] };
    let mut chromium = Chromium::open();
    chromium.authenticator();
    site.log_in(&mut chromium, "lena");
    site.open(&mut chromium, PASSKEYS);
    chromium.fill("password", WORD);
    chromium.fill("name", "my phone");
    let (made_for, made, mut browser) = held_back(&site, &mut chromium);
    assert_eq!(send(&mut browser, PASSKEYS, &made).status, 303);
    assert_eq!(site.count("passkeys"), "1");
    chromium.forget_cookies();
    site.open(&mut chromium, PASSKEY);
    let (used_for, used, mut browser) = held_back(&site, &mut chromium);
    for name in ["client_data", "authenticator_data", "signature"] {
        let mut forged = used.clone();
        forged.insert(name.to_owned(), text(&changed(&bytes(&used[name]), 20, 1)));
        // Each answer brings another challenge, and so a browser of its own.
        let mut thief = Browser::of(&site.gate);
        thief.cookies = browser.cookies.clone();
        assert_eq!((send(&mut thief, PASSKEY, &forged).status, thief.whoami()), (400, 401), "{name}");
    }
    assert_eq!((send(&mut browser, PASSKEY, &used).status, browser.whoami()), (303, 200));

    // From here on by the verifiers themselves: as it was, and with each byte changed.
    let (client_data, attestation) = (bytes(&made["client_data"]), bytes(&made["attestation"]));
    let expected = |challenge| Expected { party: &party, challenge, user_verification: true };
    let credential: NewCredential = register(expected(&made_for), &client_data, &attestation).unwrap();
    let hash = Sha256::digest("localhost");
    let data = attestation.windows(32).position(|window| *window == *hash).unwrap();
    let mut registrations = vec![(client_data.clone(), attestation.clone())];
    registrations.extend((0..client_data.len()).map(|at| (changed(&client_data, at, 1), attestation.clone())));
    registrations.extend((0..attestation.len()).map(|at| (client_data.clone(), changed(&attestation, at, 1))));
    // Nobody was present, nobody was verified.
    let flags = [1, 4, 5].map(|bits| (client_data.clone(), changed(&attestation, data + 32, bits)));
    registrations.extend(flags);

    let parts = ["client_data", "authenticator_data", "signature"].map(|name| bytes(&used[name]));
    let mut assertions = vec![parts.clone()];
    for part in 0..parts.len() {
        assertions.extend((0..parts[part].len()).map(|at| {
            let mut parts = parts.clone();
            parts[part] = changed(&parts[part], at, 1);
            parts
        }));
    }
    let (theirs_of_new, theirs) = oracle(&json!({
        "origin": site.base, "rp": "localhost",
        "registrations": registrations.iter().map(|(client_data, attestation)| json!({
            "challenge": text(&made_for), "id": text(&credential.id), "client_data": text(client_data), "attestation": text(attestation),
        })).collect::<Vec<_>>(),
        "assertions": assertions.iter().map(|[client_data, authenticator_data, signature]| json!({
            "challenge": text(&used_for), "id": text(&credential.id), "client_data": text(client_data),
            "authenticator_data": text(authenticator_data), "signature": text(signature), "user_handle": used["user_handle"],
            "public_key": text(&credential.public_key),
        })).collect::<Vec<_>>(),
    }));

    let user = bytes(&used["user_handle"]);
    let (id, public_key) = (&*credential.id, &*credential.public_key);
    let known = Known { id, public_key, backup_eligible: credential.backup_eligible, user: &user };
    let ours = assertions.iter().map(|[client_data, authenticator_data, signature]| {
        let assertion = Assertion { id, client_data, authenticator_data, signature, user_handle: Some(&user) };
        authenticate(expected(&used_for), known, &[], assertion).is_ok()
    });
    // All of an assertion is signed. Of the signature's own form (DER) the other reads past a length that is one too small.
    assert_eq!((theirs[0], theirs.len()), (true, assertions.len()));
    let length = 1 + parts[0].len() + parts[1].len() + 1;
    for (at, (ours, theirs)) in ours.zip(&theirs).enumerate() {
        assert_eq!(ours, at == 0, "{at}");
        assert!(ours == *theirs || at == length, "{at}: the other takes it");
    }

    // Of a registration nothing is, without an attestation: what is changed of a name or a key is another name or key. Whatever postern takes
    // they take too, and of what a relying party looks at neither takes a change.
    assert_eq!(theirs_of_new.len(), registrations.len());
    let (mut both, mut neither) = (0, 0);
    // postern asks for no statement, and looks at none of a format that stands for somebody else; the other knows some formats, and no more.
    let format = 1 + client_data.len() + attestation.windows(4).position(|window| window == b"none").unwrap();
    for (at, ((client_data, attestation), theirs)) in registrations.iter().zip(&theirs_of_new).enumerate() {
        let ours = register(expected(&made_for), client_data, attestation).is_ok();
        assert!(*theirs || !ours || (format..format + 4).contains(&at), "{at}: postern takes what the other refuses");
        both += usize::from(ours && *theirs);
        neither += usize::from(!ours && !theirs);
    }
    assert!(theirs_of_new[0] && both > 1 && neither > 100, "{both} {neither}");
    let said = String::from_utf8(client_data.clone()).unwrap();
    let looked_at =
        ["webauthn.create", &made_for_in(&said), &site.base].map(|part| (said.find(part).unwrap(), part.len()));
    let of_data = (data..data + 32).map(|at| at + client_data.len());
    let flags = registrations.len() - 4..registrations.len() - 1;
    let looked_at = looked_at.into_iter().flat_map(|(start, length)| start..start + length).chain(of_data).chain(flags);
    for at in looked_at {
        let (client_data, attestation) = &registrations[at + 1];
        assert!(!theirs_of_new[at + 1], "{at}");
        assert!(register(expected(&made_for), client_data, attestation).is_err(), "{at}");
    }
}

/// The challenge as it stands in client data.
fn made_for_in(client_data: &str) -> String {
    let said: Value = serde_json::from_str(client_data).unwrap();
    said["challenge"].as_str().unwrap().to_owned()
}
