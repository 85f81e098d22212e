//! What the context says, by accessors of the session.

use super::PipesContext;
use crate::error::{Error, Result};
use crate::protocol::context::{ContextData, DataProvenance, PartitionKeyRange, TimeWindow};
use crate::protocol::value::Value;

/// Accessors. Each is an error if it does not apply to the step, if the context does not hold it,
/// or if Dagster did not launch this process.
impl PipesContext {
    /// All that Dagster says about the step.
    ///
    /// # Errors
    /// [`Error::Refused`] in a process that Dagster did not launch.
    pub fn context(&self) -> Result<&ContextData> {
        match &self.session {
            Some(session) => Ok(&session.context),
            None => Err(Error::Refused(
                "There is no Pipes context: this process was not launched by Dagster.".into(),
            )),
        }
    }

    /// Whether the step targets assets.
    ///
    /// # Errors
    /// [`Error::Refused`]
    pub fn is_asset_step(&self) -> Result<bool> {
        self.context()?.is_asset_step()
    }

    /// The key of the asset of the step.
    ///
    /// # Errors
    /// [`Error::Refused`], also where there are several.
    pub fn asset_key(&self) -> Result<&str> {
        self.context()?.asset_key()
    }

    /// The keys of the assets of the step.
    ///
    /// # Errors
    /// [`Error::Refused`]
    pub fn asset_keys(&self) -> Result<Vec<&str>> {
        self.context()?.asset_keys()
    }

    /// The version of the code of the asset of the step.
    ///
    /// # Errors
    /// [`Error::Refused`], also where there are several.
    pub fn code_version(&self) -> Result<Option<&str>> {
        self.context()?.code_version()
    }

    /// The version of the code of each asset of the step.
    ///
    /// # Errors
    /// [`Error::Refused`]
    pub fn code_version_by_asset_key(&self) -> Result<Vec<(&str, Option<&str>)>> {
        self.context()?.code_version_by_asset_key()
    }

    /// What the current data of the asset of the step was made from.
    ///
    /// # Errors
    /// [`Error::Refused`], also where there are several.
    pub fn provenance(&self) -> Result<Option<DataProvenance<'_>>> {
        self.context()?.provenance()
    }

    /// What the current data of each asset of the step was made from.
    ///
    /// # Errors
    /// [`Error::Refused`]
    pub fn provenance_by_asset_key(&self) -> Result<Vec<(&str, Option<DataProvenance<'_>>)>> {
        self.context()?.provenance_by_asset_key()
    }

    /// Whether the step targets partitions.
    ///
    /// # Errors
    /// [`Error::Refused`]
    pub fn is_partition_step(&self) -> Result<bool> {
        self.context()?.is_partition_step()
    }

    /// The key of the partition of the step.
    ///
    /// # Errors
    /// [`Error::Refused`], also where there are several.
    pub fn partition_key(&self) -> Result<&str> {
        self.context()?.partition_key()
    }

    /// The first and the last key of the partitions of the step.
    ///
    /// # Errors
    /// [`Error::Refused`]
    pub fn partition_key_range(&self) -> Result<PartitionKeyRange<'_>> {
        self.context()?.partition_key_range()
    }

    /// The time of the partitions of the step, if they are of time.
    ///
    /// # Errors
    /// [`Error::Refused`]
    pub fn partition_time_window(&self) -> Result<Option<TimeWindow<'_>>> {
        self.context()?.partition_time_window()
    }

    /// The id of the run.
    ///
    /// # Errors
    /// [`Error::Refused`]
    pub fn run_id(&self) -> Result<&str> {
        self.context()?.run_id()
    }

    /// The name of the job, if the run has one.
    ///
    /// # Errors
    /// [`Error::Refused`]
    pub fn job_name(&self) -> Result<Option<&str>> {
        self.context()?.job_name()
    }

    /// How many times the step was retried before.
    ///
    /// # Errors
    /// [`Error::Refused`]
    pub fn retry_number(&self) -> Result<i64> {
        self.context()?.retry_number()
    }

    /// All that the user passed on, in order.
    ///
    /// # Errors
    /// [`Error::Refused`]
    pub fn extras(&self) -> Result<&[(String, Value)]> {
        self.context()?.extras()
    }

    /// One thing that the user passed on.
    ///
    /// # Errors
    /// [`Error::Refused`]
    pub fn get_extra(&self, key: &str) -> Result<&Value> {
        self.context()?.get_extra(key)
    }
}

macro_rules! provided {
    ($($(#[$doc:meta])* $name:ident: |$context:ident| $value:expr;)*) => {
        /// Whether an accessor gives a value: it applies to the step, and the value is not null.
        impl PipesContext {
            $($(#[$doc])* pub fn $name(&self) -> bool {
                self.context().is_ok_and(|$context| $value)
            })*
        }
    };
}

provided! {
    /// Whether [`asset_key`](PipesContext::asset_key) gives a value.
    asset_key_provided: |context| context.asset_key().is_ok();
    /// Whether [`asset_keys`](PipesContext::asset_keys) gives a value.
    asset_keys_provided: |context| context.asset_keys().is_ok();
    /// Whether [`code_version`](PipesContext::code_version) gives a value.
    code_version_provided: |context| context.code_version().is_ok_and(|it| it.is_some());
    /// Whether [`provenance`](PipesContext::provenance) gives a value.
    provenance_provided: |context| context.provenance().is_ok_and(|it| it.is_some());
    /// Whether [`partition_key`](PipesContext::partition_key) gives a value.
    partition_key_provided: |context| context.partition_key().is_ok();
    /// Whether [`partition_key_range`](PipesContext::partition_key_range) gives a value.
    partition_key_range_provided: |context| context.partition_key_range().is_ok();
    /// Whether [`partition_time_window`](PipesContext::partition_time_window) gives a value.
    partition_time_window_provided: |context| {
        context.partition_time_window().is_ok_and(|it| it.is_some())
    };
    /// Whether [`job_name`](PipesContext::job_name) gives a value.
    job_name_provided: |context| context.job_name().is_ok_and(|it| it.is_some());
}

impl PipesContext {
    /// Whether [`get_extra`](PipesContext::get_extra) gives a value for `key`.
    pub fn extra_provided(&self, key: &str) -> bool {
        self.get_extra(key).is_ok()
    }
}
