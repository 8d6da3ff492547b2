//! `postern check`: everything that is wrong with policy files, without running anything.
//!
//! Findings go to standard output, since they are the result; what kept the check from being done goes to standard error.
//! With a configuration, what would keep `postern serve` from starting is found too: see [`crate::server::obstacles`].
//! Exit code 0: the files can be used (there may be warnings, but for `--strict`); 1: they cannot; 2: they could not be checked.

use super::output::Patient;
use crate::config::{self, Config};
use crate::policy::{self, Names};
use crate::reload::{PolicyError, SMALLEST};
use crate::secret::SecretSource;
use crate::server;
use crate::telemetry::log::takes_colour;
use crate::yaml::{self, Findings, Severity};
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// What to check.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Policy files; without any, those that the configuration names
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where requests will be forwarded to, as `serve --upstream` will say
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
    /// What is only warned of is a failure too
    #[arg(long)]
    pub strict: bool,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// What a loaded configuration says about policies.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// The names that policies may use.
    pub names: Names,
    /// The policy files that it names.
    pub files: Vec<PathBuf>,
    /// Where the secrets of policies are.
    pub secrets: Vec<SecretSource>,
    /// What else would keep `serve` from starting.
    pub obstacles: Vec<String>,
    /// How much was warned of.
    pub warnings: usize,
}

impl Declared {
    /// What this configuration says; `warnings` were found in it.
    #[must_use]
    pub fn by(config: Config, warnings: usize) -> Self {
        let obstacles = server::obstacles(&config);
        Self { names: config.names(), files: config.policy, secrets: config.secrets, obstacles, warnings }
    }
}

/// What a check found.
#[derive(Debug)]
pub struct Report {
    /// How many files were checked.
    pub files: usize,
    /// How many routes they have; `None` when they cannot be used.
    pub routes: Option<usize>,
    /// Everything found.
    pub findings: Findings,
    /// Warnings are failures.
    pub strict: bool,
    /// What was warned of before.
    pub warnings: usize,
}

/// Checks policy files together.
///
/// # Errors
/// Files that cannot be read: one line for each, which and why.
pub fn check(files: &[PathBuf], declared: Option<&Declared>, strict: bool) -> Result<Report, Vec<String>> {
    let (mut texts, mut unreadable) = (Vec::with_capacity(files.len()), Vec::new());
    for (at, file) in files.iter().enumerate() {
        if files.iter().take(at).any(|other| other == file) {
            unreadable.push(format!("{} is named twice", file.display()));
            continue;
        }
        match yaml::read(file) {
            Ok(text) => texts.push((file.display().to_string(), text)),
            Err(error) => unreadable.push(format!("cannot read {}: {error}", file.display())),
        }
    }
    if !unreadable.is_empty() {
        return Err(unreadable);
    }
    let mut obstacles = declared.map(|declared| declared.obstacles.clone()).unwrap_or_default();
    let (routes, mut findings) = match declared {
        // A configuration without a policy, which is told.
        Some(_) if texts.is_empty() => (Some(0), Findings::new()),
        _ => match policy::load(&texts, declared.map(|declared| &declared.names)) {
            Ok(policy) => {
                let filled = declared.map(|declared| config::fill(&declared.secrets, &policy));
                obstacles.extend(filled.and_then(Result::err).map(|error| error.to_string()));
                (Some(policy.routes().len()), policy.warnings().clone())
            }
            Err(findings) => (None, findings),
        },
    };
    if declared.is_some() && texts.is_empty() {
        findings.general("no_policy", PolicyError::None.to_string()).help(SMALLEST);
    }
    for obstacle in obstacles {
        findings.general("cannot_start", obstacle).help("`postern serve` would not start");
    }
    let warnings = declared.map_or(0, |declared| declared.warnings);
    Ok(Report { files: files.len(), routes, findings, strict, warnings })
}

/// Runs the command. `declared` is what the configuration of `--config` says, if there was one to load.
#[must_use]
pub fn run(args: &Args, declared: Option<&Declared>) -> ExitCode {
    let colour = takes_colour(&io::stdout());
    let (mut out, mut err) = (Patient(io::stdout().lock()), Patient(io::stderr().lock()));
    ExitCode::from(print(args, declared, colour, &mut out, &mut err).unwrap_or(1))
}

