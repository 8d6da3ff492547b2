//! What letters say: a template for each kind and language, all of which an installation may replace, or add to, by files of its own.
//!
//! The first line of a text is the subject. The HTML beside it has the same paragraphs, in a layout that is a template too, unless
//! there is a template for the HTML of just this letter. Each template is tried when it is loaded, so that none fails when it is needed.

use crate::template_folder::{self, FolderError};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use std::path::Path;
use thiserror::Error;

/// A kind of letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    PasswordReset,
    EmailConfirmation,
    /// To somebody who has no password yet.
    Invitation,
    /// The account was deactivated.
    AccountExpired,
    /// The account will expire.
    AccountExpiration,
    PasswordExpiration,
    /// What somebody logs in with besides was set up or removed.
    SecondFactor,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::PasswordReset,
        Self::EmailConfirmation,
        Self::Invitation,
        Self::AccountExpired,
        Self::AccountExpiration,
        Self::PasswordExpiration,
        Self::SecondFactor,
    ];

    /// What its templates and notices are called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::EmailConfirmation => "email_confirmation",
            Self::Invitation => "invitation",
            Self::AccountExpired => "account_expired",
            Self::AccountExpiration => "account_expiration",
            Self::PasswordExpiration => "password_expiration",
            Self::SecondFactor => "second_factor",
        }
    }
}

/// What templates may name. What a kind has no use for is empty.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Values<'v> {
    /// The service, as people know it.
    pub site: &'v str,
    pub username: &'v str,
    pub link: &'v str,
    /// The day on which something happens or happened.
    pub date: String,
    /// So many days from now.
    pub days: u32,
    /// The day up to which the link is good.
    pub until: String,
}

/// A letter as it is sent.
pub struct Written {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Why a letter cannot be written.
#[derive(Debug, Error)]
pub enum TemplateError {
    #[error(
        "{0}; those of letters are called KIND.LANGUAGE.txt, KIND.LANGUAGE.html and layout.html, where KIND is {kinds}",
        kinds = Kind::ALL.map(Kind::name).join(", ")
    )]
    Folder(#[from] FolderError),
    #[error("the template {0}: {1}")]
    Faulty(String, minijinja::Error),
    /// The first line of a text is its subject, and the second is empty.
    #[error("the template {0} has no subject: its first line is that, and the second one is empty")]
    NoSubject(String),
}

/// A template of ours: its name and its text.
macro_rules! ours {
    ($($kind:literal)+) => {
        [$(
            (concat!($kind, ".en.txt"), include_str!(concat!("letters/", $kind, ".en.txt"))),
            (concat!($kind, ".it.txt"), include_str!(concat!("letters/", $kind, ".it.txt"))),
            (concat!($kind, ".de.txt"), include_str!(concat!("letters/", $kind, ".de.txt"))),
            (concat!($kind, ".es.txt"), include_str!(concat!("letters/", $kind, ".es.txt"))),
        )+]
    };
}

const TEXTS: [(&str, &str); 28] = ours!(
    "password_reset" "email_confirmation" "invitation" "account_expired" "account_expiration" "password_expiration"
    "second_factor"
);
const LAYOUT: &str = "layout.html";
/// The language of those whose own has no template.
const USUAL: &str = "en";

#[derive(Debug)]
pub struct Templates(Environment<'static>);

#[derive(Serialize)]
struct Page<'p> {
    subject: &'p str,
    paragraphs: Vec<&'p str>,
    language: &'p str,
    #[serde(flatten)]
    values: &'p Values<'p>,
}

impl Templates {
    /// Ours, and in their place those of a folder.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn load(folder: Option<&Path>) -> Result<Self, TemplateError> {
        let mut all = Environment::new();
        all.set_undefined_behavior(UndefinedBehavior::Strict);
        let faulty = |name: &str| {
            let name = name.to_owned();
            move |error| TemplateError::Faulty(name, error)
        };
        for (name, text) in TEXTS.into_iter().chain([(LAYOUT, include_str!("letters/layout.html"))]) {
            all.add_template(name, text).map_err(faulty(name))?;
        }
        let own = folder.map(|folder| template_folder::read(folder, is_known)).transpose()?;
        for (name, text) in own.unwrap_or_default() {
            all.add_template_owned(name.clone(), text).map_err(faulty(&name))?;
        }
        let templates = Self(all);
        templates.try_all()?;
        Ok(templates)
    }

    /// Writes a letter in somebody's language, such as `it` or `de-at`.
    ///
    /// # Errors
    /// See [`TemplateError`]; none that loading would not have told.
    pub fn write(&self, kind: Kind, language: &str, values: &Values<'_>) -> Result<Written, TemplateError> {
        let language = self.language(kind, language);
        self.write_as(&format!("{}.{language}", kind.name()), &language, values)
    }

    /// The language of somebody's letters: theirs, else its main one, else English.
    fn language(&self, kind: Kind, wanted: &str) -> String {
        let wanted = wanted.to_ascii_lowercase().replace('_', "-");
        let main = wanted.split('-').next().unwrap_or_default();
        let has = |language: &&str| self.0.get_template(&format!("{}.{language}.txt", kind.name())).is_ok();
        [wanted.as_str(), main].into_iter().find(has).unwrap_or(USUAL).to_owned()
    }

    fn write_as(&self, stem: &str, language: &str, values: &Values<'_>) -> Result<Written, TemplateError> {
        let name = format!("{stem}.txt");
        let text = self.render(&name, values)?;
        let Some((subject, text)) = text.trim().split_once("\n\n").filter(|(subject, _)| !subject.contains('\n'))
        else {
            return Err(TemplateError::NoSubject(name));
        };
        let own = format!("{stem}.html");
        let layout = if self.0.get_template(&own).is_ok() { &own } else { LAYOUT };
        let paragraphs = text.split("\n\n").map(str::trim).collect();
        let html = self.render(layout, &Page { subject, paragraphs, language, values })?;
        Ok(Written { subject: subject.trim().to_owned(), text: format!("{text}\n"), html })
    }

    fn render(&self, name: &str, values: &impl Serialize) -> Result<String, TemplateError> {
        let rendered = self.0.get_template(name).and_then(|template| template.render(minijinja::value::Serde(values)));
        rendered.map_err(|error| TemplateError::Faulty(name.to_owned(), error))
    }

    fn try_all(&self) -> Result<(), TemplateError> {
        let values = Values { site: "site", username: "username", link: "link", ..Values::default() };
        let stems: Vec<String> =
            self.0.templates().filter_map(|(name, _)| name.strip_suffix(".txt").map(str::to_owned)).collect();
        for stem in stems {
            let language = stem.split('.').nth(1).unwrap_or(USUAL);
            self.write_as(&stem, language, &values)?;
        }
        Ok(())
    }
}

