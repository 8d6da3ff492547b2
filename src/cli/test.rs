//! `postern test`: the cases of tests files, each judged by the decision engine.
//!
//! Failures go to standard output, since they are the result; mistakes in files go to standard error. Exit code 0: every
//! case is as expected; 1: one is not, or a file has mistakes; 2: there is nothing to run.

use super::policies::{Early, Pages};
use crate::policy::{Names, Policy};
use crate::tools::suite::{self, Broken, Report, Suite, junit};
use crate::yaml::Findings;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Run the tests of a policy: `given` organizations and users, and what must become of their requests.
///
/// Without TESTS, those beside the policies of --policy or of the configuration: NAME_test.yaml for NAME.yaml. A policy or a
/// folder stands for the tests beside it and in it. Without --policy, the policy stands beside each tests file: NAME.yaml for
/// NAME_test.yaml where there is one, otherwise routes.yaml. Exit 0: all pass; 1: a case fails or a file has mistakes; 2: a file cannot be read.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Tests files, policies that have tests beside them, or folders of tests
    #[arg(value_name = "TESTS")]
    pub tests: Vec<PathBuf>,
    /// Policy file, for all tests; may be repeated
    #[arg(long, value_name = "FILE")]
    pub policy: Vec<PathBuf>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub json: bool,
    /// Write the outcome as JUnit XML, too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// Runs the command; `names` and `policies` are those of a configuration, or of --policy.
///
/// # Errors
/// It ends early, with an exit code and after saying why.
pub fn run(args: &Args, names: Option<&Names>, policies: &[PathBuf], pages: &mut Pages<'_>) -> Result<u8, Early> {
    let asked = if args.tests.is_empty() { policies } else { &args.tests };
    let tests = found(asked, args.tests.is_empty(), pages)?;
    let shared = if args.policy.is_empty() { None } else { Some(pages.policy(&args.policy, names)?) };
    let mut reports = Vec::with_capacity(tests.len());
    let (mut findings, mut broken) = (Findings::new(), Vec::new());
    for file in &tests {
        let text = pages.read(file)?;
        let own;
        let policy = match &shared {
            Some(policy) => policy,
            None => {
                own = pages.policy(&[beside(file)], names)?;
                &own
            }
        };
        match report(text, policy, &mut findings) {
            Some(report) => reports.push(report),
            None => broken.push(file.display().to_string()),
        }
    }
    findings.sort();
    let lines = findings.to_lines();
    let broken: Vec<Broken> = broken
        .into_iter()
        .map(|file| {
            let of_file = |line: &&str| line.starts_with(&format!("{file}:"));
            let mistakes = lines.lines().filter(of_file).collect::<Vec<_>>().join("\n");
            Broken { file, mistakes }
        })
        .collect();
    if let Some(file) = &args.junit
        && let Err(error) = std::fs::write(file, junit(&reports, &broken))
    {
        writeln!(pages.err, "error: cannot write {}: {error}", file.display())?;
        return Err(Early::Exit(2));
    }
    let failed: usize = reports.iter().map(Report::failed).sum();
    let total: usize = reports.iter().map(|r| r.outcomes.len()).sum();
    let ok = failed == 0 && !findings.has_errors();
    if args.json {
        let files: Vec<_> = reports.iter().map(Report::to_json).collect();
        let json = json!({
            "ok": ok, "passed": total - failed, "failed": failed, "files": files, "findings": findings.to_json(),
        });
        writeln!(pages.out, "{json}")?;
    } else {
        pages.findings(&findings)?;
        for report in &reports {
            write!(pages.out, "{}", report.to_text(pages.colour))?;
        }
        let word = if ok { "ok" } else { "failed" };
        let mistakes = if findings.has_errors() { "; a file with mistakes was not run" } else { "" };
        writeln!(pages.out, "{word}: {} passed, {failed} failed{mistakes}", total - failed)?;
    }
    Ok(u8::from(!ok))
}

