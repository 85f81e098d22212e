//! The one thread that looks for chunks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::runtime;
use crate::fork::generation;

/// How many requests of all sessions are under way at once.
const IN_FLIGHT: usize = 64;

/// The thread that looks for the chunks of all sessions.
pub(super) struct Poller {
    pub(super) process: u64,
    pub(super) runtime: Handle,
    /// For the requests that are under way.
    pub(super) permits: Arc<Semaphore>,
    /// How many sessions there are.
    pub(super) open: Arc<AtomicUsize>,
}

static POLLER: ArcSwapOption<Poller> = ArcSwapOption::const_empty();

impl Poller {
    /// The one of this process; a forked child has none of its parent's threads.
    pub(super) fn of_this_process() -> io::Result<Arc<Poller>> {
        loop {
            let there = POLLER.load();
            if let Some(poller) = &*there
                && poller.process == generation()
            {
                return Ok(poller.clone());
            }
            let runtime = runtime()?;
            let poller = Arc::new(Poller {
                process: generation(),
                runtime: runtime.handle().clone(),
                permits: Arc::new(Semaphore::new(IN_FLIGHT)),
                open: Arc::default(),
            });
            // Its threads are the parent's, so it can't be shut down here.
            std::mem::forget(there.clone());
            let before = POLLER.compare_and_swap(&there, Some(poller.clone()));
            if !std::ptr::eq(as_ptr(&before), as_ptr(&there)) {
                continue;
            }
            let thread = std::thread::Builder::new().name("ironpipe-poll".into());
            let run = move || runtime.block_on(std::future::pending::<()>());
            if let Err(error) = thread.spawn(run) {
                POLLER.store(None);
                return Err(error);
            }
            return Ok(poller);
        }
    }
}

fn as_ptr(poller: &Option<Arc<Poller>>) -> *const Poller {
    poller.as_ref().map_or(std::ptr::null(), Arc::as_ptr)
}
