//! Messages as typed values.
//!
//! The fields have the names of the params on the wire.

use super::bootstrap::Stdio;
use super::envelope::Method;
use super::exception::PipesException;
use super::level::Level;
use super::metadata::Metadata;
use super::value::{Object, Value, write_json_object, write_json_string};

/// A message from an external process.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The first of a writer.
    Opened(Opened),
    /// The last of a writer.
    Closed(Closed),
    /// A log message.
    Log(Log),
    /// An asset was materialized.
    AssetMaterialization(AssetMaterialization),
    /// An asset check was made.
    AssetCheck(AssetCheck),
    /// Any JSON value.
    CustomMessage(CustomMessage),
    /// What the process printed.
    ExternalStream(ExternalStream),
}

/// `opened`
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Opened {
    /// What the writer tells about its process.
    pub extras: Object,
}

/// `closed`
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Closed {
    /// What ended the process, unless it ended well.
    pub exception: Option<PipesException>,
}

/// `log`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// The text.
    pub message: String,
    /// The level. What a reader gets with a level that Dagster does not know has the nearest one.
    pub level: Level,
}

/// `report_asset_materialization`
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AssetMaterialization {
    /// The asset, as [`AssetKey`](super::asset_key::AssetKey) spells it.
    pub asset_key: String,
    /// The version of the data.
    pub data_version: Option<String>,
    /// What is known about it.
    pub metadata: Metadata,
}

/// `report_asset_check`
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AssetCheck {
    /// The asset, as [`AssetKey`](super::asset_key::AssetKey) spells it.
    pub asset_key: String,
    /// The check.
    pub check_name: String,
    /// Whether it passed.
    pub passed: bool,
    /// What it means if it did not.
    pub severity: Severity,
    /// What is known about it.
    pub metadata: Metadata,
}

/// `report_custom_message`
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CustomMessage {
    /// Whatever was sent.
    pub payload: Value,
}

/// `log_external_stream`
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalStream {
    /// Where it was printed.
    pub stream: Stdio,
    /// What was printed: any piece of text, not a line.
    pub text: String,
    /// What else is told.
    pub extras: Object,
}

/// What a failed asset check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Severity {
    /// A warning.
    Warn,
    /// An error, which is what is meant where nothing is said.
    #[default]
    Error,
}

impl Severity {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Warn => "WARN",
            Severity::Error => "ERROR",
        }
    }

    /// The severity of a name, in any case.
    pub fn from_name(name: &str) -> Option<Severity> {
        [Severity::Warn, Severity::Error]
            .into_iter()
            .find(|severity| severity.as_str().eq_ignore_ascii_case(name))
    }
}

impl Message {
    /// Which it is.
    pub fn method(&self) -> Method {
        match self {
            Message::Opened(_) => Method::Opened,
            Message::Closed(_) => Method::Closed,
            Message::Log(_) => Method::Log,
            Message::AssetMaterialization(_) => Method::ReportAssetMaterialization,
            Message::AssetCheck(_) => Method::ReportAssetCheck,
            Message::CustomMessage(_) => Method::ReportCustomMessage,
            Message::ExternalStream(_) => Method::LogExternalStream,
        }
    }

    /// Appends the params as JSON text on one line.
    pub fn write_params(&self, out: &mut Vec<u8>) {
        match self {
            Message::Opened(opened) => write_opened(out, &opened.extras),
            Message::Closed(closed) => write_closed(out, closed.exception.as_ref()),
            Message::Log(log) => write_log(out, log.level, &log.message),
            Message::AssetMaterialization(report) => {
                let version = report.data_version.as_deref();
                write_materialization(out, &report.asset_key, version);
                report.metadata.write_json(out);
                out.push(b'}');
            }
            Message::AssetCheck(report) => {
                write_check(
                    out,
                    &report.asset_key,
                    &report.check_name,
                    report.passed,
                    report.severity,
                );
                report.metadata.write_json(out);
                out.push(b'}');
            }
            Message::CustomMessage(custom) => {
                out.extend_from_slice(b"{\"payload\":");
                custom.payload.write_json(out);
                out.push(b'}');
            }
            Message::ExternalStream(piece) => {
                write_external_stream(out, piece.stream, &piece.text, &piece.extras);
            }
        }
    }

