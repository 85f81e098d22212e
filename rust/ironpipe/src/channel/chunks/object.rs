//! Object stores: S3, Google Cloud Storage, Azure Blob Storage.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutMode,
    RetryConfig,
};
use url::Url;

use super::{ChunkPrefix, ChunkStore, Put, Request, Retry, StoreError};
use crate::error::{Error, Result};
use crate::fork::generation;
use crate::protocol::bootstrap::without_secrets;

/// How long one request may take, its answer included.
const REQUEST: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);

const NO_STORE: &str = "chunks go to s3://, gs:// or az://, or to a directory";

/// A bucket or container.
///
/// Credentials come from the options, then from the environment variables of the provider's own
/// tools, then from the machine (instance metadata, workload identity).
pub struct ObjectChunkStore {
    /// Without a query and without a user: nothing in it is secret.
    location: String,
    scheme: ObjectStoreScheme,
    url: String,
    options: Vec<(String, String)>,
    /// The client and the process it is of: the connections of a parent are not its child's.
    client: ArcSwap<Client>,
}

struct Client {
    process: u64,
    store: Arc<dyn ObjectStore>,
}

impl ObjectChunkStore {
    /// The store and the prefix that a URL stands for: `s3://bucket/prefix`, `gs://bucket/prefix`,
    /// `az://container/prefix`, or an `https://` address of one of these.
    ///
    /// `options` are the settings of `object_store`, by the names that its builders take:
    /// `endpoint`, `region`, `aws_access_key_id`, `google_service_account`, `azure_storage_account_name` …
    ///
    /// # Errors
    /// [`Error::Store`] where the URL is of no such store, an option is unknown, or a setting that
    /// the store can't do without is missing.
    pub fn open(url: &str, options: &[(String, String)]) -> Result<ChunkPrefix> {
        let refuse = |reason: String| Error::Store {
            location: without_secrets(url),
            reason,
        };
        let parsed = Url::parse(url).map_err(|error| refuse(error.to_string()))?;
        let (scheme, path) =
            ObjectStoreScheme::parse(&parsed).map_err(|_| refuse(NO_STORE.into()))?;
        let prefix = path.as_ref().to_owned();
        let mut root = parsed.clone();
        root.set_query(None);
        root.set_fragment(None);
        let _ = root.set_username("");
        let _ = root.set_password(None);
        let location = root.to_string();
        let location = location.trim_end_matches('/').trim_end_matches(&prefix);
        let client = build(&scheme, url, options).map_err(refuse)?;
        let store = ObjectChunkStore {
            location: location.trim_end_matches('/').to_owned(),
            scheme,
            url: url.to_owned(),
            options: options.to_vec(),
            client: ArcSwap::from_pointee(Client {
                process: generation(),
                store: client,
            }),
        };
        Ok(ChunkPrefix::new(store, prefix))
    }

    fn client(&self) -> Result<Arc<dyn ObjectStore>, StoreError> {
        let client = self.client.load();
        let process = generation();
        if client.process == process {
            return Ok(client.store.clone());
        }
        let store = build(&self.scheme, &self.url, &self.options);
        let store = store.map_err(|reason| StoreError {
            retry: Retry::Mended,
            reason,
        })?;
        let client = Client {
            process,
            store: store.clone(),
        };
        // A thread of the parent may hold its locks, so it can't even be dropped here.
        std::mem::forget(self.client.swap(Arc::new(client)));
        Ok(store)
    }
}

impl fmt::Debug for ObjectChunkStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectChunkStore")
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

