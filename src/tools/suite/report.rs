//! What a run of tests says: to people, to machines, to CI.

use super::{Case, Failure, Outcome};
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// The outcome of one tests file.
pub struct Report {
    pub file: String,
    /// Each case, and what became of it.
    pub outcomes: Vec<(Case, Outcome)>,
}

/// A tests file that was not run.
#[derive(Clone, Debug)]
pub struct Broken {
    pub file: String,
    /// What is wrong with it, a line each.
    pub mistakes: String,
}

impl Report {
    /// The number of failed cases.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.outcomes.iter().filter(|(_, outcome)| outcome.failure.is_some()).count()
    }

    #[must_use]
    pub fn to_text(&self, colour: bool) -> String {
        let (red, green, bold, plain) =
            if colour { ("\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[0m") } else { ("", "", "", "") };
        let mut out = String::new();
        for (case, Outcome { route, failure, .. }) in &self.outcomes {
            let Some(Failure { expected, got, why }) = failure else { continue };
            let _ = writeln!(out, "{bold}{}:{}: FAILED {}{plain}", self.file, case.line, case.name());
            let _ = writeln!(out, "  {red}- expected: {expected}{plain}");
            let _ = writeln!(out, "  {green}+ got:      {got}{plain}");
            if let Some(route) = route {
                let _ = writeln!(out, "  route: {route}");
            }
            for line in why {
                let _ = writeln!(out, "    {line}");
            }
            out.push('\n');
        }
        out
    }

    /// `{file, passed, failed, cases: [{line, name, ok, got, route, expected?, why?}]}`
    #[must_use]
    pub fn to_json(&self) -> Json {
        let case = |(case, Outcome { verdict, route, failure }): &(Case, Outcome)| match failure {
            None => json!({ "line": case.line, "name": case.name(), "ok": true, "got": verdict, "route": route }),
            Some(f) => json!({
                "line": case.line, "name": case.name(), "ok": false,
                "expected": f.expected, "got": f.got, "route": route, "why": f.why,
            }),
        };
        let failed = self.failed();
        json!({
            "file": self.file,
            "passed": self.outcomes.len() - failed,
            "failed": failed,
            "cases": self.outcomes.iter().map(case).collect::<Vec<_>>(),
        })
    }
}

/// JUnit's XML, as CI systems read it: a suite for each file. One that was not run for its mistakes is a suite with one error,
/// since whoever reads nothing else must not take it for a file without tests.
#[must_use]
pub fn junit(reports: &[Report], broken: &[Broken]) -> String {
    let total: usize = reports.iter().map(|r| r.outcomes.len()).sum::<usize>() + broken.len();
    let (failed, errors): (usize, usize) = (reports.iter().map(Report::failed).sum(), broken.len());
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuites name=\"postern\" tests=\"{total}\" failures=\"{failed}\" errors=\"{errors}\">");
    for Broken { file, mistakes } in broken {
        let (file, first) = (escape(file), escape(mistakes.lines().next().unwrap_or_default()));
        let _ = writeln!(out, "  <testsuite name=\"{file}\" tests=\"1\" failures=\"0\" errors=\"1\">");
        let _ = writeln!(
            out,
            "    <testcase classname=\"{file}\" name=\"the file can be read\" file=\"{file}\">\n      <error message=\"{first}\">{}</error>\n    </testcase>\n  </testsuite>",
            escape(mistakes)
        );
    }
    for report in reports {
        let file = escape(&report.file);
        let (tests, failures) = (report.outcomes.len(), report.failed());
        let _ = writeln!(out, "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">");
        for (case, Outcome { route, failure, .. }) in &report.outcomes {
            let name = escape(&case.name());
            let _ = write!(
                out,
                "    <testcase classname=\"{file}\" name=\"{name}\" file=\"{file}\" line=\"{}\"",
                case.line
            );
            let Some(Failure { expected, got, why }) = failure else {
                out.push_str("/>\n");
                continue;
            };
            let message = escape(&format!("expected {expected}, got {got}"));
            let place = route.as_deref().map(|route| format!("route: {route}\n")).unwrap_or_default();
            let text = escape(&format!("{place}{}", why.join("\n")));
            let _ = writeln!(out, ">\n      <failure message=\"{message}\">{text}</failure>\n    </testcase>");
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Text for XML 1.0: what it cannot hold at all becomes `?`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}
