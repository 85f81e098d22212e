//! Through inotify, all readers of a process on one instance.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::Wake;

pub(super) const NOTIFIES: bool = true;

/// Ends a wait, from any thread.
#[derive(Debug, Default)]
pub struct Waker {
    /// None where the process has no descriptor left: waits then end by looking.
    event: ArcSwapOption<Event>,
    raised: AtomicBool,
}

/// An event of one process. A forked child inherits the descriptor, and what it would read
/// from it is its parent's.
#[derive(Debug)]
struct Event {
    pid: u32,
    fd: OwnedFd,
}

impl Waker {
    fn new() -> Arc<Waker> {
        let waker = Waker::default();
        waker.renew();
        Arc::new(waker)
    }

    /// Gives it an event of this process.
    fn renew(&self) {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
        let pid = std::process::id();
        self.event.store(fd.map(|fd| Arc::new(Event { pid, fd })));
    }

    fn is_inherited(&self) -> bool {
        let event = self.event.load_full();
        event.is_some_and(|event| event.pid != std::process::id())
    }

    fn event(&self) -> Option<Arc<Event>> {
        let event = self.event.load_full();
        event.filter(|event| event.pid == std::process::id())
    }

    /// Ends the wait that is under way, or else the next one.
    pub fn wake(&self) {
        if !self.raised.swap(true, SeqCst) {
            self.nudge();
        }
    }

    /// Has the one who waits look around, and wait on if nothing is raised.
    fn nudge(&self) {
        if let Some(event) = self.event() {
            // It fails only when the counter is full, and then it is readable.
            let _ = rustix::io::write(&event.fd, &1u64.to_ne_bytes());
        }
    }

    /// Sleeps until it is woken, at most `time`. Whoever only wakes and never sleeps costs no
    /// descriptor.
    pub fn sleep(&self, time: Duration) -> Wake {
        if self.event().is_none() {
            self.renew();
        }
        if self.take() {
            return Wake::Changed;
        }
        match sleep(None, self, time) {
            Err(Errno::INTR) => Wake::Interrupted,
            Ok(_) if self.take() => Wake::Changed,
            Ok(_) => Wake::Look,
            Err(_) => {
                std::thread::sleep(time);
                Wake::Look
            }
        }
    }

    fn take(&self) -> bool {
        let raised = self.raised.swap(false, SeqCst);
        if raised && let Some(event) = self.event() {
            event.drain();
        }
        raised
    }
}

impl Event {
    fn drain(&self) {
        let _ = rustix::io::read(&self.fd, &mut [0u8; 8]);
    }
}

/// The inotify instance of this process.
///
/// A forked child inherits the descriptor, and reading from it would take the parent's events
/// away: the child knows by `pid` that this hub is not its own, and never locks `state`, which
/// a thread that the child does not have may hold.
#[derive(Debug)]
struct Hub {
    pid: u32,
    inotify: OwnedFd,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether a reader waits for the instance.
    led: bool,
    /// Who waits while another leads.
    followers: Vec<Arc<Waker>>,
    watched: HashMap<i32, Vec<Arc<Waker>>>,
}

static HUB: ArcSwapOption<Hub> = ArcSwapOption::const_empty();

impl Hub {
    fn of_this_process() -> Option<Arc<Hub>> {
        let pid = std::process::id();
        loop {
            let current = HUB.load_full();
            if let Some(hub) = current.as_ref().filter(|hub| hub.pid == pid) {
                return Some(hub.clone());
            }
            let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
            let hub = Arc::new(Hub {
                pid,
                inotify,
                state: Mutex::default(),
            });
            let before = HUB.compare_and_swap(&current, Some(hub.clone()));
            if before.as_ref().map(Arc::as_ptr) == current.as_ref().map(Arc::as_ptr) {
                return Some(hub);
            }
        }
    }

    fn is_of_this_process(&self) -> bool {
        self.pid == std::process::id()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, path: &Path, flags: WatchFlags, waker: &Arc<Waker>) -> Option<i32> {
        // Under the lock, so that no event of the new watch is handed out before it is known.
        let mut state = self.state();
        let flags = flags | WatchFlags::MASK_ADD;
        let watch = inotify::add_watch(&self.inotify, path, flags).ok()?;
        state.watched.entry(watch).or_default().push(waker.clone());
        Some(watch)
    }

    fn remove(&self, watch: i32, waker: &Arc<Waker>) {
        let mut state = self.state();
        if let Some(wakers) = state.watched.get_mut(&watch) {
            if let Some(at) = wakers.iter().position(|known| Arc::ptr_eq(known, waker)) {
                wakers.swap_remove(at);
            }
            if wakers.is_empty() {
                state.watched.remove(&watch);
                // It is gone already if the file is.
                let _ = inotify::remove_watch(&self.inotify, watch);
            }
        }
    }