/// Runs one file; `None` when it has mistakes, which are in `findings`.
fn report((name, text): (String, String), policy: &Policy, findings: &mut Findings) -> Option<Report> {
    let before = findings.list().len();
    let id = findings.add_source(name, text);
    let suite: Option<Suite> = suite::read(id, findings);
    let is_sound = findings.list().len() == before;
    suite.filter(|_| is_sound).map(|suite| suite.run(policy))
}

/// The tests files that are meant. `beside`: policies are named, and their tests looked for.
fn found(asked: &[PathBuf], beside: bool, pages: &mut Pages<'_>) -> Result<Vec<PathBuf>, Early> {
    let mut list = Vec::new();
    for path in asked {
        let of_policy = tests_of(path).filter(|tests| tests.exists());
        match of_policy {
            Some(tests) => list.push(tests),
            None if path.is_dir() => list.extend(tests_in(path)),
            None if beside => {}
            None => list.push(path.clone()),
        }
    }
    if list.is_empty() {
        let hint =
            "name them: postern test routes_test.yaml; or write them beside the policy, NAME_test.yaml for NAME.yaml";
        return Err(pages.usage("there are no tests to run", hint));
    }
    Ok(list)
}

/// What the tests of a policy are called: `routes_test.yaml` of `routes.yaml`.
fn tests_of(policy: &Path) -> Option<PathBuf> {
    let (stem, rest) = policy.file_name()?.to_str()?.split_once('.')?;
    Some(policy.with_file_name(format!("{stem}_test.{rest}")))
}

/// The tests files of a folder, by name.
fn tests_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_tests = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.contains("_test.") && [".yaml", ".yml"].iter().any(|end| name.ends_with(end))
    };
    let mut list: Vec<PathBuf> = entries.filter(is_tests).collect();
    list.sort();
    list
}

/// The policy beside a tests file.
fn beside(tests: &Path) -> PathBuf {
    // `routes_test.example.yaml` is of `routes.example.yaml`.
    let name = tests.file_name().and_then(|name| name.to_str()).and_then(|name| name.split_once("_test."));
    let named = name.map(|(stem, rest)| tests.with_file_name(format!("{stem}.{rest}")));
    named.filter(|path| path.exists()).unwrap_or_else(|| tests.with_file_name("routes.yaml"))
}

#[cfg(test)]
mod tests {
    use super::{Args, Early, Pages, run};
    use std::path::PathBuf;

    const POLICY: &str = "version: 1\nroutes:\n  /o/{org:uuid}: { org: path.org, read: member }\n";
    const GOOD: &str = "given: { organizations: { acme: {} }, users: { bob: { acme: member } } }\n\
                        tests:\n- { as: bob, GET: /o/<acme>, expect: allow }\n";

