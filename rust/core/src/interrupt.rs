//! Work that its user no longer wants: Ctrl-C while a table is worked on.
//!
//! Only what the main thread of a program waits for can be interrupted, one piece of work at a time; other threads go on. The
//! work looks at the request from row to row ([`crate::ThreadBudget::check`]); what cannot look says how to stop it.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{Error, ErrorKind, PerProcess, Result};

static REQUESTED: AtomicBool = AtomicBool::new(false);
static NUMBER: AtomicU64 = AtomicU64::new(0);
static STOPPERS: PerProcess<Vec<(u64, Stop)>> = PerProcess::new(Vec::new);

/// What stops a piece of work.
type Stop = Box<dyn Fn() + Send>;

/// Asks the interruptible work of this process to end.
pub fn request_interrupt() {
    REQUESTED.store(true, Ordering::SeqCst);
    STOPPERS.lock().iter().for_each(|(_, stop)| stop());
}

/// Takes the request back, when the work has ended.
pub fn clear_interrupt() {
    REQUESTED.store(false, Ordering::SeqCst);
}

/// Is the interruptible work of this process asked to end?
pub fn interrupt_requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

thread_local! {
    static INTERRUPTIBLE: Cell<bool> = const { Cell::new(false) };
}

/// Runs work that the main thread waits for: in it, [`check_interrupt`] looks at the request.
pub fn interruptible<T>(work: impl FnOnce() -> T) -> T {
    let outer = INTERRUPTIBLE.replace(true);
    let result = work();
    INTERRUPTIBLE.set(outer);
    result
}

/// Is this the thread of work that can be interrupted?
pub fn is_interruptible() -> bool {
    INTERRUPTIBLE.get()
}

/// Fails once the work of this thread is asked to end.
pub fn check_interrupt() -> Result<()> {
    check_interrupt_of(is_interruptible())
}

/// As [`check_interrupt`], for work that says itself whether it can be interrupted.
pub(crate) fn check_interrupt_of(interruptible: bool) -> Result<()> {
    if interruptible && interrupt_requested() {
        return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
    }
    Ok(())
}

/// As long as it lives, a request calls a function.
#[derive(Debug)]
pub struct Stopper(u64);

impl Stopper {
    /// Calls `stop` at a request that comes from now on, from another thread.
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
