//! Reports whose free parts are JSON text already, for callers that come from another language.

use std::sync::PoisonError;

use super::{CHECK, MATERIALIZE, PipesContext, bad_metadata};
use crate::error::{Error, Result};
use crate::protocol::bootstrap::Stdio;
use crate::protocol::envelope::{Method, PARAM_DEPTH};
use crate::protocol::exception;
use crate::protocol::level::Level;
use crate::protocol::message::{Severity, write_check};
use crate::protocol::metadata::{EncodedMetadata, check_map_to_send};
use crate::protocol::scan::{Kind, Scanner};

impl PipesContext {
    /// As [`opened`](PipesContext::opened), with the whole params: `{"extras": {…}}`.
    ///
    /// # Errors
    /// [`Error::Channel`]; [`Error::Refused`] after close or where the text is no JSON object.
    pub fn opened_json(&self, params: &[u8]) -> Result<()> {
        self.raw(Method::Opened, |out| {
            object(params, "params", "opened")?;
            out.extend_from_slice(params);
            Ok(())
        })
    }

    /// As [`log`](PipesContext::log), with the message as a JSON string.
    ///
    /// # Errors
    /// [`Error::Channel`]; [`Error::Refused`] after close or where the text is no JSON string.
    pub fn log_json(&self, level: Level, message: &[u8]) -> Result<()> {
        self.raw(Method::Log, |out| {
            if scan(message, "message", "log")? != Kind::String {
                return Err(invalid("message", "log", "it must be a string"));
            }
            out.extend_from_slice(b"{\"message\":");
            out.extend_from_slice(message);
            out.extend_from_slice(b",\"level\":\"");
            out.extend_from_slice(level.as_str().as_bytes());
            out.extend_from_slice(b"\"}");
            Ok(())
        })
    }

    /// As [`report_asset_materialization`](PipesContext::report_asset_materialization), with the
    /// metadata as a JSON object of `{"raw_value": …, "type": …}`.
    ///
    /// # Errors
    /// The same.
    pub fn report_asset_materialization_json(
        &self,
        asset_key: Option<&str>,
        data_version: Option<&str>,
        metadata: Option<&[u8]>,
    ) -> Result<()> {
        self.materialize(asset_key, data_version, |out| {
            write_metadata(out, metadata, MATERIALIZE)
        })
    }

    /// The same, with metadata that was checked while it was encoded.
    ///
    /// # Errors
    /// The same.
    pub fn report_asset_materialization_encoded(
        &self,
        asset_key: Option<&str>,
        data_version: Option<&str>,
        metadata: &EncodedMetadata,
    ) -> Result<()> {
        self.materialize(asset_key, data_version, |out| {
            out.extend_from_slice(metadata.as_json());
            Ok(())
        })
    }