    /// Exit code, standard output, standard error.
    fn told(args: &Args) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run(args, None, &args.policy, &mut Pages { out: &mut out, err: &mut err, colour: false });
        let code = code.or_else(Early::code).unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn directory(files: &[(&str, &str)]) -> (tempfile::TempDir, impl Fn(&str) -> PathBuf + use<>) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let root = dir.path().to_owned();
        (dir, move |name| root.join(name))
    }

    #[test]
    fn the_policy_beside_the_tests_is_the_one_that_is_tested() {
        let (_dir, at) = directory(&[("routes.yaml", POLICY), ("routes_test.yaml", GOOD), ("more.yaml", GOOD)]);
        for file in ["routes_test.yaml", "more.yaml"] {
            let told = told(&Args { tests: vec![at(file)], ..Args::default() });
            assert_eq!(told, (0, "ok: 1 passed, 0 failed\n".to_owned(), String::new()), "{file}");
        }
        let named = "version: 1\nroutes: { /o/**: deny }\n";
        let (_dir, at) = directory(&[("api.yaml", named), ("routes.yaml", POLICY), ("api_test.yaml", GOOD)]);
        let args = Args { tests: vec![at("api_test.yaml")], ..Args::default() };
        assert_eq!(told(&args).0, 1);
        assert_eq!(told(&Args { policy: vec![at("routes.yaml")], ..args }).0, 0);
    }

    #[test]
    fn tests_are_found_beside_the_policy_and_in_a_folder() {
        let files = [
            ("api.yaml", POLICY),
            ("api_test.yaml", GOOD),
            ("web.example.yaml", POLICY),
            ("web_test.example.yaml", GOOD),
        ];
        let (dir, at) = directory(&[&files[..], &[("alone.yaml", POLICY), ("notes.txt", "")]].concat());
        let passed = |args: &Args| {
            let (code, out, err) = told(args);
            assert_eq!(code, 0, "{out}{err}");
            out
        };
        for tests in [vec![at("api.yaml")], vec![at("web.example.yaml")], vec![at("web_test.example.yaml")]] {
            assert_eq!(passed(&Args { tests, ..Args::default() }), "ok: 1 passed, 0 failed\n");
        }
        assert_eq!(passed(&Args { tests: vec![dir.path().to_owned()], ..Args::default() }), "ok: 2 passed, 0 failed\n");
        assert_eq!(passed(&Args { policy: vec![at("api.yaml")], ..Args::default() }), "ok: 1 passed, 0 failed\n");
        let (code, _, err) = told(&Args { policy: vec![at("alone.yaml")], ..Args::default() });
        assert!(code == 2 && err.contains("there are no tests to run") && err.contains("NAME_test.yaml"), "{err}");
        assert_eq!(told(&Args::default()).0, 2);
    }

    #[test]
    fn a_failure_is_told_to_people_machines_and_ci() {
        let tests = GOOD.replace("allow", "403 org_foreign");
        let (_dir, at) = directory(&[("routes.yaml", POLICY), ("routes_test.yaml", &tests)]);
        let args = Args { tests: vec![at("routes_test.yaml")], junit: Some(at("junit.xml")), ..Args::default() };
        let (code, out, _) = told(&args);
        assert_eq!(code, 1);
        for piece in [
            "routes_test.yaml:3: FAILED bob GET /o/<acme>\n",
            "- expected: 403 org_foreign\n",
            "+ got:      allow\n",
            "routes.yaml:3)\n",
            "acme, where bob is member",
            "failed: 0 passed, 1 failed\n",
        ] {
            assert!(out.contains(piece), "{piece:?} in {out}");
        }
        let xml = std::fs::read_to_string(at("junit.xml")).unwrap();
        assert!(xml.contains("tests=\"1\" failures=\"1\"") && xml.contains("GET /o/&lt;acme&gt;"), "{xml}");
        let (code, out, _) = told(&Args { json: true, ..args });
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &json["ok"], &json["failed"]), (1, &false.into(), &1.into()));
        let case = &json["files"][0]["cases"][0];
        assert_eq!(
            (&case["expected"], &case["got"], &case["line"]),
            (&"403 org_foreign".into(), &"allow".into(), &3.into())
        );
    }

    #[test]
    fn mistakes_are_all_told_with_their_places_and_nothing_is_run() {
        let tests = GOOD.replace("as: bob", "as: bobb").replace("expect: allow", "expcet: allow");
        let (_dir, at) = directory(&[("routes.yaml", POLICY), ("routes_test.yaml", &tests)]);
        let (code, out, err) = told(&Args { tests: vec![at("routes_test.yaml")], ..Args::default() });
        assert_eq!(code, 1);
        assert!(err.contains("routes_test.yaml:3:9: error[unknown_user]"), "{err}");
        assert!(err.contains("did you mean `bob`?") && err.contains("did you mean `expect`?"), "{err}");
        assert!(out.contains("failed: 0 passed, 0 failed; a file with mistakes was not run"), "{out}");
    }

    #[test]
    fn what_cannot_be_read_is_another_exit_code() {
        let (_dir, at) = directory(&[("routes_test.yaml", GOOD)]);
        let (code, _, err) = told(&Args { tests: vec![at("routes_test.yaml")], ..Args::default() });
        assert_eq!(code, 2);
        assert!(err.contains("cannot read") && err.contains("routes.yaml"), "{err}");
    }
}
