//! How fast the engine alone takes messages in, fully checked, on one core.
//!
//! `engine/…` is the whole reader, from a file to messages; `decode/…` only the decoder, from lines
//! in memory. The corpora are those of the Python benches, made by `tests/corpora.py`. With
//! `BENCH_SHORT=1` there is little data.

use std::hint::black_box;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ironpipe::framing::MAX_LINE;
use ironpipe::protocol::decode::decode;
use ironpipe::reader::{MessageReader, Step};

const CORPORA: [&str; 10] = [
    "ascii-logs",
    "ironpipe-logs",
    "escaped",
    "u-escapes",
    "utf8",
    "params-first",
    "custom",
    "materialization",
    "nested",
    "tree",
];

fn count() -> u64 {
    match std::env::var_os("BENCH_SHORT") {
        Some(_) => 100,
        None => 100_000,
    }
}

/// The bytes of a corpus.
fn corpus(name: &str) -> Vec<u8> {
    let python = std::env::var_os("PYO3_PYTHON").unwrap_or_else(|| "python3".into());
    let made = Command::new(&python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/corpora.py"
        ))
        .args([name, &count().to_string()])
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    made.stdout
}

fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    for name in CORPORA {
        let bytes = corpus(name);
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(&bytes).expect("space for the corpus");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| {
                let mut reader = MessageReader::read(file.path(), MAX_LINE).expect("the corpus");
                let mut messages = 0;
                while reader.advance(None).expect("the corpus") == Step::Ready {
                    while let Some(message) = reader.take() {
                        black_box(message);
                        messages += 1;
                    }
                }
                assert_eq!(messages, count());
            });
        });
    }
    group.finish();
}

fn decoder(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for name in CORPORA {
        let bytes = corpus(name);
        let lines: Vec<&[u8]> = bytes
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .collect();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| {
                for line in &lines {
                    black_box(decode(black_box(line)).expect("a message"));
                }
            });
        });
    }
    group.finish();
}

fn config() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = benches;
    config = config();
    targets = engine, decoder
}
criterion_main!(benches);
