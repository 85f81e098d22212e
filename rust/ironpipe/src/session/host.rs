//! Hosts an external process without Dagster: gives it a context, and reads its messages.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::protocol::bootstrap::{ContextParams, MessagesParams, encode_param};
use crate::protocol::bootstrap::{DAGSTER_PIPES_CONTEXT_ENV_VAR, DAGSTER_PIPES_MESSAGES_ENV_VAR};
use crate::protocol::value::Value;
use crate::reader::{MessageReader, ReaderHandle, TailOptions};
use crate::{Error, Result};

/// How a [`Session`] is opened.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// Where the private directory is made; the system's place for temporary files by default.
    pub parent: Option<PathBuf>,
    /// Where the messages go. The file must not exist yet, and stays when the session ends. By
    /// default it lies in the private directory, and goes with that.
    pub messages: Option<PathBuf>,
    /// Asks the process to send what it prints as messages, too.
    pub include_stdio: bool,
    /// How the messages are followed.
    pub tail: TailOptions,
}

/// The host's end of one run of an external process.
///
/// Its files lie in a directory that only this user may enter (0700), are made exclusively and
/// without following links (0600), and are removed with the session.
#[derive(Debug)]
pub struct Session {
    reader: MessageReader,
    /// Invariant: after `reader`, so that the files go once nobody reads them.
    files: SessionFiles,
}

/// The files of a [`Session`] and how a process is told of them. They go when this is dropped.
#[derive(Debug)]
pub struct SessionFiles {
    context_path: PathBuf,
    messages_path: PathBuf,
    env: [(&'static str, String); 2],
    directory: TempDir,
}

impl Session {
    /// Opens a session that gives the process this context.
    ///
    /// # Errors
    /// [`Error::Context`] where the context is none, [`Error::Channel`] where a file can't be made.
    pub fn open(context: &[u8], options: SessionOptions) -> Result<Session> {
        check_context(context)?;
        let parent = options.parent.unwrap_or_else(std::env::temp_dir);
        let directory = private_directory(&parent)?;
        if directory.path().to_str().is_none() {
            let reason = io::Error::other("the name is not UTF-8, and JSON can't hold it");
            return Err(Error::channel("make a session in", parent, reason));
        }
        let context_path = directory.path().join("context");
        write_all(&mut create(&context_path)?, &context_path, context)?;
        let messages_path = match options.messages {
            Some(path) => {
                std::path::absolute(&path).map_err(|error| Error::channel("create", path, error))?
            }
            None => directory.path().join("messages"),
        };
        create(&messages_path)?;
        let reader = MessageReader::tail(&messages_path, options.tail)?;
        let messages = MessagesParams::File {
            path: messages_path.clone(),
            include_stdio_in_messages: options.include_stdio,
        };
        let env = [
            (
                DAGSTER_PIPES_CONTEXT_ENV_VAR,
                encode_param(
                    &ContextParams::Path(context_path.clone())
                        .to_value()
                        .to_json(),
                ),
            ),
            (
                DAGSTER_PIPES_MESSAGES_ENV_VAR,
                encode_param(&messages.to_value().to_json()),
            ),
        ];
        let files = SessionFiles {
            context_path,
            messages_path,
            env,
            directory,
        };
        Ok(Session { reader, files })
    }

    /// The files, and how a process is told of them.
    pub fn files(&self) -> &SessionFiles {
        &self.files
    }

    /// What arrives. Reading goes on until [`finish`](Session::finish).
    pub fn reader(&mut self) -> &mut MessageReader {
        &mut self.reader
    }

    /// What other threads may ask of the reader while it waits.
    pub fn handle(&self) -> ReaderHandle {
        self.reader.handle()
    }

    /// Says that the process has ended: the reader reads what is there, and ends.
    pub fn finish(&self) {
        self.reader.handle().finish();
    }

    /// Closes the session and removes its directory.
    ///
    /// # Errors
    /// [`Error::Channel`] where the directory can't be removed; dropping a session says nothing of
    /// that.
    pub fn close(self) -> Result<()> {
        drop(self.reader);
        self.files.remove()
    }

    /// The two halves, for an owner that keeps them apart. Drop the reader first.
    pub fn split(self) -> (MessageReader, SessionFiles) {
        (self.reader, self.files)
    }
}

impl SessionFiles {
    /// The environment variables that make a process one of this session. They hold paths, never
    /// the context itself, so no context is too large for them.
    pub fn env(&self) -> [(&'static str, &str); 2] {
        [
            (self.env[0].0, &self.env[0].1),
            (self.env[1].0, &self.env[1].1),
        ]
    }

    /// The same as command line arguments, for processes that take no environment.
    pub fn args(&self) -> [&str; 4] {
        [
            "--dagster-pipes-context",
            &self.env[0].1,
            "--dagster-pipes-messages",
            &self.env[1].1,
        ]
    }

    /// Where the context lies.
    pub fn context_path(&self) -> &Path {
        &self.context_path
    }

    /// Where the messages go.
    pub fn messages_path(&self) -> &Path {
        &self.messages_path
    }

    /// The private directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Removes the directory.
    ///
    /// # Errors
    /// [`Error::Channel`] where it can't be removed; dropping says nothing of that.
    pub fn remove(self) -> Result<()> {
        let path = self.directory.path().to_owned();
        self.directory
            .close()
            .map_err(|error| Error::channel("remove", path, error))
    }
}

fn check_context(context: &[u8]) -> Result<()> {
    let reason = match Value::parse(context) {
        Ok(Value::Object(_)) => return Ok(()),
        Ok(other) => format!("it must be an object, not {}", other.kind().name()),
        Err(error) => format!("it is not JSON: {} at byte {}", error.what, error.at),
    };
    Err(Error::Context {
        location: "the new session".to_owned(),
        reason,
    })
}

fn private_directory(parent: &Path) -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("ironpipe-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o700));
    }
    builder
        .tempdir_in(parent)
        .map_err(|error| Error::channel("create a directory in", parent, error))
}

/// Makes a file that was not there, for this user alone.
fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
        .open(path)
        .map_err(|error| Error::channel("create", path, error))
}

fn write_all(file: &mut File, path: &Path, bytes: &[u8]) -> Result<()> {
    file.write_all(bytes)
        .map_err(|error| Error::channel("write to", path, error))
}

/// What a hosted process is told about its run, in the words of its host.
///
/// What is not given is what Dagster says where there is nothing to say: null, `{}`, 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContextSpec {
    /// The assets that are to be made, as wire strings (`a/b`). Without this the step targets none,
    /// and the process may report on any.
    pub asset_keys: Option<Vec<String>>,
    /// The partition.
    pub partition_key: Option<String>,
    /// The id of the run; a random one by default.
    pub run_id: Option<String>,
    /// The name of the job.
    pub job_name: Option<String>,
    /// How many times the step was retried before.
    pub retry_number: Option<i64>,
    /// Any other values.
    pub extras: Vec<(String, Value)>,
}

