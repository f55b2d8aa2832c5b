//! How a copy was left, as it travels from step to step. It must not know how it is checked.

use cutwater_sdk::host::Base as HostBase;
use cutwater_sdk::{Context, Deserialize, Failure, Fault, Host, JsonSchema, Refusal, Serialize, Stop};

/// How a target was left: nobody but `block.*` has written to it while this holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Base {
    /// Identity of the target.
    pub to: String,
    /// The boot in which the sectors were counted.
    pub boot: String,
    /// Sectors written to it in that boot.
    pub written: u64,
}

impl From<HostBase> for Base {
    fn from(HostBase { to, boot, written }: HostBase) -> Self {
        Self { to, boot, written }
    }
}

impl From<Base> for HostBase {
    fn from(Base { to, boot, written }: Base) -> Self {
        Self { to, boot, written }
    }
}

/// Whether nobody has written to the target since.
pub fn as_left(ctx: &Context<'_>, to: &str, base: &Base) -> Result<bool, Fault> {
    let now = ctx.host().facts(to)?;
    Ok((&now.identity, &now.boot, now.written) == (&base.to, &base.boot, base.written))
}

/// The faults by which the data path refuses before it has written a byte.
const UNTOUCHED: [&str; 12] = [
    "missing",
    "busy",
    "carries-data",
    "other-device",
    "too-small",
    "base-moved",
    "overflowed",
    "corrupt",
    "foreign-store",
    "invalid",
    "denied",
    "differs",
];

/// Makes the answer of a fault of the data path. `left` says what is on the target where earlier parts were written.
pub fn stop(fault: Fault, left: Option<&str>) -> Stop {
    let busy = fault.code == "busy";
    match (left, UNTOUCHED.contains(&fault.code.as_str())) {
        (None, true) if busy => Refusal::from(fault).again().into(),
        (None, true) => Refusal::from(fault).into(),
        (Some(left), true) => Failure::new(fault.code, fault.message, left).into(),
        (left, false) if matches!(fault.code.as_str(), "io" | "origin-busy") => {
            Failure::new(fault.code, fault.message, left.unwrap_or("the target, written in part")).into()
        }
        (_, false) => fault.into(),
    }
}
