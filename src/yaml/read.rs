//! Typed readers: each says what it wanted when it finds something else, and `None` means that it said so.

use super::{Findings, Key, Map, Node, Scalar, Span, Value};
use std::num::NonZeroU32;
use std::time::Duration;

/// How many requests in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    Off,
    /// `20/day`: so many in each period.
    Each {
        count: NonZeroU32,
        period: Duration,
    },
}

/// The keys that a map may have.
#[derive(Clone, Copy)]
pub struct Keys<'k> {
    pub known: &'k [&'k str],
    /// Those that the language names but this version does not do: refused, never ignored.
    pub not_yet: &'k [&'k str],
}

impl Node {
    #[must_use]
    pub fn is_off(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.text == "off")
    }

    /// A map; `what` names the node in the message (`` `routes` ``).
    pub fn expect_map(&self, what: &str, findings: &mut Findings) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            other => {
                self.mismatch(what, "a map", other, findings);
                None
            }
        }
    }

    /// A map; `help` says how it is written, to whoever wrote something else.
    pub fn expect_map_like(&self, what: &str, help: &str, findings: &mut Findings) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            Value::Faulty => None,
            other => {
                self.mismatch(what, "a map", other, findings);
                findings.last().help(help);
                None
            }
        }
    }

    pub fn expect_seq(&self, what: &str, findings: &mut Findings) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            other => {
                self.mismatch(what, "a list", other, findings);
                None
            }
        }
    }

    /// A list of texts; one text alone stands for a list of one.
    pub fn expect_strs(&self, what: &str, findings: &mut Findings) -> Option<Vec<(&str, Span)>> {
        match &self.value {
            Value::Seq(items) => {
                let texts: Vec<_> = items.iter().map(|n| n.expect_str(what, findings).map(|t| (t, n.span))).collect();
                texts.into_iter().collect()
            }
            _ => Some(vec![(self.expect_str(what, findings)?, self.span)]),
        }
    }

    /// A text. What YAML would take for a boolean or a number must be quoted.
    pub fn expect_str(&self, what: &str, findings: &mut Findings) -> Option<&str> {
        let scalar = self.expect_scalar(what, "a text", findings)?;
        if scalar.plain
            && let Some(kind) = taken_for(&scalar.text)
        {
            findings
                .error(
                    "quote_it",
                    self.span,
                    format!("{what} must be a text, but YAML takes `{}` for {kind}", scalar.text),
                )
                .help(format!("quote it: \"{}\"", scalar.text));
            return None;
        }
        Some(&scalar.text)
    }

    /// A word of ours, whatever YAML would take it for: `5` and `yes` are words that are not known.
    pub fn expect_word(&self, what: &str, findings: &mut Findings) -> Option<&str> {
        self.expect_scalar(what, "one word", findings).map(|scalar| scalar.text.as_str())
    }

    /// A list of words; one alone stands for a list of one.
    pub fn expect_words(&self, what: &str, findings: &mut Findings) -> Option<Vec<(&str, Span)>> {
        let nodes = if let Value::Seq(items) = &self.value { items } else { std::slice::from_ref(self) };
        let words: Vec<_> = nodes.iter().map(|node| Some((node.expect_word(what, findings)?, node.span))).collect();
        words.into_iter().collect()
    }

    /// One of these words, and what it stands for.
    pub fn expect_one_of<T: Clone>(&self, what: &str, words: &[(&str, T)], findings: &mut Findings) -> Option<T> {
        let wanted = alternatives(words.iter().map(|(word, _)| *word));
        let word = &self.expect_scalar(what, &wanted, findings)?.text;
        let found = words.iter().find(|(known, _)| known == word).map(|(_, value)| value.clone());
        if found.is_none() {
            let near = suggest(word, words.iter().map(|(known, _)| *known));
            let detail = findings.error("wrong_value", self.span, format!("{what} must be {wanted}, not `{word}`"));
            detail.help(near.map_or_else(|| format!("write {wanted}"), |near| format!("did you mean `{near}`?")));
        }
        found
    }

    /// `true` or `false`, and no other spelling.
    pub fn expect_bool(&self, what: &str, findings: &mut Findings) -> Option<bool> {
        let scalar = self.expect_scalar(what, "`true` or `false`", findings)?;
        match (scalar.text.as_str(), scalar.plain) {
            ("true", true) => Some(true),
            ("false", true) => Some(false),
            (text, _) => {
                let word = match text.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "on" | "y" | "1" => "write `true`",
                    "false" | "no" | "off" | "n" | "0" => "write `false`",
                    _ => "write `true` or `false`",
                };
                findings
                    .error("wrong_type", self.span, format!("{what} must be `true` or `false`, not `{text}`"))
                    .help(word);
                None
            }
        }
    }

    /// A whole number in `range`.
    pub fn expect_u64(&self, what: &str, range: std::ops::RangeInclusive<u64>, findings: &mut Findings) -> Option<u64> {
        let scalar = self.expect_scalar(what, "a number", findings)?;
        match scalar.text.parse::<u64>() {
            Ok(n) if range.contains(&n) => Some(n),
            _ => {
                let (low, high) = (range.start(), range.end());
                let message = format!("{what} must be a whole number from {low} to {high}, not `{}`", scalar.text);
                findings.error("wrong_value", self.span, message);
                None
            }
        }
    }

    /// A length of time: `250ms`, `5s`, `1m`, `2h`, `30d`, or `0`.
    pub fn expect_duration(&self, what: &str, findings: &mut Findings) -> Option<Duration> {
        let scalar = self.expect_scalar(what, "a length of time", findings)?;
        let read = duration(&scalar.text);
        if read.is_none() {
            let usual = "write a whole number and a unit: `250ms`, `5s`, `1m`, `2h`, `30d`";
            findings
                .error("wrong_value", self.span, format!("{what} must be a length of time, not `{}`", scalar.text))
                .help(respelt(&scalar.text, &TIMES).map_or_else(|| usual.to_owned(), |it| format!("write `{it}`")));
        }
        read
    }

    /// A number of bytes: `512B`, `64KiB`, `1MiB`, `2GiB`.
    pub fn expect_size(&self, what: &str, findings: &mut Findings) -> Option<u64> {
        let scalar = self.expect_scalar(what, "a size", findings)?;
        let read = size(&scalar.text);
        if read.is_none() {
            let usual = "write a whole number and a unit: `512B`, `64KiB`, `1MiB`, `2GiB`";
            findings
                .error("wrong_value", self.span, format!("{what} must be a size, not `{}`", scalar.text))
                .help(respelt(&scalar.text, &SIZES).map_or_else(|| usual.to_owned(), |it| format!("write `{it}`")));
        }
        read
    }

    /// A rate: `20/day`, `5/m`, or `none`. Of the period only the first letter counts.
    pub fn expect_rate(&self, what: &str, findings: &mut Findings) -> Option<Rate> {
        self.rate(what, rate, findings)
    }

    /// The same as Django REST framework reads it: of the period the first letter counts alone, so that `5/month` is five a minute.
    pub fn expect_drf_rate(&self, what: &str, findings: &mut Findings) -> Option<Rate> {
        self.rate(what, drf_rate, findings)
    }

    fn rate(&self, what: &str, read: impl Fn(&str) -> Option<Rate>, findings: &mut Findings) -> Option<Rate> {
        let scalar = self.expect_scalar(what, "a rate", findings)?;
        let read = read(&scalar.text);
        if read.is_none() {
            findings.error("wrong_value", self.span, format!("{what} must be a rate, not `{}`", scalar.text)).help(
                "write a number from 1 on and a period: `5/second`, `100/minute`, `30/hour`, `20/day`; or `none`",
            );
        }
        read
    }

    fn expect_scalar(&self, what: &str, wanted: &str, findings: &mut Findings) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            other => {
                self.mismatch(what, wanted, other, findings);
                None
            }
        }
    }

    /// Reports that something else stands here; silent about what was already reported.
    fn mismatch(&self, what: &str, wanted: &str, found: &Value, findings: &mut Findings) {
        let found = match found {
            Value::Scalar(scalar) => format!("`{}`", scalar.text),
            Value::Seq(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Null => "null".to_owned(),
            Value::Faulty => return,
        };
        let detail = findings.error("wrong_type", self.span, format!("{what} must be {wanted}, not {found}"));
        let help = match self.value {
            Value::Seq(_) => "write it alone, without `[ … ]` or `-`",
            Value::Map(_) => "a value is wanted here, not keys with values",
            _ => return,
        };
        detail.help(help);
    }
}

