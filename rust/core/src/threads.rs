//! The thread budget of a run and a parallel loop that respects it.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{Error, PerProcess, Result};

/// How many threads a run may use: the task's cores on Spark, the machine's cores on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadBudget(usize);

/// Of each process its own: threads do not survive a fork.
static POOLS: PerProcess<HashMap<usize, Arc<ThreadPool>>> = PerProcess::new(HashMap::new);

impl ThreadBudget {
    /// A budget of `threads`; 0 means the cores this process may use.
    pub fn new(threads: usize) -> Self {
        match threads {
            0 => Self(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
            n => Self(n),
        }
    }

    /// The number of threads, at least 1.
    pub fn get(self) -> usize {
        self.0
    }

    /// The pool of that many threads, made once per process; `None` for one thread, which needs none.
    pub fn pool(self) -> Result<Option<Arc<ThreadPool>>> {
        if self.0 <= 1 {
            return Ok(None);
        }
        let mut pools = POOLS.lock();
        if let Some(pool) = pools.get(&self.0) {
            return Ok(Some(pool.clone()));
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(self.0)
            .thread_name(|i| format!("mmlrs-{i}"))
            .build()
            .map_err(|e| Error::runtime(format!("cannot start {} threads: {e}", self.0)))?;
        let pool = Arc::new(pool);
        pools.insert(self.0, pool.clone());
        Ok(Some(pool))
    }
}

/// Applies `f` to 0..n within the budget and returns the results in order.
pub fn parallel_map<T, F>(budget: ThreadBudget, n: usize, f: F) -> Result<Vec<T>>
where
    T: Send,
    F: Fn(usize) -> T + Sync + Send,
{
    match budget.pool()? {
        Some(pool) if n > 1 => Ok(pool.install(|| (0..n).into_par_iter().with_max_len(1).map(f).collect())),
        _ => Ok((0..n).map(f).collect()),
    }
}
