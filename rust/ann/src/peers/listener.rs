//! From a port to a group of connected workers.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope, scope, sleep};
use std::time::{Duration, Instant};

use mmlrs_core::{Error, Result, check_interrupt};

use super::connection::Connection;
use super::group::Peers;
use super::handshake::{Identity, Until, accept, connect};
use super::proof::Token;
use crate::reduce::Reduce;

/// The largest number of workers.
pub const MAX_WORKERS: usize = 256;
/// The seconds in which the other end of a new connection must prove who it is.
const HANDSHAKE_SECONDS: u64 = 5;
/// The connections that prove who they are at the same time, in addition to one for each worker. With more, the oldest are
/// refused.
const MAX_HANDSHAKES: usize = 64;
/// How often the port is looked at.
const PAUSE: Duration = Duration::from_millis(5);
/// How long after a refused connection the next one is tried, and how long one attempt may take.
const RETRY: Duration = Duration::from_millis(100);
const ATTEMPT: Duration = Duration::from_secs(1);

/// How long workers wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until all workers are connected.
    pub connect: Duration,
    /// For the next bytes of a worker. It includes the time that one worker computes longer than another.
    pub silence: Duration,
}

/// A port at which a worker waits for the others.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    port: u16,
}

impl Listener {
    /// Listens at a free port of the address of `host`, or of all interfaces if that is not an address of this machine.
    ///
    /// # Errors
    /// The system has no free port.
    pub fn bind(host: &str) -> Result<Self> {
        let socket = TcpListener::bind((host, 0))
            .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)))
            .or_else(|_| TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)));
        let failed = |error| Error::runtime(format!("cannot listen for other workers on host {host:?}: {error}"));
        let socket = socket.map_err(failed)?;
        let port = socket.local_addr().map_err(failed)?.port();
        Ok(Self { socket, port })
    }

    /// The number of the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connects this worker to all others. `addresses` are "host:port" by rank, `token` is a secret of this job.
    ///
    /// Connections of others, which do not prove that they know the token, are refused and counted
    /// ([`Peers::refused`]). The port is closed when all workers are connected.
    ///
    /// # Errors
    /// A worker is missing when the limit is over; the error names it. A param is invalid.
    pub fn connect(self, rank: usize, addresses: &[String], token: &Token, limits: Limits) -> Result<Peers> {
        self.connect_within(rank, addresses, token, limits, Duration::from_secs(HANDSHAKE_SECONDS))
    }

    /// Like [`Self::connect`], with the time in which the other end of a new connection must prove who it is.
    pub(super) fn connect_within(
        self,
        rank: usize,
        addresses: &[String],
        token: &Token,
        limits: Limits,
        handshake: Duration,
    ) -> Result<Peers> {
        check(rank, addresses, limits)?;
        let me = Identity { rank, size: addresses.len(), token };
        let found = addresses.iter().map(|_| None).collect();
        let mut group = Joining { me, addresses, handshake, found, refused: 0, open: 0, accepted: 0 };
        let (why, interrupted) = group.join(&self.socket, limits.connect);
        let error = interrupted.err().or_else(|| group.missing(&why, limits.connect));
        let peers = Peers::new(rank, &addresses[rank], group.found, limits.silence, group.refused);
        match error {
            None => Ok(peers),
            Some(error) => {
                let mut peers = peers;
                peers.abort(error.message());
                Err(error)
            }
        }
    }
}

fn check(rank: usize, addresses: &[String], limits: Limits) -> Result<()> {
    if addresses.is_empty() || addresses.len() > MAX_WORKERS {
        let message = format!("must be those of 1 to {MAX_WORKERS} workers, got {}", addresses.len());
        return Err(Error::param("addresses", message));
    }
    if let Some(address) = addresses.iter().find(|address| !is_address(address)) {
        return Err(Error::param("addresses", format!("must have the form \"host:port\", got {address:?}")));
    }
    if rank >= addresses.len() {
        let message = format!("must be below the number of addresses, {}, got {rank}", addresses.len());
        return Err(Error::param("rank", message));
    }
    for (name, limit) in [("connect", limits.connect), ("silence", limits.silence)] {
        if limit.is_zero() {
            return Err(Error::param(name, "must be longer than 0 seconds"));
        }
    }
    Ok(())
}

fn is_address(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|n| n > 0))
}

/// What a thread found out.
enum Arrival {
    /// A worker that proved who it is.
    Worker(usize, TcpStream),
    /// The other end of an accepted connection is no worker of this job.
    Foreign,
    /// A worker could not be reached so far.
    Unreached(usize, String),
}

/// A worker that waits for the others.
struct Joining<'a> {
    me: Identity<'a>,
    addresses: &'a [String],
    handshake: Duration,
    found: Vec<Option<Connection>>,
    refused: usize,
    /// The accepted connections whose other end has not yet proved who it is.
    open: usize,
    /// The accepted connections so far.
    accepted: usize,
}

impl<'a> Joining<'a> {
    /// Connects to the workers before this one while those after it connect. Returns why workers were not reached.
    fn join(&mut self, socket: &TcpListener, limit: Duration) -> (Vec<Option<String>>, Result<()>) {
        let first = AtomicUsize::new(0);
        let start = Instant::now();
        // A limit too long for the clock is never reached.
        let deadline = start.checked_add(limit).unwrap_or(start + Duration::from_secs(u32::MAX.into()));
        let until = Until { deadline, number: usize::MAX - 1, first: &first };
        let mut why = vec![None; self.me.size];
        let (report, arrivals) = channel();
        let result = scope(|threads| {
            let result = self.wait(socket, threads, until, &report, &arrivals, &mut why);
            first.store(usize::MAX, Ordering::SeqCst);
            result
        });
        drop(report);
        for arrival in arrivals {
            self.note(arrival, &mut why);
        }
        (why, result)
    }