impl ChunkStore for ObjectChunkStore {
    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Request<'a, Put> {
        Box::pin(async move {
            let path = Path::from(key);
            let client = self.client()?;
            let options = PutMode::Create.into();
            match client.put_opts(&path, body.into(), options).await {
                Ok(_) => Ok(Put::Stored),
                // Of two requests at once S3 may refuse both.
                Err(object_store::Error::AlreadyExists { source, .. })
                    if is_conflict(&source.to_string()) =>
                {
                    Err(StoreError {
                        retry: Retry::Soon,
                        reason: "another request for the same key is under way".into(),
                    })
                }
                Err(object_store::Error::AlreadyExists { .. }) => Ok(Put::Taken),
                Err(error) => Err(because(&error)),
            }
        })
    }

    fn get<'a>(&'a self, key: &'a str, limit: u64) -> Request<'a, Option<Bytes>> {
        Box::pin(async move {
            let found = match self.client()?.get(&Path::from(key)).await {
                Ok(found) => found,
                Err(object_store::Error::NotFound { source, .. }) => {
                    // A bucket that is gone answers much as an object that is not there yet.
                    return match bucket_is_missing(&source.to_string()) {
                        true => Err(StoreError {
                            retry: Retry::Mended,
                            reason: "the bucket or container does not exist".into(),
                        }),
                        false => Ok(None),
                    };
                }
                Err(error) => return Err(because(&error)),
            };
            let size = found.meta.size;
            if size > limit {
                return Err(StoreError::too_large(size, limit));
            }
            let body = found.bytes().await.map_err(|error| because(&error))?;
            if body.len() as u64 != size {
                return Err(StoreError {
                    retry: Retry::Soon,
                    reason: format!("the answer has {} of {size} bytes", body.len()),
                });
            }
            Ok(Some(body))
        })
    }

    fn exists<'a>(&'a self, key: &'a str) -> Request<'a, bool> {
        Box::pin(async move {
            match self.client()?.head(&Path::from(key)).await {
                Ok(_) => Ok(true),
                // The answer has no body that could tell more, and who may not list is denied what
                // is not there. A store that can't be used says so when something is put.
                Err(
                    object_store::Error::NotFound { .. }
                    | object_store::Error::PermissionDenied { .. },
                ) => Ok(false),
                Err(error) => Err(because(&error)),
            }
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> Request<'a, ()> {
        Box::pin(async move {
            match self.client()?.delete(&Path::from(key)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(because(&error)),
            }
        })
    }

    fn location(&self) -> String {
        self.location.clone()
    }

    fn blocks(&self) -> bool {
        false
    }
}

fn build(
    scheme: &ObjectStoreScheme,
    url: &str,
    options: &[(String, String)],
) -> Result<Arc<dyn ObjectStore>, String> {
    // Requests are repeated where they are made, who counts them there.
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 0,
        retry_timeout: REQUEST,
    };
    let client = ClientOptions::new()
        .with_timeout(REQUEST)
        .with_connect_timeout(CONNECT)
        .with_allow_http(true);
    macro_rules! build {
        ($builder:ty, $key:ty, $variables:expr, $addresses:expr) => {{
            let key = |name: &str| name.to_ascii_lowercase().parse::<$key>();
            let mut settings = environment(&$variables, |name| key(name).is_ok());
            settings.extend_from_slice(options);
            let mut builder = <$builder>::new()
                .with_url(url)
                .with_retry(retry)
                .with_client_options(client);
            for (name, value) in &settings {
                let key =
                    key(name).map_err(|_| format!("there is no option `{name}` for this store"))?;
                let value = match $addresses.contains(&key) {
                    true => address(name, value)?,
                    false => sendable(name, value)?,
                };
                builder = builder.with_config(key, value);
            }
            let store = builder.build();
            Arc::new(store.map_err(|error| without_values(error.to_string(), &settings))?)
        }};
    }
    Ok(match scheme {
        ObjectStoreScheme::AmazonS3 => {
            use AmazonS3ConfigKey as Key;
            build!(
                AmazonS3Builder,
                Key,
                ["AWS_"],
                [
                    Key::Endpoint,
                    Key::S3Endpoint,
                    Key::StsEndpoint,
                    Key::MetadataEndpoint,
                    Key::ContainerCredentialsFullUri,
                ]
            )
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            use GoogleConfigKey as Key;
            build!(
                GoogleCloudStorageBuilder,
                Key,
                ["GOOGLE_", "SERVICE_ACCOUNT"],
                [Key::BaseUrl]
            )
        }
        ObjectStoreScheme::MicrosoftAzure => {
            use AzureConfigKey as Key;
            build!(
                MicrosoftAzureBuilder,
                Key,
                ["AZURE_", "IDENTITY_ENDPOINT"],
                [
                    Key::Endpoint,
                    Key::AuthorityHost,
                    Key::MsiEndpoint,
                    Key::FabricTokenServiceUrl,
                ]
            )
        }
        _ => return Err(NO_STORE.into()),
    })
}

