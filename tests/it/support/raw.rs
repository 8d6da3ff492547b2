//! A client that sends any bytes, and reads what comes back.

use super::PATIENCE;
use super::http::{Answer, BodyReader, Framing, framing, head, parse};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
pub struct Raw {
    stream: BufReader<TcpStream>,
}

impl Raw {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("a connection");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Sends bytes. A gate that has hung up already is no failure: what it answered can still be read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.try_send(bytes);
        self
    }

    /// Sends bytes.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) -> &mut Self {
        let _ = self.stream.get_mut().shutdown(Shutdown::Write);
        self
    }

    /// Reads an answer, to the end of its body.
    pub fn answer(&mut self) -> Answer {
        self.try_answer().expect("an answer")
    }

    /// Reads an answer to HEAD.
    pub fn answer_to_head(&mut self) -> Answer {
        self.answer_head().expect("an answer").0
    }

    /// Reads an answer; what ends too early is an error.
    pub fn try_answer(&mut self) -> io::Result<Answer> {
        let (mut answer, framing) = self.answer_head()?;
        answer.body = BodyReader::new(framing).rest(&mut self.stream)?;
        Ok(answer)
    }

    /// Reads an answer's head, and interim answers before it.
    pub fn answer_head(&mut self) -> io::Result<(Answer, Framing)> {
        let mut interim = Vec::new();
        loop {
            let head = head(&mut self.stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let (line, headers) = parse(&head);
            let status: u16 = line.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("{line:?}"));
            assert!(line.starts_with("HTTP/1."), "{line:?}");
            if (100..200).contains(&status) && status != 101 {
                interim.push(status);
                continue;
            }
            let framing = match status {
                101 | 204 | 304 => Framing::Length(0),
                _ => framing(&headers, Framing::Close),
            };
            return Ok((Answer { status, headers, body: Vec::new(), interim }, framing));
        }
    }

    /// Reads the next bytes as they come; none at the end.
    pub fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let piece = self.stream.fill_buf()?.to_vec();
        self.stream.consume(piece.len());
        Ok(piece)
    }

    /// Reads everything until the gate hangs up; a reset counts as that.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {}
            Err(error) => panic!("the gate does not hang up: {error}"),
        }
        rest
    }

    /// Whether something arrives within `time`; the end counts.
    pub fn anything_within(&mut self, time: Duration) -> bool {
        self.stream.get_mut().set_read_timeout(Some(time)).unwrap();
        let came = self.stream.fill_buf().is_ok();
        self.stream.get_mut().set_read_timeout(Some(PATIENCE)).unwrap();
        came
    }

    /// Fails unless the gate has hung up, with nothing more said.
    pub fn assert_closed(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "more than expected: {:?}", String::from_utf8_lossy(&rest));
    }

    /// Asks for a kernel buffer so small that a reader who does not read is soon noticed, as far as the system goes along.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }
}
