//! `lvm.snapshot-usable`: whether a snapshot has kept everything so far. It must not know who needs it.
//!
//! Extending a snapshot that has overflowed answers well and changes nothing, so this is asked again after any extension.

use crate::{mergeable, name, report};
use cutwater_sdk::{Check, Context, Deserialize, JsonSchema, Maybe, Needs, Refusal, Serialize};

/// Looks at a snapshot.
pub struct Usable;

/// Which.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// GROUP/VOLUME, as `lvm.snapshot` gives it as `id`.
    pub volume: Maybe<String>,
    /// Whether it must also be such that `lvm.merge` would begin at once: nobody has it or its origin open.
    #[serde(default)]
    pub to_merge: bool,
}

/// How full it is.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// How much of its store is used, in per cent; none while it is not active.
    #[schemars(extend("x-estimate" = true))]
    pub percent: Option<f64>,
}

impl Check for Usable {
    const NAME: &'static str = "snapshot-usable";
    const SUMMARY: &'static str = "Whether a snapshot has not overflowed, and how full it is.";
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().run(&["lvs"])
    }

    fn run(ctx: &Context<'_>, input: &Input) -> Result<Output, Refusal> {
        let volume = input.volume.known()?;
        let (group, wanted) = name::pair(volume)?;
        let all = report::hidden_too(ctx, group)?;
        let found = report::find(&all, group, wanted)?;
        if found.invalid {
            let message = format!("the snapshot `{volume}` overflowed; take a larger one and copy anew");
            return Err(Refusal::new("snapshot-overflowed", message));
        }
        if !found.is_snapshot() {
            return Err(Refusal::new("not-a-snapshot", format!("`{volume}` is no snapshot")));
        }
        if input.to_merge {
            mergeable::check(ctx, group, found, &all)?;
        }
        Ok(Output { percent: found.percent })
    }

    /// A snapshot that is taken later in the plan is not there yet.
    fn preview(ctx: &Context<'_>, input: &Input) -> Result<cutwater_sdk::Shown<Output>, Refusal> {
        match Self::run(ctx, input) {
            Ok(output) => Ok(cutwater_sdk::Shown::new([]).output(output)),
            Err(refusal)
                if matches!(refusal.code.as_str(), "no-such-volume" | cutwater_sdk::NOT_KNOWN_YET) =>
            {
                Ok(cutwater_sdk::Shown::new([]))
            }
            Err(refusal) => Err(refusal),
        }
    }
}
