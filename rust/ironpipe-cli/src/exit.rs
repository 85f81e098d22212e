//! With what code the command ends, and with what words.

use std::fmt;
use std::process::ExitCode;

/// Dagster would refuse what was asked for, or it does not apply to the step.
pub const REFUSED: Code = Code(1);
/// The command line is wrong.
pub const USAGE: Code = Code(2);
/// Messages were lost.
pub const LOST: Code = Code(3);
/// Dagster did not launch this process.
pub const NOT_LAUNCHED: Code = Code(4);
/// `ironpipe` itself could not do its part.
pub const FAILED: Code = Code(125);
/// The program is there and can't be run.
pub const NOT_EXECUTABLE: Code = Code(126);
/// There is no such program.
pub const NOT_FOUND: Code = Code(127);

/// An exit code, as shells use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u8);

impl From<Code> for ExitCode {
    fn from(code: Code) -> ExitCode {
        ExitCode::from(code.0)
    }
}

/// Why a command could not do what it was asked for.
#[derive(Debug)]
pub struct Failure {
    /// What to end with.
    pub code: Code,
    words: String,
}

impl Failure {
    /// A failure in these words.
    pub fn new(code: Code, words: impl Into<String>) -> Failure {
        let words = words.into();
        Failure { code, words }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl From<ironpipe::Error> for Failure {
    fn from(error: ironpipe::Error) -> Failure {
        Failure::new(FAILED, error.to_string())
    }
}
