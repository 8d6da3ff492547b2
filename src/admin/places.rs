//! What an installation puts into the pages: templates of its own, at places that stay whatever becomes of the markup around them.

use crate::template_folder::{self, FolderError};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use std::path::Path;
use thiserror::Error;

/// Below the head of each page, at the foot of each page, above the home page, above lists and records.
const PLACES: [&str; 4] = ["header.html", "footer.html", "home.html", "records.html"];

/// What templates may name.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Values<'v> {
    /// What the pages call themselves.
    pub name: &'v str,
    /// Who is logged in; empty of nobody.
    pub username: &'v str,
    /// The language of the page, such as `de`.
    pub language: &'v str,
    /// The page's path below the prefix, such as `/user/`.
    pub path: &'v str,
}

/// Why templates cannot be used.
#[derive(Debug, Error)]
pub enum PlacesError {
    #[error("{0}; they are {places}", places = PLACES.join(", "))]
    Folder(#[from] FolderError),
    /// It says in which file and line.
    #[error("{0}")]
    Faulty(#[from] minijinja::Error),
}

/// The templates of an installation, each of which was tried when it was read.
#[derive(Debug, Default)]
pub struct Places(Option<Environment<'static>>);

impl Places {
    /// Those of a folder.
    ///
    /// # Errors
    /// See [`PlacesError`].
    pub fn load(folder: Option<&Path>) -> Result<Self, PlacesError> {
        let Some(folder) = folder else { return Ok(Self::default()) };
        let mut all = Environment::new();
        all.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, text) in template_folder::read(folder, |name| PLACES.contains(&name))? {
            all.add_template_owned(name, text)?;
        }
        for (_, template) in all.templates() {
            template.render(Serde(&Values::default()))?;
        }
        Ok(Self(Some(all)))
    }

    /// What stands at a place of a page: markup, in which values are escaped; nothing where there is no template.
    pub(super) fn shown(&self, place: &str, values: Values<'_>) -> String {
        let template = self.0.as_ref().and_then(|all| all.get_template(place).ok());
        let rendered = template.map(|template| template.render(Serde(&values)));
        rendered
            .and_then(|rendered| {
                rendered.map_err(|error| tracing::error!(%error, "a template of `admin_ui.templates` fails")).ok()
            })
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Places, Values};
    use tempfile::TempDir;

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn values_are_escaped_and_a_place_without_a_template_is_empty() {
        let folder = folder(&[("footer.html", "<p>{{ username }} at {{ path }}, {{ name }}, {{ language }}</p>")]);
        let places = Places::load(Some(folder.path())).unwrap();
        let values = Values { name: "Office", username: "<b>", language: "de", path: "/user/" };
        assert_eq!(places.shown("footer.html", values), "<p>&lt;b&gt; at &#x2f;user&#x2f;, Office, de</p>");
        assert_eq!(places.shown("header.html", values), "");
        assert_eq!(Places::default().shown("footer.html", values), "");
    }

    #[test]
    fn a_template_that_is_wrong_is_told_of_by_file_and_line() {
        for (name, text, said) in [
            ("footer.html", "a\n{% if %}", "footer.html:2"),
            ("footer.html", "{{ secret }}", "footer.html:1"),
            ("login.html", "", "login.html is none of the templates that are known; they are header.html"),
        ] {
            let error = Places::load(Some(folder(&[(name, text)]).path())).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(Places::load(Some(std::path::Path::new("/nowhere"))).unwrap_err().to_string().contains("/nowhere"));
    }
}
