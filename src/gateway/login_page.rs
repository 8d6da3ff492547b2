//! Browsers that come to a route that takes sessions, and have none: they go to the page on which people log in, and from there to where
//! they wanted to. So do those whose session has not shown a second factor, or not lately enough, to the page that asks for it.

use super::exchange::Exchange;
use crate::api::links::{ESCAPED, Links};
use crate::api::page::LONGEST_NEXT;
use crate::api::paths::{LOGIN, SECOND_FACTOR};
use crate::decision::{Denial, Reason};
use crate::policy::Scheme;
use http::header::{ACCEPT, HeaderName, HeaderValue};
use percent_encoding::utf8_percent_encode;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Where the pages are.
#[derive(Debug)]
pub struct LoginPages {
    login: Box<str>,
    second_factor: Box<str>,
    new_password: Box<str>,
}

impl LoginPages {
    #[must_use]
    pub fn of(links: &Links) -> Self {
        let [login, second_factor] = [LOGIN, SECOND_FACTOR].map(|path| links.at(path).into());
        Self { login, second_factor, new_password: links.change().into() }
    }
}

/// Where a refused request goes instead, if a browser navigates and a session is what it lacks. What a script asks for is refused as
/// everything else is.
#[must_use]
pub fn instead(exchange: &Exchange, denial: &Denial) -> Option<HeaderValue> {
    let pages = exchange.worker().shared.login_pages.as_ref()?;
    let page = match denial.reason {
        Reason::CredentialsMissing | Reason::CredentialsInvalid | Reason::UserInactive => &*pages.login,
        Reason::SecondFactorMissing | Reason::SecondFactorStale => &*pages.second_factor,
        Reason::PasswordExpired => &*pages.new_password,
        _ => return None,
    };
    if !exchange.info.schemes.has(Scheme::Session) || !navigates(exchange) {
        return None;
    }
    if denial.reason == Reason::PasswordExpired {
        return HeaderValue::try_from(page).ok();
    }
    // What was sent with another method is lost, and a secret in the query is for nobody's history.
    let target = exchange.target().filter(|target| target.len() <= LONGEST_NEXT && !exchange.info.by_parameter);
    let location = match target {
        Some(target) => format!("{page}?next={}", utf8_percent_encode(target, ESCAPED)),
        None => page.to_owned(),
    };
    HeaderValue::try_from(location).ok()
}

/// Whether a browser asks for a page to show, as it says itself; one that is too old to say it asks for HTML.
fn navigates(exchange: &Exchange) -> bool {
    match exchange.header(&SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => exchange.header(&ACCEPT).is_some_and(|accept| {
            let ranges = accept.to_str().unwrap_or_default().split(',');
            ranges.map(|range| range.split(';').next().unwrap_or_default().trim()).any(|range| range == "text/html")
        }),
    }
}
