//! From settings to the client of a provider.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

use super::NO_STORE;
use super::answers::without_queries;

/// How long one request may take, its answer included.
const REQUEST: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);

/// The client of a store: its settings are the options and, where these are silent, variables of the
/// environment.
///
/// # Errors
/// In words, without values.
pub(super) fn build(
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
                ["SERVICE_ACCOUNT", "GOOGLE_"],
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

/// The settings among the variables of these names, or that begin with one, where it ends with `_`:
/// of one that is there under two names the last counts. An empty one is as good as none.
fn environment(names: &[&str], is_setting: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let variables = std::env::vars_os();
    let text = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut settings: Vec<_> = text
        .filter(|(name, value)| is_setting(name) && !value.is_empty())
        .collect();
    settings.sort();
    let of = |name: &str| {
        let is_it = |variable: &str| match name.ends_with('_') {
            true => variable.starts_with(name),
            false => variable == name,
        };
        let found = settings.iter().filter(|(variable, _)| is_it(variable));
        found.cloned().collect::<Vec<_>>()
    };
    names.iter().flat_map(|name| of(name)).collect()
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

#[cfg(test)]
mod tests {
    use super::super::ObjectChunkStore;

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
