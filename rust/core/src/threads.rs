//! The thread budget of a run and a parallel loop that respects it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::interrupt::check_interrupt_of;
use crate::{Error, PerProcess, Result};

/// The number of threads a run may use: the task's cores on Spark, the machine's cores on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadBudget {
    threads: usize,
    interruptible: bool,
}

/// One set per process: threads do not survive a fork.
static POOLS: PerProcess<HashMap<usize, Arc<ThreadPool>>> = PerProcess::new(HashMap::new);

impl ThreadBudget {
    /// A budget of `threads`; 0 means the cores this process may use.
    pub fn new(threads: usize) -> Self {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            n => n,
        };
        Self { threads, interruptible: false }
    }

    /// A budget for work that stops when [`crate::request_interrupt`] is called.
    #[must_use]
    pub fn interruptible(self, interruptible: bool) -> Self {
        Self { interruptible, ..self }
    }

    /// Whether the work stops when [`crate::request_interrupt`] is called.
    pub fn is_interruptible(self) -> bool {
        self.interruptible
    }

    /// Returns an error once interruptible work has been asked to stop.
    pub fn check(self) -> Result<()> {
        check_interrupt_of(self.interruptible)
    }

    /// The number of threads, at least 1.
    pub fn get(self) -> usize {
        self.threads
    }

    /// The pool with that number of threads, created once per process. `None` for one thread, which needs no pool.
    pub fn pool(self) -> Result<Option<Arc<ThreadPool>>> {
        if self.threads <= 1 {
            return Ok(None);
        }
        let mut pools = POOLS.lock();
        if let Some(pool) = pools.get(&self.threads) {
            return Ok(Some(pool.clone()));
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .thread_name(|i| format!("mmlrs-{i}"))
            .build()
            .map_err(|e| Error::runtime(format!("cannot start {} threads: {e}", self.threads)))?;
        let pool = Arc::new(pool);
        pools.insert(self.threads, pool.clone());
        Ok(Some(pool))
    }
}

/// Applies `f` to 0..n within the budget and returns the results in order.
pub fn parallel_map<T, F>(budget: ThreadBudget, n: usize, f: F) -> Result<Vec<T>>
where
    T: Send,
    F: Fn(usize) -> T + Sync + Send,
{
    let one = |i| budget.check().map(|()| f(i));
    match budget.pool()? {
        Some(pool) if n > 1 => pool.install(|| (0..n).into_par_iter().with_max_len(1).map(one).collect()),
        _ => (0..n).map(one).collect(),
    }
}

/// Like [`parallel_map`], while the calling thread does other work, whose result is the second one.
pub fn parallel_map_beside<T, F, R>(
    budget: ThreadBudget,
    n: usize,
    f: F,
    beside: impl FnOnce() -> R,
) -> Result<(Vec<T>, R)>
where
    T: Send,
    F: Fn(usize) -> T + Sync + Send,
{
    let Some(pool) = budget.pool()? else {
        let other = beside();
        return Ok((parallel_map(budget, n, f)?, other));
    };
    let mut results = Ok(Vec::new());
    let other = pool.in_place_scope(|scope| {
        scope.spawn(|_| results = parallel_map(budget, n, f));
        beside()
    });
    Ok((results?, other))
}

/// Minimum number of rows of a piece.
const ROWS_A_PIECE: usize = 64;

/// Applies `work` to the rows in at most this number of pieces, in parallel within the budget. The results are in row order.
pub fn in_pieces<T: Send>(
    budget: ThreadBudget,
    rows: usize,
    pieces: usize,
    work: impl Fn(Range<usize>) -> Result<T> + Sync + Send,
) -> Result<Vec<T>> {
    let size = rows.div_ceil(pieces.max(1)).max(ROWS_A_PIECE);
    let done = parallel_map(budget, rows.div_ceil(size), |i| work(i * size..rows.min((i + 1) * size)))?;
    done.into_iter().collect()
}

/// The number of pieces of a batch, chosen so that the threads end at about the same time.
pub fn pieces_of(budget: ThreadBudget) -> usize {
    if budget.get() == 1 { 1 } else { 4 * budget.get() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Stopper, clear_interrupt, request_interrupt};

    #[test]
    fn work_beside_a_loop_runs_in_the_calling_thread_and_both_have_results() -> Result<()> {
        let here = std::thread::current().id();
        for threads in [1, 3] {
            let budget = ThreadBudget::new(threads);
            for n in [0, 1, 40] {
                let (squares, thread) = parallel_map_beside(budget, n, |i| i * i, || std::thread::current().id())?;
                assert_eq!(squares, (0..n).map(|i| i * i).collect::<Vec<_>>());
                assert_eq!(thread, here);
            }
        }
        Ok(())
    }

    #[test]
    fn a_request_ends_interruptible_work_and_calls_what_stops_the_rest() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let stopper = Stopper::new(move || {
            let _ = sender.send(());
        });
        let budget = ThreadBudget::new(2).interruptible(true);
        let result = parallel_map(budget, 1000, |i| {
            if i == 3 {
                request_interrupt();
            }
        });
        assert_eq!(result.err().map(|e| e.kind()), Some(ErrorKind::Interrupted));
        assert!(receiver.try_recv().is_ok());
        assert!(parallel_map(ThreadBudget::new(2), 10, |i| i).is_ok());
        clear_interrupt();
        drop(stopper);
        assert!(parallel_map(budget, 10, |i| i).is_ok());
    }
}
