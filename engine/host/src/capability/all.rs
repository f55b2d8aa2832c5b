//! Every capability in one linker. It must not know what any of them does.

use crate::state::CallState;
use wasmtime::component::Linker;

/// Adds every capability; a component that does not import one does not have it.
///
/// # Errors
/// Two of them under one name: a defect.
pub fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    super::log::link::add(linker)?;
    super::progress::link::add(linker)?;
    super::gauge::link::add(linker)?;
    super::checkpoint::link::add(linker)?;
    super::clock::link::add(linker)?;
    super::random::link::add(linker)?;
    super::machine::link::add(linker)?;
    super::run::link::add(linker)?;
    super::connect::link::add(linker)?;
    super::file::link::add(linker)?;
    super::freeze::link::add(linker)?;
    super::block::link::add(linker)?;
    super::secret::link::add(linker)?;
    Ok(())
}