    /// Lets an asset be reported again: its report got as far as the caller's own channel, which
    /// failed.
    pub fn unreport(&self, asset_key: Option<&str>) {
        let Some(session) = &self.session else {
            return;
        };
        if let Ok(key) = session.context.resolve_asset_key(asset_key, MATERIALIZE) {
            let done = session.materialized.lock();
            done.unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
    }

    /// As [`report_asset_check`](PipesContext::report_asset_check), with the severity by its name
    /// and the metadata as a JSON object of `{"raw_value": …, "type": …}`.
    ///
    /// # Errors
    /// The same, and [`Error::Refused`] where the severity is neither `WARN` nor `ERROR`.
    pub fn report_asset_check_json(
        &self,
        asset_key: Option<&str>,
        check_name: &str,
        passed: bool,
        severity: &str,
        metadata: Option<&[u8]>,
    ) -> Result<()> {
        self.check(asset_key, check_name, passed, severity, |out| {
            write_metadata(out, metadata, CHECK)
        })
    }

    /// The same, with metadata that was checked while it was encoded.
    ///
    /// # Errors
    /// The same.
    pub fn report_asset_check_encoded(
        &self,
        asset_key: Option<&str>,
        check_name: &str,
        passed: bool,
        severity: &str,
        metadata: &EncodedMetadata,
    ) -> Result<()> {
        self.check(asset_key, check_name, passed, severity, |out| {
            out.extend_from_slice(metadata.as_json());
            Ok(())
        })
    }

    /// Writes a check, whose metadata `fill` appends.
    fn check(
        &self,
        asset_key: Option<&str>,
        check_name: &str,
        passed: bool,
        severity: &str,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let Some(session) = &self.session else {
            return Ok(());
        };
        let key = session.context.resolve_asset_key(asset_key, CHECK)?;
        let Some(severity) = Severity::from_name(severity) else {
            return Err(Error::Refused(format!(
                "Invalid value for parameter `severity` of `{CHECK}`. Expected one of \
                 `['WARN', 'ERROR']`, got `{severity}`."
            )));
        };
        session.write(Method::ReportAssetCheck, |out| {
            write_check(out, &key, check_name, passed, severity);
            fill(out)?;
            out.push(b'}');
            Ok(())
        })
    }

    /// As [`report_custom_message`](PipesContext::report_custom_message), with JSON text.
    ///
    /// # Errors
    /// [`Error::Channel`]; [`Error::Refused`] after close or where the text is no JSON.
    pub fn report_custom_message_json(&self, payload: &[u8]) -> Result<()> {
        self.raw(Method::ReportCustomMessage, |out| {
            scan(payload, "payload", "report_custom_message")?;
            out.extend_from_slice(b"{\"payload\":");
            out.extend_from_slice(payload);
            out.push(b'}');
            Ok(())
        })
    }

    /// The same, with JSON text that an encoder has made; it is not read again.
    ///
    /// # Errors
    /// [`Error::Channel`]; [`Error::Refused`] after close.
    pub fn report_custom_message_encoded(&self, payload: &[u8]) -> Result<()> {
        self.raw(Method::ReportCustomMessage, |out| {
            out.extend_from_slice(b"{\"payload\":");
            out.extend_from_slice(payload);
            out.push(b'}');
            Ok(())
        })
    }

    /// As [`log_external_stream`](PipesContext::log_external_stream), with the text as a JSON
    /// string and the extras as a JSON object.
    ///
    /// # Errors
    /// [`Error::Channel`]; [`Error::Refused`] after close or where a text is not such JSON.
    pub fn log_external_stream_json(
        &self,
        stream: Stdio,
        text: &[u8],
        extras: Option<&[u8]>,
    ) -> Result<()> {
        const METHOD: &str = "log_external_stream";
        let extras = extras.unwrap_or(b"{}");
        self.raw(Method::LogExternalStream, |out| {
            if scan(text, "text", METHOD)? != Kind::String {
                return Err(invalid("text", METHOD, "it must be a string"));
            }
            object(extras, "extras", METHOD)?;
            out.extend_from_slice(b"{\"stream\":\"");
            out.extend_from_slice(stream.as_str().as_bytes());
            out.extend_from_slice(b"\",\"text\":");
            out.extend_from_slice(text);
            out.extend_from_slice(b",\"extras\":");
            out.extend_from_slice(extras);
            out.push(b'}');
            Ok(())
        })
    }

    /// As [`close_with_exception`](PipesContext::close_with_exception), with the exception as a
    /// JSON object.
    ///
    /// # Errors
    /// [`Error::Channel`]; [`Error::Refused`] where Dagster would not take the exception. Then the
    /// session stays open.
    pub fn close_json(&self, exception: Option<&[u8]>) -> Result<()> {
        let Some(session) = &self.session else {
            return Ok(());
        };
        if let Some(exception) = exception {
            scan(exception, "exc", "close")?;
            exception::check(exception).map_err(|why| invalid("exc", "close", &why))?;
        }
        session.close(|out| {
            out.push(b'{');
            if let Some(exception) = exception {
                out.extend_from_slice(b"\"exception\":");
                out.extend_from_slice(exception);
            }
            out.push(b'}');
            Ok(())
        })
    }
}

fn write_metadata(out: &mut Vec<u8>, metadata: Option<&[u8]>, method: &str) -> Result<()> {
    let metadata = match metadata {
        // The official client sends an empty one as none.
        None | Some(b"{}") => b"null",
        Some(metadata) => {
            scan(metadata, "metadata", method)?;
            check_map_to_send(metadata).map_err(|why| bad_metadata(method, &why))?;
            metadata
        }
    };
    out.extend_from_slice(metadata);
    Ok(())
}

fn object(json: &[u8], name: &str, method: &str) -> Result<()> {
    match scan(json, name, method)? {
        Kind::Object => Ok(()),
        other => {
            let why = format!("it must be an object, not {}", other.name());
            Err(invalid(name, method, &why))
        }
    }
}

/// Makes sure that nothing but JSON gets into a line, and tells its type.
fn scan(json: &[u8], name: &str, method: &str) -> Result<Kind> {
    if simdutf8::basic::from_utf8(json).is_err() {
        return Err(invalid(name, method, "it is not UTF-8"));
    }
    let mut scanner = Scanner::new(json).within(PARAM_DEPTH);
    let kind = scanner.value();
    kind.and_then(|kind| scanner.end().map(|()| kind))
        .map_err(|error| invalid(name, method, error.what))
}

fn invalid(name: &str, method: &str, why: &str) -> Error {
    Error::Refused(format!(
        "Invalid value for parameter `{name}` of `{method}`: {why}."
    ))
}
