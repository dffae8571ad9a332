//! Workers as threads over loopback.

use std::thread::scope;
use std::time::Duration;

use mmlrs_core::Result;

use super::proof::Token;
use super::{Limits, Listener, Peers};

/// The secret of the workers.
pub const TOKEN: Token = [42; 32];
/// Far above what any step takes.
pub const PATIENT: Limits = Limits { connect: Duration::from_mins(1), silence: Duration::from_mins(1) };

/// Ports for workers, and their addresses.
pub fn listeners(size: usize) -> (Vec<Listener>, Vec<String>) {
    let listeners: Vec<Listener> = (0..size).map(|_| Listener::bind("127.0.0.1").expect("a port")).collect();
    let addresses = listeners.iter().map(|listener| format!("127.0.0.1:{}", listener.port())).collect();
    (listeners, addresses)
}

/// Calls `work` as every one of `size` workers at the same time; the results by rank.
pub fn workers<T: Send>(size: usize, limits: Limits, work: impl Fn(Peers) -> Result<T> + Sync) -> Vec<Result<T>> {
    let (listeners, addresses) = listeners(size);
    scope(|threads| {
        let start = |(rank, listener): (usize, Listener)| {
            let (addresses, work) = (&addresses, &work);
            threads.spawn(move || work(listener.connect(rank, addresses, &TOKEN, limits)?))
        };
        let running: Vec<_> = listeners.into_iter().enumerate().map(start).collect();
        running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// The results of workers that all succeed.
pub fn all<T: Send>(size: usize, work: impl Fn(Peers) -> Result<T> + Sync) -> Vec<T> {
    workers(size, PATIENT, work).into_iter().collect::<Result<_>>().expect("all workers succeed")
}

/// The errors of workers that all fail.
pub fn errors<T: Send>(results: Vec<Result<T>>) -> Vec<String> {
    results.into_iter().map(|result| result.err().expect("an error").to_string()).collect()
}
