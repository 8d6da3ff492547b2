//! `/`: for staff what there is to do; for superusers, how the installation goes.
//!
//! What the directory tells is kept for a moment, so that opening the page often asks it seldom.

use super::chart::{Chart, Series};
use super::frame::{Frame, Group};
use super::gate::Visit;
use super::moment;
use super::policy::REFUSALS;
use crate::api::error::ApiError;
use crate::api::words::filters;
use crate::directory::{Count, Growth};
use crate::telemetry::minutes::{Minute, Refusals};
use askama::Template;
use axum::response::Response;
use form_urlencoded::Serializer;
use http::StatusCode;
use parking_lot::Mutex;
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
    name: &'static str,
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
        home.frame.is_english = true;
        match growth(&visit).await {
            Ok(growth) => home.people(&growth),
            Err(_) => home.frame.problems.push("The directory cannot be asked at this moment.".to_owned()),
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
        for (name, id, class, count) in
            [("Users", "users", "one", &growth.users), ("Organizations", "organizations", "two", &growth.organizations)]
        {
            let recent: u64 = count.by_day.values().sum();
            let least = if count.is_cut { "at least " } else { "" };
            self.tiles.push(Tile {
                name,
                value: count.total.to_string(),
                note: format!("{least}{recent} new in {DAYS} days"),
            });
            if count.is_cut {
                self.notes.push(format!("Of new {id} only the last 20,000 are counted: the first days are not whole."));
            }
            self.charts.push(by_day(name, id, class, count));
        }
        self.notes.push(format!("Users and organizations are as of {} minutes ago at most.", GOOD_FOR.as_secs() / 60));
    }

    fn requests(&mut self, visit: &Visit) {
        let minutes = visit.admin.minutes.last(MINUTES);
        let hour =
            |of: fn(&Minute) -> u32| minutes.iter().rev().take(60).map(|minute| u64::from(of(minute))).sum::<u64>();
        let (allowed, refused) = (hour(|minute| minute.allowed), hour(|minute| minute.refused));
        self.tiles.push(Tile {
            name: "Requests, last hour",
            value: (allowed + refused).to_string(),
            note: format!("{refused} refused or failed"),
        });
        self.tiles.push(Tile {
            name: "Logins, last hour",
            value: hour(|minute| minute.logins).to_string(),
            note: "sessions that began".to_owned(),
        });
        let lag = visit.admin.fact_cache.lag().total();
        let within = |percent| {
            lag.within(percent).map_or("none yet".to_owned(), |micros| format!("{} ms", micros.div_ceil(1000)))
        };
        self.tiles.push(Tile {
            name: "Revocation lag",
            value: within(99),
            note: format!("99 % within {}, half within {}; {} changes", within(99), within(50), lag.count()),
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
                moment::told(at).chars().skip(11).take(5).collect()
            };
            pieces.iter().map(|piece| (time(piece), sum(piece))).collect()
        };
        let series = |name: &str, class| Series { name: name.to_owned(), class };
        self.charts.push(Chart::bars(
            "requests",
            "Requests".to_owned(),
            format!("Let through and refused, of each {EACH} minutes of the last {} hours; {allowed} and {refused} in the last one.", MINUTES / 60),
            "until (UTC)".to_owned(),
            &[series("refused", "bad"), series("let through", "one")],
            rows(|minute| vec![u64::from(minute.refused), u64::from(minute.allowed)]),
        ));
        self.charts.push(Chart::bars(
            "logins",
            "Logins".to_owned(),
            format!("Sessions that began, of each {EACH} minutes of the last {} hours.", MINUTES / 60),
            "until (UTC)".to_owned(),
            &[series("logins", "two")],
            rows(|minute| vec![u64::from(minute.logins)]),
        ));
        self.notes.push(
            "Requests, logins, refusals and the lag are those of this replica alone, since it was started; the \
             current minute is not counted yet."
                .to_owned(),
        );
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

fn by_day(name: &str, id: &'static str, class: &'static str, count: &Count) -> Chart {
    let today = crate::clock::unix_seconds() / DAY;
    let rows = (today - DAYS + 1..=today).map(|day| {
        let date = moment::told(day * DAY).chars().take(10).collect();
        (date, vec![count.by_day.get(&day).copied().unwrap_or(0)])
    });
    let recent: u64 = count.by_day.values().sum();
    let series = [Series { name: format!("new {id}"), class }];
    let summary = format!("{recent} in the last {DAYS} days, by the day on which they were made (UTC).");
    Chart::bars(id, format!("New {}", name.to_lowercase()), summary, "day".to_owned(), &series, rows.collect())
}
