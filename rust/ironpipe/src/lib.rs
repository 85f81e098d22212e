//! A message engine for Dagster Pipes: every message arrives, or the run says which did not.
//!
//! An external process opens its session with [`open_dagster_pipes`], or has [`run`] open and
//! close it. Whoever follows the messages of such a process uses a
//! [`MessageReader`](reader::MessageReader), and hosts one with a
//! [`Session`](session::host::Session).
//!
//! With the feature `log` or `tracing`, the module `logging` brings what the program logs to
//! Dagster.
#![forbid(unsafe_code)]

pub mod channel;
pub mod error;
pub mod fork;
pub mod framing;
#[cfg(any(feature = "log", feature = "tracing"))]
pub mod logging;
pub mod protocol;
pub mod reader;
pub mod session;
pub mod writer;

pub use error::{BoxError, Error, Result};
pub use protocol::asset_key::AssetKey;
pub use protocol::level::Level;
pub use protocol::message::{Message, Severity};
pub use protocol::metadata::{Metadata, MetadataValue, TableColumn, TableColumnDep};
pub use protocol::value::Value;
pub use session::external::{
    CheckResult, LoadParams, Materialization, PipesContext, PipesOptions, open_dagster_pipes, run,
};

/// Its examples are compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
