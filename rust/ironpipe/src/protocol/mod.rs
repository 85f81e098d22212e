//! Bytes to typed values and back, without input or output.

pub mod decode;
pub mod envelope;
pub mod exception;
pub mod level;
pub mod metadata;
pub(crate) mod parts;
pub mod scan;
