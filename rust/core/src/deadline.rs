//! Work with a time limit.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Calls a function when a time has passed, unless it is dropped earlier.
#[derive(Debug)]
pub struct Deadline {
    seconds: f64,
    ended: Sender<()>,
    /// Returns whether the time passed.
    watch: JoinHandle<bool>,
}

impl Deadline {
    /// Starts the time: calls `stop` after `seconds`, in a separate thread.
    pub fn new(seconds: f64, stop: impl FnOnce() + Send + 'static) -> Self {
        let (ended, wait) = channel();
        // A limit too long for a `Duration` is never reached.
        let time = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let watch = std::thread::spawn(move || {
            let passed = wait.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
            if passed {
                stop();
            }
            passed
        });
        Self { seconds, ended, watch }
    }

    /// Ends the watch and returns the limit in seconds if it was exceeded.
    pub fn exceeded(self) -> Option<f64> {
        drop(self.ended);
        self.watch.join().unwrap_or(false).then_some(self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn only_work_that_takes_too_long_is_stopped() {
        let stops = Arc::new(AtomicUsize::new(0));
        let stop = |stops: &Arc<AtomicUsize>| {
            let stops = stops.clone();
            move || {
                stops.fetch_add(1, Ordering::SeqCst);
            }
        };
        assert_eq!(Deadline::new(1e300, stop(&stops)).exceeded(), None);
        drop(Deadline::new(1e9, stop(&stops)));
        assert_eq!(stops.load(Ordering::SeqCst), 0);
        let short = Deadline::new(0.001, stop(&stops));
        while stops.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(short.exceeded(), Some(0.001));
    }
}
