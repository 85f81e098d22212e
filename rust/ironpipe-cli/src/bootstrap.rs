//! Where a command that is part of a Pipes process finds what Dagster passed on.

use ironpipe::protocol::bootstrap::{CONTEXT_FLAG, MESSAGES_FLAG, ParamsLoader};

/// The bootstrap values, for processes that get them on their command line.
#[derive(Debug, clap::Args)]
pub struct Bootstrap {
    /// What Dagster passed on about the context [default: $DAGSTER_PIPES_CONTEXT]
    #[arg(long, global = true, value_name = "VALUE")]
    dagster_pipes_context: Option<String>,

    /// What Dagster passed on about messages [default: $DAGSTER_PIPES_MESSAGES]
    #[arg(long, global = true, value_name = "VALUE")]
    dagster_pipes_messages: Option<String>,
}

impl Bootstrap {
    /// Where to look: at the flags if there is one, else in the environment.
    pub fn loader(&self) -> ParamsLoader {
        let flags = [
            (CONTEXT_FLAG, &self.dagster_pipes_context),
            (MESSAGES_FLAG, &self.dagster_pipes_messages),
        ];
        let given: Vec<&str> = flags
            .into_iter()
            .filter_map(|(flag, value)| Some([flag, value.as_deref()?]))
            .flatten()
            .collect();
        match given.is_empty() {
            true => ParamsLoader::from_env(),
            false => ParamsLoader::from_args(given),
        }
    }
}
