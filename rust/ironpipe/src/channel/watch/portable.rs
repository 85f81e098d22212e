//! Where nothing notifies: every wait ends by looking.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::Wake;

pub(super) const NOTIFIES: bool = false;

/// Ends a wait, from any thread.
#[derive(Debug, Default)]
pub struct Waker {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Waker {
    /// Ends the wait that is under way, or else the next one.
    pub fn wake(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Sleeps until it is woken, at most `time`.
    pub fn sleep(&self, time: Duration) -> Wake {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(raised, time, |raised| !*raised);
        let (mut raised, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match std::mem::take(&mut *raised) {
            true => Wake::Changed,
            false => Wake::Look,
        }
    }
}

#[derive(Debug)]
pub(super) struct Watch {
    waker: Arc<Waker>,
}

impl Watch {
    pub(super) fn new(_: &Path) -> Watch {
        Watch {
            waker: Arc::default(),
        }
    }

    pub(super) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    pub(super) fn watch(&mut self, _: &Path) {}

    pub(super) fn wait(&mut self, _: &Path, time: Duration) -> Wake {
        self.waker.sleep(time)
    }
}
