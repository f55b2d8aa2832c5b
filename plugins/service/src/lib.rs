//! The plugin `service`: stops, starts and fences services of the machine. It must not know databases.

mod fence;
mod start;
mod status;
mod stop;
mod unfence;

pub use fence::Fence;
pub use start::Start;
pub use status::Status;
pub use stop::Stop;
pub use unfence::Unfence;

use cutwater_sdk::{Deserialize, JsonSchema, Needs};

cutwater_sdk::plugin! {
    name: "service",
    summary: "Services of the machine: stopped, started, and barred from starting by themselves.",
    checks: [Status],
    actions: [Fence, Unfence, Stop, Start],
}

/// What every step here takes.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Input {
    /// The service: a unit of systemd, or a name that the host's policy declares.
    pub unit: String,
}

fn needs() -> Needs {
    Needs::default().units(&["with:/unit"])
}
