//! What the program prints to: a terminal of its own for each stream, or pipes.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::getpgrp;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    OptionalActions, SpecialCodeIndex, Winsize, isatty, tcgetattr, tcgetpgrp, tcgetwinsize,
    tcsetattr, tcsetwinsize,
};

/// What a terminal measures that nobody looks at. Wide, because tools cut or wrap what is wider.
const ROWS: u16 = 50;
const COLUMNS: u16 = 200;

/// One way from the program to us.
pub struct Conduit {
    /// Our end. Reading from it does not block.
    pub ours: OwnedFd,
    /// The program's end, held so that ours does not end before the program does.
    pub theirs: OwnedFd,
}

impl Conduit {
    /// A pipe.
    pub fn pipe() -> io::Result<Conduit> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        Ok(Conduit { ours, theirs })
    }

    /// A pseudo-terminal.
    ///
    /// It is nobody's controlling terminal: a program that wants to ask a person finds at once that
    /// there is none, instead of waiting for ever. For the same reason reading from it gives the
    /// end of the file.
    pub fn terminal() -> io::Result<Conduit> {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let path = ptsname(&ours, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(path.as_c_str(), flags, Mode::empty())?;
        let mut modes = tcgetattr(&theirs)?;
        // No echo, no signals from characters, and "\n" stays "\n".
        modes.make_raw();
        modes.special_codes[SpecialCodeIndex::VMIN] = 0;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&theirs, OptionalActions::Now, &modes)?;
        tcsetwinsize(&theirs, size())?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        Ok(Conduit { ours, theirs })
    }

    /// The end to start the program with.
    pub fn stdio(&self) -> io::Result<Stdio> {
        Ok(self.theirs.try_clone()?.into())
    }
}

/// As large as the terminal that this is shown on, if it is.
fn size() -> Winsize {
    let shown = [
        tcgetwinsize(rustix::stdio::stdout()),
        tcgetwinsize(rustix::stdio::stderr()),
    ];
    let known = shown.into_iter().flatten().find(|size| size.ws_col > 0);
    known.unwrap_or(Winsize {
        ws_row: ROWS,
        ws_col: COLUMNS,
        ws_xpixel: 0,
        ws_ypixel: 0,
    })
}

/// Whether a person is at the terminal that this process is in the foreground of.
pub fn is_foreground() -> bool {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let Ok(terminal) = rustix::fs::open("/dev/tty", flags, Mode::empty()) else {
        return false;
    };
    isatty(&terminal) && tcgetpgrp(&terminal).is_ok_and(|group| group == getpgrp())
}
