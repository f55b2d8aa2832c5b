//! The side of a plugin that exists only inside the sandbox: generated bindings, the host over imports, and the
//! exports. It must not know single steps.

mod convert;
mod exports;
mod imports;
mod panic;
#[cfg(feature = "random")]
mod random;

pub use exports::Component;
pub use imports::Imports;
pub use wit_bindgen::rt;

/// What every plugin imports and exports.
pub mod steps {
    wit_bindgen::generate!({
        path: "../wit",
        world: "steps",
        pub_export_macro: true,
        runtime_path: "::cutwater_sdk::guest::rt",
        generate_all,
    });
}

/// What plugins with holds export besides.
pub mod holding {
    wit_bindgen::generate!({
        path: "../wit",
        world: "holding",
        pub_export_macro: true,
        runtime_path: "::cutwater_sdk::guest::rt",
        with: { "cutwater:plugin/types@0.1.0": crate::guest::steps::cutwater::plugin::types },
    });
}
