//! Watches the frames of a client below the parser: how many of them carry nothing, and whether a head is half sent.
//!
//! A frame costs its sender nine bytes and us some work. Frames that carry a request or its body, and what we write, pay for
//! the others; a client that sends more is not using HTTP/2 but our processor (CVE-2019-9511 to 9518, CVE-2023-44487,
//! CVE-2024-27316). Only frame headers are looked at, and nothing is kept but a few numbers.

/// The client preface (RFC 9113, 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a frame's header (RFC 9113, 4.1).
const FRAME_HEADER: usize = 9;

/// Frames without use that a client may send at once.
const BURST: u32 = 2_000;

/// And in each tick of a tenth of a second.
const PER_TICK: u32 = 50;

/// So many bytes of bodies, in or out, pay for one frame.
const BYTES_PER_FRAME: usize = 512;

/// Ticks in which all of a client's resets are earned back.
const RESET_TICKS: u64 = 100;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 0x4;
const END_STREAM: u8 = 0x1;

/// A client sent too much that has no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flood;

#[derive(Debug)]
pub(super) struct Meter {
    /// Bytes of the preface or of the current frame's payload that are still to come.
    skip: usize,
    header: [u8; FRAME_HEADER],
    /// Bytes of the current frame's header that are there.
    have: usize,
    /// These are of a body.
    in_body: bool,
    /// A head has begun and not ended.
    in_head: bool,
    /// Frames, of which those of one head are one.
    frames: u64,
    frames_left: u32,
    resets_left: u32,
    /// Hundredths of a reset that were earned.
    reset_part: u64,
    most_resets: u32,
    tick: u32,
}

impl Meter {
    /// For a connection whose next bytes are the preface.
    pub(super) const fn new(most_resets: u32, tick: u32) -> Self {
        Self {
            skip: PREFACE.len(),
            header: [0; FRAME_HEADER],
            have: 0,
            in_body: false,
            in_head: false,
            frames: 0,
            frames_left: BURST,
            resets_left: most_resets,
            reset_part: 0,
            most_resets,
            tick,
        }
    }

    /// Looks at the next bytes of the client.
    pub(super) fn read(&mut self, mut bytes: &[u8], now: u32) -> Result<(), Flood> {
        self.earn(now);
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
            let missing = FRAME_HEADER - self.have;
            let (part, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            if let Some(room) = self.header.get_mut(self.have..self.have + part.len()) {
                room.copy_from_slice(part);
            }
            self.have += part.len();
            bytes = rest;
            if self.have == FRAME_HEADER {
                self.have = 0;
                self.frame()?;
            }
        }
    }

    fn frame(&mut self) -> Result<(), Flood> {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.in_body = kind == DATA;
        self.frames += u64::from(!self.in_head);
        match kind {
            DATA if self.skip > 0 || flags & END_STREAM != 0 => {
                self.moved(self.skip);
                return Ok(());
            }
            HEADERS => {
                self.in_head = flags & END_HEADERS == 0;
                // A request pays for its own window update and its like.
                self.frames_left = self.frames_left.saturating_add(2).min(BURST);
                return Ok(());
            }
            CONTINUATION => self.in_head = flags & END_HEADERS == 0,
            RST_STREAM => self.resets_left = self.resets_left.checked_sub(1).ok_or(Flood)?,
            _ => {}
        }
        self.frames_left = self.frames_left.checked_sub(1).ok_or(Flood)?;
        Ok(())
    }

    /// Bytes of use went in or out.
    pub(super) fn moved(&mut self, bytes: usize) {
        let earned = u32::try_from(bytes / BYTES_PER_FRAME).unwrap_or(u32::MAX);
        self.frames_left = self.frames_left.saturating_add(earned).min(BURST);
    }

    fn earn(&mut self, now: u32) {
        let ticks = now.saturating_sub(self.tick);
        if ticks == 0 {
            return;
        }
        self.tick = now;
        self.frames_left = self.frames_left.saturating_add(ticks.saturating_mul(PER_TICK)).min(BURST);
        self.reset_part = self.reset_part.saturating_add(u64::from(ticks) * u64::from(self.most_resets));
        let earned = u32::try_from(self.reset_part / RESET_TICKS).unwrap_or(u32::MAX);
        self.reset_part %= RESET_TICKS;
        self.resets_left = self.resets_left.saturating_add(earned).min(self.most_resets);
    }

    /// The number of what the client owes the rest of, where nobody can use it before all of it is there: the preface, a request's head,
    /// any frame but one of a body.
    pub(super) fn owed(&self) -> Option<u64> {
        let begins = self.have > 0 && !self.in_head;
        let owes = self.in_head || begins || (self.skip > 0 && !self.in_body);
        owes.then(|| self.frames + u64::from(begins))
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, Meter, PREFACE};

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn meter() -> Meter {
        let mut meter = Meter::new(100, 0);
        meter.read(PREFACE, 0).unwrap();
        meter
    }

    /// How many of these frames pass at once, byte by byte as well as in one piece.
    fn passes(frame: &[u8]) -> usize {
        let count = |in_pieces: bool| {
            let mut meter = meter();
            let one = |meter: &mut Meter| {
                if in_pieces { frame.iter().try_for_each(|b| meter.read(&[*b], 0)) } else { meter.read(frame, 0) }
            };
            (0..10_000).take_while(|_| one(&mut meter).is_ok()).count()
        };
        assert_eq!(count(true), count(false));
        count(true)
    }

    #[test]
    fn frames_that_carry_nothing_run_out() {
        for useless in
            [frame(4, 0, &[]), frame(6, 0, &[0; 8]), frame(0, 0, &[]), frame(8, 0, &[0; 4]), frame(77, 0, b"x")]
        {
            assert_eq!(passes(&useless), BURST as usize);
        }
        assert_eq!(passes(&frame(3, 0, &[0; 4])), 100);
        assert_eq!(passes(&frame(1, 5, &[0; 20])), 10_000);
        assert_eq!(passes(&frame(0, 0, &[0; 600])), 10_000);
    }

    #[test]
    fn time_earns_them_back() {
        let mut meter = meter();
        let reset = frame(3, 0, &[0; 4]);
        let mut now = 0;
        for _ in 0..1_000 {
            meter.read(&reset, now).unwrap();
            now += 1;
        }
        let burst = (0..).take_while(|_| meter.read(&reset, now).is_ok()).count();
        assert!((99..=101).contains(&burst), "{burst}");
    }

    #[test]
    fn a_half_head_is_seen() {
        let mut meter = meter();
        assert_eq!(meter.owed(), None);
        meter.read(&frame(1, 0, b"half"), 0).unwrap();
        assert_eq!(meter.owed(), Some(1));
        meter.read(&frame(9, 4, b"rest"), 0).unwrap();
        assert_eq!(meter.owed(), None);
        // However it drips, it is the same one until it is there.
        let mut head = frame(1, 4, b"head");
        let last = head.pop().unwrap();
        for byte in head {
            meter.read(&[byte], 0).unwrap();
            assert_eq!(meter.owed(), Some(2));
        }
        let next = frame(1, 4, b"next");
        meter.read(&[&[last], &next[..next.len() - 1]].concat(), 0).unwrap();
        assert_eq!(meter.owed(), Some(3));
        // A body has a limit of its own.
        meter.read(&[b"t", &frame(0, 0, b"body")[..10]].concat(), 0).unwrap();
        assert_eq!(meter.owed(), None);
    }
}