impl ContextSpec {
    /// The context, with all the keys that Dagster writes.
    pub fn to_value(&self) -> Value {
        let run_id = self.run_id.clone().unwrap_or_else(random_run_id);
        let blank = [
            ("asset_keys", Value::Null),
            ("code_version_by_asset_key", Value::Null),
            ("provenance_by_asset_key", Value::Null),
            ("partition_key", Value::Null),
            ("partition_key_range", Value::Null),
            ("partition_time_window", Value::Null),
            ("run_id", Value::String(run_id)),
            ("job_name", Value::Null),
            ("retry_number", Value::Int(0)),
            ("extras", Value::Object(Vec::new())),
        ];
        let mut fields = blank.map(|(key, value)| (key.to_owned(), value)).into();
        self.apply(&mut fields);
        Value::Object(fields)
    }

    /// Puts what is given into a context that came from elsewhere. Extras go to those that are
    /// there.
    pub fn apply(&self, fields: &mut Vec<(String, Value)>) {
        if let Some(asset_keys) = &self.asset_keys {
            let keys = asset_keys.iter().cloned().map(Value::String);
            set(fields, "asset_keys", Value::Array(keys.collect()));
            for field in ["code_version_by_asset_key", "provenance_by_asset_key"] {
                let nulls = asset_keys.iter().map(|key| (key.clone(), Value::Null));
                set(fields, field, Value::Object(nulls.collect()));
            }
        }
        if let Some(key) = &self.partition_key {
            let key = Value::String(key.clone());
            let range = [("start", key.clone()), ("end", key.clone())];
            let range = range.map(|(end, key)| (end.to_owned(), key));
            set(fields, "partition_key", key);
            set(fields, "partition_key_range", Value::Object(range.into()));
        }
        for (field, value) in [("run_id", &self.run_id), ("job_name", &self.job_name)] {
            if let Some(value) = value {
                set(fields, field, Value::String(value.clone()));
            }
        }
        if let Some(retries) = self.retry_number {
            set(fields, "retry_number", Value::Int(retries));
        }
        if !self.extras.is_empty() {
            let at = fields.iter().position(|(key, _)| key == "extras");
            let at = at.unwrap_or_else(|| {
                fields.push(("extras".to_owned(), Value::Null));
                fields.len() - 1
            });
            if !matches!(fields[at].1, Value::Object(_)) {
                fields[at].1 = Value::Object(Vec::new());
            }
            if let Value::Object(extras) = &mut fields[at].1 {
                for (key, value) in &self.extras {
                    set(extras, key, value.clone());
                }
            }
        }
    }
}

fn set(fields: &mut Vec<(String, Value)>, key: &str, value: Value) {
    match fields.iter_mut().find(|(name, _)| name == key) {
        Some(field) => field.1 = value,
        None => fields.push((key.to_owned(), value)),
    }
}

