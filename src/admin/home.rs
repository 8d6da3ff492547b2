//! `/`: for staff what there is to do; for superusers, how the installation goes.
//!
//! What the directory tells is kept for a moment, so that opening the page often asks it seldom.

use super::chart::{Chart, Series};
use super::frame::{Frame, Group};
use super::gate::Visit;
use super::policy::REFUSALS;
use crate::api::error::ApiError;
use crate::api::words::{self, filters};
use crate::directory::{Count, Growth};
use crate::telemetry::minutes::{Minute, Refusals};
use askama::Template;
use axum::response::Response;
use form_urlencoded::Serializer;
use http::StatusCode;
use jiff::Timestamp;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Days that are shown.
const DAYS: i64 = 30;
/// Minutes that are shown, and those that a bar stands for.
const MINUTES: usize = 180;
const EACH: usize = 3;
/// What the directory has told is good for so long: Django's tables have no index by age, and are gone through.
const GOOD_FOR: Duration = Duration::from_secs(5 * 60);
/// Rows of refusals.
const MOST: usize = 12;
const DAY: i64 = 86_400;

/// What the directory has told last.
#[derive(Default)]
pub struct Told(Mutex<Option<(Instant, Arc<Growth>)>>);

/// A number that is looked at first.
struct Tile {
    name: String,
    value: String,
    note: String,
}

struct Refused {
    route: String,
    reason: &'static str,
    title: &'static str,
    count: u64,
    /// Of all that were refused, in percent.
    share: u64,
    href: String,
}

#[derive(Template)]
#[template(path = "admin_home.html")]
struct Home {
    frame: Frame,
    /// Where somebody goes from here.
    places: Vec<Group>,
    tiles: Vec<Tile>,
    charts: Vec<Chart>,
    refused: Vec<Refused>,
    notes: Vec<String>,
}

pub(super) async fn show(visit: Visit) -> Response {
    let frame = visit.frame("Home");
    let places = frame.nav.iter().filter(|group| !group.name.is_empty()).cloned().collect();
    let mut home =
        Home { frame, places, tiles: Vec::new(), charts: Vec::new(), refused: Vec::new(), notes: Vec::new() };
    if visit.is_superuser() {
        match growth(&visit).await {
            Ok(growth) => home.people(&growth),
            Err(_) => home.frame.problems.push(words::t("The directory cannot be asked at this moment.").into_owned()),
        }
        home.requests(&visit);
        // Those of thousands of routes are summed up.
        let metrics = Arc::clone(&visit.admin.metrics);
        match visit.aside(move || (metrics.refusals(MOST), metrics.outcomes().1)).await {
            Ok((most, all)) => home.refusals(&visit, most, all),
            Err(error) => return visit.refused(&error),
        }
    }
    visit.page(StatusCode::OK, &home)
}

async fn growth(visit: &Visit) -> Result<Arc<Growth>, ApiError> {
    let kept = visit.admin.kept.growth.0.lock().clone();
    if let Some((_, growth)) =
        kept.filter(|(at, _)| crate::clock::monotonic().saturating_duration_since(*at) < GOOD_FOR)
    {
        return Ok(growth);
    }
    let growth = visit.view().growth(DAYS).await.map_err(|error| {
        tracing::warn!(%error, "a dashboard cannot be shown");
        ApiError::Unavailable
    })?;
    let growth = Arc::new(growth);
    *visit.admin.kept.growth.0.lock() = Some((crate::clock::monotonic(), Arc::clone(&growth)));
    Ok(growth)
}

impl Home {
    fn people(&mut self, growth: &Growth) {
        let users = (words::t("Users"), words::t("New users"), words::t("new users"));
        let organizations = (words::t("Organizations"), words::t("New organizations"), words::t("new organizations"));
        for ((name, title, series), id, class, count) in
            [(users, "users", "one", &growth.users), (organizations, "organizations", "two", &growth.organizations)]
        {
            let recent: u64 = count.by_day.values().sum();
            let note = match count.is_cut {
                true => words::fill_each("at least {0} new in {1} days", &[&recent, &DAYS]),
                false => words::fill_each("{0} new in {1} days", &[&recent, &DAYS]),
            };
            self.tiles.push(Tile { name: name.to_string(), value: count.total.to_string(), note });
            if count.is_cut {
                let cut = "{0}: only the last 20,000 are counted, so that the first days are not whole.";
                self.notes.push(words::fill(cut, name));
            }
            let series = Series { name: series.into_owned(), class };
            self.charts.push(by_day(title.into_owned(), id, series, count));
        }
        let age = GOOD_FOR.as_secs() / 60;
        self.notes.push(words::fill("Users and organizations are as of {0} minutes ago at most.", age));
    }