impl Map {
    /// Reports every key that is not known here; `what` names the map (`a route`).
    pub fn expect_keys(&self, what: &str, keys: Keys<'_>, findings: &mut Findings) {
        for entry in &self.entries {
            let name = entry.key.text.as_str();
            // What is not there yet is off.
            let is_off = || keys.not_yet.contains(&name) && entry.value.is_off();
            if !keys.known.contains(&name) && !is_off() {
                keys.refuse(&entry.key, what, findings);
            }
        }
    }
}

impl Keys<'_> {
    /// Reports `key`, which is not known in `what`, with the nearest known one.
    pub fn refuse(&self, key: &Key, what: &str, findings: &mut Findings) {
        if self.not_yet.contains(&key.text.as_str()) {
            let message = format!("`{}` is not yet supported by this version of postern", key.text);
            findings
                .error("not_yet", key.span, message)
                .help("leave it out: what is not done is refused, never ignored");
            return;
        }
        let candidates = self.known.iter().chain(self.not_yet).copied();
        let near = suggest(&key.text, candidates).map(|word| format!("did you mean `{word}`?"));
        let help = near.unwrap_or_else(|| format!("known here: {}", self.known.join(", ")));
        findings.error("unknown_key", key.span, format!("`{}` is not known in {what}", key.text)).help(help);
    }
}