    /// Wakes everyone whose file the waiting events are about.
    fn dispatch(&self) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut state = self.state();
        while let Ok(event) = events.next() {
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                state
                    .watched
                    .values()
                    .flatten()
                    .for_each(|waker| waker.wake());
            } else if let Some(wakers) = state.watched.get(&event.wd()) {
                wakers.iter().for_each(|waker| waker.wake());
                if event.events().contains(ReadFlags::IGNORED) {
                    state.watched.remove(&event.wd());
                }
            }
        }
    }

    /// Makes the one who waits with `waker` the leader, if there is none.
    fn lead(&self, waker: &Arc<Waker>) -> bool {
        let mut state = self.state();
        let leads = !std::mem::replace(&mut state.led, true);
        if leads {
            state.followers.retain(|known| !Arc::ptr_eq(known, waker));
        } else if !state
            .followers
            .iter()
            .any(|known| Arc::ptr_eq(known, waker))
        {
            state.followers.push(waker.clone());
        }
        leads
    }

    /// Ends what [`lead`](Self::lead) began. As long as someone waits, someone leads.
    fn leave(&self, waker: &Arc<Waker>, leads: bool) {
        let mut state = self.state();
        if leads {
            state.led = false;
        } else {
            state.followers.retain(|known| !Arc::ptr_eq(known, waker));
        }
        // The follower that was to lead may have left before it did.
        if !state.led
            && let Some(follower) = state.followers.first()
        {
            follower.nudge();
        }
    }

    fn wait(&self, waker: &Arc<Waker>, time: Duration) -> Wake {
        let end = Instant::now() + time;
        let mut leads = false;
        let wake = loop {
            if waker.take() {
                break Wake::Changed;
            }
            leads = leads || self.lead(waker);
            let left = end.saturating_duration_since(Instant::now());
            match sleep(leads.then_some(&self.inotify), waker, left) {
                Ok(0) => break Wake::Look,
                Ok(_) if leads => self.dispatch(),
                Ok(_) => {}
                Err(Errno::INTR) => break Wake::Interrupted,
                Err(_) => {
                    std::thread::sleep(left);
                    break Wake::Look;
                }
            }
        };
        self.leave(waker, leads);
        wake
    }
}

/// Sleeps until the instance or the waker has something, or `time` is over (then 0).
fn sleep(inotify: Option<&OwnedFd>, waker: &Waker, time: Duration) -> Result<usize, Errno> {
    let event = waker.event();
    let mut fds: Vec<PollFd<'_>> = [inotify, event.as_ref().map(|event| &event.fd)]
        .into_iter()
        .flatten()
        .map(|fd| PollFd::new(fd, PollFlags::IN))
        .collect();
    let time = Timespec::try_from(time).map_err(|_| Errno::INVAL)?;
    let ready = poll(&mut fds, Some(&time))?;
    // What was read here and raised only now is found by the look at the flag that follows.
    if let Some(event) = event.filter(|_| ready > 0) {
        event.drain();
    }
    Ok(ready)
}

#[derive(Debug)]
pub(super) struct Watch {
    waker: Arc<Waker>,
    hub: Option<Arc<Hub>>,
    file: Option<i32>,
    directory: Option<i32>,
}

impl Watch {
    pub(super) fn new(path: &Path) -> Watch {
        let mut watch = Watch {
            waker: Waker::new(),
            hub: Hub::of_this_process(),
            file: None,
            directory: None,
        };
        watch.watch(path);
        watch
    }

    pub(super) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    pub(super) fn watch(&mut self, path: &Path) {
        self.unwatch();
        let Some(hub) = &self.hub else { return };
        // The directory tells that a file has come to the path, the file that it has changed.
        let directory = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => path,
        };
        let arrivals = WatchFlags::CREATE | WatchFlags::MOVED_TO;
        let changes = WatchFlags::MODIFY | WatchFlags::MOVE_SELF | WatchFlags::ATTRIB;
        self.directory = hub.add(directory, arrivals, &self.waker);
        self.file = hub.add(path, changes, &self.waker);
    }

    fn unwatch(&mut self) {
        let watches = [self.file.take(), self.directory.take()];
        if let Some(hub) = self.hub.as_ref().filter(|hub| hub.is_of_this_process()) {
            for watch in watches.into_iter().flatten() {
                hub.remove(watch, &self.waker);
            }
        }
    }

    pub(super) fn wait(&mut self, path: &Path, time: Duration) -> Wake {
        let hub = self.hub.as_ref();
        if self.waker.is_inherited() || hub.is_some_and(|hub| !hub.is_of_this_process()) {
            // This is a forked child: what it inherited belongs to its parent.
            self.waker.renew();
            self.hub = Hub::of_this_process();
            self.file = None;
            self.directory = None;
            self.watch(path);
            return Wake::Changed;
        }
        match &self.hub {
            Some(hub) => hub.wait(&self.waker, time),
            None => self.waker.sleep(time),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.unwatch();
    }
}
