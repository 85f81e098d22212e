//! One JSON object a line: each message, then the report.

use std::io::Write;

use ironpipe::protocol::value::{Value, write_json_string};
use ironpipe::reader::{DeliveryReport, MessageRef, WriterReport};

use super::{Output, Page, error};
use crate::hosted::Ended;

/// For programs.
#[derive(Debug, Default)]
pub struct JsonOutput {
    page: Page,
}

impl JsonOutput {
    /// Nothing shown yet.
    pub fn new() -> JsonOutput {
        JsonOutput::default()
    }
}

impl Output for JsonOutput {
    fn is_cut(&self) -> bool {
        self.page.is_cut()
    }

    fn message(&mut self, message: MessageRef<'_>) {
        self.page.put(|line| write_message(line, message));
    }

    fn flush(&mut self) {
        self.page.flush();
    }

    fn end(&mut self, report: &DeliveryReport, ended: &Ended) {
        let last: Value = [
            ("report", report_value(report)),
            ("exit_code", Value::from(i64::from(ended.code().0))),
        ]
        .into_iter()
        .collect();
        self.page.put(|line| {
            last.write_json(line);
            line.push(b'\n');
        });
        self.page.flush();
        if let Some(words) = ended.failure() {
            error(&format!("the process {words}"));
        }
    }
}

/// `{"method": …, "params": …, "writer": …, "number": …, "sent_at": …}`, the last three null where
/// the writer does not number its messages; `sent_at` in seconds since the Unix epoch.
fn write_message(line: &mut Vec<u8>, message: MessageRef<'_>) {
    line.extend_from_slice(b"{\"method\":");
    write_json_string(line, message.method().as_str());
    line.extend_from_slice(b",\"params\":");
    line.extend_from_slice(message.params());
    // Writing to memory does not fail.
    let _ = match message.stamp() {
        None => writeln!(line, ",\"writer\":null,\"number\":null,\"sent_at\":null}}"),
        Some(stamp) => {
            line.extend_from_slice(b",\"writer\":");
            // Printable ASCII, which may hold quotes.
            write_json_string(line, &stamp.writer.to_string());
            let (seconds, micros) = (stamp.micros / 1_000_000, stamp.micros % 1_000_000);
            writeln!(
                line,
                ",\"number\":{},\"sent_at\":{seconds}.{micros:06}}}",
                stamp.number
            )
        }
    };
}

fn report_value(report: &DeliveryReport) -> Value {
    let rejected = report.rejected.iter().map(|rejected| {
        object([
            ("offset", count(rejected.offset)),
            ("reason", rejected.reason.as_str().into()),
            ("head", rejected.head.as_str().into()),
        ])
    });
    let repaired = report
        .repaired
        .iter()
        .map(|(what, times)| (*what, count(*times)));
    object([
        ("is_complete", report.is_complete().into()),
        ("delivered", count(report.delivered)),
        ("opened", count(report.opened)),
        ("closed", count(report.closed)),
        ("unnumbered", count(report.unnumbered)),
        ("missing_count", count(report.missing_count())),
        ("repeated_count", count(report.repeated_count())),
        ("rejected_count", count(report.rejected_count)),
        ("rejected", rejected.collect()),
        ("repaired", repaired.collect()),
        ("writers", report.writers.iter().map(writer).collect()),
    ])
}

fn writer(writer: &WriterReport) -> Value {
    let missing = writer
        .missing
        .iter()
        .map(|gap| Value::from([count(*gap.start()), count(*gap.end())]));
    object([
        ("writer", writer.writer.as_str().into()),
        ("opened", writer.opened.into()),
        ("closed", writer.closed.into()),
        ("received", count(writer.received)),
        ("repeated", count(writer.repeated)),
        ("missing", missing.collect()),
    ])
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    fields.into_iter().collect()
}

fn count(n: u64) -> Value {
    i64::try_from(n).map_or_else(|_| Value::BigInt(n.to_string()), Value::from)
}
