//! The style sheet: that of the other pages and what these have besides, at an address that changes with it, so that browsers keep it.

use super::Admin;
use crate::api::assets::{css, named};
use axum::extract::{Path as Name, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Method, StatusCode};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// Greatest style sheet of an installation, in bytes.
const LARGEST: u64 = 256 * 1024;

const STYLE: &str = concat!(
    include_str!("../api/templates/style.css"),
    include_str!("templates/admin.css"),
    include_str!("templates/records.css")
);

/// The style sheet of an installation: ours, and behind it its own, where it has one.
pub struct Style {
    name: String,
    text: Bytes,
}

impl Style {
    /// # Errors
    /// The file cannot be read, is too large, or is no text.
    pub fn new(own: Option<&Path>) -> io::Result<Self> {
        let mut text = STYLE.to_owned();
        if let Some(path) = own {
            let mut own = String::new();
            File::open(path)?.take(LARGEST + 1).read_to_string(&mut own)?;
            if own.len() as u64 > LARGEST {
                return Err(io::Error::other(format!("more than {LARGEST} bytes")));
            }
            text.push('\n');
            text.push_str(&own);
        }
        Ok(Self { name: named("admin", &text), text: text.into() })
    }
}

/// Where it is.
pub(super) fn style(admin: &Admin) -> String {
    admin.at(&format!("assets/{}", admin.style.name))
}

/// Answers a request of any method.
pub(super) async fn answer(State(admin): State<Arc<Admin>>, Name(name): Name<String>, method: Method) -> Response {
    match method {
        Method::GET | Method::HEAD if name == admin.style.name => css(admin.style.text.clone()),
        Method::GET | Method::HEAD => StatusCode::NOT_FOUND.into_response(),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}