/// Whether a file is a template of letters.
fn is_known(name: &str) -> bool {
    match name.split('.').collect::<Vec<_>>().as_slice() {
        [kind, language, "txt" | "html"] => !language.is_empty() && Kind::ALL.iter().any(|known| known.name() == *kind),
        _ => name == LAYOUT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const VALUES: Values<'_> = Values {
        site: "app.example",
        username: "<ann & bob>",
        link: "https://app.example/x?a=1&b=2",
        date: String::new(),
        days: 7,
        until: String::new(),
    };

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn letters_say_du_and_tu_as_pages_do() {
        for (name, text) in
            super::TEXTS.iter().filter(|(name, _)| name.ends_with(".de.txt") || name.ends_with(".es.txt"))
        {
            for word in text.split(|c: char| !c.is_alphabetic()) {
                let is_formal = ["Sie", "usted", "Su", "suya", "Elija", "Confirme", "cambie"].contains(&word)
                    || ["Ihr", "Ihnen"].iter().any(|start| word.starts_with(start));
                assert!(!is_formal, "{name}: {word}");
            }
        }
    }

    #[test]
    fn letters_are_in_the_language_of_whom_they_are_for() {
        let ours = Templates::load(None).unwrap();
        for (language, subject) in [
            ("en-gb", "Password reset on app.example"),
            ("it", "Nuova password per app.example"),
            ("de-AT", "Neues Passwort für app.example"),
            ("es_MX", "Nueva contraseña para app.example"),
            ("fr", "Password reset on app.example"),
            ("", "Password reset on app.example"),
            ("../it", "Password reset on app.example"),
        ] {
            assert_eq!(ours.write(Kind::PasswordReset, language, &VALUES).unwrap().subject, subject, "{language}");
        }
    }

    #[test]
    fn html_has_the_same_paragraphs_and_no_markup_of_strangers() {
        let written = Templates::load(None).unwrap().write(Kind::PasswordReset, "en", &VALUES).unwrap();
        assert!(written.text.contains("<ann & bob>") && written.text.contains("\n\nhttps://app.example/x?a=1&b=2\n\n"));
        assert!(written.html.contains("&lt;ann &amp; bob&gt;") && !written.html.contains("<ann"), "{}", written.html);
        assert!(
            written.html.contains("<a href=\"https:&#x2f;&#x2f;app.example&#x2f;x?a=1&amp;b=2\""),
            "{}",
            written.html
        );
        assert_eq!(written.html.matches("<p>").count(), 5);
    }

    #[test]
    fn templates_of_a_folder_take_the_place_of_ours_and_add_languages() {
        let own = folder(&[
            ("password_reset.en.txt", "Hello {{ username }}\n\nGo to {{ link }}\n"),
            ("password_reset.fr.txt", "Bonjour\n\n{{ link }}\n"),
            ("invitation.en.html", "<b>{{ username }}</b>"),
            ("layout.html", "{{ language }}: {% for paragraph in paragraphs %}[{{ paragraph }}]{% endfor %}"),
        ]);
        let templates = Templates::load(Some(own.path())).unwrap();
        let write = |kind, language| templates.write(kind, language, &VALUES).unwrap();
        assert_eq!(write(Kind::PasswordReset, "en").subject, "Hello <ann & bob>");
        assert!(write(Kind::PasswordReset, "fr-ca").html.starts_with("fr: [https:"));
        assert_eq!(write(Kind::Invitation, "en").html, "<b>&lt;ann &amp; bob&gt;</b>");
        assert!(write(Kind::Invitation, "it").html.starts_with("it: [Ora hai"));
    }

    #[test]
    fn a_template_that_would_fail_is_told_when_it_is_loaded() {
        for (name, text, told) in [
            ("password_reset.en.txt", "Subject\n\n{{ usernmae }}", "undefined value (in password_reset.en.txt:3)"),
            ("password_reset.en.txt", "Subject\n\n{{ username", "password_reset.en.txt"),
            ("password_reset.en.txt", "No subject", "has no subject"),
            ("layout.html", "{{ nothing }}", "layout.html"),
            (
                "password-reset.en.txt",
                "Subject\n\nText",
                "is none of the templates that are known; those of letters are called KIND",
            ),
            ("readme.md", "", "is none of the templates that are known; those of letters are called KIND"),
        ] {
            let error = Templates::load(Some(folder(&[(name, text)]).path())).unwrap_err().to_string();
            assert!(error.contains(told), "{name}: {error}");
        }
        assert!(matches!(
            Templates::load(Some(Path::new("/nowhere"))),
            Err(TemplateError::Folder(FolderError::Unreadable(..)))
        ));
    }
}
