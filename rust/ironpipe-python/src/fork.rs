//! Forks of the interpreter: a child must find no lock taken by a thread that it does not have.

use std::cell::RefCell;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ironpipe::fork;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::calls;

/// Read while a message is written, written while the process forks.
static FORKING: RwLock<()> = RwLock::new(());

thread_local! {
    /// Held from before a fork until after it, on both sides.
    static HELD: RefCell<Option<RwLockWriteGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// Keeps the process from forking until it is dropped. Take it with the interpreter released, and
/// do not ask for that again while it is held: a fork waits with the interpreter in its hands.
#[inline]
pub fn hold_off() -> RwLockReadGuard<'static, ()> {
    FORKING.read().unwrap_or_else(PoisonError::into_inner)
}

#[pyfunction]
fn before_fork() {
    let guard = FORKING.write().unwrap_or_else(PoisonError::into_inner);
    HELD.with_borrow_mut(|held| *held = Some(guard));
}

#[pyfunction]
fn after_fork_in_parent() {
    HELD.take();
    calls::after_fork(false);
}

#[pyfunction]
fn after_fork_in_child() {
    fork::forked();
    HELD.take();
    calls::after_fork(true);
}

/// Has the interpreter tell of its forks.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let os = py.import("os")?;
    let Some(register) = os.getattr_opt("register_at_fork")? else {
        return Ok(()); // A system without forks.
    };
    let hooks = PyDict::new(py);
    hooks.set_item("before", wrap_pyfunction!(before_fork, module)?)?;
    hooks.set_item(
        "after_in_parent",
        wrap_pyfunction!(after_fork_in_parent, module)?,
    )?;
    hooks.set_item(
        "after_in_child",
        wrap_pyfunction!(after_fork_in_child, module)?,
    )?;
    register.call((), Some(&hooks))?;
    fork::tells();
    Ok(())
}
