//! `/policy/matrix/`: who may do what, over all routes of the policy in force, as `postern matrix` judges it.
//!
//! A policy of thousands of routes is judged in seconds, so what was judged is kept for as long as that policy is in force.

use super::super::frame::Frame;
use super::super::gate::Visit;
use super::{Leaf, MATRIX};
use crate::api::error::ApiError;
use crate::api::words::filters;
use crate::policy::Policy;
use crate::tools::matrix::{Matrix, Verdict};
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;

/// Rows on a page.
const SIZE: usize = 40;

#[derive(Clone)]
struct Cell {
    /// `allow`, a status, or `none` where a foreign organization cannot be named.
    text: String,
    passes: bool,
    code: &'static str,
}

#[derive(Clone)]
struct Row {
    pattern: String,
    href: String,
    methods: String,
    is_shadow: bool,
    cells: Vec<Cell>,
}

/// All that was judged of one policy.
pub(in crate::admin) struct Table {
    fingerprint: Box<str>,
    heads: Vec<String>,
    rows: Vec<Row>,
    unreachable: Vec<String>,
}

/// What was judged last.
#[derive(Default)]
pub(in crate::admin) struct Judged(Mutex<Option<Arc<Table>>>);

impl Table {
    fn of(policy: &Policy, at: impl Fn(&str) -> String) -> Self {
        let matrix = Matrix::of(policy);
        let cell = |cell: &Option<Verdict>| match cell {
            None => Cell { text: "none".to_owned(), passes: false, code: "" },
            Some(Verdict::Allow) => Cell { text: "allow".to_owned(), passes: true, code: "" },
            Some(Verdict::Refuse(status, code)) => Cell { text: status.to_string(), passes: false, code },
        };
        let rows = matrix.rows.iter().map(|row| Row {
            pattern: row.route.pattern.to_string(),
            href: at(&format!("/policy/route/{}/", row.route.index)),
            methods: row.methods.clone(),
            is_shadow: row.route.is_shadow(),
            cells: row.cells.iter().map(cell).collect(),
        });
        Self {
            fingerprint: policy.fingerprint().into(),
            rows: rows.collect(),
            heads: matrix.heads.iter().map(crate::tools::matrix::Head::words).collect(),
            unreachable: matrix.unreachable.iter().map(|route| route.pattern.to_string()).collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "policy_matrix.html")]
struct Page {
    frame: Frame,
    action: String,
    search: String,
    heads: Vec<String>,
    rows: Vec<Row>,
    unreachable: Vec<String>,
    leaf: Leaf,
}

pub(in crate::admin) async fn show(visit: Visit) -> Response {
    let judged = match judged(&visit).await {
        Ok(judged) => judged,
        Err(error) => return visit.refused(&error),
    };
    let search = visit.asked("q");
    let found: Vec<&Row> = judged.rows.iter().filter(|row| row.pattern.contains(&search)).collect();
    let action = visit.admin.at(MATRIX);
    let address = match search.as_str() {
        "" => action.clone(),
        search => format!("{action}?q={}", utf8_percent_encode(search, NON_ALPHANUMERIC)),
    };
    let leaf = Leaf::of(&visit.asked("page"), SIZE, found.len(), &address);
    let rows = found.get(leaf.from..leaf.to).unwrap_or_default().iter().map(|row| (*row).clone()).collect();
    let page = Page {
        frame: visit.frame("Who may do what"),
        action,
        search,
        heads: judged.heads.clone(),
        rows,
        unreachable: judged.unreachable.clone(),
        leaf,
    };
    visit.page(StatusCode::OK, &page)
}

async fn judged(visit: &Visit) -> Result<Arc<Table>, ApiError> {
    let policy = (visit.admin.policy)();
    let kept = visit.admin.kept.matrix.0.lock().clone();
    if let Some(kept) = kept.filter(|kept| *kept.fingerprint == *policy.fingerprint()) {
        return Ok(kept);
    }
    let permit = Arc::clone(&visit.admin.kept.heavy).try_acquire_owned().map_err(|_| ApiError::Busy)?;
    let admin = Arc::clone(&visit.admin);
    visit
        .aside(move || {
            let judged = Arc::new(Table::of(&policy, |path| admin.at(path)));
            *admin.kept.matrix.0.lock() = Some(Arc::clone(&judged));
            drop(permit);
            judged
        })
        .await
}
