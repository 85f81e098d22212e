//! The context, from where its params lead.

use crate::error::{Error, Result};
use crate::protocol::bootstrap::{ContextParams, StoreParams};
use crate::protocol::context::ContextData;

/// The context its params lead to, of at most `max_bytes`, for which
/// [`MAX_CONTEXT_BYTES`](crate::protocol::context::MAX_CONTEXT_BYTES) is the usual limit. `name` is
/// what held the params, for errors.
///
/// # Errors
/// [`Error::Context`] where it can't be read or is no context, [`Error::Limit`]; [`Error::Store`]
/// where it lies in an object store that can't be used as it is asked for, or this build has none.
pub fn load_context(params: &ContextParams, name: &str, max_bytes: u64) -> Result<ContextData> {
    match params {
        ContextParams::Path(path) => ContextData::read(path, max_bytes),
        ContextParams::Store(store) => from_store(store, max_bytes),
        ContextParams::Data(data) => {
            ContextData::from_value(data.clone()).map_err(|reason| Error::Context {
                location: name.to_owned(),
                reason,
            })
        }
    }
}

#[cfg(feature = "object-store")]
fn from_store(params: &StoreParams, max_bytes: u64) -> Result<ContextData> {
    use crate::channel::chunks::{ChunkPrefix, Retry, once};

    let object = ChunkPrefix::open(params)?;
    let location = object.to_string();
    let fail = |reason: String| Error::Context {
        location: location.clone(),
        reason,
    };
    match once::get(&*object.store, &object.prefix, max_bytes, once::PATIENCE) {
        Ok(Some(json)) => ContextData::parse(&json).map_err(fail),
        Ok(None) => Err(fail("there is no such object".into())),
        Err(error) if error.retry == Retry::Never => Err(Error::Limit {
            what: format!("the Pipes context in {location}"),
            limit: max_bytes,
            option: "max_context_bytes",
        }),
        Err(error) => Err(fail(error.reason)),
    }
}

#[cfg(not(feature = "object-store"))]
fn from_store(params: &StoreParams, _max_bytes: u64) -> Result<ContextData> {
    Err(Error::no_object_stores(params))
}
