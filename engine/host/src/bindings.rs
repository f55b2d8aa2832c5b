//! The host's side of `sdk/wit`, generated. It must not know how a capability does its work.

wasmtime::component::bindgen!({
    path: "../../sdk/wit",
    world: "holds",
    imports: { default: trappable },
    with: {
        "cutwater:plugin/run.child": crate::capability::run::child::Child,
        "cutwater:plugin/connect.stream": crate::capability::connect::stream::Stream,
    },
});

/// The version of the contract that this host speaks.
pub const CONTRACT: &str = "0.1.0";

/// The contract itself, for checks of a plugin against it.
pub const WIT: &str = include_str!("../../../sdk/wit/cutwater.wit");

pub use cutwater::plugin::types;
pub use exports::cutwater::plugin::{hold, plugin, step};

impl From<crate::fault::Fault> for types::Fault {
    fn from(fault: crate::fault::Fault) -> Self {
        Self { code: fault.code.to_owned(), message: fault.message }
    }
}
