//! Bytes to typed values and back, without input or output.

pub mod envelope;
pub mod level;
pub mod scan;
