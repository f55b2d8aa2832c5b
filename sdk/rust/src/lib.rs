//! Write a Cutwater plugin: a step is a type with an input and an output. The same code runs natively against a fake
//! host, for tests, and in the sandbox, over the imports of `sdk/wit`. It must not know the engine.

extern crate self as cutwater_sdk;

mod answer;
pub mod call;
mod context;
pub mod describe;
mod effect;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
#[cfg(target_arch = "wasm32")]
pub mod guest;
pub mod held;
mod hold;
pub mod host;
mod maybe;
mod partial;
mod plugin;
pub mod schema;
pub mod service;
mod step;
pub mod unit;

pub use answer::{Answer, Done, Exit, Failure, Fault, Probed, Refusal, Stop, Story};
pub use context::{Context, Watched};
pub use effect::{Effect, Estimate, Shown};
pub use hold::{Ending, GiveBack, Hold, Take};
pub use host::{Command, Finished, Host, Level, Stream};
pub use maybe::{After, Maybe, NOT_KNOWN_YET, NotYet};
pub use partial::Partial;
pub use plugin::{Plugin, no_such_action};
pub use step::{Action, Check, Consistency, Needs, Undo};
pub use unit::{Bytes, Device, Duration, Path, Rate};

pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize, Serialize};
pub use serde_json::{self, Value, json};
