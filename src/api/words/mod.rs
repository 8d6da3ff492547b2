//! What pages say, in the language of who reads it: English, Italian, German or Spanish, as their browser asks.
//!
//! Texts are written in English where they are said, and looked up here when they are shown (`{{ "Log in"|t }}` in templates): a
//! catalog in gettext's format maps them (`catalog`). A text without a translation is shown as it is. What programs read stays English.

mod catalog;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use catalog::Catalog;
use http::HeaderMap;
use http::header::{self, HeaderValue};
use jiff::Timestamp;
use std::borrow::Cow;
use std::fmt::{self, Display};
use std::sync::LazyLock;

/// A language that pages are there in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    Italian,
    German,
    Spanish,
}

static ITALIAN: LazyLock<Catalog> = LazyLock::new(|| Catalog::read(include_str!("../languages/it.po")));
static GERMAN: LazyLock<Catalog> = LazyLock::new(|| Catalog::read(include_str!("../languages/de.po")));
static SPANISH: LazyLock<Catalog> = LazyLock::new(|| Catalog::read(include_str!("../languages/es.po")));

tokio::task_local! {
    static LANGUAGE: Language;
}

/// Languages of a header that are looked at.
const MOST_ASKED: usize = 16;

impl Language {
    pub const ALL: [Self; 4] = [Self::English, Self::Italian, Self::German, Self::Spanish];

    /// That of whoever the page is made for; English where nobody has asked.
    #[must_use]
    pub fn current() -> Self {
        LANGUAGE.try_with(|language| *language).unwrap_or_default()
    }

    /// Its tag (RFC 5646).
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Italian => "it",
            Self::German => "de",
            Self::Spanish => "es",
        }
    }

    /// The one of ours that a browser likes best (RFC 9110, section 12.5.4).
    fn asked(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|line| line.to_str().ok());
        let ranges = lines.flat_map(|line| line.split(',')).take(MOST_ASKED).filter_map(|range| {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=")?.trim().parse().ok()?;
            let main = tag.trim().split('-').next()?;
            let language = Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(main))?;
            (weight > 0.0).then_some((language, weight))
        });
        // Of equal ones the first.
        let best = ranges.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(language, _)| language).unwrap_or_default()
    }

    fn catalog(self) -> Option<&'static Catalog> {
        match self {
            Self::English => None,
            Self::Italian => Some(&ITALIAN),
            Self::German => Some(&GERMAN),
            Self::Spanish => Some(&SPANISH),
        }
    }

    /// A text of ours in this language.
    #[must_use]
    pub fn tell(self, text: &str) -> Cow<'_, str> {
        self.catalog().and_then(|catalog| catalog.find(text)).unwrap_or(Cow::Borrowed(text))
    }

    /// A moment, to the minute.
    #[must_use]
    pub fn moment(self, at: Timestamp) -> String {
        at.strftime(&format!("{} %H:%M UTC", self.day())).to_string()
    }

    /// A moment, to the second.
    #[must_use]
    pub fn second(self, at: Timestamp) -> String {
        at.strftime(&format!("{} %H:%M:%S UTC", self.day())).to_string()
    }

    /// How a day is written, as `strftime` has it.
    const fn day(self) -> &'static str {
        match self {
            Self::English => "%Y-%m-%d",
            Self::German => "%d.%m.%Y,",
            Self::Italian | Self::Spanish => "%d/%m/%Y,",
        }
    }

    /// A number with its thousands apart (CLDR: Spanish leaves four digits together).
    #[must_use]
    pub fn number(self, number: u64) -> String {
        let digits = number.to_string();
        let (apart, least) = match self {
            Self::English => (',', 4),
            Self::Italian | Self::German => ('.', 4),
            Self::Spanish => ('.', 5),
        };
        if digits.len() < least {
            return digits;
        }
        let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
        for (n, digit) in digits.chars().enumerate() {
            if n > 0 && (digits.len() - n).is_multiple_of(3) {
                text.push(apart);
            }
            text.push(digit);
        }
        text
    }
}

impl Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

/// A text of ours in the language of who reads it.
#[must_use]
pub fn t(text: &str) -> Cow<'_, str> {
    Language::current().tell(text)
}

