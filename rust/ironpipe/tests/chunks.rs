//! Channels of chunks over stores that fail in every way a store can.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use ironpipe::channel::MessageChannel;
use ironpipe::channel::chunks::{
    Bytes, ChunkChannel, ChunkFeed, ChunkPrefix, ChunkStore, DirectoryStore, Fed, FeedOptions, Put,
    Request, Retry, StoreError, UploadOptions, once,
};
use ironpipe::protocol::envelope::Method;
use ironpipe::reader::{MessageReader, Next, TailOptions};
use ironpipe::writer::MessageWriter;

/// What may happen to a request.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Fails,
    /// It is done, but says that it failed.
    AnswerLost,
}

type Faults = fn(u64) -> Fault;

/// Objects in memory, behind a line that breaks.
#[derive(Clone, Default)]
struct Memory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    objects: Mutex<BTreeMap<String, Bytes>>,
    /// What happens to the n-th request.
    faults: Mutex<Option<Faults>>,
    requests: AtomicU64,
    /// Whether it tells those who ask for what is not there that they may not.
    denies: bool,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Memory {
    fn with(faults: Faults) -> Memory {
        let memory = Memory::default();
        *memory.0.faults.lock().unwrap() = Some(faults);
        memory
    }

    fn request<T>(
        &self,
        work: impl FnOnce(&mut BTreeMap<String, Bytes>) -> T,
    ) -> Result<T, StoreError> {
        let n = self.0.requests.fetch_add(1, SeqCst);
        let fault = self
            .0
            .faults
            .lock()
            .unwrap()
            .map_or(Fault::None, |faults| faults(n));
        let broken = StoreError {
            retry: Retry::Soon,
            reason: "the line broke".into(),
        };
        if fault == Fault::Fails {
            return Err(broken);
        }
        let done = work(&mut self.0.objects.lock().unwrap());
        match fault {
            Fault::AnswerLost => Err(broken),
            _ => Ok(done),
        }
    }

    fn lines(&self) -> Vec<String> {
        let objects = self.0.objects.lock().unwrap();
        let bodies = (1..).map_while(|index| objects.get(&format!("p/{index}.json")));
        let texts: Vec<&str> = bodies
            .map(|body| std::str::from_utf8(body).unwrap())
            .collect();
        assert_eq!(texts.len(), objects.len(), "a gap");
        assert!(
            texts
                .iter()
                .all(|text| !text.ends_with('\n') && !text.is_empty())
        );
        texts
            .iter()
            .flat_map(|text| text.split('\n'))
            .map(str::to_owned)
            .collect()
    }
}

