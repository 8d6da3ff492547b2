//! An answer's head as CGI has it (RFC 3875, 6.3): fields, of which the first is `Status`. Services that are spoken to over uwsgi may write
//! that in the place of a status line.

use super::answer::{self, Parsed, Reading};
use super::head::Request;
use super::known::Known;
use crate::upstream::fault::Fault;
use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How a head of CGI begins, in any case.
const STATUS: &[u8] = b"status:";

/// Reads the head at the beginning of `bytes`, of HTTP/1.1, or where it may be, of CGI; `None` when it is not complete.
///
/// # Errors
/// It breaks a rule.
pub(super) fn parse(bytes: &Bytes, reading: &Reading, known: &mut Known) -> Result<Option<Parsed>, Fault> {
    let begins = bytes.iter().zip(STATUS).all(|(one, other)| one.eq_ignore_ascii_case(other));
    if !reading.over_uwsgi || !begins {
        return answer::parse(bytes, reading, known);
    }
    let Some((_, rest)) = bytes.split_at_checked(STATUS.len()) else { return Ok(None) };
    // HTTP/1.0 has the same rules: no transfer codings, and a body without a length ends with the connection.
    let said = Bytes::from([b"HTTP/1.0 ", trim_start(rest)].concat());
    let Some(parsed) = answer::parse(&said, reading, known)? else { return Ok(None) };
    if parsed.answer.status.is_informational() {
        return Err(Fault::Rule("CGI has no interim answers"));
    }
    if parsed.answer.headers.contains_key("status") {
        return Err(Fault::Rule("it has two statuses"));
    }
    let size = (parsed.size + bytes.len()).saturating_sub(said.len());
    Ok(Some(Parsed { size, ..parsed }))
}

/// What stands behind blanks.
fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

impl Request {
    /// Sends a request without a body, and reads its answer as far as its status, where nothing else of it is wanted.
    ///
    /// # Errors
    /// The answer breaks a rule, or breaks off.
    pub async fn ask<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S) -> Result<StatusCode, Fault> {
        stream.write_all(&self.bytes).await?;
        stream.flush().await?;
        let reading = Reading { to_head: self.to_head, over_uwsgi: self.over_uwsgi, passes: |_| true };
        let (mut read, mut known) = (BytesMut::new(), Known::default());
        loop {
            if stream.read_buf(&mut read).await? == 0 {
                return Err(Fault::Cut);
            }
            while let Some(parsed) = parse(&Bytes::copy_from_slice(&read), &reading, &mut known)? {
                if !parsed.is_interim() {
                    return Ok(parsed.answer.status);
                }
                read.advance(parsed.size);
            }
        }
    }
}
