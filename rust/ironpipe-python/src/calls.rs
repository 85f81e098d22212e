//! Calls of Python from threads of the engine's. None is under way while the process forks or the
//! interpreter ends: what Python does in one can't be left half done.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A call that does not come back keeps nobody for ever.
const LONGEST: Duration = Duration::from_secs(5);

struct Calls {
    running: usize,
    gate: Gate,
}

#[derive(PartialEq)]
enum Gate {
    Open,
    /// Until the fork is done.
    Forking,
    /// For good.
    Ended,
}

static CALLS: Mutex<Calls> = Mutex::new(Calls {
    running: 0,
    gate: Gate::Open,
});
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// Whether this thread is within a call.
    static CALLING: Cell<bool> = const { Cell::new(false) };
    /// Held from before a fork until after it, on both sides.
    static HELD: RefCell<Option<MutexGuard<'static, Calls>>> = const { RefCell::new(None) };
}

/// Calls Python; none where the interpreter is on its way out. To be called with the interpreter
/// released.
pub fn call<T>(work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    let _running = match CALLING.get() {
        false => Some(Running::begin()?),
        true => None,
    };
    Python::try_attach(work)
}

struct Running;

impl Running {
    fn begin() -> Option<Running> {
        let forking = |calls: &mut Calls| calls.gate == Gate::Forking;
        let mut calls = CHANGED
            .wait_while(lock(), forking)
            .unwrap_or_else(PoisonError::into_inner);
        if calls.gate == Gate::Ended {
            return None;
        }
        calls.running += 1;
        CALLING.set(true);
        Some(Running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        CALLING.set(false);
        lock().running -= 1;
        CHANGED.notify_all();
    }
}

fn lock() -> MutexGuard<'static, Calls> {
    CALLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets no call begin, and waits for those under way.
fn shut(gate: Gate) {
    let own = usize::from(CALLING.get());
    let mut calls = lock();
    calls.gate = gate;
    let _ = CHANGED.wait_timeout_while(calls, LONGEST, |calls| calls.running > own);
}

#[pyfunction]
fn before_fork(py: Python<'_>) {
    py.detach(|| shut(Gate::Forking));
    HELD.with_borrow_mut(|held| *held = Some(lock()));
}

/// To be called after the process has forked, on both sides.
pub fn after_fork(in_child: bool) {
    let Some(mut calls) = HELD.take() else { return };
    calls.gate = Gate::Open;
    if in_child {
        // The threads of the others are the parent's.
        calls.running = usize::from(CALLING.get());
    }
    drop(calls);
    CHANGED.notify_all();
}

#[pyfunction]
fn end_calls(py: Python<'_>) {
    py.detach(|| shut(Gate::Ended));
}

/// Has the interpreter tell when it forks, and when it ends. What is registered with `atexit` after
/// this is called may still use stores.
pub fn watch(py: Python<'_>) -> PyResult<()> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.swap(true, Relaxed) {
        return Ok(());
    }
    let end = wrap_pyfunction!(end_calls, py)?;
    py.import("atexit")?.call_method1("register", (end,))?;
    // This and `logging`, which it imports, take their locks before a fork, in the reverse order of
    // registration: a call that needs one of them would wait for the fork, which waits for the call.
    py.import("concurrent.futures.thread")?;
    if let Some(register) = py.import("os")?.getattr_opt("register_at_fork")? {
        let hooks = PyDict::new(py);
        hooks.set_item("before", wrap_pyfunction!(before_fork, py)?)?;
        register.call((), Some(&hooks))?;
    }
    Ok(())
}