impl ChunkStore for Memory {
    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Request<'a, Put> {
        let put = self.request(|objects| match objects.contains_key(key) {
            true => Put::Taken,
            false => {
                objects.insert(key.to_owned(), body);
                Put::Stored
            }
        });
        Box::pin(async { put })
    }

    fn get<'a>(&'a self, key: &'a str, limit: u64) -> Request<'a, Option<Bytes>> {
        let got = self.request(|objects| objects.get(key).cloned());
        Box::pin(async move {
            match got? {
                None if self.0.denies => Err(StoreError {
                    retry: Retry::Denied,
                    reason: "it is not allowed".into(),
                }),
                Some(body) if body.len() as u64 > limit => {
                    Err(StoreError::too_large(body.len() as u64, limit))
                }
                body => Ok(body),
            }
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> Request<'a, ()> {
        let removed = self.request(|objects| objects.remove(key));
        Box::pin(async { removed.map(|_| ()) })
    }

    fn location(&self) -> String {
        "memory".into()
    }
}

fn quick() -> UploadOptions {
    UploadOptions {
        interval: Duration::from_millis(5),
        ..UploadOptions::default()
    }
}

fn send(channel: &mut ChunkChannel, lines: impl IntoIterator<Item = String>) {
    for line in lines {
        channel.write_line(format!("{line}\n").as_bytes()).unwrap();
    }
}

fn numbered(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{name} {n}")).collect()
}

/// A feed that is read as its thread says.
struct Reading {
    feed: ChunkFeed,
    fed: Arc<(Mutex<()>, Condvar)>,
}

impl Reading {
    fn of(store: impl ChunkStore) -> Reading {
        let options = FeedOptions {
            quiet: Duration::from_millis(20),
            drain: Duration::from_millis(200),
            patience: Duration::from_millis(600),
            max_chunk: 10_000,
            ..FeedOptions::default()
        };
        let fed = Arc::new((Mutex::new(()), Condvar::new()));
        let tell = fed.clone();
        let feed = ChunkFeed::open(ChunkPrefix::new(store, "p"), options, move || {
            drop(tell.0.lock().unwrap());
            tell.1.notify_all();
        });
        Reading {
            feed: feed.unwrap(),
            fed,
        }
    }

    fn next(&self) -> Fed {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut guard = self.fed.0.lock().unwrap();
        loop {
            if let Some(fed) = self.feed.next() {
                return fed;
            }
            let left = deadline
                .checked_duration_since(Instant::now())
                .expect("nothing came");
            guard = self.fed.1.wait_timeout(guard, left).unwrap().0;
        }
    }

    /// Waits until it is told of something, or for a moment.
    fn wait(&self) {
        let guard = self.fed.0.lock().unwrap();
        let waited = self.fed.1.wait_timeout(guard, Duration::from_millis(5));
        drop(waited.unwrap());
    }

    fn line(&self) -> String {
        match self.next() {
            Fed::Chunk { body, .. } => String::from_utf8(body.to_vec()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn lines_to_the_end(&self) -> Vec<String> {
        self.feed.finish();
        let mut lines = Vec::new();
        loop {
            match self.next() {
                Fed::Chunk { body, .. } => {
                    let text = String::from_utf8(body.to_vec()).unwrap();
                    lines.extend(text.split('\n').map(str::to_owned));
                }
                Fed::Ended => return lines,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn every_line_arrives_once_and_in_order_over_a_line_that_breaks() {
    let memory = Memory::with(|n| match n % 5 {
        1 => Fault::Fails,
        3 => Fault::AnswerLost,
        _ => Fault::None,
    });
    let reading = Reading::of(memory.clone());
    let mut channel = ChunkChannel::new(ChunkPrefix::new(memory.clone(), "p/"), quick());
    let lines = numbered("line", 600);
    for ten in lines.chunks(10) {
        send(&mut channel, ten.iter().cloned());
        std::thread::sleep(Duration::from_millis(1));
    }
    channel.close().unwrap();
    assert_eq!(memory.lines(), lines);
    assert_eq!(reading.lines_to_the_end(), lines);
    assert!(reading.feed.requests().failed > 0);
}

#[test]
fn the_first_line_does_not_wait() {
    let memory = Memory::default();
    let reading = Reading::of(memory.clone());
    let options = UploadOptions {
        interval: Duration::from_secs(1000),
        ..UploadOptions::default()
    };
    let mut channel = ChunkChannel::new(ChunkPrefix::new(memory, "p"), options);
    send(&mut channel, ["now".into()]);
    assert_eq!(reading.line(), "now");
    send(&mut channel, numbered("later", 2));
    channel.close().unwrap();
    channel.close().unwrap();
    assert_eq!(reading.line(), "later 0\nlater 1");
}

#[test]
fn writers_that_share_a_prefix_take_turns() {
    let memory = Memory::default();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let memory = memory.clone();
            scope.spawn(move || {
                let mut channel = ChunkChannel::new(ChunkPrefix::new(memory, "p"), quick());
                for line in numbered(name, 50) {
                    send(&mut channel, [line]);
                    std::thread::sleep(Duration::from_millis(1));
                }
                channel.close().unwrap();
            });
        }
    });
    let lines = memory.lines();
    for name in ["a", "b", "c"] {
        let own: Vec<&String> = lines.iter().filter(|line| line.starts_with(name)).collect();
        assert!(own.into_iter().eq(&numbered(name, 50)));
    }
    assert_eq!(lines.len(), 150);
}

#[test]
fn what_does_not_arrive_is_said_at_close() {
    let memory = Memory::with(|_| Fault::Fails);
    let options = UploadOptions {
        patience: Duration::from_millis(50),
        ..quick()
    };
    let mut channel = ChunkChannel::new(ChunkPrefix::new(memory, "p"), options);
    send(&mut channel, numbered("line", 3));
    let error = channel.close().unwrap_err().to_string();
    assert_eq!(
        error,
        "3 messages did not arrive, from chunk 1 on: the line broke"
    );
}

#[test]
fn a_forked_child_sends_what_is_its_own() {
    let memory = Memory::default();
    let options = UploadOptions {
        interval: Duration::from_secs(1000),
        ..UploadOptions::default()
    };
    let mut channel = ChunkChannel::new(ChunkPrefix::new(memory.clone(), "p"), options);
    let reading = Reading::of(memory.clone());
    send(&mut channel, ["first".into()]);
    assert_eq!(reading.line(), "first");
    send(&mut channel, ["the parent's".into()]);
    channel.forked();
    send(&mut channel, ["the child's".into()]);
    channel.close().unwrap();
    assert_eq!(reading.line(), "the child's");
}

#[test]
fn a_backlog_is_read_whole() {
    let memory = Memory::default();
    let lines = numbered("line", 3000);
    {
        let mut objects = memory.0.objects.lock().unwrap();
        for (n, ten) in lines.chunks(10).enumerate() {
            objects.insert(format!("p/{}.json", n + 1), ten.join("\n").into());
        }
    }
    let reading = Reading::of(memory);
    assert_eq!(reading.lines_to_the_end(), lines);
}

#[test]
fn a_gap_is_waited_for_and_then_said() {
    let memory = Memory::default();
    let put = |index: u64, body: &str| {
        let mut objects = memory.0.objects.lock().unwrap();
        objects.insert(format!("p/{index}.json"), body.to_owned().into());
    };
    put(1, "one");
    put(3, "three");
    let reading = Reading::of(memory.clone());
    assert_eq!(reading.line(), "one");
    put(2, "two");
    assert_eq!(
        (reading.line(), reading.line()),
        ("two".into(), "three".into())
    );
    put(5, &"x".repeat(10_001));
    put(6, "six");
    reading.feed.finish();
    assert!(matches!(reading.next(), Fed::Missing { index: 4, .. }));
    let Fed::Missing { index: 5, reason } = reading.next() else {
        panic!("too large a chunk was read");
    };
    assert!(reason.contains("max_chunk"), "{reason}");
    assert_eq!((reading.line(), reading.next()), ("six".into(), Fed::Ended));
}

#[test]
fn a_store_that_stays_broken_is_said() {
    let reading = Reading::of(Memory::with(|_| Fault::Fails));
    reading.feed.finish();
    let Fed::Failed { index: 1, reason } = reading.next() else {
        panic!("it did not fail");
    };
    assert_eq!(reason, "the line broke");
}

#[test]
fn what_a_store_says_while_it_fails_is_told() {
    let memory = Memory::with(|n| match n {
        0..3 => Fault::Fails,
        _ => Fault::None,
    });
    let reading = Reading::of(memory);
    while reading.feed.trouble().is_none() {
        reading.wait();
    }
    assert_eq!(reading.feed.trouble().unwrap(), "the line broke");
    while reading.feed.trouble().is_some() {
        reading.wait();
    }
    assert_eq!(reading.feed.requests().failed, 3);
}

#[test]
fn a_store_that_denies_what_is_not_there() {
    let denies = || {
        Memory(Arc::new(Inner {
            denies: true,
            ..Inner::default()
        }))
    };
    let memory = denies();
    let object = |body: &'static str| Bytes::from_static(body.as_bytes());
    let mut objects = memory.0.objects.lock().unwrap();
    objects.insert("p/1.json".into(), object("one"));
    objects.insert("p/2.json".into(), object("two"));
    drop(objects);
    let lines = Reading::of(memory).lines_to_the_end();
    assert_eq!(lines, ["one", "two"]);

    // Where nothing could be read it may be as it says.
    let reading = Reading::of(denies());
    reading.feed.finish();
    let Fed::Failed { index: 1, reason } = reading.next() else {
        panic!("it did not fail");
    };
    assert_eq!(reason, "it is not allowed");
}

#[test]
fn a_directory_is_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::new(directory.path().join("made"));
    let reading = Reading::of(store.clone());
    let mut channel = ChunkChannel::new(ChunkPrefix::new(store.clone(), "p"), quick());
    let prefix = ChunkPrefix::new(store, "p");
    let mut second = ChunkChannel::new(prefix.clone(), quick());
    // A file that ends otherwise may be one that is still being written.
    let objects = |name| -> Vec<String> {
        let lines = numbered(name, 20).into_iter();
        lines.map(|line| format!("{{{line}}}")).collect()
    };
    send(&mut channel, objects("a"));
    channel.close().unwrap();
    send(&mut second, objects("b"));
    second.close().unwrap();
    assert_eq!(
        reading.lines_to_the_end(),
        [objects("a"), objects("b")].concat()
    );
    let names = || std::fs::read_dir(directory.path().join("made/p")).unwrap();
    assert!(names().all(|entry| {
        !entry
            .unwrap()
            .file_name()
            .to_str()
            .unwrap()
            .starts_with('.')
    }));
    once::remove_chunks(&prefix, 99, Duration::from_secs(10)).unwrap();
    assert_eq!(names().count(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_thousand_sessions_share_a_few_threads() {
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names
            .filter(|name| name.starts_with("ironpipe-poll") || name.starts_with("tokio"))
            .count()
    };
    let memory = Memory::default();
    let feeds: Vec<Reading> = (0..1000).map(|_| Reading::of(memory.clone())).collect();
    memory
        .0
        .objects
        .lock()
        .unwrap()
        .insert("p/1.json".into(), "here".into());
    let lines: HashSet<String> = feeds.iter().map(Reading::line).collect();
    assert_eq!(lines.into_iter().collect::<Vec<_>>(), ["here"]);
    assert!(threads() <= 5, "{} threads", threads());
}

fn message_reader(memory: &Memory) -> MessageReader {
    let feed = FeedOptions {
        quiet: Duration::from_millis(20),
        drain: Duration::from_millis(200),
        ..FeedOptions::default()
    };
    let prefix = ChunkPrefix::new(memory.clone(), "p");
    MessageReader::tail_chunks(prefix, TailOptions::default(), feed, || {}).unwrap()
}

fn read_all(reader: &mut MessageReader) -> usize {
    let mut count = 0;
    loop {
        match reader.next(Some(Duration::from_secs(30))).unwrap() {
            Next::Message(_) => count += 1,
            Next::Ended => return count,
            Next::Interrupted => {}
            Next::TimedOut => panic!("nothing came"),
        }
    }
}

#[test]
fn messages_go_from_a_writer_to_a_reader() {
    let memory = Memory::default();
    let mut reader = message_reader(&memory);
    let channel = ChunkChannel::new(ChunkPrefix::new(memory, "p"), quick());
    let writer = MessageWriter::new(channel);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            writer.write(Method::Opened, br#"{"extras":{}}"#).unwrap();
            for _ in 0..500 {
                let params = br#"{"message":"x","level":"INFO"}"#;
                writer.write(Method::Log, params).unwrap();
            }
            let closed = writer.close_with(|params| {
                params.extend_from_slice(b"{}");
                Ok(())
            });
            closed.unwrap();
        });
        // All writers are known to be ours, and closed: nobody has to say that it is the end.
        assert_eq!(read_all(&mut reader), 502);
    });
    let report = reader.handle().report();
    assert!(report.is_complete() && report.requests > 0, "{report}");
}

#[test]
fn a_writer_that_did_not_close_has_lost_what_it_held() {
    let memory = Memory::default();
    let line = |n: u32, method: &str| {
        format!(
            r#"{{"__dagster_pipes_version":"0.1","method":"{method}","params":{{}},"__ironpipe":["w",{n},1]}}"#
        )
    };
    let cut = [line(1, "opened"), line(2, "closed")[..20].to_owned()].join("\n");
    memory
        .0
        .objects
        .lock()
        .unwrap()
        .insert("p/1.json".into(), cut.into());
    memory
        .0
        .objects
        .lock()
        .unwrap()
        .insert("p/2.json".into(), "".into());
    let mut reader = message_reader(&memory);
    reader.handle().finish();
    assert_eq!(read_all(&mut reader), 1);
    let report = reader.handle().report();
    assert_eq!((report.unclosed, report.rejected_count), (1, 1), "{report}");
    assert!(!report.is_complete() && report.to_string().contains("did not close"));
}

/// Answers once, and then takes its thread down with it.
#[derive(Debug)]
struct Fragile;

impl ChunkStore for Fragile {
    fn put<'a>(&'a self, _: &'a str, _: Bytes) -> Request<'a, Put> {
        Box::pin(async { Ok(Put::Stored) })
    }

    fn get<'a>(&'a self, key: &'a str, _: u64) -> Request<'a, Option<Bytes>> {
        assert_eq!(key, "p/1.json", "as it shall");
        Box::pin(async { Ok(Some(Bytes::from_static(b"first"))) })
    }

    fn remove<'a>(&'a self, _: &'a str) -> Request<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn location(&self) -> String {
        "fragile".into()
    }

    fn blocks(&self) -> bool {
        false
    }
}

#[test]
fn a_store_that_panics_ends_what_reads_it() {
    let reading = Reading::of(Fragile);
    assert_eq!(reading.line(), "first");
    reading.feed.finish();
    let reason = "the store panicked".to_owned();
    assert_eq!(reading.next(), Fed::Failed { index: 2, reason });
}
