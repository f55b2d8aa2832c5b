//! Why a host call did not do what a plugin asked: the contract's codes as constructors. It must not know which
//! capability it comes from, nor WebAssembly.

use std::fmt;

/// What a plugin is told: a stable code and words. Mirrors `types.fault` in sdk/wit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// `denied`, `stopping`, `missing`, `timed-out`, `lost`, `invalid` or `io`.
    pub code: &'static str,
    /// Lower-case words, with the cause.
    pub message: String,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $code:literal;)*) => {
        impl Fault {
            $($(#[$doc])*
            pub fn $name(message: impl Into<String>) -> Self {
                Self { code: $code, message: message.into() }
            })*
        }
    };
}

kinds! {
    /// No grant, or not in the plan.
    denied => "denied";
    /// No such program, file, device, secret, user.
    missing => "missing";
    /// Nothing came in time.
    timed_out => "timed-out";
    /// What happened is not known: the plugin answers `unknown`.
    lost => "lost";
    /// The call itself is wrong.
    invalid => "invalid";
}

impl Fault {
    /// The call is told to stop: checkpoint and answer within the grace time.
    pub fn stopping() -> Self {
        Self { code: "stopping", message: "this call is told to stop".into() }
    }

    /// The system refused `what`.
    pub fn io(what: impl fmt::Display, error: impl Into<std::io::Error>) -> Self {
        let error = error.into();
        let code = if error.kind() == std::io::ErrorKind::NotFound { "missing" } else { "io" };
        Self { code, message: format!("{what}: {error}") }
    }
}
