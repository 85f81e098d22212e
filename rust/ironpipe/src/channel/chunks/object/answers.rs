//! What object stores say that refuse, in words for people.

use std::error::Error as _;

use super::super::{Retry, StoreError};
use crate::protocol::bootstrap::without_secrets;

pub(super) fn because(error: &object_store::Error) -> StoreError {
    let text = error.to_string();
    let status = |codes: &[&str]| codes.iter().any(|code| text.contains(code));
    let retry = match error {
        object_store::Error::PermissionDenied { .. } if status(&["<Code>AccessDenied</Code>"]) => {
            Retry::Denied
        }
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. }
        | object_store::Error::InvalidPath { .. }
        | object_store::Error::NotFound { .. } => Retry::Mended,
        _ if status(&["RequestTimeout"]) => Retry::Soon,
        _ if status(&["503 Service", "429 Too", "SlowDown", "ServerBusy"]) => Retry::Slower,
        _ if status(&["400 Bad", "403 Forbidden", "401 Unauthorized"]) => Retry::Mended,
        _ => Retry::Soon,
    };
    StoreError {
        retry,
        reason: words_of(&text).unwrap_or_else(|| cause_of(error, &text)),
    }
}

/// Whether an upload was refused because of another one that is not over.
pub(super) fn is_conflict(answer: &str) -> bool {
    ["ConditionalRequestConflict", "OperationAborted"]
        .iter()
        .any(|sign| answer.contains(sign))
}

/// What went wrong, without the request it went wrong with, and where it began.
fn cause_of(error: &object_store::Error, text: &str) -> String {
    let (_, what) = text.split_once(" - ").unwrap_or(("", text));
    let what = shorten(&without_queries(what));
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let what = match causes.last().map(|cause| shorten(&cause.to_string())) {
        Some(cause) if !what.contains(&cause) => format!("{what}: {}", without_queries(&cause)),
        _ => what,
    };
    match LENDERS.iter().any(|lender| text.contains(lender)) {
        true => format!(
            "there are no credentials in the options or the environment, and this machine lends \
             none: {what}"
        ),
        false => what,
    }
}

/// Who lends credentials to the machines of a cloud, asked where nobody gave any.
const LENDERS: [&str; 3] = [
    "169.254.169.254",
    "169.254.170.",
    "metadata.google.internal",
];

/// The first words, on one line: a gateway may answer with a whole page.
fn shorten(text: &str) -> String {
    const SHOWN: usize = 300;
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What the store itself says, where it says it in XML, as they all do.
fn words_of(answer: &str) -> Option<String> {
    let element = |name: &str| {
        let (_, rest) = answer.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
    };
    let (code, message) = (element("Code")?, element("Message")?);
    Some(format!("{code}: {}", message.lines().next()?))
}

pub(super) fn bucket_is_missing(answer: &str) -> bool {
    [
        "NoSuchBucket",
        "ContainerNotFound",
        "The specified bucket does not exist",
    ]
    .iter()
    .any(|sign| answer.contains(sign))
}

/// A text without the queries of the URLs in it: some hold signatures.
pub(super) fn without_queries(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        match word.split_once("://") {
            Some((_, rest)) if rest.contains(['?', '@']) => {
                clean.push_str(without_secrets(word.trim_end()).as_str());
                clean.push_str(&word[word.trim_end().len()..]);
            }
            _ => clean.push_str(word),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        for (text, clean) in [
            ("PUT http://x/y?sig=abc in 2s", "PUT http://x/y in 2s"),
            ("s3://id:key@bucket/p", "s3://bucket/p"),
            ("no url?yes", "no url?yes"),
        ] {
            assert_eq!(without_queries(text), clean);
        }
    }

    #[test]
    fn a_store_speaks_for_itself() {
        let answer =
            "404: <Error><Code>NoSuchKey</Code><Message>It is gone.\nId: 1</Message></Error>";
        assert_eq!(words_of(answer).unwrap(), "NoSuchKey: It is gone.");
        assert_eq!(words_of("timed out"), None);
    }
}