/// The same of a text with a place, `{0}`, which is filled in the language's own order.
#[must_use]
pub fn fill(text: &str, value: impl Display) -> String {
    t(text).replacen("{0}", &value.to_string(), 1)
}

/// The same of a text with several places, `{0}`, `{1}` and so on.
#[must_use]
pub fn fill_each(text: &str, values: &[&dyn Display]) -> String {
    let text = t(text);
    values
        .iter()
        .enumerate()
        .fold(text.into_owned(), |text, (at, value)| text.replacen(&format!("{{{at}}}"), &value.to_string(), 1))
}

/// A moment in seconds of Unix time, to the second; nothing where there is no such moment.
#[must_use]
pub fn second(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(|at| Language::current().second(at)).unwrap_or_default()
}

/// A moment in seconds of Unix time as people write it; nothing where there is no such moment.
#[must_use]
pub fn moment(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(|at| Language::current().moment(at)).unwrap_or_default()
}

/// Answers in the language that is asked for, and says on pages which one that is.
pub(crate) async fn in_their_language(request: Request, next: Next) -> Response {
    let language = Language::asked(request.headers());
    let mut response = LANGUAGE.scope(language, next.run(request)).await;
    let headers = response.headers_mut();
    // Pages have a policy; what else is HTML is a sentence for programs, and what else has one is a style or a picture.
    let is_html = |value: &HeaderValue| value.as_bytes().starts_with(b"text/html");
    if headers.contains_key(header::CONTENT_SECURITY_POLICY) && headers.get(header::CONTENT_TYPE).is_some_and(is_html) {
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    }
    response
}

/// What templates call.
pub mod filters {
    use askama::{Result, Values};
    use std::fmt::Display;

    /// A text of ours in the language of who reads it.
    #[askama::filter_fn]
    pub fn t(text: impl AsRef<str>, _: &dyn Values) -> Result<String> {
        Ok(super::t(text.as_ref()).into_owned())
    }

    /// The same with its `{0}` filled.
    #[askama::filter_fn]
    pub fn fill<V: Display>(text: &str, _: &dyn Values, value: V) -> Result<String> {
        Ok(super::fill(text, value))
    }

    /// What stands before the place that markup fills.
    #[askama::filter_fn]
    pub fn before(text: &str, _: &dyn Values) -> Result<String> {
        let text = super::t(text);
        Ok(text.split_once("{0}").map_or(&*text, |(before, _)| before).to_owned())
    }

