//! A WebSocket's message there and back through two pairs of sockets, as we pass it on and as `tokio::io::copy_bidirectional` does.

use super::Work;
use postern::gateway::splice::Splice;
use std::future::{Future, poll_fn};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::UnixStream;

/// A masked text frame of 125 bytes, as a client sends it; the other side sends it back.
const FRAME: [u8; 131] = {
    let mut frame = [0; 131];
    (frame[0], frame[1]) = (0x81, 0x80 | 125);
    frame
};

/// As postern does.
pub(crate) fn ours() -> Work {
    message(|mut client, mut upstream| async move {
        let mut splice = Splice::default();
        poll_fn(|cx| splice.poll(&mut client, &mut upstream, cx)).await;
    })
}

/// As tokio does, which looks at nothing.
pub(crate) fn copied() -> Work {
    message(|mut client, mut upstream| async move {
        let _ended = copy_bidirectional(&mut client, &mut upstream).await;
    })
}

fn message<F: Future<Output = ()> + Send + 'static>(pass: fn(UnixStream, UnixStream) -> F) -> Work {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let entered = runtime.enter();
    let (mut client, near) = UnixStream::pair().expect("a pair of sockets");
    let (far, mut upstream) = UnixStream::pair().expect("a pair of sockets");
    drop(entered);
    runtime.spawn(pass(near, far));
    Box::new(move |_| {
        runtime.block_on(async {
            let mut came = [0; FRAME.len()];
            client.write_all(&FRAME).await.expect("written");
            upstream.read_exact(&mut came).await.expect("read");
            upstream.write_all(&came).await.expect("written");
            client.read_exact(&mut came).await.expect("read");
            assert_eq!(came, FRAME);
        });
    })
}
