//! What the commands on records have in common: their arguments and their output, by the records' definitions.

use super::batch;
use super::moment::{stamp, stamp_micros};
use super::output::{Exit, Output, Record};
use crate::directory::{BatchError, DirectoryError, Field, Given, Input, Kind, List, Page, Resource, Rows, StoreError};
use clap::builder::ArgAction;
use clap::{Arg, ArgGroup, ArgMatches, Args, Command, FromArgMatches, Subcommand, value_parser};
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// The arguments of a command on records: what to do, and how to show it.
#[derive(Args)]
pub struct Noun<V: Subcommand> {
    /// Print JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) verb: V,
}

/// Whether a verb may be the first that is done to a new directory.
pub trait Begins {
    fn begins(&self) -> bool;
}

impl<V: Subcommand + Begins> Noun<V> {
    pub fn begins(&self) -> bool {
        self.verb.begins()
    }
}

/// What makes or edits a record: flags, or a line of a batch.
pub struct Words<I> {
    given: Vec<(&'static str, Given)>,
    of: PhantomData<fn() -> I>,
}

/// All flags of a [`Words`], for arguments that do not go with them.
const RECORD: &str = "record";
/// The word that matters, without its flag.
const BARE: &str = "bare";

impl<I: Input> Words<I> {
    fn flags() -> impl Iterator<Item = &'static Field> {
        I::fields().filter(|field| field.flag)
    }

    /// The field that a record is known by.
    fn first() -> Option<&'static Field> {
        Self::flags().find(|field| field.required && !I::EDITS)
    }

    /// What to make or to change.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`].
    pub(super) fn check(self) -> Result<I, DirectoryError> {
        I::read(self.given)
    }
}

fn argument(field: &'static Field, edits: bool) -> Arg {
    let flag = Arg::new(field.name).long(field.word.replace('_', "-"));
    let help = match (edits, field.edit_help) {
        (true, help) if !help.is_empty() => help,
        _ => field.help,
    };
    let clears = if edits && field.clears { "; empty clears it" } else { "" };
    let flag = flag.help(format!("{help}{clears}"));
    if field.kind == Kind::Flag {
        let parser = value_parser!(bool);
        return flag
            .value_parser(parser)
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true");
    }
    if field.kind == Kind::Map {
        // One at a time, and called so.
        let flag = flag.long(field.word.trim_end_matches('s'));
        return flag.value_name("NAME=VALUE").value_parser(filter).action(ArgAction::Append);
    }
    flag.value_name(field.word.to_uppercase()).action(ArgAction::Set)
}

impl<I: Input> Args for Words<I> {
    fn augment_args(mut command: Command) -> Command {
        let first = Self::first().map(|field| field.name);
        let mut names = Vec::new();
        for field in Self::flags() {
            let mut flag = argument(field, I::EDITS);
            if first == Some(field.name) {
                flag = flag.required_unless_present_any(["batch", BARE]);
                flag = flag.help(format!("{}; may stand without its flag", field.help));
            }
            names.push(field.name);
            command = command.arg(flag);
        }
        if let Some(field) = Self::first() {
            let bare = Arg::new(BARE).value_name(field.word.to_uppercase()).help(field.help);
            command = command.arg(bare.conflicts_with(field.name));
            names.push(BARE);
        }
        command.group(ArgGroup::new(RECORD).args(names).multiple(true).required(I::EDITS))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<I: Input> FromArgMatches for Words<I> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let text = |name| matches.get_one::<String>(name).cloned().map(Given::Text);
        let mut given = Vec::new();
        for field in Self::flags() {
            let value = match field.kind {
                Kind::Flag => matches.get_one(field.name).copied().map(Given::Flag),
                Kind::Map => matches.get_many::<(String, String)>(field.name).map(|given| {
                    Given::Map(given.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect())
                }),
                _ => text(field.name),
            };
            given.extend(value.map(|value| (field.name, value)));
        }
        if let Some(field) = Self::first() {
            given.extend(text(BARE).map(|value| (field.name, value)));
        }
        Ok(Self { given, of: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<'de, I: Input> Deserialize<'de> for Words<I> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Line<I>(PhantomData<I>);

        impl<'de, I: Input> Visitor<'de> for Line<I> {
            type Value = Words<I>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Words<I>, A::Error> {
                let mut given = Vec::new();
                while let Some(word) = map.next_key::<String>()? {
                    let Some(field) = Words::<I>::flags().find(|field| field.word == word) else {
                        let words: Vec<_> = Words::<I>::flags().map(|field| format!("`{}`", field.word)).collect();
                        let words = words.join(", ");
                        return Err(A::Error::custom(format!("unknown field `{word}`, expected one of {words}")));
                    };
                    if given.iter().any(|(known, _)| *known == field.name) {
                        return Err(A::Error::duplicate_field(field.word));
                    }
                    let value = match field.kind {
                        Kind::Flag => map.next_value::<Option<bool>>()?.map(Given::Flag),
                        Kind::Map => map.next_value::<Option<_>>()?.map(Given::Map),
                        _ => map.next_value::<Option<String>>()?.map(Given::Text),
                    };
                    given.extend(value.map(|value| (field.name, value)));
                }
                Ok(Words { given, of: PhantomData })
            }
        }

        deserializer.deserialize_map(Line(PhantomData))
    }
}

/// A record as it is shown: in its words, with times that people can read.
pub struct Shown<R>(pub R);

impl<R> Deref for Shown<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.0
    }
}

