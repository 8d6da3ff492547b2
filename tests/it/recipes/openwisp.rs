//! The recipe for OpenWISP: its policy has a route for every URL of the packages, and decides as its tests say.

use super::{pass, recipes};
use http::Method;
use postern::policy::{Access, Policy, load};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

fn directory() -> PathBuf {
    recipes().join("openwisp")
}

/// The files that end so, by name.
fn files(end: &str) -> Vec<PathBuf> {
    let names = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = names.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    files.sort();
    files
}

/// The policy's files: what is neither tests nor the configuration.
pub fn policies() -> Vec<PathBuf> {
    let is_policy = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        !name.ends_with("_test.yaml") && !name.starts_with("postern")
    };
    files(".yaml").into_iter().filter(is_policy).collect()
}

fn policy() -> Policy {
    let read = |path: PathBuf| (path.display().to_string(), fs::read_to_string(&path).unwrap());
    let files: Vec<_> = policies().into_iter().map(read).collect();
    let policy = load(&files, None).unwrap_or_else(|findings| panic!("{}", findings.to_lines()));
    assert_eq!(policy.warnings().to_lines(), "");
    policy
}

/// A line of urls.txt: module, methods, pattern, example.
fn urls() -> Vec<[String; 4]> {
    let text = fs::read_to_string(directory().join("urls.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let row = |line: &str| -> [String; 4] {
        let cells: Vec<_> = line.split("  ").map(str::to_owned).collect();
        cells.try_into().unwrap_or_else(|cells| panic!("{cells:?}"))
    };
    lines.map(row).collect()
}

#[test]
fn every_url_of_the_packages_has_a_route() {
    let (policy, urls) = (policy(), urls());
    let mut modules = BTreeSet::new();
    for [module, methods, pattern, example] in &urls {
        modules.insert(module.as_str());
        let found = policy.find("openwisp.example.com", example);
        let found = found.unwrap_or_else(|| panic!("no route for {pattern}, which is {example}"));
        for method in methods.split(',') {
            let is_socket = method == "WEBSOCKET";
            let method = if is_socket { Method::GET } else { method.parse().unwrap() };
            let rule = found.route.rule(&method);
            let rule = rule.unwrap_or_else(|| panic!("{} has no rule for {method} of {pattern}", found.route.pattern));
            assert_ne!(rule.access, Access::Deny, "{method} {pattern}");
        }
    }
    assert!(urls.len() > 190 && modules.len() == 10, "{} of {modules:?}", urls.len());
}

#[test]
fn each_request_of_ten_people_is_decided_as_openwisp_decides_it() {
    let policy = policy();
    let cases: usize = files("_test.yaml").iter().map(|file| pass(&policy, file)).sum();
    assert!(cases > 3000, "{cases}");
}

/// Nothing of the policy is left to no test.
#[test]
fn every_route_is_in_a_test_of_its_own() {
    let policy = policy();
    let mut routes: BTreeSet<&str> = policy.routes().iter().map(|route| &*route.pattern).collect();
    for file in files("_test.yaml") {
        for line in fs::read_to_string(&file).unwrap().lines() {
            let line = line.replace('"', "");
            let words: Vec<&str> = line.split_whitespace().collect();
            let target = words.windows(2).find(|pair| pair[0].ends_with(':') && pair[1].starts_with('/'));
            let Some([_, target]) = target else { continue };
            let target = target.trim_end_matches(',').split('?').next().unwrap();
            let named = |name: &str| postern::tools::world::id_of(name).to_string();
            let mut path = String::new();
            for (at, part) in target.split(['<', '>']).enumerate() {
                path += &if at % 2 == 0 { part.to_owned() } else { named(part) };
            }
            if let Some(found) = policy.find("openwisp.example.com", &path) {
                routes.remove(&*found.route.pattern);
            }
        }
    }
    assert_eq!(routes, BTreeSet::new(), "routes without a test");
}

#[test]
fn the_page_and_the_configuration_name_each_file() {
    let page = fs::read_to_string(recipes().join("openwisp.md")).unwrap();
    let configuration = fs::read_to_string(directory().join("postern.yaml")).unwrap();
    assert!(page.contains(&configuration), "openwisp.md does not print postern.yaml as it is");
    for file in policies() {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(configuration.contains(&format!("  - {name}\n")), "postern.yaml does not name {name}");
        assert!(page.contains(&format!("(openwisp/{name})")), "openwisp.md does not name {name}");
        assert!(fs::read_to_string(&file).unwrap().lines().count() < 800, "{name}");
    }
    assert!(fs::read_to_string(recipes().join("README.md")).unwrap().contains("(openwisp.md)"));
}