/// Prints to the given places and returns the exit code.
///
/// # Errors
/// What was written could not be.
pub fn print(
    args: &Args,
    declared: Option<&Declared>,
    colour: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let files = match declared {
        Some(declared) if args.files.is_empty() => &declared.files,
        _ => &args.files,
    };
    if files.is_empty() && declared.is_none() {
        writeln!(err, "error: there is no policy file to check")?;
        writeln!(err, "hint: postern check routes.yaml")?;
        return Ok(2);
    }
    let report = match check(files, declared, args.strict) {
        Ok(report) => report,
        Err(unreadable) => {
            for line in unreadable {
                writeln!(err, "error: {line}")?;
            }
            return Ok(2);
        }
    };
    if args.json {
        writeln!(out, "{}", report.to_json())?;
    } else {
        write!(out, "{}", report.findings.to_text(colour))?;
        writeln!(out, "{}", report.summary())?;
    }
    Ok(u8::from(!report.is_ok()))
}

impl Report {
    fn count(&self, severity: Severity) -> usize {
        self.findings.list().iter().filter(|f| f.severity == severity).count()
    }

    fn is_ok(&self) -> bool {
        let warned = self.strict && (self.warnings > 0 || self.count(Severity::Warning) > 0);
        self.routes.is_some() && !self.findings.has_errors() && !warned
    }

    fn to_json(&self) -> serde_json::Value {
        json!({
            "ok": self.is_ok(),
            "files": self.files,
            "routes": self.routes,
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "findings": self.findings.to_json(),
        })
    }

    fn summary(&self) -> String {
        let found = match (self.count(Severity::Error), self.count(Severity::Warning) + self.warnings) {
            (0, 0) => String::new(),
            (0, warnings) => format!(", {}", counted(warnings, "warning")),
            (errors, 0) => counted(errors, "error"),
            (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
        };
        let files = counted(self.files, "file");
        match self.routes.filter(|_| self.is_ok()) {
            Some(routes) => format!("ok: {} in {files}{found}", counted(routes, "route")),
            None => format!("failed: {} in {files}", found.trim_start_matches(", ")),
        }
    }
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{Args, Declared, print};
    use crate::policy::Names;
    use std::path::PathBuf;

    /// Exit code, standard output, standard error.
    fn run(args: &Args, declared: Option<&Declared>) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = print(args, declared, false, &mut out, &mut err).unwrap();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    /// A directory with one policy file.
    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("routes.yaml");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_good_file_is_ok_and_says_how_much_there_is() {
        let (_dir, path) = file("version: 1\nroutes: { /x: authenticated, '/y/{user}': { read: public } }\n");
        let (code, out, err) = run(&Args { files: vec![path], ..Args::default() }, None);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.contains("warning[unused_variable]"), "{out}");
        assert!(out.ends_with("ok: 2 routes in 1 file, 1 warning\n"), "{out}");
    }

    #[test]
    fn a_bad_file_fails_with_the_place_first() {
        let (_dir, path) = file("version: 1\nroutes: { /x: maneger }\n");
        let args = Args { files: vec![path.clone()], ..Args::default() };
        let (code, out, _) = run(&args, None);
        assert_eq!(code, 1);
        assert!(out.starts_with(&format!("{}:2:15: error[unknown_level]: ", path.display())), "{out}");
        assert!(out.contains("did you mean `manager`?"), "{out}");
        assert!(out.ends_with("failed: 1 error in 1 file\n"), "{out}");
        let (code, out, _) = run(&Args { json: true, ..args }, None);
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &json["ok"], &json["errors"]), (1, &false.into(), &1.into()));
        assert_eq!((&json["findings"][0]["line"], &json["findings"][0]["column"]), (&2.into(), &15.into()));
    }

    #[test]
    fn what_cannot_be_checked_is_another_exit_code() {
        let (code, out, err) = run(&Args::default(), None);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.contains("hint: postern check"), "{err}");
        let files = vec![PathBuf::from("/nowhere/a.yaml"), PathBuf::from("/nowhere/b.yaml")];
        let (code, _, err) = run(&Args { files, ..Args::default() }, None);
        assert_eq!(code, 2);
        assert!(err.contains("cannot read /nowhere/a.yaml: No such file") && err.contains("b.yaml"), "{err}");
    }

    #[test]
    fn the_configuration_names_files_and_upstreams() {
        let (_dir, path) = file("version: 1\nupstream: legcay\nroutes: { /x: member }\n");
        let declared = Declared { names: Names::new(["legacy"]), files: vec![path.clone()], ..Declared::default() };
        let (code, out, _) = run(&Args::default(), Some(&declared));
        assert_eq!(code, 1);
        assert!(out.contains("did you mean `legacy`?"), "{out}");
        let (code, ..) = run(&Args { files: vec![path], ..Args::default() }, None);
        assert_eq!(code, 0);
    }
}
