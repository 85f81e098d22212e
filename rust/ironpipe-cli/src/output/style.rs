//! Colours. anstream leaves them out where stdout is no terminal, or NO_COLOR says so.

use anstyle::{AnsiColor, Style};
use ironpipe::protocol::level::Level;

/// What has gone wrong.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// What may have.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// What has gone right.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What stands around the words.
pub const DIM: Style = Style::new().dimmed();
/// The head of a table.
pub const TITLE: Style = Style::new().bold();

/// The style of a level's name.
pub fn level(level: Level) -> Style {
    match level {
        Level::Debug => DIM,
        Level::Info => AnsiColor::Green.on_default(),
        Level::Warning => WARNING,
        Level::Error => ERROR,
        Level::Critical => AnsiColor::White.on(AnsiColor::Red).bold(),
    }
}
