//! `/policy/candidate/`: a policy that is not in force, checked as `postern check` checks it and compared with the one that is, as
//! `postern matrix --against` and reloads compare. It is never applied, and nothing of it is kept.

use super::super::frame::Frame;
use super::super::gate::Visit;
use super::CANDIDATE;
use crate::api::error::ApiError;
use crate::api::words::{self, filters};
use crate::clock;
use crate::compat::openwisp::multipart;
use crate::policy;
use crate::tools::matrix::{self, Difference};
use crate::yaml::{Findings, Severity};
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// Longest text, in bytes.
const LONGEST: usize = 256 * 1024;
/// Findings and differences that are shown of each kind.
const SHOWN: usize = 100;
/// For a comparison.
const PATIENCE: Duration = Duration::from_secs(15);
/// What the file is called in findings.
const NAME: &str = "candidate.yaml";

struct Finding {
    is_error: bool,
    code: &'static str,
    place: String,
    message: String,
    help: String,
    /// The line that it is about.
    line: String,
}

struct Change {
    pattern: String,
    place: String,
    methods: String,
    who: String,
    was: String,
    now: String,
    others: usize,
}

/// What was found, where it was looked for.
struct Found {
    findings: Vec<Finding>,
    /// Those that are not shown.
    more_findings: usize,
    /// How many routes it has; nothing where it cannot be used.
    routes: Option<usize>,
    /// How many are wider, and how many narrower.
    counts: (usize, usize),
    lists: Vec<List>,
}

/// What is wider, or narrower.
struct List {
    name: &'static str,
    changes: Vec<Change>,
    /// Those that are not shown.
    more: usize,
}

#[derive(Template)]
#[template(path = "policy_candidate.html")]
struct Page {
    frame: Frame,
    action: String,
    csrf: String,
    text: String,
    /// It was too long to be sent back.
    is_left_out: bool,
    longest: usize,
    found: Option<Found>,
}

pub(in crate::admin) async fn show(visit: Visit) -> Response {
    page(&visit, visit.frame("Try another policy"), String::new(), None)
}

pub(in crate::admin) async fn compare(visit: Visit) -> Response {
    let mut frame = visit.frame("Try another policy");
    let file = multipart::file(&visit.request.headers, &visit.body, "file");
    let text = match file.filter(|file| !file.is_empty()) {
        Some(file) if file.len() <= LONGEST => String::from_utf8(file.to_vec()).ok(),
        Some(_) => None,
        None => Some(visit.form.text("text").replace("\r\n", "\n")),
    };
    let Some(text) = text.filter(|text| text.len() <= LONGEST) else {
        frame.problems.push(words::fill("A policy is a text of {0} KiB at most.", LONGEST / 1024));
        return page(&visit, frame, String::new(), None);
    };
    if text.trim().is_empty() {
        frame.problems.push("Paste a policy, or choose a file.".to_owned());
        return page(&visit, frame, text, None);
    }
    match found(&visit, text.clone()).await {
        Ok(Some(found)) => page(&visit, frame, text, Some(found)),
        Ok(None) => {
            let long = "It takes longer than {0} seconds to compare: use `postern matrix --against`.";
            frame.problems.push(words::fill(long, PATIENCE.as_secs()));
            page(&visit, frame, text, None)
        }
        Err(error) => visit.refused(&error),
    }
}

fn page(visit: &Visit, frame: Frame, text: String, found: Option<Found>) -> Response {
    let status = if frame.problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    // What is a hundred kilobytes by itself is not sent back to where it came from.
    let is_left_out = text.len() > 32 * 1024;
    let text = if is_left_out { String::new() } else { text };
    let (action, csrf) = (visit.admin.at(CANDIDATE), visit.csrf.as_str().to_owned());
    visit.page(status, &Page { frame, action, csrf, text, is_left_out, longest: LONGEST / 1024, found })
}

async fn found(visit: &Visit, text: String) -> Result<Option<Found>, ApiError> {
    let permit = Arc::clone(&visit.admin.kept.heavy).try_acquire_owned().map_err(|_| ApiError::Busy)?;
    let admin = Arc::clone(&visit.admin);
    visit
        .aside(move || {
            let (in_force, begun) = ((admin.policy)(), clock::monotonic());
            let found = match policy::load(&[(NAME, text)], Some(&admin.names)) {
                Err(findings) => Found {
                    findings: told(&findings),
                    more_findings: findings.list().len().saturating_sub(SHOWN),
                    routes: None,
                    counts: (0, 0),
                    lists: Vec::new(),
                },
                Ok(candidate) => {
                    let has_time = || clock::monotonic().saturating_duration_since(begun) < PATIENCE;
                    let comparison = matrix::compare_while(&in_force, &candidate, has_time)?;
                    let list = |name, all: &[Difference]| List {
                        name,
                        changes: all.iter().take(SHOWN).map(change).collect(),
                        more: all.len().saturating_sub(SHOWN),
                    };
                    let lists = [list("Wider", &comparison.wider), list("Narrower", &comparison.narrower)];
                    Found {
                        findings: told(candidate.warnings()),
                        more_findings: candidate.warnings().list().len().saturating_sub(SHOWN),
                        routes: Some(candidate.routes().len()),
                        counts: (comparison.wider.len(), comparison.narrower.len()),
                        lists: lists.into_iter().filter(|list| !list.changes.is_empty()).collect(),
                    }
                }
            };
            drop(permit);
            Some(found)
        })
        .await
}

fn told(findings: &Findings) -> Vec<Finding> {
    let one = |finding: &crate::yaml::Finding| Finding {
        is_error: finding.severity == Severity::Error,
        code: finding.code,
        place: if finding.place.line > 0 { format!("line {}", finding.place.line) } else { String::new() },
        message: finding.message.clone(),
        help: finding.help.clone().unwrap_or_default(),
        line: findings.line_of(finding).chars().take(200).collect(),
    };
    findings.list().iter().take(SHOWN).map(one).collect()
}

fn change(difference: &Difference) -> Change {
    Change {
        pattern: difference.pattern.clone(),
        place: difference.place.clone(),
        methods: difference.methods.clone(),
        who: difference.who.clone(),
        was: difference.was.clone(),
        now: difference.now.clone(),
        others: difference.others.len(),
    }
}
