//! A session, from both of its ends: [`host`] opens one for an external process.

pub mod host;
