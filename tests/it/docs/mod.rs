//! The documentation is true: what it lists is what there is, its examples are accepted, its commands do what it says.

mod running;

use http::Method;
use postern::config::{Config, ConfigError, Sources};
use postern::decision::Reason;
use postern::policy::{self, StripSet};
use postern::yaml::Findings;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All pages, by their paths.
fn pages() -> Vec<String> {
    let list = |dir: &str| -> Vec<String> {
        let names = fs::read_dir(root().join(dir)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".md")).map(|name| format!("{dir}/{name}")).collect()
    };
    let mut pages = vec!["README.md".to_owned(), "CHANGELOG.md".to_owned()];
    pages.extend(list("docs"));
    pages.extend(list("docs/reference"));
    pages.extend(list("docs/fronts"));
    pages
}

/// The fenced blocks of a page: what stands behind the fence, and the lines.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push((info.to_owned(), body.join("\n") + "\n"));
    }
    blocks
}

/// The first cells of a page's table rows, without their code marks.
fn rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().replace('`', "")).collect();
    text.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

fn load(yaml: &str) -> Result<Config, Findings> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("postern.yaml");
    fs::write(&file, yaml).unwrap();
    match Config::load(&Sources { file: Some(file), ..Sources::default() }) {
        Ok((config, _)) => Ok(config),
        Err(ConfigError::Findings(findings)) => Err(findings),
        Err(error) => panic!("{error}"),
    }
}

/// The keys that a reader names when it is given one that nothing is near to.
fn known_here(findings: &Findings) -> Vec<String> {
    let help = findings.list().iter().filter(|f| f.code == "unknown_key").find_map(|f| f.help.as_deref());
    let known = help.and_then(|help| help.strip_prefix("known here: "));
    known.map(|known| known.split(", ").map(str::to_owned).collect()).unwrap_or_default()
}

/// Every key that the loader knows: `cache`, `cache.max_staleness`, …
fn configuration_keys() -> BTreeSet<String> {
    const NONE: &str = "qqqqqqqqqqqqqqqqqqqqqqqqqqqq";
    let mut keys = BTreeSet::new();
    let top = known_here(&load(&format!("{NONE}: 1")).unwrap_err());
    assert!(top.len() > 10, "{top:?}");
    for key in top {
        let below = load(&format!("{key}: {{ {NONE}: 1 }}")).err().map(|f| known_here(&f)).unwrap_or_default();
        keys.extend(below.iter().map(|inner| format!("{key}.{inner}")));
        keys.insert(key);
    }
    for named in ["upstreams", "databases"] {
        let below = load(&format!("{named}: {{ x: {{ {NONE}: 1 }} }}")).unwrap_err();
        keys.extend(known_here(&below).iter().map(|inner| format!("{named}.NAME.{inner}")));
    }
    keys
}

#[test]
fn every_configuration_key_is_explained_in_the_example_and_in_the_reference() {
    let example = read("config/postern.example.yaml");
    let reference = rows(&read("docs/reference/configuration.md"));
    let keys = configuration_keys();
    for key in ["listen", "cache.max_staleness", "upstreams.NAME.host", "drain.limit", "limits.body", "timeouts.keep"] {
        assert!(keys.contains(key), "the loader does not tell of {key}: {keys:?}");
    }
    for key in &keys {
        let last = key.rsplit('.').next().unwrap();
        // A key that cannot stand beside the others is shown in a comment.
        let shown = |line: &str| line.trim_start_matches(['#', ' ']).starts_with(&format!("{last}:"));
        let written = example.lines().any(shown);
        assert!(written, "{key} is not in config/postern.example.yaml");
        let is_section = keys.iter().any(|other| other.starts_with(&format!("{key}.")));
        let listed = reference.iter().any(|row| row[0] == *key);
        assert!(listed || is_section, "{key} is not in docs/reference/configuration.md");
    }
    for row in reference.iter().filter(|row| !row[0].contains('_') || row[0].contains('.')) {
        let known = keys.contains(&row[0])
            || ["upstreams.NAME", "databases.NAME"].contains(&row[0].as_str())
            || row[0].starts_with("POSTERN");
        assert!(known, "the reference has {}, which the loader does not know", row[0]);
    }
}

#[test]
fn the_example_configuration_is_accepted_and_shows_the_defaults() {
    let config = load(&read("config/postern.example.yaml")).unwrap_or_else(|f| panic!("{}", f.to_lines()));
    let default = Config::default();
    let shown = |c: &Config| {
        format!(
            "{:?} {:?} {:?} {:?} {:?} {} {:?} {:?} {:?} {:?}",
            c.listen,
            c.management,
            c.probes,
            c.trusted_proxies,
            c.cache.max_staleness,
            c.cache.credentials,
            c.log,
            c.limits,
            c.timeouts,
            c.drain
        )
    };
    assert_eq!(shown(&config), shown(&default));
    assert_eq!(config.upstreams.len(), 3);
    load(&read("deploy/postern.yaml")).unwrap_or_else(|f| panic!("{}", f.to_lines()));
}

#[test]
fn every_reason_code_is_in_the_reference_with_its_status() {
    let rows = rows(&read("docs/reference/reasons.md"));
    let listed: Vec<_> = rows.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
    let known: Vec<_> = Reason::ALL.iter().map(|r| (r.code(), r.status().as_str().to_owned())).collect();
    let known: Vec<_> = known.iter().map(|(code, status)| (*code, status.as_str())).collect();
    assert_eq!(listed, known);
}

