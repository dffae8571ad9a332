//! Interruption of work by the user: Ctrl-C during work on a table.
//!
//! Only work that the main thread waits for can be interrupted, one piece at a time. Other threads continue. The work checks
//! the request at every row ([`crate::ThreadBudget::check`]). Work that cannot check registers a function that stops it.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{Error, ErrorKind, PerProcess, Result};

static REQUESTED: AtomicBool = AtomicBool::new(false);
static NUMBER: AtomicU64 = AtomicU64::new(0);
static STOPPERS: PerProcess<Vec<(u64, Stop)>> = PerProcess::new(Vec::new);

/// The function that stops a piece of work.
type Stop = Box<dyn Fn() + Send>;

/// Asks the interruptible work of this process to stop.
pub fn request_interrupt() {
    REQUESTED.store(true, Ordering::SeqCst);
    STOPPERS.lock().iter().for_each(|(_, stop)| stop());
}

/// Withdraws the request after the work has ended.
pub fn clear_interrupt() {
    REQUESTED.store(false, Ordering::SeqCst);
}

/// Whether the interruptible work of this process has been asked to stop.
pub fn interrupt_requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

thread_local! {
    static INTERRUPTIBLE: Cell<bool> = const { Cell::new(false) };
}

/// Runs work that the main thread waits for. Inside it, [`check_interrupt`] checks the request.
pub fn interruptible<T>(work: impl FnOnce() -> T) -> T {
    let outer = INTERRUPTIBLE.replace(true);
    let result = work();
    INTERRUPTIBLE.set(outer);
    result
}

/// Whether this thread runs interruptible work.
pub fn is_interruptible() -> bool {
    INTERRUPTIBLE.get()
}

/// Returns an error once the work of this thread has been asked to stop.
pub fn check_interrupt() -> Result<()> {
    check_interrupt_of(is_interruptible())
}

/// Like [`check_interrupt`], for work that knows itself whether it is interruptible.
pub(crate) fn check_interrupt_of(interruptible: bool) -> Result<()> {
    if interruptible && interrupt_requested() {
        return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
    }
    Ok(())
}

/// Calls a function on a request, as long as it lives.
#[derive(Debug)]
pub struct Stopper(u64);

impl Stopper {
    /// Calls `stop` from another thread on any later request.
    pub fn new(stop: impl Fn() + Send + 'static) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        STOPPERS.lock().push((number, Box::new(stop)));
        Self(number)
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        STOPPERS.lock().retain(|(number, _)| *number != self.0);
    }
}