    fn wait<'scope, 'env>(
        &mut self,
        socket: &TcpListener,
        threads: &'scope Scope<'scope, 'env>,
        until: Until<'env>,
        report: &Sender<Arrival>,
        arrivals: &Receiver<Arrival>,
        why: &mut [Option<String>],
    ) -> Result<()>
    where
        'a: 'scope,
    {
        let (me, addresses, allowed) = (self.me, self.addresses, self.me.size + MAX_HANDSHAKES);
        let thread = |name: &str| Builder::new().name(format!("mmlrs-{name}"));
        socket.set_nonblocking(true).map_err(|e| Error::runtime(format!("cannot listen for other workers: {e}")))?;
        for (to, address) in addresses[..me.rank].iter().enumerate() {
            let report = report.clone();
            if let Err(e) = thread("dial").spawn_scoped(threads, move || dial(to, address, me, until, &report)) {
                why[to] = Some(format!("cannot start a thread: {e}"));
            }
        }
        while self.found.iter().flatten().count() + 1 < me.size && Instant::now() < until.deadline {
            check_interrupt()?;
            if let Ok(arrival) = arrivals.recv_timeout(PAUSE) {
                self.note(arrival, why);
            }
            // Those that are refused take a moment to end.
            while self.open < 2 * allowed
                && let Ok((stream, _)) = socket.accept()
            {
                let deadline = until.deadline.min(Instant::now() + self.handshake);
                let until = Until { deadline, number: self.accepted, ..until };
                self.accepted += 1;
                until.first.store(self.accepted.saturating_sub(allowed), Ordering::SeqCst);
                let report = report.clone();
                let started = thread("accept").spawn_scoped(threads, move || greet(stream, me, until, &report));
                if started.is_ok() {
                    self.open += 1;
                } else {
                    self.refused += 1;
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, arrival: Arrival, why: &mut [Option<String>]) {
        match arrival {
            Arrival::Worker(rank, stream) => {
                self.open -= usize::from(rank > self.me.rank);
                if self.found[rank].is_some() {
                    self.refused += 1;
                    return;
                }
                match Connection::new(rank, &self.addresses[rank], stream) {
                    Ok(connection) => self.found[rank] = Some(connection),
                    Err(error) => why[rank] = Some(error.to_string()),
                }
            }
            Arrival::Foreign => {
                self.open -= 1;
                self.refused += 1;
            }
            Arrival::Unreached(rank, cause) => why[rank] = Some(cause),
        }
    }

    /// The error that names the workers that are missing.
    fn missing(&self, why: &[Option<String>], limit: Duration) -> Option<Error> {
        let names: Vec<String> = (0..self.me.size)
            .filter(|rank| *rank != self.me.rank && self.found[*rank].is_none())
            .map(|rank| {
                let cause = why[rank].as_deref().unwrap_or("has not connected");
                format!("worker {rank} ({}): {cause}", self.addresses[rank])
            })
            .collect();
        if names.is_empty() {
            return None;
        }
        let others = self.me.size - 1;
        let foreign = match self.refused {
            0 => String::new(),
            count => format!("; connections refused because the other end was no worker of this job: {count}"),
        };
        Some(Error::runtime(format!(
            "{} of {others} other workers are connected to worker {} ({}) after {} s; missing: {}{foreign}",
            others - names.len(),
            self.me.rank,
            self.addresses[self.me.rank],
            limit.as_secs_f64(),
            names.join(", ")
        )))
    }
}

/// Lets the other end of a connection prove who it is.
fn greet(stream: TcpStream, me: Identity<'_>, until: Until<'_>, report: &Sender<Arrival>) {
    let arrival = match accept(&stream, me, until) {
        Ok(rank) => Arrival::Worker(rank, stream),
        Err(_) => Arrival::Foreign,
    };
    // Nobody listens only if the work panicked.
    let _ = report.send(arrival);
}

/// Tries to connect to a worker until it succeeds or the time is over.
fn dial(to: usize, address: &str, me: Identity<'_>, until: Until<'_>, report: &Sender<Arrival>) {
    loop {
        let arrival = match attempt(to, address, me, until) {
            Ok(stream) => Arrival::Worker(to, stream),
            Err(cause) => Arrival::Unreached(to, cause),
        };
        let done = matches!(arrival, Arrival::Worker(..));
        if report.send(arrival).is_err() || done {
            return;
        }
        sleep(RETRY);
        if until.is_over() {
            return;
        }
    }
}

fn attempt(to: usize, address: &str, me: Identity<'_>, until: Until<'_>) -> Result<TcpStream, String> {
    let mut cause = "the host has no address".to_owned();
    for target in address.to_socket_addrs().map_err(|error| error.to_string())? {
        match TcpStream::connect_timeout(&target, ATTEMPT) {
            Ok(stream) => match connect(&stream, me, to, until) {
                Ok(()) => return Ok(stream),
                Err(error) => cause = error,
            },
            Err(error) => cause = error.to_string(),
        }
    }
    Err(cause)
}
