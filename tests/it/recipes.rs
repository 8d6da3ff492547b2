//! The documentation's policies: each is accepted without a word, does what its tests say, and is printed as it is.

mod openwisp;
mod openwisp_guarded;
mod openwisp_site;
mod openwisp_tables;

use postern::policy::{Policy, load};
use postern::tools::matrix::compare;
use postern::tools::suite;
use postern::yaml::Findings;
use std::fs;
use std::path::{Path, PathBuf};

fn recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes")
}

fn policy(file: &Path) -> Policy {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let policy = load(&[(file.display().to_string(), text)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    assert_eq!(policy.warnings().to_lines(), "", "{}", file.display());
    policy
}

/// Runs a tests file, and gives the number of its cases.
fn pass(policy: &Policy, tests: &Path) -> usize {
    let mut findings = Findings::new();
    let id = findings.add_source(tests.display().to_string(), fs::read_to_string(tests).unwrap());
    let suite = suite::read(id, &mut findings);
    assert!(findings.is_empty(), "{}", findings.to_lines());
    let report = suite.unwrap().run(policy);
    assert_eq!(report.failed(), 0, "{}", report.to_text(false));
    report.outcomes.len()
}

#[test]
fn every_recipe_works_as_its_tests_say() {
    let index = fs::read_to_string(recipes().join("README.md")).unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(recipes()).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // A policy in several files: see `openwisp`.
        if name == "openwisp" {
            continue;
        }
        let cases = pass(&policy(&path.join("routes.yaml")), &path.join("routes_test.yaml"));
        assert!(cases >= 5, "{name} has {cases} tests");
        let page = fs::read_to_string(recipes().join(format!("{name}.md"))).unwrap();
        let yaml = fs::read_to_string(path.join("routes.yaml")).unwrap();
        assert!(page.contains(&format!("```yaml\n{yaml}```")), "{name}.md does not print its policy as it is");
        assert!(index.contains(&format!("({name}.md)")), "README.md does not name {name}");
        names.push(name);
    }
    assert!(names.len() >= 9, "{names:?}");
}

#[test]
fn the_example_s_tests_pass() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    assert!(pass(&policy(&config.join("routes.example.yaml")), &config.join("routes_test.example.yaml")) > 10);
}

#[test]
fn hardening_step_by_step_only_closes_doors() {
    // By the names that the page's command gives them: the output repeats these.
    let named = |name: &str| -> Policy {
        let text = fs::read_to_string(recipes().join("gradual-hardening").join(name)).unwrap();
        load(&[(name, text)], None).unwrap_or_else(|f| panic!("{}", f.to_lines()))
    };
    let comparison = compare(&named("before.yaml"), &named("routes.yaml"));
    assert_eq!(comparison.wider, []);
    let told = comparison.to_text(false);
    assert!(comparison.narrower.len() > 3, "{told}");
    let page = fs::read_to_string(recipes().join("gradual-hardening.md")).unwrap();
    let shown = format!("```console\n$ postern matrix --policy routes.yaml --against before.yaml\n{told}```\n");
    assert!(page.contains(&shown), "gradual-hardening.md does not print what the command prints:\n{shown}");
}
