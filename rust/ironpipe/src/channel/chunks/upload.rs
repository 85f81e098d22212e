//! Lines into chunks, uploaded by a thread.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::runtime::Runtime;

use super::append::append;
use super::backlog::{Backlog, Chunk};
use super::pace::UploadPace;
use super::retry::Backoff;
use super::{ChunkPrefix, StoreError, runtime};
use crate::channel::MessageChannel;
use crate::fork::generation;

/// How long closing goes on asking where somebody has to mend something first: a token that has
/// expired may be renewed, a clock be set.
const MENDING: Duration = Duration::from_secs(3);

/// How long the first message of a forked child waits until it is stored.
const INTRODUCTION: Duration = Duration::from_secs(5);

/// How lines become chunks.
#[derive(Debug, Clone)]
pub struct UploadOptions {
    /// The longest a line waits for others before it is uploaded, 0.5 s by default. The first line
    /// after a quiet time does not wait at all.
    pub interval: Duration,
    /// At how many bytes a chunk is cut, 4 MiB by default. A longer line is a chunk of its own.
    pub chunk: usize,
    /// How many bytes that are not uploaded yet stay in memory, 64 MiB by default. More goes to a
    /// file without a name in the temporary directory.
    pub memory: usize,
    /// How long `close` waits for the last chunk, 60 s by default.
    pub patience: Duration,
}

impl Default for UploadOptions {
    fn default() -> Self {
        UploadOptions {
            interval: Duration::from_millis(500),
            chunk: 4 << 20,
            memory: 64 << 20,
            patience: Duration::from_secs(60),
        }
    }
}

/// What a thread shall do.
pub type Work = Box<dyn FnOnce() + Send>;

/// Starts a thread.
type Spawn = Arc<dyn Fn(Work) -> io::Result<()> + Send + Sync>;

/// Writes lines as chunks: the first at once, the next together, and none skips an index.
///
/// What the store does not take is tried again until [`close`](MessageChannel::close) has waited
/// its time; then the error says how much did not arrive. Several writers may share a prefix where
/// the store can put if absent: an index that is taken is another's, and the next one is tried.
pub struct ChunkChannel {
    prefix: ChunkPrefix,
    options: UploadOptions,
    spawn: Spawn,
    uploads: Uploads,
    /// Whether `close` waits, or somebody else does.
    waits: bool,
    /// This is a forked child, and no reader knows of it.
    unknown: bool,
}

struct Shared {
    /// Whose it is. A forked child must not even lock it: a thread it does not have may hold it.
    process: u64,
    state: Mutex<State>,
    changed: Condvar,
}

/// What is on its way from a [`ChunkChannel`] to its store.
#[derive(Clone)]
pub struct Uploads {
    name: PathBuf,
    shared: Arc<ArcSwap<Shared>>,
    /// The index of the next chunk.
    next: Arc<AtomicU64>,
    patience: Duration,
}

struct State {
    backlog: Backlog,
    /// What the thread has in its hands.
    uploading: u64,
    /// Whether a chunk is stored.
    stored: bool,
    uploader: Uploader,
    /// Since when it is closed.
    closing: Option<Instant>,
    /// What the store said last, if it was no success.
    failure: Option<String>,
}

#[derive(PartialEq)]
enum Uploader {
    NotStarted,
    Running,
    /// All is uploaded, or nothing more can be.
    Ended,
}

