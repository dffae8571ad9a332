//! How a connection opens: both ends say who they are and prove that they know the token.
//!
//! The worker with the higher rank connects. Each end sends a hello: magic, version, its rank, the number of workers and a number
//! used once. Then each sends an HMAC of its role and both hellos, the one that connected first. So the token never crosses the
//! wire, no answer can be replayed, and nobody can ask one end for the proof that the other end wants.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::connection::is_tick;
use super::proof::{Token, equal, hmac, nonce};

/// The first bytes of every connection.
pub const MAGIC: [u8; 8] = *b"mmlrssum";
/// The version of what workers send each other.
pub const VERSION: u32 = 1;
const START_BYTES: usize = 12;
const HELLO_BYTES: usize = START_BYTES + 8 + 32;
const TICK: Duration = Duration::from_millis(50);

/// A worker of a job, as the others know it.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Its number.
    pub rank: usize,
    /// The number of workers.
    pub size: usize,
    /// The secret of the job.
    pub token: &'a Token,
}

/// How long a handshake may take.
#[derive(Debug, Clone, Copy)]
pub struct Until<'a> {
    /// Its end.
    pub deadline: Instant,
    /// Its number.
    pub number: usize,
    /// The number of the first handshake for whose result somebody still waits.
    pub first: &'a AtomicUsize,
}

impl Until<'_> {
    /// Whether the time is over, or nobody waits for the result any more.
    pub fn is_over(&self) -> bool {
        self.number < self.first.load(Ordering::SeqCst) || Instant::now() >= self.deadline
    }
}

/// Opens a connection that another worker made: the rank of that worker.
pub fn accept(stream: &TcpStream, me: Identity<'_>, until: Until<'_>) -> Result<usize, String> {
    prepare(stream)?;
    let theirs = read_hello(stream, until)?;
    let rank = check_hello(&theirs, me)?;
    if rank <= me.rank || rank >= me.size {
        return Err(format!("says that it is worker {rank}"));
    }
    let mine = hello(me)?;
    write(stream, &mine)?;
    let mut proof = [0; 32];
    read(stream, &mut proof, until)?;
    if !equal(&proof, &hmac(me.token, &[b"connects", &theirs, &mine])) {
        return Err("does not know the token of this job".to_owned());
    }
    write(stream, &hmac(me.token, &[b"accepts", &theirs, &mine]))?;
    Ok(rank)
}

/// Opens a connection to the worker `to`.
pub fn connect(stream: &TcpStream, me: Identity<'_>, to: usize, until: Until<'_>) -> Result<(), String> {
    prepare(stream)?;
    let mine = hello(me)?;
    write(stream, &mine)?;
    let theirs = read_hello(stream, until)?;
    let rank = check_hello(&theirs, me)?;
    if rank != to {
        return Err(format!("says that it is worker {rank}"));
    }
    write(stream, &hmac(me.token, &[b"connects", &mine, &theirs]))?;
    let mut proof = [0; 32];
    read(stream, &mut proof, until)?;
    if equal(&proof, &hmac(me.token, &[b"accepts", &mine, &theirs])) {
        return Ok(());
    }
    Err("does not know the token of this job".to_owned())
}

fn prepare(stream: &TcpStream) -> Result<(), String> {
    let set = || {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))
    };
    set().map_err(|error: std::io::Error| error.to_string())
}

fn hello(me: Identity<'_>) -> Result<[u8; HELLO_BYTES], String> {
    let mut bytes = [0; HELLO_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&(me.rank as u32).to_le_bytes());
    bytes[16..20].copy_from_slice(&(me.size as u32).to_le_bytes());
    bytes[20..].copy_from_slice(&nonce()?);
    Ok(bytes)
}

/// Reads a hello. What does not begin like one is refused without waiting for the rest.
fn read_hello(stream: &TcpStream, until: Until<'_>) -> Result<[u8; HELLO_BYTES], String> {
    let mut bytes = [0; HELLO_BYTES];
    read(stream, &mut bytes[..START_BYTES], until)?;
    if bytes[..8] != MAGIC {
        return Err("is not a worker of mmlrs".to_owned());
    }
    let version = word(&bytes, 8);
    if version != VERSION {
        return Err(format!("speaks version {version} instead of {VERSION}: all workers must have the same mmlrs"));
    }
    read(stream, &mut bytes[START_BYTES..], until)?;
    Ok(bytes)
}

fn check_hello(bytes: &[u8; HELLO_BYTES], me: Identity<'_>) -> Result<usize, String> {
    let size = word(bytes, 16) as usize;
    if size == me.size { Ok(word(bytes, 12) as usize) } else { Err(format!("counts {size} workers, not {}", me.size)) }
}

fn word(bytes: &[u8; HELLO_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn write(mut stream: &TcpStream, bytes: &[u8]) -> Result<(), String> {
    stream.write_all(bytes).map_err(|error| format!("does not read: {error}"))
}

fn read(mut stream: &TcpStream, bytes: &mut [u8], until: Until<'_>) -> Result<(), String> {
    let mut filled = 0;
    while filled < bytes.len() {
        if until.is_over() {
            return Err("does not answer".to_owned());
        }
        match stream.read(&mut bytes[filled..]) {
            Ok(0) => return Err("closes the connection at once".to_owned()),
            Ok(count) => filled += count,
            Err(error) if is_tick(&error) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}