    fn requests(&mut self, visit: &Visit) {
        let minutes = visit.admin.minutes.last(MINUTES);
        let hour =
            |of: fn(&Minute) -> u32| minutes.iter().rev().take(60).map(|minute| u64::from(of(minute))).sum::<u64>();
        let (allowed, refused) = (hour(|minute| minute.allowed), hour(|minute| minute.refused));
        self.tiles.push(Tile {
            name: words::t("Requests, last hour").into_owned(),
            value: (allowed + refused).to_string(),
            note: words::fill("{0} refused or failed", refused),
        });
        self.tiles.push(Tile {
            name: words::t("Logins, last hour").into_owned(),
            value: hour(|minute| minute.logins).to_string(),
            note: words::t("sessions that began").into_owned(),
        });
        let lag = visit.admin.fact_cache.lag().total();
        let within = |percent| {
            let none = || words::t("none yet").into_owned();
            lag.within(percent).map_or_else(none, |micros| format!("{} ms", micros.div_ceil(1000)))
        };
        self.tiles.push(Tile {
            name: words::t("Revocation lag").into_owned(),
            value: within(99),
            note: words::fill_each(
                "99 % within {0}, half within {1}; {2} changes",
                &[&within(99), &within(50), &lag.count()],
            ),
        });
        let pieces: Vec<&[Minute]> = minutes.rchunks(EACH).rev().collect();
        let rows = |of: fn(&Minute) -> Vec<u64>| -> Vec<(String, Vec<u64>)> {
            let sum = |piece: &[Minute]| {
                piece.iter().map(of).fold(Vec::new(), |sum: Vec<u64>, next| {
                    next.iter().enumerate().map(|(at, n)| n + sum.get(at).copied().unwrap_or(0)).collect()
                })
            };
            let time = |piece: &[Minute]| {
                let at = piece.last().map_or(0, |minute| i64::try_from(minute.at).unwrap_or(0));
                Timestamp::from_second(at).unwrap_or_default().strftime("%H:%M").to_string()
            };
            pieces.iter().map(|piece| (time(piece), sum(piece))).collect()
        };
        let series = |name: Cow<'_, str>, class| Series { name: name.into_owned(), class };
        self.charts.push(Chart::bars(
            "requests",
            words::t("Requests").into_owned(),
            words::fill_each(
                "Let through and refused, of each {0} minutes of the last {1} hours; {2} and {3} in the last one.",
                &[&EACH, &(MINUTES / 60), &allowed, &refused],
            ),
            words::t("until (UTC)").into_owned(),
            &[series(words::t("refused"), "bad"), series(words::t("let through"), "one")],
            rows(|minute| vec![u64::from(minute.refused), u64::from(minute.allowed)]),
        ));
        self.charts.push(Chart::bars(
            "logins",
            words::t("Logins").into_owned(),
            words::fill_each(
                "Sessions that began, of each {0} minutes of the last {1} hours.",
                &[&EACH, &(MINUTES / 60)],
            ),
            words::t("until (UTC)").into_owned(),
            &[series(words::t("logins"), "two")],
            rows(|minute| vec![u64::from(minute.logins)]),
        ));
        let note = "Requests, logins, refusals and the lag are those of this replica alone, since it was started; the current minute is not counted yet.";
        self.notes.push(words::t(note).into_owned());
    }

    fn refusals(&mut self, visit: &Visit, most: Vec<Refusals>, all: u64) {
        let at = visit.admin.at(REFUSALS);
        self.refused = most
            .into_iter()
            .map(|one| {
                let mut query = Serializer::new(String::new());
                query.append_pair("reason", one.reason.code()).append_pair("route", &one.route);
                Refused {
                    href: format!("{at}?{}", query.finish()),
                    reason: one.reason.code(),
                    title: one.reason.title(),
                    share: (one.count * 100 / all.max(1)).min(100),
                    count: one.count,
                    route: one.route,
                }
            })
            .collect();
    }
}

fn by_day(title: String, id: &'static str, series: Series, count: &Count) -> Chart {
    let today = crate::clock::unix_seconds() / DAY;
    let rows = (today - DAYS + 1..=today).map(|day| {
        let date = Timestamp::from_second(day * DAY).unwrap_or_default();
        (date.strftime("%Y-%m-%d").to_string(), vec![count.by_day.get(&day).copied().unwrap_or(0)])
    });
    let recent: u64 = count.by_day.values().sum();
    let summary = "{0} in the last {1} days, by the day on which they were made (UTC).";
    let summary = words::fill_each(summary, &[&recent, &DAYS]);
    Chart::bars(id, title, summary, words::t("day").into_owned(), &[series], rows.collect())
}
