//! What is reported about assets.

use crate::protocol::message::Severity;
use crate::protocol::metadata::{Metadata, MetadataValue};

/// A materialization to be reported.
///
/// ```
/// use ironpipe::{Materialization, MetadataValue};
///
/// let report = Materialization::new()
///     .data_version("2024-01-02")
///     .with("rows", 120)
///     .with("source", MetadataValue::url("https://example.org"));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use = "it does nothing until it is reported"]
pub struct Materialization {
    pub(super) asset_key: Option<String>,
    pub(super) data_version: Option<String>,
    pub(super) metadata: Metadata,
}

impl Materialization {
    /// A materialization of the asset of the step.
    pub fn new() -> Materialization {
        Materialization::default()
    }

    /// Names the asset; needed where the step has several. Parts are joined by `/`.
    pub fn asset_key(mut self, asset_key: impl Into<String>) -> Materialization {
        self.asset_key = Some(asset_key.into());
        self
    }

    /// Names the version of the data.
    pub fn data_version(mut self, data_version: impl Into<String>) -> Materialization {
        self.data_version = Some(data_version.into());
        self
    }

    /// Says what is known about it, in place of what was said before.
    pub fn metadata(mut self, metadata: impl Into<Metadata>) -> Materialization {
        self.metadata = metadata.into();
        self
    }

    /// Says one thing more that is known about it.
    pub fn with(
        mut self,
        label: impl Into<String>,
        value: impl Into<MetadataValue>,
    ) -> Materialization {
        self.metadata.insert(label, value);
        self
    }
}

/// The outcome of an asset check, to be reported.
///
/// ```
/// use ironpipe::{CheckResult, Severity};
///
/// let report = CheckResult::new("no_nulls", false)
///     .severity(Severity::Warn)
///     .with("nulls", 3);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use = "it does nothing until it is reported"]
pub struct CheckResult {
    pub(super) asset_key: Option<String>,
    pub(super) check_name: String,
    pub(super) passed: bool,
    pub(super) severity: Severity,
    pub(super) metadata: Metadata,
}

impl CheckResult {
    /// The outcome of the check `check_name` of the asset of the step, an error if it did not
    /// pass.
    pub fn new(check_name: impl Into<String>, passed: bool) -> CheckResult {
        CheckResult {
            check_name: check_name.into(),
            passed,
            ..CheckResult::default()
        }
    }

    /// Says what it means if it did not pass.
    pub fn severity(mut self, severity: Severity) -> CheckResult {
        self.severity = severity;
        self
    }

    /// Names the asset; needed where the step has several. Parts are joined by `/`.
    pub fn asset_key(mut self, asset_key: impl Into<String>) -> CheckResult {
        self.asset_key = Some(asset_key.into());
        self
    }

    /// Says what is known about it, in place of what was said before.
    pub fn metadata(mut self, metadata: impl Into<Metadata>) -> CheckResult {
        self.metadata = metadata.into();
        self
    }

    /// Says one thing more that is known about it.
    pub fn with(
        mut self,
        label: impl Into<String>,
        value: impl Into<MetadataValue>,
    ) -> CheckResult {
        self.metadata.insert(label, value);
        self
    }
}
