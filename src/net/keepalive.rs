//! TCP keep-alive (RFC 9293, 3.8.4): whoever has gone without a word (a power cut, a firewall that forgot) is noticed where nothing else
//! waits for them, as on a WebSocket on which both sides are silent.

use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// After a minute of silence, then each twenty seconds; three unanswered ones end the connection.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(20)).with_retries(3);

/// Asks for it on a socket; what a listener accepts inherits it.
///
/// # Errors
/// The system does not know it.
pub fn keep_alive(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_tcp_keepalive(&KEEPALIVE)
}