    /// What stands behind it.
    #[askama::filter_fn]
    pub fn behind(text: &str, _: &dyn Values) -> Result<String> {
        Ok(super::t(text).split_once("{0}").map_or("", |(_, behind)| behind).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{self, English, German, Italian, Spanish};
    use http::{HeaderMap, header};
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn files(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path, all) } else { all.push(path) }
        }
    }

    /// Texts in quotes, each with what follows it.
    fn quoted(source: &str) -> impl Iterator<Item = (&str, &str)> {
        source.match_indices('"').filter_map(|(at, _)| {
            let rest = source.get(at + 1..)?;
            let (text, behind) = rest.split_once('"')?;
            (!text.is_empty() && !text.contains(['\n', '\\'])).then_some((text, behind))
        })
    }

    /// What a file has translated: in a template what is piped, in Rust what is passed, and sentences that are constants of a page.
    fn texts(path: &Path, source: &str) -> BTreeSet<String> {
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        if path.extension().is_some_and(|kind| kind == "html") {
            let is_piped =
                |behind: &str| ["|t", "|fill(", "|before", "|behind"].iter().any(|pipe| behind.starts_with(pipe));
            return quoted(source).filter(|(_, behind)| is_piped(behind)).map(|(text, _)| text.to_owned()).collect();
        }
        let mut texts = BTreeSet::new();
        for call in ["words::t(", "words::fill(", "words::fill_each("] {
            let calls = source.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
            texts.extend(calls.filter_map(|rest| rest.split_once('"')).map(|(text, _)| text.to_owned()));
        }
        if source.contains("page::answer(") || source.contains("notice(") {
            for constant in source.split("const ").skip(1).filter_map(|rest| rest.split_once(';')) {
                let is_sentence = |text: &str| {
                    text.starts_with(char::is_uppercase) && text.contains(' ') && text.contains(char::is_lowercase)
                };
                texts.extend(quoted(constant.0).map(|(text, _)| text.to_owned()).filter(|text| is_sentence(text)));
            }
        }
        texts
    }

    #[test]
    fn each_text_of_a_page_is_there_in_each_language() {
        let mut all = Vec::new();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        files(&sources.join("api"), &mut all);
        let admin = sources.join("admin");
        if admin.is_dir() {
            files(&admin, &mut all);
        }
        let mut missing = Vec::new();
        let mut found = 0;
        for path in all.iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs" || kind == "html")) {
            let source = fs::read_to_string(path).unwrap();
            for text in texts(path, &source) {
                found += 1;
                for language in [Italian, German, Spanish] {
                    if language.catalog().unwrap().ids().all(|(id, _)| *id != text) {
                        missing.push(format!("{} of {}: {text}", language.tag(), path.display()));
                    }
                }
            }
        }
        assert!(found > 90, "texts are found at all: {found}");
        assert!(missing.is_empty(), "translate in src/api/languages: {missing:#?}");
    }

    #[test]
    fn catalogs_have_the_same_texts_with_the_same_places() {
        let ids =
            |language: Language| language.catalog().unwrap().ids().map(|(id, _)| id.clone()).collect::<BTreeSet<_>>();
        assert_eq!(ids(Italian), ids(German));
        assert_eq!(ids(Italian), ids(Spanish));
        for language in [Italian, German, Spanish] {
            for (id, translation) in language.catalog().unwrap().ids() {
                assert_eq!(id.contains("{0}"), translation.contains("{0}"), "{} of {id}", language.tag());
            }
        }
    }

    #[test]
    fn a_text_with_a_place_is_said_in_the_order_of_the_language() {
        assert_eq!(German.tell("Delete ann?"), "ann löschen?");
        assert_eq!(
            Spanish.tell("There were too many attempts. Try again in 7 seconds."),
            "Ha habido demasiados intentos. Vuelve a intentarlo en 7 segundos."
        );
        assert_eq!(English.tell("Delete ann?"), "Delete ann?");
        assert_eq!(Italian.tell("a name that nobody has translated"), "a name that nobody has translated");
    }

    fn asked(line: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, line.parse().unwrap());
        Language::asked(&headers)
    }

    #[test]
    fn a_browser_gets_the_language_that_it_likes_best_of_those_there_are() {
        for (line, language) in [
            ("it", Italian),
            ("de-AT,de;q=0.9,en;q=0.8", German),
            ("fr-CH, fr;q=0.9, es;q=0.8, en;q=0.7, *;q=0.5", Spanish),
            ("en;q=0.5, it;q=0.9", Italian),
            ("DE", German),
            ("it;q=0, en", English),
            ("fr", English),
            ("", English),
            ("*", English),
            ("it;q=x, de;q=0.1", German),
            ("it;q=nan, de;q=0.1", German),
            (";;;,,,q=1", English),
        ] {
            assert_eq!(asked(line), language, "{line}");
        }
        assert_eq!(Language::asked(&HeaderMap::new()), English);
        assert_eq!(asked(&format!("{}it", "fr,".repeat(5000))), English, "so many nobody reads");
    }

    #[test]
    fn moments_and_numbers_are_written_as_people_there_write_them() {
        let at = "2026-11-30T19:06:59Z".parse().unwrap();
        let written = Language::ALL.map(|language| language.moment(at));
        let [en, it, de, es] = written.each_ref().map(String::as_str);
        assert_eq!(
            [en, it, de, es],
            ["2026-11-30 19:06 UTC", "30/11/2026, 19:06 UTC", "30.11.2026, 19:06 UTC", "30/11/2026, 19:06 UTC"]
        );
        for (number, [en, it, de, es]) in [
            (0, ["0"; 4]),
            (999, ["999"; 4]),
            (1234, ["1,234", "1.234", "1.234", "1234"]),
            (1_234_567, ["1,234,567", "1.234.567", "1.234.567", "1.234.567"]),
        ] {
            assert_eq!(Language::ALL.map(|language| language.number(number)), [en, it, de, es]);
        }
    }
}
