//! Keys of the configuration, one row each: name, type and default, what may stand there and how it is read, what editors show.
//!
//! [`keys!`] makes of the rows of a section its struct, its reader, the list of known keys and its part of the JSON Schema. Rows also
//! fill structs that other rooms own. What keys mean together is checked by the file of the section.

use super::Compat;
use crate::yaml::{Findings, Keys, Map, Node};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A key: its name, the words that an editor shows, which end with the default in brackets, and what may stand there.
pub(super) struct Key(pub(super) &'static str, pub(super) &'static str, pub(super) Shape);

/// What may stand under a key.
pub(super) enum Shape {
    Text,
    /// A text, or a list of texts.
    Texts,
    Flag,
    /// A whole number from the one to the other.
    Count(u64, u64),
    /// A number from 0 to 1.
    Ratio,
    /// `5s`
    Time,
    /// `1MiB`
    Size,
    /// `20/day`, or `none`
    Rate,
    Mode,
    Words(&'static [&'static str]),
    SomeOf(&'static [&'static str]),
    Secret,
    /// These keys, the first so many of which there must be.
    Map(&'static [Key], usize),
    Named(&'static Self),
    List(&'static Self),
    Any(&'static [Self]),
}

/// Where a reader is: what paths begin at, what the map is called, and where findings go.
pub(super) struct Reader<'a> {
    pub(super) base: &'a Path,
    pub(super) compat: Compat,
    /// The path of the section: `identity.token`.
    path: String,
    /// What messages call the map: `upstream `a``.
    pub(super) what: String,
    pub(super) findings: &'a mut Findings,
}

/// A map with known keys, and what it is read into.
pub(super) trait Section {
    type Of;
    const KEYS: &'static [Key];
    /// Those that are named and not done: refused, never ignored.
    const NOT_YET: &'static [&'static str];

    /// Reads what is written into its places; what is wrong is reported, and leaves its place as it was.
    fn fill(of: &mut Self::Of, map: &Map, reader: &mut Reader<'_>);
}

/// What may stand under a key, and how it is read.
pub(super) struct Kind<T> {
    pub(super) shape: Shape,
    /// Reads the node of that key; `None` when it was reported, or says nothing.
    pub(super) read: fn(&str, &Node, &mut Reader<'_>) -> Option<T>,
}

/// A section as a kind: it is read into what stands there already.
pub(super) struct Within<S> {
    pub(super) shape: Shape,
    section: PhantomData<S>,
}

impl<T> Kind<T> {
    pub(super) fn put<F: From<T>>(&self, place: &mut F, key: &'static str, node: &Node, reader: &mut Reader<'_>) {
        if let Some(value) = (self.read)(key, node, reader) {
            *place = value.into();
        }
    }
}

impl<S: Section> Within<S> {
    #[allow(clippy::unused_self)] // as `Kind::put` is called
    pub(super) fn put(&self, place: &mut S::Of, key: &'static str, node: &Node, reader: &mut Reader<'_>) {
        if let Some(map) = node.expect_map(&format!("`{key}`"), reader.findings) {
            reader.section::<S>(place, key, &format!("`{key}`"), map);
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) const fn new(base: &'a Path, compat: Compat, findings: &'a mut Findings) -> Self {
        Self { base, compat, path: String::new(), what: String::new(), findings }
    }

    /// Reads a section; `what` is what messages call it.
    pub(super) fn section<S: Section>(&mut self, of: &mut S::Of, key: &str, what: &str, map: &Map) {
        expect(map, what, S::KEYS, S::NOT_YET, self.findings);
        let outer = self.path.len();
        if outer > 0 && !key.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(key);
        let outer_what = std::mem::replace(&mut self.what, what.to_owned());
        S::fill(of, map, self);
        self.what = outer_what;
        self.path.truncate(outer);
    }

    /// Reads a section into its default.
    pub(super) fn read<S: Section>(&mut self, key: &str, what: &str, map: &Map) -> S::Of
    where
        S::Of: Default,
    {
        let mut of = S::Of::default();
        self.section::<S>(&mut of, key, what, map);
        of
    }

    /// The path of a key of this section.
    pub(super) fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }
}

/// Reports every key that is not known here.
pub(super) fn expect(map: &Map, what: &str, keys: &[Key], not_yet: &[&str], findings: &mut Findings) {
    let known: Vec<&str> = keys.iter().map(|Key(name, ..)| *name).collect();
    map.expect_keys(what, Keys { known: &known, not_yet }, findings);
}

pub(super) const TEXT: Kind<String> = Kind {
    shape: Shape::Text,
    read: |key, node, reader| node.expect_str(&format!("`{key}`"), reader.findings).map(str::to_owned),
};
/// The path of a file, from where the configuration is.
pub(super) const FILE: Kind<PathBuf> = Kind {
    shape: Shape::Text,
    read: |key, node, reader| node.expect_str(&format!("`{key}`"), reader.findings).map(|file| reader.base.join(file)),
};
pub(super) const FLAG: Kind<bool> =
    Kind { shape: Shape::Flag, read: |key, node, reader| node.expect_bool(&format!("`{key}`"), reader.findings) };
pub(super) const TIME: Kind<Duration> =
    Kind { shape: Shape::Time, read: |key, node, reader| node.expect_duration(&format!("`{key}`"), reader.findings) };
pub(super) const SIZE: Kind<u64> =
    Kind { shape: Shape::Size, read: |key, node, reader| node.expect_size(&format!("`{key}`"), reader.findings) };
/// An address and a port.
pub(super) const ADDRESS: Kind<SocketAddr> = Kind {
    shape: Shape::Text,
    read: |key, node, reader| {
        let text = node.expect_word(&format!("`{key}`"), reader.findings)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            let message = format!("`{key}` must be an address and a port, not `{text}`");
            reader
                .findings
                .error("wrong_value", node.span, message)
                .help("write `127.0.0.1:8080`, `0.0.0.0:8080` or `[::]:8080`");
        }
        parsed
    },
};

pub(super) const fn count<T: TryFrom<u64>, const LOW: u64, const HIGH: u64>() -> Kind<T> {
    Kind {
        shape: Shape::Count(LOW, HIGH),
        read: |key, node, reader| node.expect_u64(&format!("`{key}`"), LOW..=HIGH, reader.findings)?.try_into().ok(),
    }
}

/// A kind of one key alone.
pub(super) const fn custom<T>(shape: Shape, read: fn(&str, &Node, &mut Reader<'_>) -> Option<T>) -> Kind<T> {
    Kind { shape, read }
}

pub(super) const fn within<S: Section>() -> Within<S> {
    Within { shape: Shape::Map(S::KEYS, 0), section: PhantomData }
}

/// One of these words.
macro_rules! one_of {
    ($($word:literal => $value:expr),+ $(,)?) => {
        $crate::config::keys::Kind {
            shape: $crate::config::keys::Shape::Words(&[$($word),+]),
            read: |key, node, reader| {
                node.expect_one_of(&format!("`{key}`"), &[$(($word, $value)),+], reader.findings)
            },
        }
    };
}

/// The rows of a section, `place ("key, where it is another"): type = default, kind, words;`, with a struct of their own; or without types
/// and defaults for a struct that is there; or without kinds where keys are read together, by hand.
macro_rules! keys {
    ($(#[$meta:meta])* $vis:vis struct $name:ident $(, not yet $($not_yet:literal)+)? {
        $($key:ident $(($named:literal))?: $type:ty = $default:expr, $kind:expr, $words:expr;)*
    } $(and { $($(#[$other_meta:meta])* $other:ident: $other_type:ty = $other_default:expr;)* })?) => {
        $(#[$meta])*
        $vis struct $name {
            $(pub $key: $type,)*
            $($($(#[$other_meta])* pub $other: $other_type,)*)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* $($($other: $other_default,)*)? }
            }
        }

        $crate::config::keys::keys! {
            $name for $name $(, not yet $($not_yet)+)? { $($key $(($named))?, $kind, $words;)* }
        }
    };
    (const $name:ident { $($key:ident, $shape:expr, $words:expr;)* }) => {
        const $name: &[$crate::config::keys::Key] = &[$($crate::config::keys::Key(stringify!($key), $words, $shape)),*];
    };
    ($section:ident for $of:ty $(, not yet $($not_yet:literal)+)? {
        $($($place:ident).+ $(($named:literal))?, $kind:expr, $words:expr;)*
    }) => {
        impl $crate::config::keys::Section for $section {
            type Of = $of;
            const KEYS: &'static [$crate::config::keys::Key] =
                &[$($crate::config::keys::Key($crate::config::keys::name!($($place).+ $(, $named)?), $words, $kind.shape)),*];
            const NOT_YET: &'static [&'static str] = &[$($($not_yet),+)?];

            fn fill(of: &mut $of, map: &$crate::yaml::Map, reader: &mut $crate::config::keys::Reader<'_>) {
                $({
                    let key = $crate::config::keys::name!($($place).+ $(, $named)?);
                    if let Some(node) = map.get(key) {
                        $kind.put(&mut of.$($place).+, key, node, reader);
                    }
                })*
            }
        }
    };
}

macro_rules! name {
    ($key:ident) => {
        stringify!($key)
    };
    ($($place:ident).+, $named:literal) => {
        $named
    };
}

pub(super) use {keys, name, one_of};
