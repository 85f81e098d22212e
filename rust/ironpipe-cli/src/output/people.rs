//! For people: the log live, tables in the end, and what did not arrive.

use std::io::Write;

use ironpipe::protocol::decode::WireText;
use ironpipe::protocol::envelope::Method;
use ironpipe::protocol::value::Value;
use ironpipe::reader::{DeliveryReport, MessageRef};

use super::log::LogLines;
use super::style::{ERROR, GOOD, TITLE};
use super::tables::Rows;
use super::{Output, Page, error, warn};
use crate::hosted::Ended;

/// Shows messages to people.
#[derive(Debug)]
pub struct PeopleOutput {
    quiet: bool,
    page: Page,
    log: LogLines,
    materializations: Rows,
    checks: Rows,
    /// What the process said of its end, one text a writer.
    exceptions: Vec<String>,
}

impl PeopleOutput {
    /// Nothing shown yet. `quiet` leaves out the log and a report that all is well.
    pub fn new(quiet: bool) -> PeopleOutput {
        PeopleOutput {
            quiet,
            page: Page::default(),
            log: LogLines::new(),
            materializations: Rows::materializations(),
            checks: Rows::checks(),
            exceptions: Vec::new(),
        }
    }

    fn live(&mut self, write: impl FnOnce(&mut LogLines, &mut Vec<u8>)) {
        if !self.quiet {
            let log = &mut self.log;
            self.page.put(|page| write(log, page));
        }
    }

    fn table(&mut self, title: &str, rows: &Rows) {
        if rows.len() == 0 {
            return;
        }
        self.page.put(|page| {
            // Writing to memory does not fail.
            let _ = writeln!(page, "\n{TITLE}{title}{TITLE:#}");
            let _ = writeln!(page, "{}", rows.table());
            if rows.more() > 0 {
                let _ = writeln!(page, "… and {} more; --json shows all", rows.more());
            }
            for (title, sheet) in rows.sheets() {
                let _ = writeln!(page, "\n{TITLE}{title}{TITLE:#}\n{}", sheet.show());
            }
            if rows.more_sheets() > 0 {
                let more = rows.more_sheets();
                let _ = writeln!(page, "\n… and {more} more tables; --json shows all");
            }
        });
    }
}

impl Output for PeopleOutput {
    fn is_cut(&self) -> bool {
        self.page.is_cut()
    }

    fn message(&mut self, message: MessageRef<'_>) {
        let stamp = message.stamp();
        let stamp = stamp.as_ref();
        match message.method() {
            Method::Log => {
                let (level, message) = (text(message.label()), text(message.text()));
                let level = if level.is_empty() { "INFO" } else { &level };
                self.live(|lines, page| lines.log(page, stamp, level, &message));
            }
            Method::LogExternalStream => {
                let (name, text) = (text(message.label()), text(message.text()));
                self.live(|lines, page| lines.note(page, stamp, &name, &text));
            }
            Method::ReportCustomMessage => {
                let payload = match params(message).get("payload") {
                    Some(payload) => payload.to_json(),
                    None => return,
                };
                self.live(|lines, page| lines.note(page, stamp, "CUSTOM", &payload));
            }
            Method::ReportAssetMaterialization => {
                self.materializations.materialization(&params(message));
            }
            Method::ReportAssetCheck => self.checks.check(&params(message)),
            Method::Closed => match params(message).get("exception") {
                None | Some(Value::Null) => {}
                Some(exception) => self.exceptions.push(describe(exception)),
            },
            Method::Opened => {}
        }
    }

    fn flush(&mut self) {
        self.page.flush();
    }

    fn end(&mut self, report: &DeliveryReport, ended: &Ended) {
        let materializations = std::mem::replace(&mut self.materializations, Rows::checks());
        let checks = std::mem::replace(&mut self.checks, Rows::checks());
        self.table("Materialized", &materializations);
        self.table("Checked", &checks);
        self.page.flush();
        for exception in &self.exceptions {
            error(&format!(
                "the process closed with an exception: {exception}"
            ));
        }
        if let Some(words) = ended.failure() {
            error(&format!("the process {words}"));
        }
        let mut stderr = anstream::stderr();
        if !report.is_complete() {
            let _ = writeln!(stderr, "\n{ERROR}Messages were lost{ERROR:#}: {report}");
        } else if !self.quiet {
            let _ = writeln!(stderr, "\n{GOOD}Complete{GOOD:#}: {report}");
        }
        if report.delivered == 0 && report.is_complete() && !self.quiet {
            warn(
                "the process sent nothing. It speaks Pipes only if it opens a Pipes session; \
                 the values it needs for that are in its environment",
            );
        } else if report.opened == 0 && report.delivered > 0 {
            // Writers of one message open nothing, and have said all that they would say.
            let all_said = report.writers.iter().all(|writer| writer.closed);
            if report.unnumbered > 0 || !all_said {
                warn("no `opened` arrived");
            }
        } else if report.closed == 0 && report.delivered > 0 {
            warn("no `closed` arrived: the process ended before it had closed its session");
        }
    }
}

fn text(text: WireText<'_>) -> String {
    let mut out = String::new();
    text.read(&mut out);
    out
}

fn params(message: MessageRef<'_>) -> Value {
    // The reader has checked it.
    Value::parse(message.params()).unwrap_or(Value::Null)
}

/// An exception as Python shows it: first the text, then where it was raised.
fn describe(exception: &Value) -> String {
    let text = |key| exception.get(key).and_then(Value::as_str);
    let message = text("message").unwrap_or_default().trim_end();
    let mut words = match text("name") {
        Some(name) if !message.contains(name) => format!("{name}: {message}"),
        _ => message.to_owned(),
    };
    let stack = exception.get("stack").and_then(Value::as_array);
    for frame in stack.unwrap_or_default() {
        for line in frame.as_str().unwrap_or_default().trim_end().lines() {
            words.push_str("\n  ");
            words.push_str(line);
        }
    }
    if let Some(cause @ Value::Object(_)) = exception.get("cause") {
        words.push_str("\ncaused by ");
        words.push_str(&describe(cause));
    }
    words
}
