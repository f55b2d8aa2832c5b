//! Opening the journal for a run. It must not read it.

use crate::exit::Failure;
use crate::paths::Paths;
use cutwater_store::Store;
use std::sync::Arc;

/// The journal, made where it is missing.
pub fn open(paths: &Paths) -> Result<Arc<Store>, Failure> {
    Ok(Arc::new(Store::open(&paths.journal())?))
}
