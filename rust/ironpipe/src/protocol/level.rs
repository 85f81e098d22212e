//! Log levels: which Dagster takes, and what any other is taken for.

/// A log level of Dagster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Level {
    /// `DEBUG`
    Debug,
    /// `INFO`, what a log message has that names none.
    #[default]
    Info,
    /// `WARNING`
    Warning,
    /// `ERROR`
    Error,
    /// `CRITICAL`
    Critical,
}

impl Level {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
            Level::Critical => "CRITICAL",
        }
    }

    /// The level of a name that Dagster takes, in any case.
    pub fn from_name(name: &str) -> Option<Level> {
        const NAMES: [(&str, Level); 7] = [
            ("INFO", Level::Info),
            ("DEBUG", Level::Debug),
            ("WARNING", Level::Warning),
            ("ERROR", Level::Error),
            ("CRITICAL", Level::Critical),
            ("WARN", Level::Warning),
            ("FATAL", Level::Critical),
        ];
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|&(_, level)| level)
    }

    /// The level of a number on the scale of Python's `logging`: the nearest below, `DEBUG` below
    /// that.
    pub fn from_number(number: i64) -> Level {
        match number {
            50.. => Level::Critical,
            40.. => Level::Error,
            30.. => Level::Warning,
            20.. => Level::Info,
            _ => Level::Debug,
        }
    }

    /// The level that stands for a name Dagster refuses: the nearest below it where the name is
    /// known or says a number (`Level 35`), else `INFO`.
    pub fn nearest(name: &str) -> Level {
        let name = name.trim().to_ascii_uppercase();
        if let Some(level) = Level::from_name(&name) {
            return level;
        }
        if let Ok(number) = name.trim_start_matches("LEVEL").trim().parse() {
            return Level::from_number(number);
        }
        match name.as_str() {
            "TRACE" | "NOTSET" | "VERBOSE" | "FINE" | "FINER" | "FINEST" | "SPAM" => Level::Debug,
            "ERR" | "SEVERE" | "EXCEPTION" => Level::Error,
            "ALERT" | "EMERG" | "EMERGENCY" | "PANIC" | "CRIT" => Level::Critical,
            _ => Level::Info,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_dagster_takes_in_any_case() {
        assert_eq!(Level::from_name("warn"), Some(Level::Warning));
        assert_eq!(Level::from_name("Fatal"), Some(Level::Critical));
        assert_eq!(Level::from_name("TRACE"), None);
        assert_eq!(Level::from_name(" INFO"), None);
    }

    #[test]
    fn others_go_to_the_nearest_below() {
        for (name, level) in [
            ("TRACE", Level::Debug),
            ("NOTSET", Level::Debug),
            ("Level 5", Level::Debug),
            ("Level 35", Level::Warning),
            ("SUCCESS", Level::Info),
            ("NOTICE", Level::Info),
            ("25", Level::Info),
            ("alert", Level::Critical),
            ("", Level::Info),
        ] {
            assert_eq!(Level::nearest(name), level, "{name}");
        }
    }
}
