//! HTTP/2 towards an upstream (RFC 9113): many exchanges on one connection, each a stream.
//!
//! A [`Session`] is a connection, driven by a task of its own on the worker; [`Sessions`] are a worker's, by address. A request
//! is sent as a [`Call`]: the body follows as fast as the upstream's windows
//! allow, and the answer is [`Body`], which opens ours again only for what was passed on. What the upstream says it has not looked at
//! (REFUSED_STREAM, a GOAWAY before it) can be sent again. A stream that becomes a WebSocket is a [`Tunnel`].

mod answer;
mod body;
mod call;
mod head;
mod session;
mod sessions;
mod tunnel;
mod upload;

pub use body::Body;
pub use call::Call;
pub use session::{Session, StreamPermit};
pub use sessions::Sessions;
pub use tunnel::Tunnel;

use ::h2::client::Builder;

/// Streams of one connection at once, at most; an upstream may want fewer.
pub const STREAMS: usize = 100;

/// Bytes that an upstream may send on a stream before they are passed on.
const STREAM_WINDOW: u32 = 128 * 1024;

/// And on all streams: room for every one of them, so that clients that do not read hold up nobody else's answers.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 100;

/// What frames of answers that nobody takes yet may cost in memory besides what they carry, counted as 256 bytes each: as much as frames of
/// 32 bytes, which fill all windows. More ends the connection, with the answers of all clients that share it; so a few who do not
/// read a stream of small events must not get there.
const FRAMES: usize = CONNECTION_WINDOW as usize / 32 * (256 - 32);

/// Bytes of a request's body that wait in memory for the upstream's window.
const SEND_BUFFER: usize = 64 * 1024;

/// What an answer's fields may take, counted as RFC 9113, 6.5.2 does.
const HEAD_BYTES: u32 = 64 * 1024;

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .data_frame_budget(FRAMES)
        .max_header_list_size(HEAD_BYTES)
        .max_send_buffer_size(SEND_BUFFER);
    builder
}
