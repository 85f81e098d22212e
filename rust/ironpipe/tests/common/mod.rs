//! What the tests of the external side share.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::{Path, PathBuf};

use ironpipe::protocol::bootstrap::{
    DAGSTER_PIPES_CONTEXT_ENV_VAR, DAGSTER_PIPES_MESSAGES_ENV_VAR, ParamsLoader, encode_param,
};
use ironpipe::{PipesContext, PipesOptions, Value};
use tempfile::TempDir;

/// What Dagster prepares for a process.
pub struct Launch {
    directory: TempDir,
    context: &'static str,
}

impl Launch {
    pub fn new(context: &'static str) -> Launch {
        Launch {
            directory: tempfile::tempdir().unwrap(),
            context,
        }
    }

    /// The file of messages.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("messages")
    }

    /// Opens the session.
    pub fn open(&self) -> PipesContext {
        let options = PipesOptions::new().params(self.params());
        options.extra("pid", 7).open().unwrap()
    }

    pub fn params(&self) -> ParamsLoader {
        let messages = Value::from_iter([("path", self.path().to_str().unwrap())]);
        let context = format!(r#"{{"data":{}}}"#, self.context);
        ParamsLoader::from_mapping([
            (DAGSTER_PIPES_CONTEXT_ENV_VAR, encode_param(&context)),
            (
                DAGSTER_PIPES_MESSAGES_ENV_VAR,
                encode_param(&messages.to_json()),
            ),
        ])
    }

    /// Method and params of each line.
    pub fn messages(&self) -> Vec<(String, String)> {
        read(&self.path())
    }
}

fn read(path: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| {
            let line = Value::parse(line.as_bytes()).unwrap();
            let method = line.get("method").unwrap().as_str().unwrap();
            (method.to_owned(), line.get("params").unwrap().to_json())
        })
        .collect()
}
