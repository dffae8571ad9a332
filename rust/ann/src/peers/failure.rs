//! Why a call fails, and what the threads of a call know of each other.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mmlrs_core::{Error, ErrorKind};

/// The seconds that a worker that fails gives its threads to end, and the others to hear why; no more than the limit of silence.
pub const GRACE_SECONDS: u64 = 1;

/// Why a call fails.
#[derive(Debug)]
pub struct Failure {
    /// The cause, for the user.
    pub text: String,
    /// The kind of the error.
    pub kind: ErrorKind,
    /// What happened.
    pub event: Event,
}

/// What makes a call fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// This worker noticed it.
    Noticed,
    /// Another worker said so; its text names it.
    Told,
    /// The connection to this worker broke while sending. What it said before is not read yet.
    Broke(usize),
    /// Another thread of this call failed.
    Elsewhere,
}

impl Failure {
    /// A failure that this worker noticed.
    pub fn noticed(text: String) -> Self {
        Self { text, kind: ErrorKind::Runtime, event: Event::Noticed }
    }

    /// A failure that another worker told.
    pub fn told(text: String) -> Self {
        Self { event: Event::Told, ..Self::noticed(text) }
    }

    /// A connection that broke while sending.
    pub fn broke(peer: usize, text: String) -> Self {
        Self { event: Event::Broke(peer), ..Self::noticed(text) }
    }

    /// The failure of another thread of the call.
    pub fn elsewhere() -> Self {
        Self { event: Event::Elsewhere, ..Self::noticed("another thread failed".to_owned()) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { kind: error.kind(), ..Self::noticed(error.message().to_owned()) }
    }
}

/// How long a call waits, and what its threads know of each other.
#[derive(Debug)]
pub struct Watch {
    silence: Duration,
    broken: AtomicUsize,
    stopped: OnceLock<Instant>,
}

const NONE: usize = usize::MAX;

impl Watch {
    /// The watch of a call, with the limit of silence.
    pub fn new(silence: Duration) -> Self {
        Self { silence, broken: AtomicUsize::new(NONE), stopped: OnceLock::new() }
    }

    /// How long a worker that has nothing to wait for may be silent.
    pub fn silence(&self) -> Duration {
        self.silence
    }

    /// How long a worker may be silent that may itself wait for another: long enough to say first whom it waits for.
    pub fn patience(&self) -> Duration {
        self.silence.saturating_mul(2)
    }

    /// How long threads may take to end, and others to hear why this worker fails.
    pub fn grace(&self) -> Duration {
        self.silence.min(Duration::from_secs(GRACE_SECONDS))
    }

    /// Notes that sending to a worker failed.
    pub fn broken_by(&self, peer: usize) {
        let _ = self.broken.compare_exchange(NONE, peer, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Whether sending failed to another worker than `peer`.
    pub fn broken_beside(&self, peer: usize) -> bool {
        let broken = self.broken.load(Ordering::SeqCst);
        broken != NONE && broken != peer
    }

    /// Asks the sending threads to end after the piece they are at.
    pub fn stop(&self) {
        self.stopped.get_or_init(Instant::now);
    }

    /// Whether the sending threads must end after their piece.
    pub fn stopped(&self) -> bool {
        self.stopped.get().is_some()
    }

    /// Whether the sending threads must end where they are.
    pub fn out_of_grace(&self) -> bool {
        self.stopped.get().is_some_and(|since| since.elapsed() > self.grace())
    }
}
