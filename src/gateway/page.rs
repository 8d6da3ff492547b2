//! A list whose items name only another object: held until all of it is there, so that one question asks whose all of those are.

use super::answer_headers;
use super::body::AnswerBody;
use super::exchange::{Exchange, find_page};
use super::filter::count_foreign;
use super::forward::outcome::dress;
use super::judge::{hold, response};
use super::reply;
use super::upstream_target::UpstreamTarget;
use crate::answers::Counts;
use crate::decision::{AnswerView, Denial, Listed};
use crate::net::deadline::Pace;
use crate::upstream::Body;
use http::{HeaderMap, Response, StatusCode};
use std::sync::Arc;

/// Answers with what of the upstream's page is whoever's has asked.
pub(super) async fn page(
    mut exchange: Box<Exchange>,
    (status, mut headers): (StatusCode, HeaderMap),
    (mut body, mut pace): (Body, Pace),
    target: UpstreamTarget,
) -> Response<AnswerBody> {
    let held = hold(&mut exchange, &headers, &mut body, &mut pace).await;
    drop(body);
    let kept = match held {
        Ok((bytes, _)) => keep(&exchange, AnswerView { status, headers: &headers, body: &bytes }).await,
        Err(denial) => Err(denial),
    };
    let (left, counts) = match kept {
        Ok(kept) => kept,
        Err(denial) => return reply::refuse(exchange, &denial),
    };
    count_foreign(&mut exchange, counts.dropped);
    match exchange.listed().and_then(Listed::pages) {
        Some(pages) => answer_headers::of_narrowed(&mut headers, pages, counts.dropped == 0),
        None => answer_headers::of_filtered(&mut headers),
    }
    dress(&mut exchange, &target, status, &mut headers);
    response(status, headers, AnswerBody::own(left.into(), exchange))
}

/// What is left of the page.
async fn keep(exchange: &Exchange, page: AnswerView<'_>) -> Result<(Vec<u8>, Counts), Denial> {
    let Some(listed) = exchange.listed() else { return Ok((Vec::new(), Counts::default())) };
    let found = match listed.lookup() {
        Some(items) => find_page(exchange.worker(), &items.lookup, listed.asks(page)?).await?,
        None => Arc::default(),
    };
    listed.left(page, &found)
}
