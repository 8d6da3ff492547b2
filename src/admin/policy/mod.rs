//! `/policy/`: the policy in force, what it makes of requests, and what another one would. For superusers.
//!
//! What is evaluated is evaluated by [`crate::tools`], as the command line has it. That takes time of a processor, so it is done beside the
//! runtime, and of what is expensive one at a time.

mod candidate;
mod explain;
mod matrix;
mod recent;
mod routes;

pub(super) use matrix::Judged;

use super::gate::Visit;
use crate::api::error::ApiError;
use crate::api::words;
use axum::Router;
use axum::routing::get;

pub(super) const ROUTES: &str = "/policy/";
pub(super) const EXPLAIN: &str = "/policy/explain/";
pub(super) const REFUSALS: &str = "/policy/refusals/";
pub(super) const SHADOW: &str = "/policy/shadow/";
pub(super) const MATRIX: &str = "/policy/matrix/";
pub(super) const CANDIDATE: &str = "/policy/candidate/";

pub(super) fn router() -> Router {
    Router::new()
        .route(ROUTES, get(routes::list))
        .route("/policy/route/{index}/", get(routes::one))
        .route(EXPLAIN, get(explain::show).post(explain::answer))
        .route(REFUSALS, get(recent::refusals))
        .route(SHADOW, get(recent::shadow))
        .route(MATRIX, get(matrix::show))
        .route(CANDIDATE, get(candidate::show).post(candidate::compare))
}

impl Visit {
    /// One parameter of the query; empty where it is not there.
    pub(super) fn asked(&self, name: &str) -> String {
        let query = self.request.uri.query().unwrap_or_default();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    /// Does what takes a processor's time beside the runtime.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let done = self.admin.control.0.spawn_blocking(work).await;
        done.map_err(|error| {
            tracing::error!(%error, "a page of the admin UI breaks off");
            ApiError::Unavailable
        })
    }
}

/// A page of a list that is all in memory.
pub(super) struct Leaf {
    pub from: usize,
    pub to: usize,
    pub of: usize,
    /// Addresses of the pages beside it; empty at an end.
    pub previous: String,
    pub next: String,
}

impl Leaf {
    /// The page that a query's `page` asks for; `address` is what its number is put behind.
    pub(super) fn of(asked: &str, size: usize, of: usize, address: &str) -> Self {
        let last = of.saturating_sub(1) / size;
        let at = asked.parse::<usize>().unwrap_or(1).saturating_sub(1).min(last);
        let mark = if address.contains('?') { '&' } else { '?' };
        let page = |at: usize| format!("{address}{mark}page={}", at + 1);
        Self {
            from: at * size,
            to: ((at + 1) * size).min(of),
            of,
            previous: if at > 0 { page(at - 1) } else { String::new() },
            next: if at < last { page(at + 1) } else { String::new() },
        }
    }

    pub(super) fn words(&self) -> String {
        match self.of {
            0 => String::new(),
            of => words::fill_each("{0} to {1} of {2}", &[&(self.from + 1), &self.to, &of]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Leaf;

    #[test]
    fn whatever_page_is_asked_for_there_is_one() {
        let leaf = |asked, of| {
            let leaf = Leaf::of(asked, 10, of, "/x/?q=a");
            (leaf.from, leaf.to, leaf.previous, leaf.next)
        };
        assert_eq!(leaf("", 25), (0, 10, String::new(), "/x/?q=a&page=2".to_owned()));
        assert_eq!(leaf("2", 25), (10, 20, "/x/?q=a&page=1".to_owned(), "/x/?q=a&page=3".to_owned()));
        assert_eq!(leaf("99", 25), (20, 25, "/x/?q=a&page=2".to_owned(), String::new()));
        assert_eq!(leaf("-1", 0), (0, 0, String::new(), String::new()));
    }
}
