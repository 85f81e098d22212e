//! Bytes to typed values and back, without input or output.

pub mod asset_key;
pub mod bootstrap;
pub mod context;
pub mod decode;
pub mod envelope;
pub mod exception;
pub mod level;
pub mod message;
pub mod metadata;
pub(crate) mod parts;
pub mod scan;
pub mod value;
