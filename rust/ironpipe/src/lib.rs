//! The engine.
#![forbid(unsafe_code)]

pub mod error;
pub mod framing;
pub mod protocol;

pub use error::{Error, Result};
