//! Parts of the user's own: loaders and channels.

mod common;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use common::Launch;
use ironpipe::channel::MessageChannel;
use ironpipe::protocol::context::ContextData;
use ironpipe::{BoxError, Error, LoadParams, PipesOptions, Value};

/// Params that stand in the program.
struct Fixed {
    context: Result<&'static str, &'static str>,
    messages: &'static str,
}

impl LoadParams for Fixed {
    fn is_dagster_pipes_process(&self) -> bool {
        true
    }

    fn load_context_params(&self) -> Result<Value, BoxError> {
        Ok(Value::parse(self.context?.as_bytes())?)
    }

    fn load_messages_params(&self) -> Result<Value, BoxError> {
        Ok(Value::parse(self.messages.as_bytes())?)
    }
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<String>>>);

impl Memory {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl MessageChannel for Memory {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let line = String::from_utf8(line.to_vec()).unwrap();
        if line.contains("refuse") {
            return Err(io::Error::other("no"));
        }
        self.0.lock().unwrap().push(line);
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        self.0.lock().unwrap().push("end".into());
        Ok(())
    }

    fn name(&self) -> &Path {
        Path::new("memory")
    }
}

const PARAMS: Fixed = Fixed {
    context: Ok(r#"{"id":7}"#),
    messages: r#"{"to":"memory"}"#,
};

fn load(params: &Value) -> Result<ContextData, BoxError> {
    let id = params.get("id").ok_or("no id")?;
    let context = [("run_id", Value::from(format!("run {id}")))];
    Ok(ContextData::from_value(Value::from_iter(context))?)
}

#[test]
fn every_part_can_be_replaced() {
    let memory = Memory::default();
    let channel = memory.clone();
    let pipes = PipesOptions::new()
        .params(PARAMS)
        .load_context(load)
        .open_channel(move |params| {
            assert_eq!(params.get("to").and_then(Value::as_str), Some("memory"));
            Ok(channel)
        })
        .extra("answer", 42)
        .open()
        .unwrap();
    assert_eq!(pipes.run_id().unwrap(), "run 7");
    pipes.info("hello").unwrap();
    let error = pipes.info("refuse").unwrap_err().to_string();
    assert_eq!(error, "can't write to memory: no");
    pipes.close().unwrap();
    let lines = memory.lines();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].contains(r#""params":{"extras":{"answer":42}}"#));
    assert!(lines[1].contains("hello"));
    assert!(lines[2].contains("closed"));
    assert_eq!(lines[3], "end");
}

#[test]
fn parts_that_fail_are_named() {
    let open = |options: PipesOptions| options.open().map(drop).unwrap_err();
    let broken = Fixed {
        context: Err("the vault is locked"),
        ..PARAMS
    };
    let error = open(PipesOptions::new().params(broken));
    assert_eq!(
        error.to_string(),
        "the params loader failed: the vault is locked"
    );
    let error = open(
        PipesOptions::new()
            .params(PARAMS)
            .load_context(|_| Err("no context today".into())),
    );
    assert_eq!(
        error.to_string(),
        "the context loader failed: no context today"
    );
    let error = open(
        PipesOptions::new()
            .params(PARAMS)
            .load_context(load)
            .open_channel::<Memory>(|_| Err(io::Error::other("no route").into())),
    );
    assert_eq!(error.to_string(), "the message channel failed: no route");
    // An error of the engine's stays what it is.
    let error = open(
        PipesOptions::new()
            .params(PARAMS)
            .load_context(|_| Ok(ContextData::read("/no/such/context", 9)?)),
    );
    assert!(matches!(error, Error::Context { .. }), "{error}");
}

#[test]
fn params_of_an_own_loader_are_checked_like_any() {
    let error = PipesOptions::new()
        .params(PARAMS)
        .open()
        .map(drop)
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("the params of the context: must hold the key `path`, `url` or `data`"),
        "{text}"
    );
    let error = PipesOptions::new()
        .params(PARAMS)
        .load_context(load)
        .open()
        .map(drop)
        .unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("the params of the messages: "), "{text}");
}

#[test]
fn a_main_of_options() {
    let launch = Launch::new("{}");
    let code = PipesOptions::new().params(launch.params()).run(|pipes| {
        pipes.info("so far so good")?;
        Err("the disk is full".into())
    });
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
    let (method, params) = launch.messages().pop().unwrap();
    assert_eq!(method, "closed");
    assert!(params.contains("the disk is full"), "{params}");
}