/// The settings among the variables of these names, or that begin with one, where it ends with `_`.
/// An empty one is as good as none.
fn environment(names: &[&str], is_setting: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let variables = std::env::vars_os();
    let text = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let is_ours = |variable: &str| {
        names.iter().any(|name| match name.ends_with('_') {
            true => variable.starts_with(name),
            false => variable == *name,
        })
    };
    text.filter(|(name, value)| is_ours(name) && is_setting(name) && !value.is_empty())
        .collect()
}

/// A value as requests can carry it: they panic at control characters. The texts of keys and
/// certificates have lines, and are not sent.
fn sendable(name: &str, value: &str) -> Result<String, String> {
    let ends = |end| name.to_ascii_lowercase().ends_with(end);
    let has_lines = ends("service_account_key") || ends("ca_certificate");
    match !has_lines && value.contains(char::is_control) {
        true => Err(format!(
            "the value of `{name}` holds a control character, such as a newline at its end"
        )),
        false => Ok(value.to_owned()),
    }
}

/// The address of a server as requests can take it: they panic at one that is none.
fn address(name: &str, text: &str) -> Result<String, String> {
    match Url::parse(text) {
        Ok(url) if url.has_host() => Ok(url.as_str().trim_end_matches('/').to_owned()),
        _ => Err(format!(
            "the value of `{name}` is no address of a server, such as https://host:port"
        )),
    }
}

/// What a builder says, with the names of settings in the place of their values.
fn without_values(mut text: String, settings: &[(String, String)]) -> String {
    /// A shorter value is no secret, and may be part of a word.
    const LONG: usize = 8;
    for (name, value) in settings {
        let name = format!("`{name}`");
        text = text.replace(&format!("\"{value}\""), &name);
        if value.len() >= LONG {
            text = text.replace(value, &name);
        }
    }
    without_queries(&text)
}

fn because(error: &object_store::Error) -> StoreError {
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
fn is_conflict(answer: &str) -> bool {
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

fn bucket_is_missing(answer: &str) -> bool {
    [
        "NoSuchBucket",
        "ContainerNotFound",
        "The specified bucket does not exist",
    ]
    .iter()
    .any(|sign| answer.contains(sign))
}

/// A text without the queries of the URLs in it: some hold signatures.
fn without_queries(text: &str) -> String {
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

    #[test]
    fn a_url_is_a_store_and_a_prefix() {
        let options = [("region".to_owned(), "eu-west-1".to_owned())];
        let prefix = ObjectChunkStore::open("s3://bucket/some/prefix", &options).unwrap();
        assert_eq!(prefix.key(3), "some/prefix/3.json");
        assert_eq!(prefix.to_string(), "s3://bucket/some/prefix");
        let error = ObjectChunkStore::open("s3://bucket", &[("colour".into(), "red".into())]);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("`colour`") && !error.contains("red"),
            "{error}"
        );
        assert!(ObjectChunkStore::open("ftp://x/y", &[]).is_err());
    }

    #[test]
    fn what_no_request_can_carry_is_refused_by_its_name() {
        for (url, name, value) in [
            ("s3://b", "endpoint", "http://id:key@[x"),
            ("s3://b", "aws_endpoint_url_s3", "hidden"),
            ("s3://b", "endpoint_url_sts", "https://hidden:99999"),
            ("s3://b", "access_key_id", "hidden\n"),
            ("s3://b", "allow_http", "hidden"),
            ("az://c", "msi_endpoint", "hidden"),
            ("gs://b", "bearer_token", "hid\0den"),
            ("gs://b", "service_account", "{\n hidden"),
            ("gs://b", "google_service_account", "/hidden/path"),
        ] {
            let options = [(name.to_owned(), value.to_owned())];
            let error = ObjectChunkStore::open(url, &options).unwrap_err();
            let error = error.to_string();
            let end = name.trim_start_matches("google_");
            let end = end.trim_start_matches("aws_");
            assert!(error.contains(end), "{name}: {error}");
            assert!(!error.contains("hid") && !error.contains("id:"), "{error}");
        }
    }

    #[test]
    fn a_key_may_have_lines() {
        let key = r#"{"private_key": "-----BEGIN PRIVATE KEY-----\n", "client_email": "a",
            "private_key_id": "1"}"#;
        let options = [("service_account_key".to_owned(), key.to_owned())];
        let error = ObjectChunkStore::open("gs://b", &options).unwrap_err();
        assert!(!error.to_string().contains("control"), "{error}");
    }
}