#[test]
fn policies_in_the_pages_are_accepted_or_refused_as_they_say() {
    let mut seen = 0;
    for page in pages() {
        for (info, text) in blocks(&read(&page)) {
            let loaded = policy::load(&[(page.as_str(), text.as_str())], None);
            match info.split_once(' ') {
                Some(("yaml", "routes")) => {
                    let policy = loaded.unwrap_or_else(|findings| panic!("{page}\n{}", findings.to_text(false)));
                    // What a page shows has no findings at all.
                    assert_eq!(policy.warnings().list().len(), 0, "{page}\n{text}\n{}", policy.warnings().to_lines());
                }
                Some(("yaml", refused)) => {
                    let code = refused.strip_prefix("refused ").unwrap_or_else(|| panic!("{page}: ```{info}"));
                    let findings = loaded.err().unwrap_or_else(|| panic!("{page}: this is accepted:\n{text}"));
                    assert!(findings.list().iter().any(|f| f.code == code), "{page}: {}", findings.to_lines());
                }
                _ => continue,
            }
            seen += 1;
        }
    }
    assert!(seen >= 14, "only {seen} policies");
}

#[test]
fn every_option_of_a_route_is_in_the_page_about_the_language() {
    let page = read("docs/policy.md");
    let listed: BTreeSet<String> = rows(&page).into_iter().map(|row| row[0].clone()).collect();
    let none = "qqqqqqqqqqqqqqqqqqqqqqqqqqqq";
    for policy in [
        format!("version: 1\n{none}: 1\nroutes: {{ /x: public }}\n"),
        format!("version: 1\nroutes: {{ /x: {{ level: public, {none}: 1 }} }}\n"),
        format!("version: 1\nroutes: {{ /x: {{ GET: {{ level: public, {none}: 1 }} }} }}\n"),
    ] {
        let findings = policy::load(&[("routes.yaml", policy)], None).unwrap_err();
        let known = known_here(&findings);
        assert!(known.len() > 4, "{}", findings.to_lines());
        let is_method = |word: &str| Method::from_bytes(word.as_bytes()).is_ok() && word == word.to_uppercase();
        for word in known.iter().filter(|word| !is_method(word) && !matches!(word.as_str(), "read" | "write")) {
            assert!(listed.contains(word), "`{word}` is not in a table of docs/policy.md");
        }
    }
}

#[test]
fn the_headers_that_are_said_to_be_stripped_are() {
    let page = read("docs/reference/headers.md");
    let (_, from) = page.split_once("| of | names |").expect("the list of names");
    let (list, _) = from.split_once("\n\n").expect("the end of the table");
    let strip = StripSet::new([]);
    let names: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
    assert!(names.len() >= 25, "{names:?}");
    for name in names.iter().filter(|name| **name != "X-Forwarded-*") {
        let example = name.replace('*', "Anything");
        assert!(strip.contains(&example), "{name}");
    }
    for name in ["User", "Email", "Groups", "Method", "Path", "Uri", "Access-Token", "Client-Cert"] {
        assert!(strip.contains(&format!("X-Forwarded-{name}")), "{name}");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    // The heading as an address: lower case, blanks as dashes, punctuation dropped.
    let anchor = |heading: &str| -> String {
        let kept = heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .collect::<String>();
        kept.replace(' ', "-")
    };
    for page in pages() {
        let text = read(&page);
        let prose: String = text.split("```").step_by(2).collect();
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
            let target = if file.is_empty() {
                root().join(&page)
            } else {
                root().join(Path::new(&page).parent().unwrap()).join(file)
            };
            assert!(target.exists(), "{page}: {link}");
            if let Some(heading) = heading {
                let text = fs::read_to_string(&target).unwrap();
                let found =
                    text.lines().any(|l| l.starts_with('#') && anchor(l.trim_start_matches('#').trim()) == heading);
                assert!(found, "{page}: no heading for {link}");
            }
        }
    }
}

/// What building and testing need stands in one list, which the scripts and the Dockerfile use: the README says what it has.
#[test]
fn what_is_installed_is_what_the_readme_says() {
    let list = read("scripts/need.sh");
    let (_, table) = list.split_once("table='").unwrap();
    let packages = |set: &str| -> Vec<&str> {
        let rows = table.lines().take_while(|line| *line != "'").map(str::split_whitespace);
        rows.filter(|row| row.clone().next() == Some(set)).flat_map(|row| row.skip(2)).collect()
    };
    let build = packages("build").join(" ");
    assert_eq!(build, "gcc libc6-dev cmake make");
    let readme = read("README.md");
    assert!(readme.contains(&format!("apt-get install {build}")), "{build}");
    assert!(read("Dockerfile").contains("RUN bash scripts/need.sh build"));
    let (_, tests) = readme.split_once("## Test it").unwrap();
    let (tests, _) = tests.split_once("\n## ").unwrap();
    let words = tests.to_lowercase();
    let script = read("scripts/test.sh");
    let sets = script.lines().find_map(|line| line.strip_prefix("bash scripts/need.sh build ")).unwrap();
    for package in sets.split(' ').flat_map(packages) {
        // `script` comes with every Debian; a module comes with its server.
        let name = package.split('-').next().unwrap().trim_end_matches("js").trim_start_matches("lib");
        assert!(package == "bsdutils" || words.contains(name), "the README does not say that {package} is installed");
    }
}
