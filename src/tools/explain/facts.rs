//! Where the facts of an explanation come from, and how old they are.

use super::{Mark, Step};
use serde_json::{Value as Json, json};
use std::time::Duration;

#[derive(Clone, Debug)]
pub enum Provenance {
    /// From the `given` of this file.
    World(String),
    Store {
        /// Which: a URL without its password.
        place: String,
        /// How far its changes were when it was read.
        position: String,
        /// What a serving replica may be behind it, at worst.
        max_staleness: Duration,
        /// The records that were read about the caller.
        records: Vec<Record>,
    },
}

/// A record of a database.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it says: `manager of acme`.
    pub what: String,
    /// When it was last edited, in RFC 3339.
    pub edited: String,
    /// How long ago that is.
    pub age: Duration,
}

impl Provenance {
    pub(super) fn step(&self) -> Step {
        match self {
            Self::World(file) => Step::new("facts", Mark::Note, format!("the `given` of {file}")),
            Self::Store { place, position, max_staleness, records } => {
                let mut step = Step::new("facts", Mark::Note, format!("{place}, read just now at position {position}"));
                for Record { what, edited, age } in records {
                    step = step.note(format!("{what}: last edited {edited}, {} ago", told(*age)));
                }
                let behind = told(*max_staleness);
                step.note(format!("what a serving replica has cached of it is never more than {behind} behind"))
            }
        }
    }

    pub(super) fn json(&self) -> Json {
        match self {
            Self::World(file) => json!({ "from": "world", "place": file }),
            Self::Store { place, position, max_staleness, records } => {
                let record = |Record { what, edited, age }: &Record| json!({ "what": what, "edited": edited, "age_seconds": age.as_secs() });
                json!({
                    "from": "store", "place": place, "position": position, "age_seconds": 0,
                    "max_staleness_seconds": max_staleness.as_secs_f64(),
                    "records": records.iter().map(record).collect::<Vec<_>>(),
                })
            }
        }
    }
}

/// Its two greatest units: `3d 4h`, `12s`, `250ms`.
fn told(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds == 0 && !time.is_zero() {
        return format!("{}ms", time.as_millis());
    }
    let units = [(seconds / 86_400, 'd'), (seconds / 3_600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let from = units.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let words = units.iter().skip(from).take(2).filter(|(count, unit)| *count > 0 || (from == 3 && *unit == 's'));
    words.map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_two_units() {
        for (seconds, words) in [
            (0, "0s"),
            (5, "5s"),
            (60, "1m"),
            (61, "1m 1s"),
            (7_260, "2h 1m"),
            (86_400 * 3 + 59, "3d"),
            (90_000, "1d 1h"),
        ] {
            assert_eq!(told(Duration::from_secs(seconds)), words);
        }
        assert_eq!(told(Duration::from_millis(250)), "250ms");
    }
}
