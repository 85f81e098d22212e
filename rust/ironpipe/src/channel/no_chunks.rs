//! What is said of chunks by a build that has none.

use std::path::Path;

use super::MessageChannel;
use crate::error::{Error, Result};
use crate::protocol::bootstrap::StoreParams;

pub(super) fn in_directory(path: &Path) -> Result<Box<dyn MessageChannel>> {
    Err(Error::Store {
        location: path.display().to_string(),
        reason: "this is a directory, which takes messages in chunks, and this build writes none; \
                 the feature `chunks` of ironpipe does"
            .into(),
    })
}

pub(super) fn in_store(store: &StoreParams) -> Result<Box<dyn MessageChannel>> {
    Err(Error::no_object_stores(store))
}
