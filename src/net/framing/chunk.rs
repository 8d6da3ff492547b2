//! A chunked body (RFC 9112, 7.1): size lines, data, and the trailer section.
//!
//! Size lines and trailer lines pass as a whole, data as it comes. Extensions have no meaning for us; they are held to the
//! grammar, so that nobody sees a line end in them, and to a bound, which the parser above has too.

use super::field::{self, Field};
use super::{Limits, Violation, line_end, without_crlf};

/// Bytes of a chunk-size line.
const LINE_BYTES: usize = 256;

/// Bytes of all extensions of a body: just below where the parser gives up (16 KiB).
const EXTENSION_BYTES: usize = 16 * 1000;

/// Bytes of a trailer section with its last line; the parser gives up at 16 KiB.
const TRAILER_BYTES: usize = 8 * 1024;

/// A place in a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Size {
        extensions: usize,
    },
    /// In a chunk's data, of which so many bytes are left; never none.
    Data {
        left: u64,
        extensions: usize,
    },
    /// At the CRLF behind a chunk's data.
    DataEnd {
        extensions: usize,
    },
    /// At a line of the trailer section, with the fields and bytes before it.
    Trailers {
        fields: usize,
        bytes: usize,
    },
}

/// What was found at the beginning of the bytes.
pub(crate) enum Step {
    /// So many bytes are in order; the next place, or `None` behind the body.
    Accept(usize, Option<At>),
    /// A line is not complete.
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// By the letter: what one reader takes for blanks, another may take for something else.
    Client,
    /// Old servers pad their sizes with blanks (`5   ` of a fixed width), and none of them reach the client: what goes on is written anew.
    Upstream,
}

impl Sender {
    /// The line without the blanks behind it, where they may stand.
    fn chunk_size(self, line: &[u8]) -> &[u8] {
        match self {
            Self::Client => line,
            Self::Upstream => {
                let blanks = line.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
                line.get(..line.len() - blanks).unwrap_or_default()
            }
        }
    }
}

impl At {
    /// At the first chunk-size line.
    pub(crate) const START: Self = Self::Size { extensions: 0 };

    /// Looks at `rest`, which begins here and is not empty.
    pub(crate) fn step(
        self,
        rest: &[u8],
        searched: &mut usize,
        limits: Limits,
        sender: Sender,
    ) -> Result<Step, Violation> {
        match self {
            Self::Size { extensions } => {
                let Some(end) = line_end(rest, LINE_BYTES, searched, Violation::ChunkExtensionTooLarge)? else {
                    return Ok(Step::Wait);
                };
                let line = without_crlf(rest.get(..end).unwrap_or_default())?;
                let (size, extension) = size(sender.chunk_size(line))?;
                let extensions = extensions + extension;
                if extensions > EXTENSION_BYTES {
                    return Err(Violation::ChunkExtensionTooLarge);
                }
                let next = if size == 0 {
                    Self::Trailers { fields: 0, bytes: 0 }
                } else {
                    Self::Data { left: size, extensions }
                };
                Ok(Step::Accept(end, Some(next)))
            }
            Self::Data { left, extensions } => {
                let count = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left.saturating_sub(count as u64);
                Ok(Step::Accept(
                    count,
                    Some(if left == 0 { Self::DataEnd { extensions } } else { Self::Data { left, extensions } }),
                ))
            }
            Self::DataEnd { extensions } => match rest {
                [b'\r', b'\n', ..] => Ok(Step::Accept(2, Some(Self::Size { extensions }))),
                [b'\r'] => Ok(Step::Wait),
                _ => Err(Violation::ChunkEnd),
            },
            Self::Trailers { fields, bytes } => {
                let room = TRAILER_BYTES.saturating_sub(bytes);
                let Some(end) = line_end(rest, room, searched, Violation::TrailersTooLarge)? else {
                    return Ok(Step::Wait);
                };
                let line = without_crlf(rest.get(..end).unwrap_or_default())?;
                if line.is_empty() {
                    return Ok(Step::Accept(end, None));
                }
                if fields == limits.headers {
                    return Err(Violation::TrailersTooLarge);
                }
                let field = Field::parse(line)?;
                if field.is_framing() || field.is_disguised() {
                    return Err(Violation::ForbiddenTrailer);
                }
                Ok(Step::Accept(end, Some(Self::Trailers { fields: fields + 1, bytes: bytes + end })))
            }
        }
    }
}

/// Reads a chunk-size line, given without its CRLF: the size, and how many bytes are extensions.
fn size(line: &[u8]) -> Result<(u64, usize), Violation> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (digits, extension) = line.split_at_checked(digits).ok_or(Violation::ChunkSize)?;
    let well_followed = matches!(extension, [] | [b';' | b' ' | b'\t', ..]);
    if digits.is_empty() || digits.len() > 16 || !well_followed {
        return Err(Violation::ChunkSize);
    }
    let size = digits.iter().fold(0_u64, |sum, &b| sum << 4 | char::from(b).to_digit(16).map_or(0, u64::from));
    check_extension(extension)?;
    Ok((size, extension.len()))
}

/// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`, RFC 9112, 7.1.1.
fn check_extension(mut rest: &[u8]) -> Result<(), Violation> {
    while !rest.is_empty() {
        rest = blanks(rest).strip_prefix(b";").ok_or(Violation::ChunkExtension)?;
        rest = token(blanks(rest))?;
        if let Some(value) = blanks(rest).strip_prefix(b"=") {
            let value = blanks(value);
            rest = match value.strip_prefix(b"\"") {
                Some(quoted) => quoted_end(quoted)?,
                None => token(value)?,
            };
        }
    }
    Ok(())
}

fn blanks(rest: &[u8]) -> &[u8] {
    let count = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    rest.get(count..).unwrap_or_default()
}

/// What follows a token, of one byte at least.
fn token(rest: &[u8]) -> Result<&[u8], Violation> {
    let count = field::token_len(rest);
    if count == 0 { Err(Violation::ChunkExtension) } else { Ok(rest.get(count..).unwrap_or_default()) }
}

/// What follows a quoted string, given from behind its first quote.
fn quoted_end(mut rest: &[u8]) -> Result<&[u8], Violation> {
    // Nobody needs more than ASCII here.
    let is_text = |b: u8| b.is_ascii() && field::is_value(&[b]);
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Ok(after),
            [b'\\', escaped, after @ ..] if is_text(*escaped) => after,
            [b'\\', ..] | [] => return Err(Violation::ChunkExtension),
            [b, after @ ..] if is_text(*b) => after,
            _ => return Err(Violation::ChunkExtension),
        };
    }
}
