//! A session, from both of its ends: [`host`] opens one for an external process, which
//! takes its part in it with [`external`].

pub mod external;
pub mod host;
pub mod stdio;