impl<R: Resource> Serialize for Shown<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serde_json::to_value(&self.0).map_err(S::Error::custom)?;
        let mut map = serializer.serialize_map(None)?;
        for field in R::FIELDS.iter().filter(|field| field.shown) {
            let value = record.get_mut(field.name).map(Value::take).unwrap_or_default();
            let value = match (field.kind, value.as_i64()) {
                (Kind::Time, Some(seconds)) => stamp(seconds).into(),
                (Kind::Moment, Some(micros)) => stamp_micros(micros).into(),
                _ => value,
            };
            map.serialize_entry(field.word, &value)?;
        }
        map.end()
    }
}

impl<R: Resource> Record for Shown<R> {
    const COLUMNS: &'static [&'static str] = R::COLUMNS;
    const COLUMNS_IF_ANY: &'static [&'static str] = R::COLUMNS_IF_ANY;

    fn fields() -> Vec<&'static str> {
        R::FIELDS.iter().filter(|field| field.shown).map(|field| field.word).collect()
    }
}

/// Shows records, one a line.
///
/// # Errors
/// stdout cannot be written.
pub(super) fn show_all<R: Resource>(records: Vec<R>, out: &mut Output) -> anyhow::Result<Exit> {
    out.list(&records.into_iter().map(Shown).collect::<Vec<_>>())?;
    Ok(Exit::Ok)
}

/// The same of a part of a list.
pub(super) fn show_rows<R: Resource>(list: Rows<R>, out: &mut Output) -> anyhow::Result<Exit> {
    show_all(list.rows, out)
}

/// Makes a record of each line of a batch: all of them or none. `told` is what was done to what.
///
/// # Errors
/// The batch cannot be read, a line is wrong, the directory refuses one.
pub(super) async fn make_all<S: DeserializeOwned, N, R: Resource>(
    path: &str,
    check: impl FnMut(S) -> Result<N, DirectoryError>,
    make: impl AsyncFnOnce(Vec<N>) -> Result<Vec<R>, BatchError>,
    told: (&str, &str),
    out: &mut Output,
) -> anyhow::Result<Exit> {
    let mut batch = batch::read::<S>(path)?.convert(check)?;
    let made = make(batch.take()).await.map_err(|error| batch.locate(error))?;
    let count = made.len();
    show_all(made, out)?;
    out.note(&format!("{} {count} {}", told.0, told.1));
    Ok(Exit::Ok)
}

/// What to list, and which part of it.
#[derive(Args)]
pub struct ListArgs {
    /// Show only those whose field is this, as in active=true; may be repeated
    #[arg(long, value_name = "FIELD=VALUE", value_parser = filter)]
    filter: Vec<(String, String)>,
    /// Show only those that have all of these words in their names, addresses and the like
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    /// Sort by these fields, with commas; -FIELD is from high to low
    #[arg(long, value_name = "FIELD", value_delimiter = ',', allow_hyphen_values = true)]
    order: Vec<String>,
    /// Show at most so many
    #[arg(long)]
    limit: Option<u32>,
    /// Pass over so many first
    #[arg(long, default_value_t = 0)]
    offset: u32,
}

fn filter(text: &str) -> Result<(String, String), String> {
    let (field, value) = text.split_once('=').ok_or("a field, = and its value")?;
    Ok((field.to_owned(), value.to_owned()))
}

impl From<ListArgs> for List {
    fn from(args: ListArgs) -> Self {
        let ListArgs { filter, search, order, limit, offset } = args;
        Self { filter, search, order, page: Page { limit, offset }, ..Self::default() }
    }
}

/// What was made; or, where it could not be made because there is one and that is enough, that one, as `found` finds it.
pub(super) async fn made_or_found<R>(
    made: Result<Vec<R>, BatchError>,
    enough: bool,
    found: impl Future<Output = Result<Option<R>, DirectoryError>>,
) -> Result<(Shown<R>, Made), DirectoryError> {
    let error = match made {
        Ok(made) => match made.into_iter().next() {
            Some(made) => return Ok((Shown(made), Made::Now)),
            None => return Err(StoreError::Broken("a record was made and is not there".to_owned()).into()),
        },
        Err(BatchError { error, .. }) => error,
    };
    // Where it is something else that is taken, that is the reason to tell.
    if enough
        && error.is_there_already()
        && let Ok(Some(found)) = found.await
    {
        return Ok((Shown(found), Made::Before));
    }
    Err(error)
}

/// When a record was made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// By this command.
    Now,
    /// Earlier.
    Before,
}

impl Made {
    /// What to tell of it.
    pub fn told(self, now: String, what: &str) -> String {
        match self {
            Self::Now => now,
            Self::Before => format!("{what} is there already"),
        }
    }
}
