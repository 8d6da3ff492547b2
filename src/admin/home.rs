//! `/`: what there is, and what happens.

use super::frame::Frame;
use super::gate::Visit;
use crate::api::words::filters;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

#[derive(Template)]
#[template(path = "admin_home.html")]
struct Home {
    frame: Frame,
}

pub(super) async fn show(visit: Visit) -> Response {
    visit.page(StatusCode::OK, &Home { frame: visit.frame("Home") })
}
