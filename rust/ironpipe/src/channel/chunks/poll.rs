//! Chunks out of a store, in order, for any number of sessions on one thread.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::pace::LookPace;
use super::poller::Poller;
use super::retry::Backoff;
use super::{ChunkPrefix, ChunkStore, MAX_CHUNK, Request, Retry, StoreError};
use crate::fork::generation;

/// How many chunks of one session are asked for at once.
const WINDOW: u64 = 16;

/// How many looks at quiet sessions there are a second, all together.
const QUIET_LOOKS: f64 = 300.0;

/// How often a look that finds nothing also looks behind the chunk that is missing.
const LOOK_BEHIND: u32 = 8;

const NOT_THERE: &str = "a later chunk is there, this one is not";

/// How a session's chunks are read.
#[derive(Debug, Clone)]
pub struct FeedOptions {
    /// The index of the first chunk that is read, 1 by default.
    pub first: u64,
    /// The longest time between two looks while few sessions are open, 1.5 s by default.
    pub quiet: Duration,
    /// How long nothing new may come after the process has ended until the end is reached, 3 s by
    /// default.
    pub drain: Duration,
    /// How long a chunk that is missing while a later one is there, or a store that fails after the
    /// process has ended, is waited for; 60 s by default.
    pub patience: Duration,
    /// The largest chunk that is read, in bytes; 1 GiB by default.
    pub max_chunk: u64,
    /// How many bytes are read ahead, 32 MiB by default.
    pub ahead: usize,
}

impl Default for FeedOptions {
    fn default() -> Self {
        FeedOptions {
            first: 1,
            quiet: Duration::from_millis(1500),
            drain: Duration::from_secs(3),
            patience: Duration::from_secs(60),
            max_chunk: MAX_CHUNK,
            ahead: 32 << 20,
        }
    }
}

/// What a feed brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fed {
    /// The next chunk.
    Chunk {
        /// Its index.
        index: u64,
        /// What it holds.
        body: Bytes,
    },
    /// A chunk that will not come.
    Missing {
        /// Its index.
        index: u64,
        /// Why.
        reason: String,
    },
    /// The store can't be read: what lies there from this chunk on is unknown. Nothing follows.
    Failed {
        /// The index.
        index: u64,
        /// What the store says.
        reason: String,
    },
    /// Nothing follows.
    Ended,
}

/// How often the store was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Requests for a chunk.
    pub get: u64,
    /// Those of them that failed and were made again.
    pub failed: u64,
}

/// The chunks of one session, fetched ahead by the one thread that serves all sessions.
pub struct ChunkFeed {
    prefix: ChunkPrefix,
    shared: Arc<Shared>,
    task: AbortHandle,
    process: u64,
}

struct Shared {
    queue: Mutex<Queue>,
    finishing: AtomicBool,
    /// Behind which chunk nothing is expected any more; 0 where something is.
    settled: AtomicU64,
    /// To the task: there is room, the process has ended, or nothing is expected any more.
    changed: Notify,
    /// To who reads: there is something.
    fed: Box<dyn Fn() + Send + Sync>,
    gets: AtomicU64,
    failed: AtomicU64,
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<Fed>,
    bytes: usize,
    /// What the store says of the last request, where that failed.
    trouble: Option<String>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, fed: Fed) {
        let mut queue = self.queue();
        if let Fed::Chunk { body, .. } = &fed {
            queue.bytes += body.len();
        }
        queue.ready.push_back(fed);
        drop(queue);
        (self.fed)();
    }

    /// Takes note of what the store says of a request that failed, or that one did not.
    fn trouble(&self, reason: Option<&str>) {
        let before = std::mem::replace(&mut self.queue().trouble, reason.map(str::to_owned));
        if before.is_some() != reason.is_some() {
            (self.fed)();
        }
    }
}

