//! Noticing that this process is a forked child.

use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Whether [`tells`] was called.
static TELLS: AtomicBool = AtomicBool::new(false);
/// How often it was told.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Says that every forked child of this process will tell of it by [`forked`] before it writes.
///
/// A host language can promise that, and so spare each message the question to the system. Call it
/// before the first writer is made.
pub fn tells() {
    TELLS.store(true, Relaxed);
}

/// Says that this is a forked child.
pub fn forked() {
    FORKS.fetch_add(1, Relaxed);
}

/// What is another in a forked child than it was in its parent.
#[inline]
pub fn generation() -> u64 {
    match TELLS.load(Relaxed) {
        // No process id is so large.
        true => u64::MAX - FORKS.load(Relaxed),
        false => u64::from(process::id()),
    }
}
