//! State that belongs to one process, and state that forked children inherit.
//!
//! A fork copies the memory, but only the calling thread. A pool, a session or a lock of the parent is useless in the child: no
//! thread works for it, and no thread unlocks it. So every lock that outlives a call is one of two:
//!
//! * [`PerProcess`]: the child starts with a new value and leaves the parent's value alone.
//! * [`Kept`]: the child continues with the parent's value. The forking thread holds the lock during the fork, so no other
//!   thread is in the middle of a change. The fork hooks call [`Kept::hold`] and [`forked`].

use std::any::Any;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

/// Number of reported forks between the first process and this one. The process id alone is not enough, since the system may
/// reuse it for a grandchild.
static GENERATION: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static HELD: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// Reports that a fork is over, in the thread that called it. Releases the held locks.
pub fn forked(in_child: bool) {
    if in_child {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    HELD.with_borrow_mut(Vec::clear);
}

/// Whether this thread is between the calls before and after a fork.
pub fn is_forking() -> bool {
    HELD.try_with(|held| held.try_borrow().map_or(true, |held| !held.is_empty())).unwrap_or(true)
}

/// Identity of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    number: u32,
    generation: u64,
}

impl Process {
    fn current() -> Self {
        Self { number: std::process::id(), generation: GENERATION.load(Ordering::Relaxed) }
    }
}

/// A value behind a lock, one for each process.
#[derive(Debug)]
pub struct PerProcess<T: 'static> {
    first: OnceLock<Node<T>>,
    make: fn() -> T,
}

/// The value of one process, followed by those of its children. A value is never dropped in a child: that would wait for
/// threads that do not exist there.
#[derive(Debug)]
struct Node<T> {
    process: Process,
    value: Mutex<T>,
    next: OnceLock<Box<Node<T>>>,
}

impl<T> Node<T> {
    fn new(process: Process, make: fn() -> T) -> Self {
        Self { process, value: Mutex::new(make()), next: OnceLock::new() }
    }
}

impl<T> PerProcess<T> {
    /// A value that each process creates with `make` on first use.
    pub const fn new(make: fn() -> T) -> Self {
        Self { first: OnceLock::new(), make }
    }

    /// The value of this process.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.of(Process::current())
    }

    fn of(&self, process: Process) -> MutexGuard<'_, T> {
        let mut node = self.first.get_or_init(|| Node::new(process, self.make));
        while node.process != process {
            node = node.next.get_or_init(|| Box::new(Node::new(process, self.make)));
        }
        node.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A value behind a lock that forked children inherit.
#[derive(Debug)]
pub struct Kept<T: 'static>(Mutex<T>);

impl<T> Kept<T> {
    /// A lock around a value.
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// The value.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, unless another thread has locked it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Keeps other threads out until the calling thread calls [`forked`].
    pub fn hold(&'static self) {
        let guard = self.lock();
        HELD.with_borrow_mut(|held| held.push(Box::new(guard)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_a_value_of_its_own_and_finds_it_again() {
        static NAMES: PerProcess<Vec<&str>> = PerProcess::new(Vec::new);
        let process = |number, generation| Process { number, generation };
        NAMES.of(process(1, 0)).push("parent");
        NAMES.of(process(2, 1)).push("child");
        // The system may reuse a process id. The generation tells the two processes apart.
        NAMES.of(process(1, 2)).push("grandchild");
        assert_eq!(*NAMES.of(process(1, 0)), ["parent"]);
        assert_eq!(*NAMES.of(process(2, 1)), ["child"]);
        assert_eq!(*NAMES.of(process(1, 2)), ["grandchild"]);
    }

    #[test]
    fn a_child_does_not_wait_for_a_lock_that_a_thread_of_the_parent_holds() {
        static COUNT: PerProcess<u32> = PerProcess::new(u32::default);
        let held = COUNT.of(Process { number: 1, generation: 0 });
        *COUNT.of(Process { number: 2, generation: 1 }) += 1;
        drop(held);
        assert_eq!(*COUNT.of(Process { number: 1, generation: 0 }), 0);
    }

    #[test]
    fn what_is_kept_is_held_until_the_fork_is_over() {
        static VALUE: Kept<u32> = Kept::new(7);
        VALUE.hold();
        assert!(VALUE.0.try_lock().is_err());
        forked(false);
        assert_eq!(*VALUE.lock(), 7);
    }
}
