//! What Dagster's handler takes of each method, and what is mended to that end.

use super::parts::{P, Param, Params, Part, text_of};
use super::repair::head;
use super::{Decoded, Repair};
use crate::protocol::envelope::Method;
use crate::protocol::level::Level;
use crate::protocol::scan::{Kind, Scanner};
use crate::protocol::{exception, metadata};

/// What a method's params are: those it must have, and those it may have.
fn signature(method: Method) -> (&'static [Param], &'static [Param]) {
    match method {
        Method::Opened => (&[], &[P::Extras]),
        Method::Closed => (&[], &[P::Exception]),
        Method::Log => (&[P::Message], &[P::Level]),
        Method::ReportAssetMaterialization => (&[P::AssetKey, P::DataVersion, P::Metadata], &[]),
        Method::ReportAssetCheck => (
            &[
                P::AssetKey,
                P::CheckName,
                P::Passed,
                P::Severity,
                P::Metadata,
            ],
            &[],
        ),
        Method::ReportCustomMessage => (&[P::Payload], &[]),
        Method::LogExternalStream => (&[P::Stream, P::Text], &[P::Extras]),
    }
}
/// Holds the params to what Dagster's handler of the method takes, and fills in the rest of
/// `decoded`; else where the fault is and what.
#[inline(always)]
pub(super) fn shape(
    line: &[u8],
    params: Params,
    decoded: &mut Decoded,
) -> Result<(), (usize, String)> {
    let method = decoded.method;
    let start = params.whole.start as usize;
    let lifecycle = matches!(method, Method::Opened | Method::Closed);
    if params.whole.kind != Kind::Object {
        if !lifecycle {
            let kind = params.whole.kind.name();
            return Err((start, format!("`params` is {kind}, not an object")));
        }
        if params.whole.kind != Kind::Null {
            decoded.repairs.add(Repair::Params);
            decoded.mend(Box::from(*b"{}"));
        }
        return Ok(());
    }

    let (required, optional) = signature(method);
    let mut known = 0u16;
    for &param in required {
        known |= 1 << param as u16;
        let Some(part) = params.get(param) else {
            return Err((start, format!("`{}` is missing", param.name())));
        };
        check_param(line, param, part, &params).map_err(|reason| (part.start as usize, reason))?;
    }
    for &param in optional {
        known |= 1 << param as u16;
    }

    // What is to stand in the place of a param's text; none to drop it.
    let mut replaced: Option<(Param, Option<&'static str>)> = None;
    match method {
        Method::Opened => {
            if let Some(extras) = params.get(P::Extras)
                && !matches!(extras.kind, Kind::Object | Kind::Null)
            {
                decoded.repairs.add(Repair::Params);
                replaced = Some((P::Extras, None));
            }
        }
        Method::Closed => match params.get(P::Exception) {
            Some(part) if part.kind == Kind::Null => {
                decoded.repairs.add(Repair::Params);
                replaced = Some((P::Exception, None));
            }
            Some(part) => exception::check(part.of(line))
                .map_err(|reason| (part.start as usize, format!("`exception`: {reason}")))?,
            None => {}
        },
        Method::Log => {
            decoded.text = params.parts[P::Message as usize];
            if let Some(level) = params.get(P::Level) {
                decoded.label = level;
                if let Some(nearest) =
                    mend_level(line, level).map_err(|reason| (level.start as usize, reason))?
                {
                    decoded.repairs.add(Repair::Level);
                    replaced = Some((P::Level, Some(nearest.as_str())));
                }
            }
        }
        Method::ReportAssetCheck => {
            let severity = text_of(line, params.parts[P::Severity as usize]);
            if !matches!(&*severity, "WARN" | "ERROR") {
                decoded.repairs.add(Repair::Severity);
                let proper = match severity.eq_ignore_ascii_case("WARN") {
                    true => "WARN",
                    false => "ERROR",
                };
                replaced = Some((P::Severity, Some(proper)));
            }
        }
        Method::LogExternalStream => {
            decoded.text = params.parts[P::Text as usize];
            decoded.label = params.parts[P::Stream as usize];
        }
        Method::ReportAssetMaterialization | Method::ReportCustomMessage => {}
    }

    let mut unknown = params.unknown || params.present & !known != 0;
    // Dagster passes over what it does not know in these two.
    unknown &= !lifecycle;
    if unknown {
        decoded.repairs.add(Repair::UnknownParam);
    }
    if unknown || replaced.is_some() {
        let mended = rewrite(line, &params, required.iter().chain(optional), replaced);
        decoded.mend(mended);
    }
    Ok(())
}

#[inline(always)]
fn check_param(line: &[u8], param: Param, part: Part, params: &Params) -> Result<(), String> {
    let expected = match param {
        P::AssetKey | P::CheckName | P::Message | P::Text if part.kind != Kind::String => {
            "a string"
        }
        P::DataVersion if !matches!(part.kind, Kind::String | Kind::Null) => "a string or null",
        P::Passed if part.kind != Kind::Bool => "a bool",
        P::Metadata if !matches!(part.kind, Kind::Object | Kind::Null) => "an object or null",
        P::Metadata if params.metadata_suspect && part.kind == Kind::Object => {
            return metadata::check_map(part.of(line));
        }
        P::Severity => {
            let severity = text_of(line, part);
            let known = part.kind == Kind::String
                && ["WARN", "ERROR"]
                    .iter()
                    .any(|s| s.eq_ignore_ascii_case(&severity));
            return match known {
                true => Ok(()),
                false => Err(format!(
                    "`severity` is `{}`, expected `WARN` or `ERROR`",
                    head(part.of(line))
                )),
            };
        }
        P::Stream => {
            let stream = text_of(line, part);
            return match part.kind == Kind::String && matches!(&*stream, "stdout" | "stderr") {
                true => Ok(()),
                false => Err(format!(
                    "`stream` is `{}`, expected `stdout` or `stderr`",
                    head(part.of(line))
                )),
            };
        }
        _ => return Ok(()),
    };
    Err(format!(
        "`{}` is {}, expected {expected}",
        param.name(),
        part.kind.name()
    ))
}

/// The level to put in the place of one that Dagster refuses.
#[inline(always)]
fn mend_level(line: &[u8], level: Part) -> Result<Option<Level>, String> {
    if level.kind == Kind::String && !level.escaped && level.of(line) == b"INFO" {
        return Ok(None);
    }
    match level.kind {
        Kind::String => {
            let name = text_of(line, level);
            Ok(match Level::from_name(&name) {
                Some(_) => None,
                None => Some(Level::nearest(&name)),
            })
        }
        Kind::Int => {
            let digits = level.of(line);
            let number = std::str::from_utf8(digits)
                .ok()
                .and_then(|text| text.parse().ok());
            let beyond = if digits.starts_with(b"-") {
                i64::MIN
            } else {
                i64::MAX
            };
            Ok(Some(Level::from_number(number.unwrap_or(beyond))))
        }
        // Python's bool is an integer, 0 or 1.
        Kind::Bool => Ok(Some(Level::Debug)),
        Kind::Null => Ok(Some(Level::Info)),
        kind => Err(format!("`level` is {}, expected a string", kind.name())),
    }
}

/// The params with nothing in them but `keep`, one of them replaced or left out.
fn rewrite<'a>(
    line: &[u8],
    params: &Params,
    keep: impl Iterator<Item = &'a Param>,
    replaced: Option<(Param, Option<&'static str>)>,
) -> Box<[u8]> {
    let mut out = vec![b'{'];
    for &param in keep {
        let Some(part) = params.get(param) else {
            continue;
        };
        let text = match replaced {
            Some((which, None)) if which == param => continue,
            Some((which, Some(text))) if which == param => Some(text),
            _ => None,
        };
        if out.len() > 1 {
            out.push(b',');
        }
        let quote: &[u8] = match text.is_some() || part.kind == Kind::String {
            true => b"\"",
            false => b"",
        };
        out.extend_from_slice(format!("\"{}\":", param.name()).as_bytes());
        out.extend_from_slice(quote);
        out.extend_from_slice(text.map_or(part.of(line), str::as_bytes));
        out.extend_from_slice(quote);
    }
    out.push(b'}');
    out.into_boxed_slice()
}

impl Decoded {
    /// Puts `params` in the place of those in the line.
    fn mend(&mut self, params: Box<[u8]>) {
        let mut scanner = Scanner::new(&params);
        // What `rewrite` writes is JSON, put together from scanned parts.
        if let Ok(parts) = Params::scan(&mut scanner) {
            self.params = parts.whole;
            let (text, label) = match self.method {
                Method::Log => (P::Message, P::Level),
                _ => (P::Text, P::Stream),
            };
            self.text = parts.get(text).unwrap_or(Part::NONE);
            self.label = parts.get(label).unwrap_or(Part::NONE);
        }
        self.mended = Some(params);
    }
}
