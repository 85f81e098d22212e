//! The engine.
#![forbid(unsafe_code)]

pub mod channel;
pub mod error;
pub mod framing;
pub mod protocol;
pub mod reader;
pub mod session;
pub mod writer;

pub use error::{Error, Result};
pub use protocol::asset_key::AssetKey;
pub use protocol::level::Level;
pub use protocol::message::{Message, Severity};
pub use protocol::metadata::{Metadata, MetadataValue};
pub use protocol::value::Value;
pub use session::external::{
    CheckResult, Materialization, PipesContext, PipesOptions, open_dagster_pipes, run,
};
