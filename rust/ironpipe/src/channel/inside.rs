//! Noticing that a thread is inside a channel, where nothing that is logged can be sent: it would be
//! sent through the channel, which would log it, and so on.

use std::cell::Cell;

thread_local! {
    static ENTERED: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, this thread is inside a channel.
pub(crate) struct Inside {
    before: bool,
}

impl Inside {
    pub(crate) fn enter() -> Inside {
        Inside {
            before: ENTERED.replace(true),
        }
    }

    pub(crate) fn is_entered() -> bool {
        ENTERED.get()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        ENTERED.set(self.before);
    }
}
