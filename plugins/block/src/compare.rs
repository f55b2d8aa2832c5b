//! `block.compare`: whether a copy is equal to its source. It must not know how it came about.

use crate::base::{Base, stop};
use crate::resync::store_of;
use cutwater_sdk::host::CompareRequest;
use cutwater_sdk::{
    Bytes, Check, Context, Deserialize, Device, Host, JsonSchema, Maybe, Needs, Refusal, Serialize, Shown,
    Stop, json,
};

/// Compares two devices.
pub struct Compare;

/// Which.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde", rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Input {
    /// One device.
    pub a: Maybe<Device>,
    /// The other; may be larger, and what lies beyond is not looked at.
    pub b: Maybe<Device>,
    /// Only what has changed since this snapshot (GROUP/VOLUME); all of it if absent.
    pub changed_since: Option<Maybe<String>>,
    /// How `b` was left: refused where it was written since.
    pub base: Option<Maybe<Base>>,
}

/// What was compared. A difference is a refusal, so there is no word of it here.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cutwater_sdk::serde")]
#[schemars(crate = "cutwater_sdk::schemars")]
pub struct Output {
    /// They are equal.
    pub equal: bool,
    /// How much was compared.
    pub bytes: Bytes,
}

impl Check for Compare {
    const NAME: &'static str = "compare";
    const SUMMARY: &'static str = "Whether two devices hold the same bytes.";
    type Input = Input;
    type Output = Output;

    fn needs() -> Needs {
        Needs::default().read(&["with:/a", "with:/b"])
    }

    fn run(ctx: &Context<'_>, input: &Input) -> Result<Output, Refusal> {
        let (a, b) = (&input.a.known()?.0, &input.b.known()?.0);
        let store = match &input.changed_since {
            Some(id) => Some(store_of(id.known()?)?),
            None => None,
        };
        let base = match &input.base {
            Some(base) => Some(base.known()?.clone().into()),
            None => None,
        };
        let request = CompareRequest { a: a.clone(), b: b.clone(), store, base, ..CompareRequest::default() };
        let found = ctx.host().compare(&request).map_err(|fault| match stop(fault, None) {
            Stop::Refused(refusal) => refusal,
            Stop::Fault(fault) => fault.into(),
            Stop::Failed(failure) => Refusal::new(failure.code, failure.message),
            Stop::Unknown(why) => Refusal::new("lost", why),
        })?;
        match (found.equal, found.first_difference, found.stopped) {
            (true, ..) => Ok(Output { equal: true, bytes: Bytes(found.bytes) }),
            (false, Some(at), _) => {
                let message = format!("{a} and {b} differ, first at byte {at}");
                Err(Refusal::new("differs", message).details(json!({ "first-difference": at })))
            }
            (false, None, _) => Err(Refusal::new("stopping", "the comparison was told to stop").again()),
        }
    }

    /// What is to be equal once a copy is made need not be so while planning.
    fn preview(_ctx: &Context<'_>, input: &Input) -> Result<Shown<Output>, Refusal> {
        if let Some(id) = input.changed_since.as_ref().and_then(Maybe::get) {
            store_of(id)?;
        }
        Ok(Shown::new([]))
    }
}
