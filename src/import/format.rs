//! What a file is that is no SQL in UTF-8, told by its first bytes; and in which encoding its texts are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// So many bytes of a file say what it is: a tar archive says it behind its first member's name.
pub(super) const MAGIC: usize = 265;

/// Marks UTF-8, where a Windows program wrote it.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// What to do with a file that is no such text; nothing where it may be one.
pub(super) fn hint(head: &[u8]) -> Option<&'static str> {
    let is_tar = head.get(257..262) == Some(b"ustar");
    Some(match head {
        [b'P', b'G', b'D', b'M', b'P', ..] => {
            "it is an archive of pg_dump -Fc: make SQL of it first, `pg_restore -f dump.sql ARCHIVE`, and import that"
        }
        _ if is_tar => {
            "it is a tar archive: where pg_dump -Ft made it, make SQL of it first, `pg_restore -f dump.sql ARCHIVE`, and import that"
        }
        [0x1f, 0x8b, ..] => "it is compressed by gzip: `zcat FILE | postern import openwisp --sql -`",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is compressed by zstd: `zstdcat FILE | postern import openwisp --sql -`",
        [0x04, 0x22, 0x4d, 0x18, ..] => "it is compressed by lz4: `lz4cat FILE | postern import openwisp --sql -`",
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            "it is compressed by xz: `xzcat FILE | postern import openwisp --sql -`"
        }
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
            "it is compressed by bzip2: `bzcat FILE | postern import openwisp --sql -`"
        }
        [b'P', b'K', 3, 4, ..] => "it is a zip archive: `unzip -p FILE | postern import openwisp --sql -`",
        [b'S', b'Q', b'L', b'i', b't', b'e', b' ', b'f', b'o', b'r', b'm', b'a', b't', ..] => {
            "it is a database of SQLite: `sqlite3 FILE .dump | postern import openwisp --sql -`"
        }
        // With a byte order mark, or without, where what begins is ASCII.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=0x7f, ..] | [1..=0x7f, 0, ..] => {
            "it is UTF-16, as `>` writes it in PowerShell: let pg_dump write the file (`pg_dump --file=dump.sql`), or make UTF-8 of \
             it, `iconv -f UTF-16 -t UTF-8 FILE | postern import openwisp --sql -`"
        }
        _ => return None,
    })
}

/// What whole dumps begin and end with.
const WHOLE: [(&str, &[&str]); 2] = [
    ("-- PostgreSQL database dump", &["-- PostgreSQL database dump complete"]),
    // What a rollback means is told by whoever reads the statements.
    ("PRAGMA foreign_keys=OFF;", &["COMMIT;", "ROLLBACK"]),
];
/// A dump is looked through from its end, so many bytes at a time, which overlap by more than such a line.
const PIECE: usize = 64 * 1024;
const OVERLAP: u64 = 128;

/// Whether a dump breaks off, also where a statement has just ended: then nothing else would tell, and tables or rows be missing.
/// Somebody may have written more behind its end.
pub(super) fn breaks_off(file: &File, length: u64) -> io::Result<bool> {
    let mut piece = vec![0; PIECE];
    let mut read = |at| -> io::Result<String> {
        let read = file.read_at(&mut piece, at)?;
        Ok(String::from_utf8_lossy(piece.get(..read).unwrap_or_default()).into_owned())
    };
    let head = read(0)?;
    let Some((_, ends)) = WHOLE.iter().find(|(first, _)| head.lines().take(8).any(|line| line.trim_end() == *first))
    else {
        return Ok(false);
    };
    let mut at = length;
    while at > 0 {
        at = (at + OVERLAP).min(length).saturating_sub(PIECE as u64);
        if read(at)?.lines().any(|line| ends.iter().any(|end| line.starts_with(end))) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The same, of a directory.
pub(super) fn hint_of_directory(path: &Path) -> &'static str {
    if path.join("toc.dat").exists() {
        "it is a directory of pg_dump -Fd: make SQL of it first, `pg_restore -f dump.sql DIRECTORY`, and import that"
    } else {
        "it is a directory: name the dump in it"
    }
}

/// What the texts of a dump are encoded in: its `client_encoding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// And of `SQL_ASCII` what is UTF-8.
    #[default]
    Utf8,
    Latin1,
    /// Another one. It has ASCII in common with these, and more is not known of it.
    Other,
    /// Another one, in which bytes of ASCII may be parts of other characters: nothing of it can be read.
    Unsafe,
}

impl Encoding {
    /// As PostgreSQL spells it, in any case and with any punctuation.
    pub fn named(name: &str) -> Self {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        match plain.as_str() {
            "utf8" | "unicode" | "sqlascii" => Self::Utf8,
            "latin1" | "iso88591" => Self::Latin1,
            "big5" | "win950" | "windows950" | "gbk" | "win936" | "windows936" | "gb18030" | "johab" | "sjis"
            | "shiftjis" | "mskanji" | "win932" | "windows932" | "shiftjis2004" | "uhc" | "win949" | "windows949" => {
                Self::Unsafe
            }
            _ => Self::Other,
        }
    }

    pub fn decode(self, bytes: Vec<u8>) -> Result<String, &'static str> {
        match self {
            Self::Latin1 => Ok(bytes.into_iter().map(char::from).collect()),
            Self::Utf8 => String::from_utf8(bytes).map_err(|_| NOT_UTF8),
            Self::Other | Self::Unsafe if bytes.is_ascii() => String::from_utf8(bytes).map_err(|_| NOT_UTF8),
            Self::Other | Self::Unsafe => Err(OTHER_ENCODING),
        }
    }
}

const NOT_UTF8: &str = "it is not UTF-8: dump it again with pg_dump --encoding=UTF8";

/// Of texts whose encoding is not known here.
pub(super) const OTHER_ENCODING: &str =
    "a text in another client_encoding than UTF8 and LATIN1: dump it again with pg_dump --encoding=UTF8";
