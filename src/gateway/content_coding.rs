//! What an answer that is judged is encoded in. Services are asked for none; one that encodes all the same is read within a limit.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::{Buf, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use thiserror::Error;

/// What is decoded at a time, where much comes.
pub const STEP: usize = 16 * 1024;
/// The window of gzip.
const WINDOW_BITS: u8 = 15;

/// Why a body cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Undecodable(pub &'static str);

const MALFORMED: Undecodable = Undecodable("the answer is not what its `Content-Encoding` says");

/// A body that is decoded piece by piece. Nothing of it is kept but what its coding needs: with gzip 32 KiB, with brotli 16 MiB at most.
pub enum Decoder {
    Identity,
    Gzip(Box<Decompress>),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    /// The coding has ended, and nothing may follow.
    Ended,
}

impl Decoder {
    /// The decoder for an answer with these headers.
    ///
    /// # Errors
    /// It is encoded in something else, or twice.
    pub fn of(headers: &HeaderMap) -> Result<Self, Undecodable> {
        let mut codings = headers.get_all(CONTENT_ENCODING).iter();
        let coding = codings.next().map(|value| value.as_bytes().trim_ascii().to_ascii_lowercase());
        Ok(match (coding.as_deref(), codings.next()) {
            (None | Some(b"identity" | b""), None) => Self::Identity,
            (Some(b"gzip" | b"x-gzip"), None) => Self::Gzip(Box::new(Decompress::new_gzip(WINDOW_BITS))),
            (Some(b"br"), None) => {
                let (bytes, words, codes) = (StandardAlloc {}, StandardAlloc {}, StandardAlloc {});
                Self::Brotli(Box::new(BrotliState::new_strict(bytes, words, codes)))
            }
            _ => return Err(Undecodable("the answer has a `Content-Encoding` other than gzip or br, or several")),
        })
    }

    #[must_use]
    pub const fn is_identity(&self) -> bool {
        matches!(self, Self::Identity)
    }

    /// Decodes some of `input`, which it takes from its front, into `room`; nothing where it wants more.
    ///
    /// # Errors
    /// It is malformed, or goes on behind its end.
    pub fn step<'r>(&mut self, input: &mut Bytes, room: &'r mut [u8]) -> Result<&'r [u8], Undecodable> {
        loop {
            let (read, written, has_ended) = match self {
                Self::Identity => {
                    let size = input.len().min(room.len());
                    room.iter_mut().zip(input.iter()).for_each(|(to, from)| *to = *from);
                    (size, size, false)
                }
                Self::Ended if input.is_empty() => return Ok(&[]),
                Self::Ended => return Err(MALFORMED),
                Self::Gzip(gzip) => {
                    let before = (gzip.total_in(), gzip.total_out());
                    let status = gzip.decompress(input, room, FlushDecompress::None).map_err(|_| MALFORMED)?;
                    let size = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
                    let (read, written) = (size(gzip.total_in(), before.0), size(gzip.total_out(), before.1));
                    (read, written, status == Status::StreamEnd)
                }
                Self::Brotli(state) => {
                    let (mut left, mut read, mut rest, mut written, mut total) = (input.len(), 0, room.len(), 0, 0);
                    let result = BrotliDecompressStream(
                        &mut left,
                        &mut read,
                        input,
                        &mut rest,
                        &mut written,
                        room,
                        &mut total,
                        state,
                    );
                    if matches!(result, BrotliResult::ResultFailure) {
                        return Err(MALFORMED);
                    }
                    (read, written, matches!(result, BrotliResult::ResultSuccess))
                }
            };
            input.advance(read.min(input.len()));
            if has_ended {
                *self = Self::Ended;
            }
            if written > 0 || (read == 0 && !has_ended) {
                return Ok(room.get(..written).unwrap_or_default());
            }
        }
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// It has not ended.
    pub const fn finish(&self) -> Result<(), Undecodable> {
        match self {
            Self::Identity | Self::Ended => Ok(()),
            Self::Gzip(_) | Self::Brotli(_) => Err(MALFORMED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, MALFORMED, STEP, Undecodable};
    use bytes::Bytes;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::header::CONTENT_ENCODING;
    use http::{HeaderMap, HeaderValue};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn brotli(bytes: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::new();
        let params = brotli::enc::BrotliEncoderParams { quality: 2, ..Default::default() };
        brotli::BrotliCompress(&mut &*bytes, &mut encoded, &params).unwrap();
        encoded
    }

    fn decoder(coding: &str) -> Result<Decoder, Undecodable> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap());
        Decoder::of(&headers)
    }

    /// In pieces of so many bytes, with room for so many at a time.
    fn decode(coding: &str, bytes: &[u8], piece: usize, room: usize) -> Result<Vec<u8>, Undecodable> {
        let mut decoder = decoder(coding)?;
        let (mut out, mut room) = (Vec::new(), vec![0; room]);
        for piece in bytes.chunks(piece) {
            let mut piece = Bytes::copy_from_slice(piece);
            loop {
                let decoded = decoder.step(&mut piece, &mut room)?;
                if decoded.is_empty() {
                    break;
                }
                out.extend_from_slice(decoded);
            }
        }
        decoder.finish().map(|()| out)
    }

    #[test]
    fn what_is_encoded_is_read_in_pieces_of_any_size() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(|n| n.to_string().into_bytes()).collect();
        for (coding, bytes) in [("gzip", gzip(&text)), ("X-GZIP", gzip(&text)), ("br", brotli(&text))] {
            for (piece, room) in [(1, 9), (7, 100), (1000, 100), (usize::MAX, STEP)] {
                assert!(decode(coding, &bytes, piece, room).unwrap() == text, "{coding} {piece}");
            }
        }
        assert_eq!(decode("identity", b"abc", 2, 9).unwrap(), b"abc");
    }

    #[test]
    fn what_is_cut_goes_on_behind_its_end_or_is_something_else_is_refused() {
        for (coding, bytes) in [("gzip", gzip(b"hello")), ("br", brotli(b"hello"))] {
            let cut = bytes.get(..bytes.len() - 1).unwrap();
            assert_eq!(decode(coding, cut, 3, 99), Err(MALFORMED), "{coding}");
            let twice = [bytes.clone(), bytes].concat();
            assert_eq!(decode(coding, &twice, 3, 99), Err(MALFORMED), "{coding}");
            assert_eq!(decode(coding, b"{}", 3, 99), Err(MALFORMED), "{coding}");
        }
        assert!(decoder("deflate").is_err() && decoder("gzip, gzip").is_err());
        let mut twice = HeaderMap::new();
        twice.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        twice.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(Decoder::of(&twice).is_err());
    }

    /// Whoever takes it decides when it is enough: a step gives no more than there is room for.
    #[test]
    fn a_bomb_comes_in_steps() {
        let zeros = vec![0; 16 << 20];
        for (coding, bytes) in [("gzip", gzip(&zeros)), ("br", brotli(&zeros))] {
            assert!(bytes.len() < 1 << 15, "{coding}");
            let (mut decoder, mut input) = (decoder(coding).unwrap(), Bytes::from(bytes));
            let mut room = [1; 100];
            assert_eq!(decoder.step(&mut input, &mut room).unwrap(), [0; 100], "{coding}");
        }
    }
}
