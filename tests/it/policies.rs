//! One mistake each: `tests/policies/NAME/*.yaml` are checked together and must give `expected.txt`, word for word.
//!
//! `upstreams.txt` and `secrets.txt` beside them list the names that a configuration declares, `uwsgi.txt` those that are spoken to over uwsgi, `databases.txt` databases of MySQL, `identity_api.txt` the prefix of the identity API, `admin_ui.txt` that of the admin UI, and `authzen.txt` that AuthZEN is served; where there is `schemes.txt`, tokens alone are served,
//! where there is `shared_usernames.txt`, usernames are per organization. `BLESS=1 cargo test --test it` writes what is
//! found to the expectations; read the difference before you commit it.

use postern::policy::{Dialect, Names, Schemes, load};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn sorted(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// What checking a fixture prints, and the codes in it.
fn found(dir: &Path) -> (String, BTreeSet<&'static str>) {
    let yaml = sorted(dir).into_iter().filter(|p| p.extension().is_some_and(|e| e == "yaml"));
    let files: Vec<(String, String)> =
        yaml.map(|p| (p.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&p).unwrap())).collect();
    let names = fs::read_to_string(dir.join("upstreams.txt")).ok().map(|text| Names::new(text.lines()));
    let secrets = fs::read_to_string(dir.join("secrets.txt")).unwrap_or_default();
    let databases = fs::read_to_string(dir.join("databases.txt")).unwrap_or_default();
    let uwsgi = fs::read_to_string(dir.join("uwsgi.txt")).unwrap_or_default();
    let api = fs::read_to_string(dir.join("identity_api.txt")).ok().map(|text| text.trim().into());
    let admin = fs::read_to_string(dir.join("admin_ui.txt")).ok().map(|text| text.trim().into());
    let (tokens_alone, authzen) = (dir.join("schemes.txt").exists(), dir.join("authzen.txt").exists());
    let names = names
        .map(|names| {
            names
                .with_secrets(secrets.lines())
                .with_uwsgi(uwsgi.lines())
                .with_databases(databases.lines().map(|name| (name, Dialect::Mysql)))
                .with_identity_api(api)
                .with_authzen(authzen)
                .with_admin_ui(admin)
                .with_shared_usernames(dir.join("shared_usernames.txt").exists())
        })
        .map(|names| if tokens_alone { names.with_schemes(Schemes::default()) } else { names });
    let (verdict, findings) = match load(&files, names.as_ref()) {
        Ok(policy) => ("usable", policy.warnings().clone()),
        Err(findings) => ("refused", findings),
    };
    for finding in findings.list() {
        assert!(finding.help.is_some(), "{}: `{}` does not say what to do", dir.display(), finding.message);
    }
    let codes = findings.list().iter().map(|f| f.code).collect();
    (format!("{}{verdict}\n", findings.to_text(false)), codes)
}

#[test]
fn every_mistake_is_told_where_and_how_to_mend_it() {
    let bless = std::env::var_os("BLESS").is_some();
    let fixtures = sorted(&root().join("tests/policies"));
    assert!(fixtures.len() >= 30, "only {} fixtures", fixtures.len());
    let mut wrong = Vec::new();
    let mut codes = BTreeSet::new();
    for dir in fixtures {
        let (text, found) = found(&dir);
        assert!(!found.is_empty(), "{} has no mistake", dir.display());
        codes.extend(found);
        let expectation = dir.join("expected.txt");
        if bless {
            fs::write(&expectation, &text).unwrap();
        }
        let expected = fs::read_to_string(&expectation).unwrap_or_default();
        if expected != text {
            wrong.push(format!("{}\n--- expected\n{expected}--- found\n{text}", dir.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Each code that the sources report has a fixture. Too large a file is tested where it costs no repository, and what is not done yet
    // by the reader's own tests: all that the language names is.
    let reported = codes_in_sources();
    assert!(reported.len() >= 30, "{reported:?}");
    let elsewhere = ["too_large", "not_yet"];
    let missing = reported.iter().filter(|c| !codes.contains(c.as_str()) && !elsewhere.contains(&c.as_str()));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "no fixture has {missing:?}");
}

/// Every literal first argument of `error(` and `warning(` in the rooms that read policies.
fn codes_in_sources() -> BTreeSet<String> {
    let files = ["src/yaml", "src/policy"].into_iter().flat_map(|dir| sorted(&root().join(dir)));
    let mut codes = BTreeSet::new();
    for file in files.filter(|f| f.extension().is_some_and(|e| e == "rs") && !f.ends_with("tests.rs")) {
        let text = fs::read_to_string(file).unwrap();
        for call in [".error(", ".warning("] {
            for piece in text.split(call).skip(1) {
                if let Some(code) = piece.trim_start().strip_prefix('"') {
                    codes.insert(code.split('"').next().unwrap().to_owned());
                }
            }
        }
    }
    codes
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_parsed() {
    let text = format!("version: 1\n{}", "#".repeat(16 * 1024 * 1024));
    let findings = load(&[("large.yaml", text)], None).unwrap_err();
    assert_eq!(findings.list()[0].code, "too_large");
}

#[test]
fn the_example_is_accepted_without_a_word() {
    let text = fs::read_to_string(root().join("config/routes.example.yaml")).unwrap();
    let policy = load(&[("config/routes.example.yaml", text)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    assert_eq!(policy.warnings().to_lines(), "");
    assert!(policy.routes().len() > 5);
}