impl Shared {
    fn new(options: &UploadOptions) -> Arc<Shared> {
        Arc::new(Shared {
            process: generation(),
            state: Mutex::new(State {
                backlog: Backlog::new(options.chunk, options.memory),
                uploading: 0,
                stored: false,
                uploader: Uploader::NotStarted,
                closing: None,
                failure: None,
            }),
            changed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is stored, or nothing will be.
    fn wait_for_a_chunk(&self, time: Duration) {
        let deadline = Instant::now() + time;
        let mut state = self.lock();
        while !state.stored && state.uploader == Uploader::Running {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.wait(state, left);
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl ChunkChannel {
    /// A channel whose uploads run on a thread of the engine's.
    pub fn new(prefix: ChunkPrefix, options: UploadOptions) -> ChunkChannel {
        ChunkChannel::on(prefix, options, |work| {
            let thread = std::thread::Builder::new().name("ironpipe-upload".into());
            thread.spawn(work).map(|_| ())
        })
    }

    /// A channel whose uploads run on a thread that `spawn` starts.
    pub fn on(
        prefix: ChunkPrefix,
        options: UploadOptions,
        spawn: impl Fn(Work) -> io::Result<()> + Send + Sync + 'static,
    ) -> ChunkChannel {
        ChunkChannel {
            uploads: Uploads {
                name: prefix.to_string().into(),
                shared: Arc::new(ArcSwap::new(Shared::new(&options))),
                next: Arc::new(AtomicU64::new(1)),
                patience: options.patience,
            },
            spawn: Arc::new(spawn),
            waits: true,
            unknown: false,
            prefix,
            options,
        }
    }

    /// Has `close` return at once: who makes the channel waits for its [`Uploads`] afterwards, when
    /// no lock is held.
    pub fn deferred(mut self) -> ChunkChannel {
        self.waits = false;
        self
    }

    /// What is on its way.
    pub fn uploads(&self) -> Uploads {
        self.uploads.clone()
    }

    fn start(&self, shared: &Arc<Shared>) -> io::Result<()> {
        if shared.lock().uploader != Uploader::NotStarted {
            return Ok(());
        }
        let runtime = runtime()?;
        shared.lock().uploader = Uploader::Running;
        let upload = Upload {
            prefix: self.prefix.clone(),
            options: self.options.clone(),
            next: self.uploads.next.clone(),
            shared: Running(shared.clone()),
            runtime,
        };
        // Without the lock, which is taken where the work is dropped undone.
        let started = (self.spawn)(Box::new(move || upload.run()));
        if started.is_err() {
            shared.lock().uploader = Uploader::NotStarted;
        }
        started
    }
}

impl Uploads {
    /// Where it goes, for errors.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Waits until everything has arrived, for as long as the channel's patience.
    ///
    /// # Errors
    /// Something did not. The text says how much, and what the store says.
    pub fn wait(&self) -> io::Result<()> {
        self.wait_at_most(Duration::MAX).unwrap_or(Ok(()))
    }

    /// The same, but gives none where nothing is decided after `time`: ask again.
    pub fn wait_at_most(&self, time: Duration) -> Option<io::Result<()>> {
        let Some((shared, deadline)) = self.begin_to_close() else {
            return Some(Ok(()));
        };
        let until = Instant::now().checked_add(time);
        // The thread keeps the deadline itself; a request under way may take it beyond.
        let end = deadline + Duration::from_secs(1);
        let mut state = shared.lock();
        while state.uploader == Uploader::Running {
            let now = Instant::now();
            if now >= end {
                break;
            }
            if until.is_some_and(|until| until <= now) {
                return None;
            }
            let next = until.map_or(end, |until| until.min(end));
            state = shared.wait(state, next - now);
        }
        let left = state.uploading + state.backlog.lines();
        if left == 0 {
            return Some(Ok(()));
        }
        let reason = state.failure.as_deref().unwrap_or("no answer yet");
        let messages = if left == 1 { "message" } else { "messages" };
        Some(Err(io::Error::other(format!(
            "{left} {messages} did not arrive, from chunk {} on: {reason}",
            self.next.load(Relaxed)
        ))))
    }

    /// Says that no line follows; when to give up. None where nothing is on its way from this
    /// process.
    fn begin_to_close(&self) -> Option<(Arc<Shared>, Instant)> {
        let shared = self.shared.load_full();
        if shared.process != generation() {
            return None;
        }
        let closing = *shared.lock().closing.get_or_insert_with(Instant::now);
        shared.changed.notify_all();
        Some((shared, closing + self.patience))
    }
}

impl fmt::Debug for Uploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploads")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ChunkChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkChannel")
            .field("prefix", &self.prefix)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl MessageChannel for ChunkChannel {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let shared = self.uploads.shared.load();
        self.start(&shared)?;
        shared.lock().backlog.push(line)?;
        shared.changed.notify_all();
        if std::mem::take(&mut self.unknown) {
            shared.wait_for_a_chunk(INTRODUCTION);
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        match self.waits {
            true => self.uploads.wait(),
            false => {
                self.uploads.begin_to_close();
                Ok(())
            }
        }
    }

    fn forked(&mut self) {
        // Its lock may be held by a thread that this process does not have, and what it holds is
        // the parent's to upload.
        let parents = self.uploads.shared.swap(Shared::new(&self.options));
        std::mem::forget(parents);
        // It may end by `_exit`, as the children of Python's multiprocessing do. Once a reader knows
        // of it, what it then loses is not lost in silence.
        self.unknown = true;
    }

    fn name(&self) -> &Path {
        &self.uploads.name
    }
}

impl Drop for ChunkChannel {
    fn drop(&mut self) {
        // For those who do not close. Nobody is there to hear of an error.
        if self.waits {
            let _ = self.close();
        }
    }
}

/// What the thread works on.
struct Upload {
    prefix: ChunkPrefix,
    options: UploadOptions,
    next: Arc<AtomicU64>,
    shared: Running,
    runtime: Runtime,
}

/// The thread's own hold: when it lets go, however that comes, the thread has ended.
struct Running(Arc<Shared>);

impl std::ops::Deref for Running {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.lock();
        state.uploader = Uploader::Ended;
        if std::thread::panicking() {
            state.failure = Some(StoreError::panicked().reason);
        }
        drop(state);
        self.changed.notify_all();
    }
}

impl Upload {
    fn run(self) {
        // What is logged on the way would have to be uploaded, too, and so on.
        #[cfg(any(feature = "log", feature = "tracing"))]
        let _inside = crate::channel::inside::Inside::enter();
        let mut pace = UploadPace::new(self.options.interval);
        while let Some(chunk) = self.next_chunk(&mut pace) {
            if !self.upload(&chunk) {
                return;
            }
            pace.uploaded(chunk.body.len());
            let mut state = self.shared.lock();
            state.uploading = 0;
            // Whoever waits for that waits for the first one.
            if !std::mem::replace(&mut state.stored, true) {
                self.shared.changed.notify_all();
            }
        }
    }

    /// Waits for lines and until it is their time; none once all is done after close.
    fn next_chunk(&self, pace: &mut UploadPace) -> Option<Chunk> {
        let mut state = self.shared.lock();
        loop {
            let closing = state.closing.is_some();
            if state.backlog.is_empty() {
                if closing {
                    return None;
                }
                state = self.shared.wait(state, Duration::MAX);
                continue;
            }
            let wait = pace.wait();
            if !closing && !state.backlog.is_full() && !wait.is_zero() {
                state = self.shared.wait(state, wait);
                continue;
            }
            match state.backlog.take() {
                Ok(Some(chunk)) => {
                    state.uploading = chunk.lines;
                    return Some(chunk);
                }
                Ok(None) => {}
                Err(error) => {
                    state.failure = Some(format!("what waits on disk can't be read: {error}"));
                    if state
                        .closing
                        .is_some_and(|since| since.elapsed() >= self.options.patience)
                    {
                        return None;
                    }
                    state = self.shared.wait(state, self.options.interval);
                }
            }
        }
    }

    /// Uploads a chunk, however often it takes; false where the time is up.
    fn upload(&self, chunk: &Chunk) -> bool {
        let mut backoff = Backoff::default();
        loop {
            // Asked before: who closes while a request fails gets one more.
            let was_closing = self.shared.lock().closing.is_some();
            let put = append(&self.prefix, &self.next, &chunk.body);
            let error = match self.runtime.block_on(put) {
                Ok(()) => {
                    self.shared.lock().failure = None;
                    return true;
                }
                Err(error) => error,
            };
            let mut state = self.shared.lock();
            state.failure = Some(error.reason);
            let mut patience = self.options.patience;
            if was_closing && error.retry.is_hopeless() {
                // Little time is left, so the wait does not grow.
                (patience, backoff) = (patience.min(MENDING), Backoff::default());
            }
            let mut again = Instant::now() + backoff.next(error.retry);
            loop {
                let now = Instant::now();
                if let Some(closing) = state.closing {
                    if !was_closing {
                        backoff = Backoff::default();
                        break;
                    }
                    let deadline = closing + patience;
                    if deadline <= now {
                        return false;
                    }
                    again = again.min(deadline);
                }
                if again <= now {
                    break;
                }
                state = self.shared.wait(state, again - now);
            }
        }
    }
}