impl ChunkFeed {
    /// Begins to look for chunks. `fed` is called, from another thread, whenever
    /// [`next`](Self::next) has something.
    ///
    /// # Errors
    /// The thread can't be started.
    pub fn open(
        prefix: ChunkPrefix,
        options: FeedOptions,
        fed: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<ChunkFeed> {
        let poller = Poller::of_this_process()?;
        let client = Client {
            prefix: prefix.clone(),
            permits: poller.permits.clone(),
        };
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            finishing: AtomicBool::new(false),
            settled: AtomicU64::new(0),
            changed: Notify::new(),
            fed: Box::new(fed),
            gets: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        let session = Session {
            client,
            options,
            shared: shared.clone(),
            open: Open::one_more(&poller.open),
        };
        Ok(ChunkFeed {
            prefix,
            shared,
            task: poller.runtime.spawn(session.run()).abort_handle(),
            process: poller.process,
        })
    }

    /// What comes next, if it is there.
    #[allow(clippy::should_implement_trait)] // None is not the end.
    pub fn next(&self) -> Option<Fed> {
        let mut queue = self.shared.queue();
        let fed = queue.ready.pop_front()?;
        if let Fed::Chunk { body, .. } = &fed {
            queue.bytes -= body.len();
            drop(queue);
            self.shared.changed.notify_one();
        }
        Some(fed)
    }

    /// Says that the process has ended: what is there is read, and what still comes soon.
    pub fn finish(&self) {
        self.shared.finishing.store(true, Relaxed);
        self.shared.changed.notify_one();
    }

    /// Says that nothing is expected behind a chunk: once it is not there after the process has
    /// ended, it is not waited for.
    pub fn settle(&self, last: u64) {
        if self.shared.settled.swap(last, Relaxed) != last {
            self.shared.changed.notify_one();
        }
    }

    /// What the store says, while its answers are failures.
    pub fn trouble(&self) -> Option<String> {
        self.shared.queue().trouble.clone()
    }

    /// Whether this is a forked child, which does not have the thread that looks, and must not wait
    /// for what that has locked.
    pub fn is_inherited(&self) -> bool {
        self.process != generation()
    }

    /// How often the store was asked.
    pub fn requests(&self) -> Requests {
        Requests {
            get: self.shared.gets.load(Relaxed),
            failed: self.shared.failed.load(Relaxed),
        }
    }
}

impl fmt::Debug for ChunkFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkFeed")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Drop for ChunkFeed {
    fn drop(&mut self) {
        if !self.is_inherited() {
            self.task.abort();
        }
    }
}

/// Asks the store, with as many requests under way as the process allows itself.
#[derive(Debug, Clone)]
struct Client {
    prefix: ChunkPrefix,
    permits: Arc<Semaphore>,
}

impl Client {
    async fn ask<T: Send + 'static>(
        &self,
        index: u64,
        request: impl for<'a> FnOnce(&'a dyn ChunkStore, &'a str) -> Request<'a, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        // Never closed, so never refused.
        let _permit = self.permits.acquire().await;
        let key = self.prefix.key(index);
        let store = self.prefix.store.clone();
        if !store.blocks() {
            return request(&*store, &key).await;
        }
        let runtime = Handle::current();
        let blocking = move || runtime.block_on(request(&*store, &key));
        let answer = tokio::task::spawn_blocking(blocking).await;
        answer.unwrap_or_else(|_| Err(StoreError::panicked()))
    }
}

