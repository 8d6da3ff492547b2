//! `jobs:` — what is done once a day, and when.

use super::keys::{Reader, Shape, count, custom, keys};
use crate::yaml::Node;

keys! {
    /// When jobs are done: seconds behind the beginning of a day of UTC; `None`: never.
    #[derive(Clone, Copy, Debug)]
    pub struct Jobs {
        deactivate_expired: Option<u32> = Some(60), custom(Shape::Text, time),
            "When accounts are deactivated whose last day is over: `HH:MM` in UTC, or `off`. [00:01]";
        expiration_reminder: Option<u32> = Some(5 * 60), custom(Shape::Text, time),
            "When people are told that their account will expire. [00:05]";
        password_reminder: Option<u32> = Some(3600), custom(Shape::Text, time),
            "When people are told that their password will expire. [01:00]";
        reminder_days: u32 = 7, count::<u32, 0, 365>(), "So many days before; 0 is never. [7]";
    }
}

#[allow(clippy::option_option)] // `Some(None)`: never
fn time(key: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Option<u32>> {
    let text = node.expect_word(&format!("`{key}`"), reader.findings)?;
    let part = |text: &str, least: u32| {
        let is_two = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        is_two.then(|| text.parse::<u32>().ok()).flatten().filter(|number| *number < least)
    };
    let read = || {
        let (hours, minutes) = text.split_once(':')?;
        Some(part(hours, 24)? * 3600 + part(minutes, 60)? * 60)
    };
    match read() {
        Some(time) => Some(Some(time)),
        None if text == "off" => Some(None),
        None => {
            let message = format!("`{key}` must be a time of day or `off`, not `{text}`");
            reader
                .findings
                .error("wrong_value", node.span, message)
                .help("write `\"00:30\"`: hours and minutes in UTC");
            None
        }
    }
}