    /// Reads params. Unknown keys are passed over, and so is `params` null where Dagster takes it.
    ///
    /// # Errors
    /// The text is no JSON, or a param is missing, has another type or a value Dagster refuses.
    pub fn from_params(method: Method, params: &[u8]) -> Result<Message, String> {
        let params = Value::parse(params)
            .map_err(|error| format!("{} at byte {} of the params", error.what, error.at))?;
        let fields = Fields { params: &params };
        if !params.is_null() && params.as_object().is_none() {
            return Err(format!(
                "params must be an object, not {}",
                params.kind().name()
            ));
        }
        Ok(match method {
            Method::Opened => Message::Opened(Opened {
                extras: fields.object("extras")?,
            }),
            Method::Closed => Message::Closed(Closed {
                exception: match params.get("exception") {
                    Some(exception) => Some(PipesException::from_value(exception)?),
                    None => None,
                },
            }),
            Method::Log => Message::Log(Log {
                message: fields.text("message")?,
                level: match params.get("level") {
                    Some(_) => Level::nearest(&fields.text("level")?),
                    None => Level::Info,
                },
            }),
            Method::ReportAssetMaterialization => {
                Message::AssetMaterialization(AssetMaterialization {
                    asset_key: fields.text("asset_key")?,
                    data_version: fields.optional_text("data_version")?,
                    metadata: fields.metadata()?,
                })
            }
            Method::ReportAssetCheck => Message::AssetCheck(AssetCheck {
                asset_key: fields.text("asset_key")?,
                check_name: fields.text("check_name")?,
                passed: fields.passed()?,
                severity: fields.severity()?,
                metadata: fields.metadata()?,
            }),
            Method::ReportCustomMessage => Message::CustomMessage(CustomMessage {
                payload: fields.required("payload")?.clone(),
            }),
            Method::LogExternalStream => Message::ExternalStream(ExternalStream {
                stream: fields.stream()?,
                text: fields.text("text")?,
                extras: fields.object("extras")?,
            }),
        })
    }
}

/// Params that are being read.
struct Fields<'a> {
    params: &'a Value,
}

impl Fields<'_> {
    fn required(&self, name: &str) -> Result<&Value, String> {
        self.params
            .get(name)
            .ok_or_else(|| format!("the param `{name}` is missing"))
    }

    fn text(&self, name: &str) -> Result<String, String> {
        let value = self.required(name)?;
        let text = value
            .as_str()
            .ok_or_else(|| wrong(name, "a string", value))?;
        Ok(text.to_owned())
    }

    fn optional_text(&self, name: &str) -> Result<Option<String>, String> {
        match self.required(name)? {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            other => Err(wrong(name, "a string or null", other)),
        }
    }

    /// An object that may be missing or null.
    fn object(&self, name: &str) -> Result<Object, String> {
        match self.params.get(name) {
            None | Some(Value::Null) => Ok(Object::new()),
            Some(Value::Object(members)) => Ok(members.clone()),
            Some(other) => Err(wrong(name, "an object", other)),
        }
    }

    fn metadata(&self) -> Result<Metadata, String> {
        Metadata::from_value(self.required("metadata")?)
    }

    fn passed(&self) -> Result<bool, String> {
        let value = self.required("passed")?;
        value
            .as_bool()
            .ok_or_else(|| wrong("passed", "a bool", value))
    }

    fn severity(&self) -> Result<Severity, String> {
        let name = self.text("severity")?;
        Severity::from_name(&name)
            .ok_or_else(|| format!("the param `severity` must be WARN or ERROR, not {name:?}"))
    }

    fn stream(&self) -> Result<Stdio, String> {
        let name = self.text("stream")?;
        Stdio::from_name(&name)
            .ok_or_else(|| format!("the param `stream` must be stdout or stderr, not {name:?}"))
    }
}

fn wrong(name: &str, must: &str, value: &Value) -> String {
    let kind = value.kind().name();
    format!("the param `{name}` must be {must}, not {kind}")
}

pub(crate) fn write_opened(out: &mut Vec<u8>, extras: &[(String, Value)]) {
    out.extend_from_slice(b"{\"extras\":");
    write_json_object(out, extras);
    out.push(b'}');
}

pub(crate) fn write_closed(out: &mut Vec<u8>, exception: Option<&PipesException>) {
    out.push(b'{');
    if let Some(exception) = exception {
        out.extend_from_slice(b"\"exception\":");
        exception.write_json(out);
    }
    out.push(b'}');
}

pub(crate) fn write_log(out: &mut Vec<u8>, level: Level, message: &str) {
    out.extend_from_slice(b"{\"message\":");
    write_json_string(out, message);
    out.extend_from_slice(b",\"level\":\"");
    out.extend_from_slice(level.as_str().as_bytes());
    out.extend_from_slice(b"\"}");
}

/// All but the metadata and the closing brace.
pub(crate) fn write_materialization(out: &mut Vec<u8>, asset_key: &str, version: Option<&str>) {
    out.extend_from_slice(b"{\"asset_key\":");
    write_json_string(out, asset_key);
    out.extend_from_slice(b",\"data_version\":");
    match version {
        Some(version) => write_json_string(out, version),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"metadata\":");
}

