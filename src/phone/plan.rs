//! What a country allows: which code is whose, what is dialled before a number at home, and which numbers there are.

use super::Number;
use parking_lot::Mutex;
use phonenumber::metadata::{DATABASE, Descriptor, Metadata};
use regex::Regex;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Compiled patterns are kept, so many at most; a plan has about ten.
const KEPT: usize = 512;

static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);

/// A pattern of the plans, compiled; `whole`: it must match from the first digit to the last.
fn compiled(pattern: &str, whole: bool) -> Option<Regex> {
    // The plans' patterns are broken into lines with blanks.
    let text = if whole { format!("(?x)^(?:{pattern})$") } else { format!("(?x)^(?:{pattern})") };
    let mut kept = COMPILED.lock();
    if let Some(regex) = kept.get(&text) {
        return Some(regex.clone());
    }
    let regex = Regex::new(&text).ok()?;
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(text, regex.clone());
    Some(regex)
}

/// The kinds of numbers that count.
fn kinds(plan: &Metadata) -> impl Iterator<Item = &Descriptor> {
    let d = plan.descriptors();
    let all = [
        d.premium_rate(),
        d.toll_free(),
        d.shared_cost(),
        d.voip(),
        d.personal_number(),
        d.pager(),
        d.uan(),
        d.voicemail(),
        d.fixed_line(),
        d.mobile(),
    ];
    all.into_iter().flatten()
}

/// The plan of a code; where several countries share it, that of the main one.
fn main_plan(code: u16) -> Option<&'static Metadata> {
    DATABASE.by_code(&code)?.first().copied()
}

/// Splits the digits after a `+` into the country's code and the rest.
pub(super) fn country(digits: &str) -> Option<(u16, &str)> {
    if digits.len() <= 2 || digits.starts_with('0') {
        return None;
    }
    (1..=3).find_map(|length| {
        let (code, rest) = digits.split_at_checked(length)?;
        let code = code.parse().ok()?;
        main_plan(code).map(|_| (code, rest))
    })
}

/// The number without what is dialled before it at home, such as the `0` of `+44 (0)20 …`, unless it would be no number then.
pub(super) fn without_national_prefix(code: u16, national: &str) -> String {
    let stripped = main_plan(code).and_then(|plan| {
        let stripped = strip(plan, national)?;
        is_long_enough(plan, &stripped).then_some(stripped)
    });
    stripped.unwrap_or_else(|| national.to_owned())
}

fn strip(plan: &Metadata, national: &str) -> Option<String> {
    let prefix = plan.national_prefix_for_parsing().map(|p| p.as_str()).or(plan.national_prefix())?;
    let prefix = compiled(prefix, false)?;
    let found = prefix.captures(national)?;
    let end = found.get(0)?.end();
    let rest = national.get(end..)?;
    let last = found.get(found.len().saturating_sub(1)).filter(|_| found.len() > 1);
    let stripped = match (plan.national_prefix_transform_rule(), last) {
        (Some(rule), Some(_)) if !rule.is_empty() => transformed(rule, &found) + rest,
        _ => rest.to_owned(),
    };
    let general = compiled(plan.descriptors().general().national_number().as_str(), true)?;
    (!general.is_match(national) || general.is_match(&stripped)).then_some(stripped)
}

/// A rule such as `9$1`, with what was found in the places of its groups.
fn transformed(rule: &str, found: &regex::Captures<'_>) -> String {
    let mut text = String::new();
    let mut rest = rule.chars();
    while let Some(c) = rest.next() {
        match c {
            '$' | '\\' => {
                let group = rest.next().and_then(|c| c.to_digit(10)).and_then(|n| found.get(usize::try_from(n).ok()?));
                text.push_str(group.map_or("", |group| group.as_str()));
            }
            other => text.push(other),
        }
    }
    text
}

/// Whether the plan has numbers of this length, or it is too long for all.
fn is_long_enough(plan: &Metadata, national: &str) -> bool {
    let length = u16::try_from(national.len()).unwrap_or(u16::MAX);
    let general = plan.descriptors().general().possible_length();
    let lengths = || general.iter().chain(kinds(plan).flat_map(Descriptor::possible_length));
    lengths().any(|possible| *possible == length) || lengths().max().is_none_or(|longest| length > *longest)
}

/// Whether some country has this number.
pub(super) fn is_valid(number: &Number) -> bool {
    let Some(plans) = DATABASE.by_code(&number.code) else { return false };
    let national = number.national.as_str();
    // Countries that share a code know their numbers by the first digits, or by the numbers that they have.
    let alone = plans.len() == 1;
    let own = plans.into_iter().find(|plan| {
        alone
            || match plan.leading_digits() {
                Some(digits) => compiled(digits.as_str(), false).is_some_and(|digits| digits.is_match(national)),
                None => has(plan, national),
            }
    });
    own.is_some_and(|plan| has(plan, national))
}

fn has(plan: &Metadata, national: &str) -> bool {
    fits(plan.descriptors().general(), national) && kinds(plan).any(|kind| fits(kind, national))
}

fn fits(kind: &Descriptor, national: &str) -> bool {
    let lengths = kind.possible_length();
    let possible = lengths.is_empty() || lengths.iter().any(|length| usize::from(*length) == national.len());
    possible && compiled(kind.national_number().as_str(), true).is_some_and(|number| number.is_match(national))
}
