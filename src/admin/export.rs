//! `/user/export/`: users that were chosen in the list, as a file for spreadsheets.

use super::gate::Visit;
use crate::api::error::ApiError;
use crate::decision::Reason;
use crate::directory::{DirectoryError, ExportedUser, MOST_AT_ONCE};
use crate::export::{self, Column, csv};
use crate::id::UserId;
use axum::response::{IntoResponse, Response};
use form_urlencoded::parse;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use uuid::Uuid;

/// What is not in it of the usual columns: no password, and of others nothing.
const LEFT_OUT: [&str; 3] = ["password", "notes", "organizations"];

pub(super) async fn answer(visit: Visit) -> Response {
    if visit.request.method != Method::GET {
        return visit.refused(&ApiError::NoRoute);
    }
    let query = visit.request.uri.query().unwrap_or_default();
    let chosen = parse(query.as_bytes()).filter(|(name, _)| name == "users");
    let ids = chosen.filter_map(|(_, id)| Uuid::try_parse(&id).ok()).map(UserId).take(MOST_AT_ONCE).collect();
    let users = match visit.view().users_of(ids).await {
        Ok(users) => users,
        Err(DirectoryError::Forbidden { .. }) => {
            let why = Reason::PermissionMissing;
            return visit.refused(&ApiError::Forbidden(why, why.detail()));
        }
        Err(_) => return visit.refused(&ApiError::Unavailable),
    };
    let columns: Vec<Column> =
        export::usual().into_iter().filter(|column| !LEFT_OUT.contains(&&*column.name)).collect();
    let mut file = Vec::new();
    let header: Vec<String> = columns.iter().map(|column| column.header().to_owned()).collect();
    let rows = users.into_iter().map(|user| {
        let of = ExportedUser { user, password: None, memberships: Vec::new(), groups: Vec::new() };
        columns.iter().map(|column| harmless(column.text(&of))).collect::<Vec<_>>()
    });
    // What is written to memory is written.
    let written = std::iter::once(header).chain(rows).try_for_each(|row| csv::write(&mut file, &row));
    if written.is_err() {
        return visit.refused(&ApiError::Unavailable);
    }
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"users.csv\"")),
    ];
    (StatusCode::OK, headers, file).into_response()
}

/// A text that a spreadsheet takes for no formula (OWASP: CSV injection); a number with a sign, such as a telephone's, is none.
fn harmless(text: String) -> String {
    let is_of_number = |sign: char| sign.is_ascii_digit() || " .()-".contains(sign);
    let is_formula = match text.chars().next() {
        Some('=' | '@' | '\t' | '\r') => true,
        Some('+' | '-') => !text.chars().skip(1).all(is_of_number),
        _ => false,
    };
    if is_formula { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_spreadsheet_runs_nothing_that_somebody_typed() {
        for formula in ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-x", "\t=1", "-2+3+cmd|' /C calc'!A0", "+1*A1"] {
            assert_eq!(harmless(formula.to_owned()), format!("'{formula}"));
        }
        for text in ["ann", "+393665243702", "+39 (366) 524-3702", "-1", "", "a=b"] {
            assert_eq!(harmless(text.to_owned()), text);
        }
    }
}