/// All but the metadata and the closing brace.
pub(crate) fn write_check(
    out: &mut Vec<u8>,
    asset_key: &str,
    check_name: &str,
    passed: bool,
    severity: Severity,
) {
    out.extend_from_slice(b"{\"asset_key\":");
    write_json_string(out, asset_key);
    out.extend_from_slice(b",\"check_name\":");
    write_json_string(out, check_name);
    out.extend_from_slice(match passed {
        true => b",\"passed\":true,\"severity\":\"".as_slice(),
        false => b",\"passed\":false,\"severity\":\"",
    });
    out.extend_from_slice(severity.as_str().as_bytes());
    out.extend_from_slice(b"\",\"metadata\":");
}

pub(crate) fn write_external_stream(
    out: &mut Vec<u8>,
    stream: Stdio,
    text: &str,
    extras: &[(String, Value)],
) {
    out.extend_from_slice(b"{\"stream\":\"");
    out.extend_from_slice(stream.as_str().as_bytes());
    out.extend_from_slice(b"\",\"text\":");
    write_json_string(out, text);
    out.extend_from_slice(b",\"extras\":");
    write_json_object(out, extras);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Message> {
        let metadata = Metadata::from([("rows", 1)]);
        let extras = vec![("k".to_owned(), Value::from(1))];
        vec![
            Message::Opened(Opened {
                extras: extras.clone(),
            }),
            Message::Log(Log {
                message: "a\nb".into(),
                level: Level::Warning,
            }),
            Message::AssetMaterialization(AssetMaterialization {
                asset_key: "a/b".into(),
                data_version: Some("1".into()),
                metadata: metadata.clone(),
            }),
            Message::AssetCheck(AssetCheck {
                asset_key: "a".into(),
                check_name: "c".into(),
                passed: true,
                severity: Severity::Warn,
                metadata,
            }),
            Message::CustomMessage(CustomMessage {
                payload: Value::Float(f64::INFINITY),
            }),
            Message::ExternalStream(ExternalStream {
                stream: Stdio::Stderr,
                text: "half a li".into(),
                extras,
            }),
            Message::Closed(Closed {
                exception: Some(PipesException::new("no")),
            }),
        ]
    }

    #[test]
    fn every_method_reads_back() {
        let mut methods = Vec::new();
        for message in all() {
            let mut params = Vec::new();
            message.write_params(&mut params);
            assert!(!params.contains(&b'\n'));
            assert_eq!(
                Message::from_params(message.method(), &params),
                Ok(message.clone())
            );
            methods.push(message.method());
        }
        assert!(Method::ALL.iter().all(|method| methods.contains(method)));
    }

    #[test]
    fn the_bytes_of_the_wire() {
        let written: Vec<String> = all()
            .iter()
            .map(|message| {
                let mut params = Vec::new();
                message.write_params(&mut params);
                String::from_utf8(params).unwrap()
            })
            .collect();
        assert_eq!(
            written,
            [
                r#"{"extras":{"k":1}}"#,
                r#"{"message":"a\nb","level":"WARNING"}"#,
                r#"{"asset_key":"a/b","data_version":"1","metadata":{"rows":{"raw_value":1,"type":"int"}}}"#,
                r#"{"asset_key":"a","check_name":"c","passed":true,"severity":"WARN","metadata":{"rows":{"raw_value":1,"type":"int"}}}"#,
                r#"{"payload":Infinity}"#,
                r#"{"stream":"stderr","text":"half a li","extras":{"k":1}}"#,
                r#"{"exception":{"message":"no","stack":[],"name":null,"cause":null,"context":null}}"#,
            ]
        );
    }

    #[test]
    fn null_params_of_opened_and_closed() {
        for method in [Method::Opened, Method::Closed] {
            assert!(Message::from_params(method, b"null").is_ok());
        }
        let why = Message::from_params(Method::Log, b"null").unwrap_err();
        assert_eq!(why, "the param `message` is missing");
    }

    #[test]
    fn refusals_name_the_param() {
        for (method, params, why) in [
            (Method::Log, "[]", "params must be an object, not an array"),
            (
                Method::Log,
                r#"{"message":1}"#,
                "the param `message` must be a string, not an integer",
            ),
            (
                Method::ReportAssetCheck,
                r#"{"asset_key":"a","check_name":"c","passed":1,"severity":"WARN","metadata":null}"#,
                "the param `passed` must be a bool, not an integer",
            ),
            (
                Method::LogExternalStream,
                r#"{"stream":"x","text":""}"#,
                "the param `stream` must be stdout or stderr, not \"x\"",
            ),
            (
                Method::Log,
                "{",
                "the line ends too early at byte 1 of the params",
            ),
        ] {
            assert_eq!(
                Message::from_params(method, params.as_bytes()),
                Err(why.into())
            );
        }
    }
}
