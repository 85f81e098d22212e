//! Object stores: S3, Google Cloud Storage, Azure Blob Storage.

mod answers;
mod settings;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutMode};
use url::Url;

use self::answers::{because, bucket_is_missing, is_conflict};
use self::settings::build;
use super::{ChunkPrefix, ChunkStore, Put, Request, Retry, StoreError};
use crate::error::{Error, Result};
use crate::fork::generation;
use crate::protocol::bootstrap::without_secrets;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
