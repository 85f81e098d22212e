//! Panics as exceptions.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::panic::{self, Location, PanicHookInfo};
use std::sync::Once;
use std::thread;

use super::PipesException;

thread_local! {
    /// The panic this thread is unwinding from, if it is.
    static LAST: RefCell<Option<PipesException>> = const { RefCell::new(None) };
}

/// Has the message of each panic kept for [`last_panic`], from now on. What else is done at a
/// panic, as printing it, is done as before.
pub fn remember_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The hook can't be changed by a thread that panics, and an attempt would be a panic more.
        if thread::panicking() {
            return;
        }
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let exception = PipesException::from_hook(info);
            // At the end of a thread its storage is gone, and with it whoever would ask.
            let _ = LAST.try_with(|last| {
                if let Ok(mut last) = last.try_borrow_mut() {
                    *last = Some(exception);
                }
            });
            before(info);
        }));
    });
}

/// The panic that is unwinding this thread, if one is and [`remember_panics`] was called before.
pub fn last_panic() -> Option<PipesException> {
    if !thread::panicking() {
        return None;
    }
    LAST.try_with(|last| last.try_borrow().ok()?.clone())
        .ok()
        .flatten()
}

impl PipesException {
    /// The exception of a panic, from what `std::panic::catch_unwind` or the join of a thread
    /// gave.
    pub fn from_panic(payload: &(dyn Any + Send)) -> PipesException {
        PipesException {
            message: message(payload),
            name: Some("panic".to_owned()),
            ..PipesException::default()
        }
    }

    fn from_hook(info: &PanicHookInfo<'_>) -> PipesException {
        let mut exception = PipesException {
            message: message(info.payload()),
            name: Some("panic".to_owned()),
            ..PipesException::default()
        };
        // Costs nothing unless RUST_BACKTRACE asks for one.
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            let lines = backtrace.to_string();
            exception.stack = lines
                .lines()
                .rev()
                .map(|line| format!("{line}\n"))
                .collect();
        }
        if let Some(at) = info.location() {
            exception.stack.push(place(at));
        }
        exception
    }
}

fn place(at: &Location<'_>) -> String {
    let thread = thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    format!("  thread '{name}' panicked at {at}\n")
}

fn message(payload: &(dyn Any + Send)) -> String {
    match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a panic whose value is not text".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Witness(std::sync::mpsc::Sender<Option<PipesException>>);

    impl Drop for Witness {
        fn drop(&mut self) {
            let _ = self.0.send(last_panic());
        }
    }

    #[test]
    fn a_panic_is_known_while_it_unwinds() {
        remember_panics();
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = thread::Builder::new().name("worker".into());
        let handle = thread.spawn(move || {
            let _witness = Witness(sender);
            panic!("the {} is out", "cat");
        });
        let payload = handle.unwrap().join().unwrap_err();
        let exception = receiver.recv().unwrap().unwrap();
        assert_eq!(exception.message, "the cat is out");
        assert_eq!(exception.name.as_deref(), Some("panic"));
        let place = exception.stack.last().unwrap();
        assert!(
            place.contains("'worker' panicked at") && place.contains("panic.rs"),
            "{place}"
        );
        assert_eq!(
            PipesException::from_panic(&*payload).message,
            "the cat is out"
        );
        assert_eq!(last_panic(), None);
    }
}
