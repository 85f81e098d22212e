//! Waiting until a file may have changed, without using the processor meanwhile.
//!
//! On Linux all files of a process are watched through one inotify instance, because a user has
//! only 128 of them. No thread serves it: among the readers that wait, one leads. It waits for the
//! instance and for its own [`Waker`], and wakes the others, which wait for their wakers only;
//! when it leaves, the next one leads. Where the instance can't be had, and below it for file
//! systems that never notify, the file is looked at again and again.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use portable as system;

pub use system::Waker;

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Something happened: look again.
    Changed,
    /// Nothing was heard of; time to look all the same.
    Look,
    /// The time is up.
    TimedOut,
    /// A signal arrived at this thread.
    Interrupted,
}

/// How often a file is looked at while it is waited for.
#[derive(Debug)]
struct Looks {
    interval: Duration,
    /// Changes of this file come without notification.
    silent: bool,
}

impl Looks {
    const SOONEST: Duration = Duration::from_millis(5);
    const LATEST: Duration = Duration::from_secs(1);
    const LATEST_WHEN_SILENT: Duration = Duration::from_millis(50);

    fn next(&mut self) -> Duration {
        let latest = match self.silent {
            true => Self::LATEST_WHEN_SILENT,
            false => Self::LATEST,
        };
        let now = self.interval;
        self.interval = (now * 2).min(latest);
        now
    }
}

/// One reader's watch over one path.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    system: system::Watch,
    looks: Looks,
    /// The last wait ended with [`Wake::Look`].
    looked: bool,
}

impl Watch {
    /// Watches `path`, which need not exist yet.
    pub fn new(path: &Path) -> Watch {
        Watch {
            path: path.to_owned(),
            system: system::Watch::new(path),
            looks: Looks {
                interval: 4 * Looks::SOONEST,
                silent: !system::NOTIFIES,
            },
            looked: false,
        }
    }

    /// What ends a wait from another thread.
    pub fn waker(&self) -> Arc<Waker> {
        self.system.waker()
    }

    /// Watches what stands at the path now; call it once another file has taken the place.
    pub fn renew(&mut self) {
        self.system.watch(&self.path);
    }

    /// Says that data had arrived. If only a look found it, looks come often from now on.
    pub fn found(&mut self) {
        if self.looked {
            self.looks.silent = true;
            self.looks.interval = Looks::SOONEST;
        }
        self.looked = false;
    }

    /// Waits until the path may have changed, at the latest until `deadline`.
    pub fn wait(&mut self, deadline: Option<Instant>) -> Wake {
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Wake::TimedOut;
        }
        let look = self.looks.next();
        let wake = self
            .system
            .wait(&self.path, left.map_or(look, |left| left.min(look)));
        self.looked = wake == Wake::Look;
        wake
    }
}
