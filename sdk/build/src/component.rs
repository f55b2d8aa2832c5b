//! From a compiled module to a component that imports nothing but the contract. It must not know cargo.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::Resolve;

const CONTRACT: &str = include_str!("../../wit/cutwater.wit");
const OURS: &str = "cutwater:plugin/";

/// Why a module is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// It could not be encoded as a component.
    #[error("it is no component: {0}")]
    Encoding(String),
    /// It imports something else.
    #[error("it imports {}, which the contract does not have; a plugin reaches the host only through the SDK", .0.join(", "))]
    Foreign(Vec<String>),
    /// It lacks an export.
    #[error("it does not export {0}; `plugin!` does that")]
    Lacks(String),
    /// It has the names of the contract, but not its types.
    #[error("it does not fit the contract: {0}")]
    Misfit(String),
}

/// A component that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The interfaces that it imports, sorted: all that it can ever do.
    pub imports: Vec<String>,
    /// Whether it has holds.
    pub holds: bool,
    /// Whether the file was written; it is not where it held this component already.
    pub written: bool,
}

/// An encoded component.
#[derive(Debug)]
pub struct Component {
    bytes: Vec<u8>,
    imports: Vec<String>,
    holds: bool,
}

/// Encodes and validates the component, and holds it against the contract.
pub fn encode(module: &[u8]) -> Result<Component, Invalid> {
    let invalid = |error: &dyn std::fmt::Display| Invalid::Encoding(format!("{error:#}"));
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(module).map_err(|e| invalid(&e))?;
    let bytes = encoder.encode().map_err(|e| invalid(&e))?;
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&bytes).map_err(|e| invalid(&e))?
    else {
        return Err(Invalid::Encoding("it is a package of types".into()));
    };
    let world = &resolve.worlds[world];
    let imports: Vec<String> = world.imports.iter().map(|(key, _)| resolve.name_world_key(key)).collect();
    let exports: Vec<String> = world.exports.iter().map(|(key, _)| resolve.name_world_key(key)).collect();
    let foreign: Vec<String> = imports.iter().filter(|name| !name.starts_with(OURS)).cloned().collect();
    if !foreign.is_empty() {
        return Err(Invalid::Foreign(foreign));
    }
    let has = |what: &str| exports.iter().any(|name| name.starts_with(&format!("{OURS}{what}@")));
    for needed in ["plugin", "step"] {
        if !has(needed) {
            return Err(Invalid::Lacks(format!("{OURS}{needed}")));
        }
    }
    let holds = has("hold");
    fits(&bytes, if holds { "holds" } else { "steps" })?;
    let powers = imports.into_iter().filter(|name| !name.starts_with("cutwater:plugin/types@"));
    let imports = BTreeSet::from_iter(powers).into_iter().collect();
    Ok(Component { bytes, imports, holds })
}

fn fits(component: &[u8], world: &str) -> Result<(), Invalid> {
    let misfit = |error: &dyn std::fmt::Display| Invalid::Misfit(format!("{error:#}"));
    let mut resolve = Resolve::default();
    let package = resolve.push_str("cutwater.wit", CONTRACT).map_err(|e| misfit(&e))?;
    let world = resolve.select_world(&[package], Some(world)).map_err(|e| misfit(&e))?;
    wit_component::targets(&resolve, world, component, true).map_err(|e| misfit(&e))
}

impl Component {
    /// Writes it, unless the file holds just this.
    pub fn write(self, out: &Path) -> std::io::Result<Built> {
        let written = std::fs::read(out).ok().as_deref() != Some(self.bytes.as_slice());
        if written {
            if let Some(folder) = out.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(out, &self.bytes)?;
        }
        let bytes = self.bytes.len() as u64;
        Ok(Built { path: out.to_owned(), bytes, imports: self.imports, holds: self.holds, written })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_no_plugin_is_refused() {
        let empty = b"\0asm\x01\0\0\0";
        let error = encode(empty).unwrap_err().to_string();
        assert!(error.contains("does not export cutwater:plugin/plugin"), "{error}");
        assert!(encode(b"not wasm").is_err());
    }

    #[test]
    fn an_import_that_is_not_in_the_contract_is_refused() {
        // (module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))
        let mut module = b"\0asm\x01\0\0\0\x01\x05\x01\x60\x01\x7f\x00\x02\x24\x01\x16".to_vec();
        module.extend(b"wasi_snapshot_preview1\x09proc_exit\0\0");
        let error = encode(&module).unwrap_err().to_string();
        assert!(error.contains("wasi_snapshot_preview1"), "{error}");
    }
}