/// One more session that is open, while it lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn one_more(open: &Arc<AtomicUsize>) -> Open {
        open.fetch_add(1, Relaxed);
        Open(open.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// The task that looks for the chunks of a session.
struct Session {
    client: Client,
    options: FeedOptions,
    shared: Arc<Shared>,
    open: Open,
}

/// What was found at an index.
type Look = Result<Option<Bytes>, StoreError>;

impl Session {
    async fn run(self) {
        let last = self.follow().await;
        self.shared.push(last);
    }

    /// Brings chunk after chunk; what it gives in the end is the last to bring.
    async fn follow(&self) -> Fed {
        let mut index = self.options.first;
        let mut window = 1;
        let mut pace = LookPace::default();
        let mut misses = 0;
        let mut backoff = Backoff::default();
        // Since when: nothing new has come after the process has ended, a later chunk is there,
        // the store fails.
        let (mut still, mut gap, mut failing) = (None, None, None);
        // What the store says of a chunk that it may not tell the absence of.
        let mut denied = None;
        let mut ending = false;
        let drain = self.options.drain.max(self.client.prefix.store.settles());
        loop {
            // Asked before the look: what was put before the process ended is then found after.
            let finishing = self.shared.finishing.load(Relaxed);
            let settled = finishing && self.is_settled(index);
            let mut looks = self.look(index, window).await.into_iter();
            let first = index;
            let miss = loop {
                match looks.next() {
                    Some(Ok(Some(body))) => {
                        self.shared.push(Fed::Chunk { index, body });
                        index += 1;
                    }
                    // Where chunks can be read, it is what is not there that may not be looked for.
                    Some(Err(error)) if error.retry == Retry::Denied && index > 1 => {
                        denied = Some(error.reason);
                        break Some(Ok(None));
                    }
                    miss => break miss,
                }
            };
            if !matches!(miss, Some(Err(_))) && self.shared.queue().trouble.is_some() {
                self.shared.trouble(None);
            }
            // What was not there at the look before is the last one for now.
            let newest = misses > 0 && index == first + 1;
            if index > first {
                pace.found(Instant::now());
                (misses, backoff) = (0, Backoff::default());
                (still, gap, failing) = (None, None, None);
            }
            match miss {
                None if newest && !finishing => self.room().await,
                // All of them were there.
                None => {
                    window = (window * 2).min(WINDOW);
                    self.room().await;
                    continue;
                }
                Some(Ok(_)) => {
                    (window, failing, backoff) = (1, None, Backoff::default());
                    misses += 1;
                    let mut later = looks.any(|look| matches!(look, Ok(Some(_))));
                    if !later && (finishing || misses % LOOK_BEHIND == 0) {
                        let behind = self.look(index + 1, 4).await;
                        later = behind.iter().any(|look| matches!(look, Ok(Some(_))));
                    }
                    if later {
                        if since(&mut gap) >= self.limit(finishing) {
                            let reason = denied.take().unwrap_or_else(|| NOT_THERE.to_owned());
                            self.shared.push(Fed::Missing { index, reason });
                            (index, gap) = (index + 1, None);
                            continue;
                        }
                    } else if settled && index == first || finishing && since(&mut still) >= drain {
                        self.shared.trouble(denied.as_deref());
                        return Fed::Ended;
                    }
                }
                // Nothing is expected there, so whatever the store says is no loss.
                Some(Err(_)) if settled && index == first => return Fed::Ended,
                Some(Err(error)) if error.retry == Retry::Never => {
                    let reason = error.reason;
                    self.shared.push(Fed::Missing { index, reason });
                    index += 1;
                    continue;
                }
                Some(Err(error)) => {
                    window = 1;
                    self.shared.failed.fetch_add(1, Relaxed);
                    self.shared.trouble(Some(&error.reason));
                    let limit = match error.retry.is_hopeless() {
                        true => self.options.drain,
                        false => self.options.patience,
                    };
                    if finishing && since(&mut failing) >= limit {
                        let reason = error.reason;
                        return Fed::Failed { index, reason };
                    }
                    if finishing && !ending && error.retry != Retry::Slower {
                        (ending, backoff) = (true, Backoff::default());
                    }
                    let time = backoff.next(error.retry);
                    match finishing || error.retry == Retry::Slower {
                        true => sleep(time).await,
                        false => self.pause(time, None).await,
                    }
                    continue;
                }
            }
            let time = pace.wait(self.longest(finishing));
            self.pause(time, (!settled).then_some(index)).await;
        }
    }

    /// The longest wait between two looks: where many sessions are open, each looks less often.
    fn longest(&self, finishing: bool) -> Duration {
        if finishing {
            return self.options.drain / 10;
        }
        let open = self.open.0.load(Relaxed) as f64;
        self.options
            .quiet
            .max(Duration::from_secs_f64(open / QUIET_LOOKS))
    }

    /// How long a chunk is waited for while a later one is there.
    fn limit(&self, finishing: bool) -> Duration {
        match finishing {
            true => self.options.drain,
            false => self.options.patience,
        }
    }

    /// Asks for `count` chunks at once. The answers are in the order of the indices.
    async fn look(&self, index: u64, count: u64) -> Vec<Look> {
        let limit = self.options.max_chunk;
        let mut looks = JoinSet::new();
        for (n, index) in (index..index + count).enumerate() {
            let client = self.client.clone();
            looks.spawn(async move {
                let look = client.ask(index, move |store, key| store.get(key, limit));
                (n, look.await)
            });
        }
        self.shared.gets.fetch_add(count, Relaxed);
        let mut found: Vec<Look> = (0..count).map(|_| Err(StoreError::panicked())).collect();
        while let Some(done) = looks.join_next().await {
            // A store that panics is one that fails: who waits must hear of it.
            if let Ok((n, look)) = done
                && let Some(place) = found.get_mut(n)
            {
                *place = look;
            }
        }
        found
    }

    /// Waits until who reads has taken enough.
    async fn room(&self) {
        while self.shared.queue().bytes > self.options.ahead {
            self.shared.changed.notified().await;
        }
    }

    /// Whether this chunk and those behind it are not expected.
    fn is_settled(&self, index: u64) -> bool {
        self.shared.settled.load(Relaxed) + 1 == index && index > 1
    }

    /// Waits; not so long where the process ends meanwhile, and no longer once a chunk is not
    /// expected any more.
    async fn pause(&self, time: Duration, expected: Option<u64>) {
        let _ = timeout(time, async {
            while !self.shared.finishing.load(Relaxed) {
                self.shared.changed.notified().await;
            }
            let settled = async {
                while !expected.is_some_and(|index| self.is_settled(index)) {
                    self.shared.changed.notified().await;
                }
            };
            let _ = timeout(time.min(self.options.drain / 10), settled).await;
        })
        .await;
    }
}

/// How long something has been so; it begins with the first question.
fn since(begin: &mut Option<Instant>) -> Duration {
    begin.get_or_insert_with(Instant::now).elapsed()
}
