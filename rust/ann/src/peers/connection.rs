//! The connection to one worker: bytes and frames, with limits of time.

use std::io::{ErrorKind as IoKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mmlrs_core::check_interrupt;

use super::failure::{Event, Failure, Watch};
use super::frame::{HEADER_BYTES, Header, Kind};

/// How often a thread that waits looks at what else happened.
const TICK: Duration = Duration::from_millis(100);
/// The largest number of bytes of the reason why a worker stops; the rest is cut.
pub const MAX_REASON_BYTES: usize = 4096;
/// Up to this size a piece is sent together with its header.
const JOINED_BYTES: usize = 16 << 10;

// Values are sent as they are in memory.
const _: () = assert!(cfg!(target_endian = "little"), "workers exchange little-endian numbers");

/// The connection to one worker. One thread sends while another receives.
#[derive(Debug)]
pub struct Connection {
    peer: usize,
    address: String,
    stream: TcpStream,
    sent: AtomicU64,
    /// Whether a piece was sent in part.
    torn: AtomicBool,
}

impl Connection {
    /// The connection to the worker `peer` at `address`.
    pub fn new(peer: usize, address: &str, stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))?;
        Ok(Self { peer, address: address.to_owned(), stream, sent: AtomicU64::new(0), torn: AtomicBool::new(false) })
    }

    /// The number of the worker at the other end.
    pub fn peer(&self) -> usize {
        self.peer
    }

    /// The bytes sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends a piece with its header.
    pub fn send(&self, header: Header, piece: &[u8], watch: &Watch) -> Result<(), Failure> {
        self.torn.store(true, Ordering::SeqCst);
        let head = header.to_bytes();
        if piece.len() <= JOINED_BYTES {
            self.write(&[&head, piece].concat(), watch)?;
        } else {
            self.write(&head, watch)?;
            self.write(piece, watch)?;
        }
        self.torn.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Receives the piece that is expected.
    pub fn receive(&self, expected: Header, piece: &mut [u8], watch: &Watch, limit: Duration) -> Result<(), Failure> {
        let header = self.header(watch, limit)?;
        header.check(expected).map_err(|wrong| self.wrong(&wrong))?;
        self.read(piece, watch, limit)
    }

    /// Receives a message of any length up to `most` bytes.
    pub fn receive_message(&self, kind: Kind, call: u64, most: usize, watch: &Watch) -> Result<Vec<u8>, Failure> {
        let header = self.header(watch, watch.silence())?;
        header.check_call(kind, call).map_err(|wrong| self.wrong(&wrong))?;
        if header.bytes as usize > most || u64::from(header.bytes) != header.total {
            return Err(self.wrong(&format!("sends a message of {} bytes, more than {most}", header.total)));
        }
        let mut message = vec![0; header.bytes as usize];
        self.read(&mut message, watch, watch.silence())?;
        Ok(message)
    }

    /// Reads on until the worker says why it stopped, closes, or is silent; its reason, if it gives one.
    pub fn last_words(&self, watch: &Watch) -> Option<String> {
        let mut skipped = vec![0; JOINED_BYTES];
        loop {
            match self.header(watch, watch.grace()) {
                Ok(header) => {
                    let mut rest = header.bytes as usize;
                    while rest > 0 {
                        let part = rest.min(skipped.len());
                        self.read(&mut skipped[..part], watch, watch.grace()).ok()?;
                        rest -= part;
                    }
                }
                Err(failure) => {
                    return (failure.event == Event::Told).then_some(failure.text);
                }
            }
        }
    }

    /// Says why this worker stops, if the worker at the other end can still understand it, and sends no more.
    pub fn say(&self, reason: &str) {
        let cut = &reason[..reason.floor_char_boundary(MAX_REASON_BYTES)];
        let header = Header { kind: Kind::Abort, bytes: cut.len() as u32, call: 0, total: cut.len() as u64 };
        if !self.torn.load(Ordering::SeqCst) && self.stream.set_nonblocking(true).is_ok() {
            // A connection that is full or closed cannot be told anything.
            let _ = (&self.stream).write_all(&[&header.to_bytes(), cut.as_bytes()].concat());
            let _ = self.stream.set_nonblocking(false);
        }
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads until the other end closes, at most until `deadline`. What is not read when a connection is closed would let the
    /// system discard what the other end has not received.
    pub fn drain(&self, deadline: Instant) {
        let mut discarded = vec![0; JOINED_BYTES];
        while Instant::now() < deadline {
            match (&self.stream).read(&mut discarded) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if is_tick(&error) => {}
                Err(_) => return,
            }
        }
    }

    fn header(&self, watch: &Watch, limit: Duration) -> Result<Header, Failure> {
        let mut bytes = [0; HEADER_BYTES];
        self.read(&mut bytes, watch, limit)?;
        let header = Header::from_bytes(bytes).ok_or_else(|| self.wrong("sends what is not a header"))?;
        if header.kind != Kind::Abort {
            return Ok(header);
        }
        let mut reason = vec![0; (header.bytes as usize).min(MAX_REASON_BYTES)];
        self.read(&mut reason, watch, limit)?;
        Err(Failure::told(String::from_utf8_lossy(&reason).into_owned()))
    }

    fn write(&self, bytes: &[u8], watch: &Watch) -> Result<(), Failure> {
        let (mut rest, mut since) = (bytes, Instant::now());
        while !rest.is_empty() {
            match (&self.stream).write(rest) {
                Ok(0) => return Err(Failure::broke(self.peer, self.closed())),
                Ok(count) => {
                    self.sent.fetch_add(count as u64, Ordering::Relaxed);
                    rest = &rest[count..];
                    since = Instant::now();
                }
                Err(error) if is_tick(&error) => {
                    if watch.out_of_grace() {
                        return Err(Failure::elsewhere());
                    }
                    if since.elapsed() > watch.patience() {
                        let limit = watch.patience().as_secs_f64();
                        let text = format!("{} has read nothing for longer than the limit of {limit} s", self.name());
                        return Err(Failure::broke(self.peer, text));
                    }
                }
                Err(_) => return Err(Failure::broke(self.peer, self.closed())),
            }
        }
        Ok(())
    }

    fn read(&self, bytes: &mut [u8], watch: &Watch, limit: Duration) -> Result<(), Failure> {
        let (mut filled, mut since) = (0, Instant::now());
        while filled < bytes.len() {
            match (&self.stream).read(&mut bytes[filled..]) {
                Ok(0) => return Err(Failure::noticed(self.closed())),
                Ok(count) => {
                    filled += count;
                    since = Instant::now();
                }
                Err(error) if is_tick(&error) => {
                    check_interrupt()?;
                    if watch.broken_beside(self.peer) {
                        return Err(Failure::elsewhere());
                    }
                    if since.elapsed() > limit {
                        let limit = limit.as_secs_f64();
                        let text = format!("{} has sent nothing for longer than the limit of {limit} s", self.name());
                        return Err(Failure::noticed(text));
                    }
                }
                Err(_) => return Err(Failure::noticed(self.closed())),
            }
        }
        Ok(())
    }

    fn wrong(&self, text: &str) -> Failure {
        Failure::noticed(format!("{} {text}", self.name()))
    }

    fn closed(&self) -> String {
        format!("{} closed the connection: its process has ended or was killed", self.name())
    }

    fn name(&self) -> String {
        format!("worker {} ({})", self.peer, self.address)
    }
}

/// Whether a read or write only had nothing to do yet.
pub fn is_tick(error: &std::io::Error) -> bool {
    matches!(error.kind(), IoKind::WouldBlock | IoKind::TimedOut | IoKind::Interrupted)
}