/// A random UUID, as Dagster's run ids are. Where the system gives no random bytes, the process id
/// and the clock have to do.
fn random_run_id() -> String {
    let (high, low) = match (getrandom::u64(), getrandom::u64()) {
        (Ok(high), Ok(low)) => (high, low),
        _ => {
            let clock = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
            (clock.as_nanos() as u64, u64::from(std::process::id()))
        }
    };
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::bootstrap::ParamsLoader;
    use crate::reader::Next;

    fn open(options: SessionOptions) -> Session {
        let context = ContextSpec::default().to_value().to_json();
        Session::open(context.as_bytes(), options).unwrap()
    }

    #[test]
    fn the_bootstrap_values_lead_to_the_files() {
        let session = open(SessionOptions {
            include_stdio: true,
            ..SessionOptions::default()
        });
        let loaders = [
            ParamsLoader::from_mapping(session.files().env()),
            ParamsLoader::from_args(session.files().args()),
        ];
        for loader in loaders {
            let context = loader.context_params().unwrap();
            assert_eq!(
                context,
                ContextParams::Path(session.files().context_path().into())
            );
            let messages = MessagesParams::File {
                path: session.files().messages_path().into(),
                include_stdio_in_messages: true,
            };
            assert_eq!(loader.messages_params().unwrap(), messages);
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_this_user_may_look_in() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let session = open(SessionOptions::default());
        assert_eq!(mode(session.files().directory()), 0o700);
        assert_eq!(mode(session.files().context_path()), 0o600);
        assert_eq!(mode(session.files().messages_path()), 0o600);
    }

    #[test]
    fn nothing_stays_but_the_file_that_was_asked_for() {
        let kept = tempfile::tempdir().unwrap();
        let messages = kept.path().join("messages");
        let session = open(SessionOptions {
            messages: Some(messages.clone()),
            ..SessionOptions::default()
        });
        let directory = session.files().directory().to_owned();
        assert!(directory.exists());
        session.close().unwrap();
        assert!(!directory.exists());
        assert!(messages.exists());
    }

    #[cfg(unix)]
    #[test]
    fn no_file_is_taken_over_and_no_link_followed() {
        let place = tempfile::tempdir().unwrap();
        let (target, link) = (place.path().join("target"), place.path().join("link"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let options = SessionOptions {
            messages: Some(link),
            ..SessionOptions::default()
        };
        let error = Session::open(b"{}", options).unwrap_err().to_string();
        assert!(error.contains("can't create"), "{error}");
        assert!(!target.exists());
    }

    #[test]
    fn a_context_that_is_none_is_refused() {
        for (context, words) in [("[]", "an object"), ("{", "not JSON"), ("", "not JSON")] {
            let error = Session::open(context.as_bytes(), SessionOptions::default());
            let error = error.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn what_was_written_before_the_end_is_read() {
        let mut session = open(SessionOptions::default());
        let line = br#"{"__dagster_pipes_version":"0.1","method":"closed","params":{}}"#;
        std::fs::write(session.files().messages_path(), line).unwrap();
        session.finish();
        assert!(matches!(
            session.reader().next(None).unwrap(),
            Next::Message(_)
        ));
        assert!(matches!(session.reader().next(None).unwrap(), Next::Ended));
    }

    #[test]
    fn a_context_as_dagster_writes_it() {
        let spec = ContextSpec {
            asset_keys: Some(vec!["a/b".into()]),
            partition_key: Some("p".into()),
            run_id: Some("r".into()),
            job_name: None,
            retry_number: Some(2),
            extras: vec![("k".into(), Value::from(1))],
        };
        assert_eq!(
            spec.to_value().to_json(),
            concat!(
                r#"{"asset_keys":["a/b"],"code_version_by_asset_key":{"a/b":null},"#,
                r#""provenance_by_asset_key":{"a/b":null},"partition_key":"p","#,
                r#""partition_key_range":{"start":"p","end":"p"},"partition_time_window":null,"#,
                r#""run_id":"r","job_name":null,"retry_number":2,"extras":{"k":1}}"#
            )
        );
        let run_id = ContextSpec::default().to_value();
        let run_id = run_id.get("run_id").and_then(Value::as_str).unwrap();
        assert_eq!(run_id.len(), 36);
        assert_eq!(&run_id[14..15], "4");
    }

    #[test]
    fn what_is_given_goes_over_a_context_from_elsewhere() {
        let Ok(Value::Object(mut fields)) =
            Value::parse(br#"{"asset_keys":["a"],"extras":{"k":1,"l":2},"mine":3}"#)
        else {
            panic!("an object")
        };
        let spec = ContextSpec {
            extras: vec![("k".into(), Value::Null)],
            ..ContextSpec::default()
        };
        spec.apply(&mut fields);
        assert_eq!(
            Value::Object(fields).to_json(),
            r#"{"asset_keys":["a"],"extras":{"k":null,"l":2},"mine":3}"#
        );
    }
}