/// The candidate that `word` most probably stands for, if any is near enough: a slip in every three letters.
pub fn suggest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let lower = word.to_lowercase();
    let near = |candidate: &str| {
        let distance = strsim::osa_distance(&lower, &candidate.to_lowercase());
        (distance <= candidate.chars().count().max(3) / 3).then_some(distance)
    };
    candidates.into_iter().filter_map(|c| Some((near(c)?, c))).min_by_key(|(distance, _)| *distance).map(|(_, c)| c)
}

/// `` `a`, `b` or `c` ``
fn alternatives<'w>(words: impl ExactSizeIterator<Item = &'w str>) -> String {
    let last = words.len().saturating_sub(1);
    let mut text = String::new();
    for (at, word) in words.enumerate() {
        text.push_str(match at {
            0 => "",
            _ if at == last => " or ",
            _ => ", ",
        });
        text.push_str(&format!("`{word}`"));
    }
    text
}

/// Other spellings of units, in lower case, and ours.
const TIMES: [(&str, &str); 20] = [
    ("ms", "ms"),
    ("msec", "ms"),
    ("millis", "ms"),
    ("milliseconds", "ms"),
    ("s", "s"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("m", "m"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("h", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("d", "d"),
    ("day", "d"),
    ("days", "d"),
];
const SIZES: [(&str, &str); 12] = [
    ("b", "B"),
    ("bytes", "B"),
    ("k", "KiB"),
    ("kb", "KiB"),
    ("kib", "KiB"),
    ("ki", "KiB"),
    ("m", "MiB"),
    ("mb", "MiB"),
    ("mib", "MiB"),
    ("mi", "MiB"),
    ("g", "GiB"),
    ("gb", "GiB"),
];

/// A number and a unit in our spelling, where it is meant: `10 MB` is `10MiB`.
fn respelt(text: &str, units: &[(&str, &str)]) -> Option<String> {
    let (number, unit) = split_number(text.trim())?;
    let unit = unit.trim().to_lowercase();
    units.iter().find(|(other, _)| *other == unit).map(|(_, ours)| format!("{number}{ours}"))
}

/// What YAML 1.1 or 1.2 takes an unquoted word for, if not for a text.
fn taken_for(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    if matches!(lower.as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n") {
        return Some("a boolean");
    }
    let number = text.trim_start_matches(['+', '-']).trim_end_matches(|c: char| c.is_ascii_digit() || c == ':');
    let digits = text.contains(|c: char| c.is_ascii_digit());
    let special = matches!(lower.trim_start_matches(['+', '-']), ".inf" | ".nan");
    let prefixed = lower.strip_prefix("0x").or(lower.strip_prefix("0o"));
    let hex = prefixed.is_some_and(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_hexdigit()));
    let float = digits && text.parse::<f64>().is_ok();
    (special || hex || float || (digits && number.is_empty())).then_some("a number")
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(at)?;
    Some((number.parse().ok()?, unit))
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_number(text)?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "" if number == 0 => 0,
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

fn size(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text)?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

fn rate(text: &str) -> Option<Rate> {
    each(text, |period| match period {
        "s" | "sec" | "second" => Some(1),
        "m" | "min" | "minute" => Some(60),
        "h" | "hour" => Some(3600),
        "d" | "day" => Some(86400),
        _ => None,
    })
}

fn drf_rate(text: &str) -> Option<Rate> {
    each(text, |period| match period.chars().next()? {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86400),
        _ => None,
    })
}

fn each(text: &str, seconds: impl Fn(&str) -> Option<u64>) -> Option<Rate> {
    if text == "none" {
        return Some(Rate::Off);
    }
    let (count, period) = text.split_once('/')?;
    let count = Some(count).filter(|count| count.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    Some(Rate::Each { count, period: Duration::from_secs(seconds(period)?) })
}
