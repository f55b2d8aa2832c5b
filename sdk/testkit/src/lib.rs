//! The conformance run for plugins: each step of a plugin is done, repeated, taken back, and killed at every call of a
//! capability, in a world that the plugin's author makes and looks at by scripts. It must not know the engine: plugins are
//! reached through [`Host`].

mod cases;
mod host;
mod report;
mod trial;
mod world;

pub use cases::{Case, Cases, CasesFault, Finds, Foreign, Said};
pub use host::{About, Answer, Ask, Ended, Heard, Host, Kind, Prepared, Probed, Refusal, Story, Verb};
pub use report::{Broken, Report, Trial};
pub use trial::run;
pub use world::scratch;
