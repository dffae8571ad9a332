//! Turns panics of other libraries into errors, without their output on standard error.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs code of another library on data that it may not expect. The error is the message of its panic.
///
/// The work must stay in this thread and must not change shared data: after a panic, such data is in an unknown state.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // No `Once`: a child that is forked in the middle of it would wait forever.
    static HOOKED: AtomicBool = AtomicBool::new(false);
    if !HOOKED.swap(true, Ordering::Relaxed) {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            }
        }));
    }
    let outer = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(outer);
    result.map_err(|panic| panic_text(panic.as_ref()).to_owned())
}

/// The message of a panic.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown cause")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::panic, reason = "the subject of the test")]
    fn a_panic_is_its_text_and_the_next_call_works() {
        assert_eq!(guarded(|| -> u8 { panic!("slot {} is damaged", 7) }), Err("slot 7 is damaged".to_owned()));
        assert_eq!(guarded(|| guarded(|| -> u8 { panic!("inner") }).is_err()), Ok(true));
        assert_eq!(guarded(|| 5), Ok(5));
        assert!(!QUIET.get());
    }
}
