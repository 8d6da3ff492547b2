//! A message as gRPC sends it: a flag, a length, the message
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).

use super::wire::Writer;
use bytes::{Buf, Bytes};
use thiserror::Error;

/// What stands before a message.
const PREFIX: usize = 5;

/// Why there is no message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    #[error("the call has no message, one that breaks off, or more than one")]
    Length,
    #[error("the message is compressed, which is not read here")]
    Compressed,
}

/// The one message of a call.
///
/// # Errors
/// There is none, or another one; or it is compressed.
pub fn message(mut body: Bytes) -> Result<Bytes, FrameError> {
    let Some([flag, length @ ..]) = body.first_chunk::<PREFIX>().copied() else { return Err(FrameError::Length) };
    body.advance(PREFIX);
    match flag {
        _ if u32::from_be_bytes(length) as usize != body.len() => Err(FrameError::Length),
        0 => Ok(body),
        _ => Err(FrameError::Compressed),
    }
}

/// A message as it is sent.
#[must_use]
pub fn framed(write: impl FnOnce(&mut Writer)) -> Bytes {
    let mut room = Vec::with_capacity(512);
    room.extend_from_slice(&[0; PREFIX]);
    let mut writer = Writer::behind(room);
    write(&mut writer);
    let mut bytes = writer.into_bytes();
    let length = u32::try_from(bytes.len() - PREFIX).unwrap_or(u32::MAX);
    if let Some([_, said @ ..]) = bytes.first_chunk_mut::<PREFIX>() {
        *said = length.to_be_bytes();
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::{FrameError, framed, message};
    use bytes::Bytes;

    #[test]
    fn a_call_has_one_message() {
        assert_eq!(message(framed(|writer| writer.number(1, 7))).unwrap(), &b"\x08\x07"[..]);
        for (body, error) in [
            (&b""[..], FrameError::Length),
            (b"\0\0\0\0", FrameError::Length),
            (b"\0\0\0\0\x02x", FrameError::Length),
            (b"\0\0\0\0\0\0\0\0\0\0", FrameError::Length),
            (b"\x01\0\0\0\x01x", FrameError::Compressed),
        ] {
            assert_eq!(message(Bytes::from_static(body)), Err(error), "{body:x?}");
        }
    }
}
