//! The live log: a line a message, with the time it was sent.

use std::io::Write;

use ironpipe::protocol::envelope::Stamp;
use ironpipe::protocol::level::Level;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::style::{self, DIM};

/// As wide as the longest level.
const LABEL_WIDTH: usize = 8;

/// Writes log lines in the time of this place.
#[derive(Debug)]
pub struct LogLines {
    zone: TimeZone,
    /// The last second that was spelled out, and how; most messages are of the same one.
    second: (i64, String),
}

impl LogLines {
    /// Lines with the local time.
    pub fn new() -> LogLines {
        LogLines {
            zone: TimeZone::system(),
            second: (i64::MIN, String::new()),
        }
    }

    /// A log message. `level` is what the message names, as it stands there.
    pub fn log(&mut self, page: &mut Vec<u8>, stamp: Option<&Stamp>, level: &str, message: &str) {
        let style = style::level(Level::nearest(level));
        let level = level.to_ascii_uppercase();
        self.head(page, stamp, style, &level);
        body(page, message);
    }

    /// Anything else that is shown as it comes.
    pub fn note(&mut self, page: &mut Vec<u8>, stamp: Option<&Stamp>, label: &str, text: &str) {
        self.head(page, stamp, DIM, label);
        body(page, text);
    }

    fn head(
        &mut self,
        page: &mut Vec<u8>,
        stamp: Option<&Stamp>,
        style: anstyle::Style,
        label: &str,
    ) {
        let micros = match stamp {
            Some(stamp) => i64::try_from(stamp.micros).unwrap_or(i64::MAX),
            None => Timestamp::now().as_microsecond(),
        };
        let (second, millis) = (
            micros.div_euclid(1_000_000),
            micros.rem_euclid(1_000_000) / 1000,
        );
        if self.second.0 != second {
            // A stamp may name a time that no calendar has.
            let time = Timestamp::from_second(second).unwrap_or_default();
            let clock = time.to_zoned(self.zone.clone()).strftime("%H:%M:%S");
            self.second = (second, clock.to_string());
        }
        // Writing to memory does not fail.
        let _ = write!(
            page,
            "{DIM}{}.{millis:03}{DIM:#} {style}{label:LABEL_WIDTH$}{style:#} ",
            self.second.1
        );
    }
}

/// Further lines stand under the first.
fn body(page: &mut Vec<u8>, text: &str) {
    let mut lines = text.trim_end_matches('\n').split('\n');
    page.extend_from_slice(lines.next().unwrap_or_default().as_bytes());
    for line in lines {
        page.push(b'\n');
        page.resize(page.len() + "00:00:00.000 ".len() + LABEL_WIDTH + 1, b' ');
        page.extend_from_slice(line.as_bytes());
    }
    page.push(b'\n');
}
