//! Which passwords will do, wherever one is chosen, and who may not log in though theirs is right.

use super::passwords::{CHANGE, gate, gate_with, log_in, post, twice};

#[test]
fn the_command_line_and_a_change_refuse_the_same_passwords() {
    let gate = gate("", "");
    gate.postern.cli(&["user", "edit", "lena", "--first-name", "Philippa"]);
    let token = log_in(&gate, "lena", "the old one").unwrap();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for (password, why) in [
        ("lena1", "The password is too similar to the username."),
        ("philippa9", "The password is too similar to the first name."),
        ("lena@example", "The password is too similar to the email address."),
        ("Password1", "This password is too common."),
        ("918273645546372819", "This password is entirely numeric."),
        ("s3c", "This password is too short. It must contain at least 8 characters."),
    ] {
        let answer = post(&gate, CHANGE, &bearer, &twice("the old one", password));
        let told = answer.json()["new_password2"].as_array().unwrap().clone();
        assert!(answer.status == 400 && told.contains(&why.into()), "{password}: {told:?}");
        let refused = gate.postern.try_cli_with(&["user", "password", "lena", "--password-stdin"], password);
        assert!(refused.as_ref().is_err_and(|told| told.contains(why) && told.contains("validators")), "{refused:?}");
    }
    assert!(log_in(&gate, "lena", "the old one").is_some());
    let refused = gate.postern.try_cli_with(&["user", "create", "bob", "--password-stdin"], "bobb\n");
    assert!(refused.is_err_and(|told| told.contains("too similar")));
    assert!(gate.postern.try_cli(&["user", "show", "bob"]).is_err(), "no user is left without a password");
}

#[test]
fn what_is_looked_at_is_configured_and_an_old_installation_looks_at_nothing() {
    let key = "token: { throttle: none, key: { env: POSTERN_KEY } }";
    for (top, passwords, fails) in [
        ("", "validators: [numeric], min_length: 3", &["12345678", "ab"][..]),
        ("compat: openwisp\n", "memory: 64KiB", &[]),
        ("compat: openwisp\n", "validators: [common]", &["password", "12345678"]),
    ] {
        let home = tempfile::TempDir::new().unwrap();
        let config = home.path().join("postern.yaml");
        std::fs::write(&config, format!("{top}identity: {{ passwords: {{ {passwords} }}, {key} }}\n")).unwrap();
        for password in ["lena-lena", "password", "12345678", "ab"] {
            let database = format!("sqlite://{}/{password}.db", home.path().display());
            let line = ["user", "create", "lena", "--password-stdin", "--database", &database, "--config"];
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
            command.args(line).arg(&config).env("POSTERN_DATA_DIR", home.path());
            command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
            let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), password.as_bytes()).unwrap();
            assert_eq!(child.wait().unwrap().success(), !fails.contains(&password), "{passwords}: {password}");
        }
    }
}

#[test]
fn an_expired_account_does_not_log_in_but_where_the_reference_lets_it() {
    let gate = gate("", "");
    let today = postern::clock::today();
    let day = |days: i64| today.saturating_add(jiff::Span::new().days(days)).to_string();
    for (last, is_in) in [(day(1), true), (day(0), true), (day(-1), false)] {
        gate.postern.cli(&["user", "edit", "lena", "--expiration-date", &last]);
        assert_eq!(log_in(&gate, "lena", "the old one").is_some(), is_in, "{last}");
    }
    assert!(log_in(&gate, "lena", "another one").is_none());
    gate.postern.cli(&["user", "edit", "lena", "--expiration-date", ""]);
    assert!(log_in(&gate, "lena", "the old one").is_some());
    drop(gate);

    let home = tempfile::TempDir::new().unwrap();
    let key = home.path().join("key");
    std::fs::write(&key, "k".repeat(64)).unwrap();
    let token = format!("token: {{ throttle: none, key: {{ file: {} }} }}", key.display());
    let gate = gate_with("compat: openwisp\n", &token, "");
    gate.postern.cli(&["user", "edit", "lena", "--expiration-date", &day(-1)]);
    assert!(log_in(&gate, "lena", "the old one").is_some());
}
