//! A fault as a person types it: `killed-after@intended:stop`, `lost-after@apply:copy#2`. It must not know what strikes.

use super::{Fault, Point, Strike, What};
use cutwater_core::names::StepName;
use std::str::FromStr;

/// The strikes by name.
const STRIKES: [(&str, Strike); 24] = [
    ("refused", Strike::Refused { again: false }),
    ("refused-again", Strike::Refused { again: true }),
    ("part-way", Strike::PartWay { again: false }),
    ("part-way-again", Strike::PartWay { again: true }),
    ("lost-before", Strike::LostBefore),
    ("lost-part-way", Strike::LostPartWay),
    ("lost-after", Strike::LostAfter),
    ("twice", Strike::Twice),
    ("hangs", Strike::Hangs),
    ("endless", Strike::Endless),
    ("cannot-tell", Strike::CannotTell),
    ("still-running", Strike::StillRunning),
    ("broken", Strike::Broken),
    ("drifted", Strike::Drifted),
    ("silence", Strike::Silence),
    ("guard-dies", Strike::GuardDies),
    ("guard-acts", Strike::GuardActs),
    ("killed-before", Strike::KilledBefore),
    ("killed-after", Strike::KilledAfter),
    ("not-written", Strike::NotWritten),
    ("repeated", Strike::Repeated),
    ("not-synced", Strike::NotSynced),
    ("claimed", Strike::Claimed),
    ("late", Strike::Late),
];

/// The calls by name.
const CALLS: [(&str, What); 11] = [
    ("apply", What::Apply),
    ("probe", What::Probe),
    ("undo", What::Undo),
    ("release", What::Release),
    ("intact", What::Intact),
    ("preview", What::Preview),
    ("ask", What::Ask),
    ("arm", What::Arm),
    ("cover", What::Cover),
    ("lock", What::Lock),
    ("change", What::Change),
];

/// What was typed is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{typed}` is no fault: {why}")]
pub struct NoFault {
    typed: String,
    why: String,
}

impl FromStr for Fault {
    type Err = NoFault;

    /// `STRIKE@WHAT[:STEP][#N]`: WHAT is a call (`apply`) or the name of the first event of an append (`intended`), N the
    /// how many-th time, 1 if absent.
    fn from_str(typed: &str) -> Result<Self, NoFault> {
        let no = |why: String| NoFault { typed: typed.to_owned(), why };
        let (strike, place) =
            typed.split_once('@').ok_or_else(|| no("it must be STRIKE@WHAT[:STEP][#N]".into()))?;
        let strike = STRIKES
            .iter()
            .find(|(name, _)| *name == strike)
            .ok_or_else(|| no(format!("the strikes are {}", STRIKES.map(|(name, _)| name).join(", "))))?;
        let (place, nth) = match place.split_once('#') {
            None => (place, 1),
            Some((place, nth)) => {
                let nth = nth.parse().ok().filter(|nth| *nth > 0);
                (place, nth.ok_or_else(|| no("#N is a number from 1".into()))?)
            }
        };
        let (what, step) = match place.split_once(':') {
            None => (place, None),
            Some((what, step)) => (what, Some(StepName::from(step))),
        };
        let call = CALLS.iter().find(|(name, _)| *name == what).map(|(_, what)| *what);
        let append =
            || super::point::APPENDS.iter().find(|name| **name == what).map(|name| What::Append(name));
        let what = call.or_else(append).ok_or_else(|| {
            let calls = CALLS.map(|(name, _)| name).join(", ");
            no(format!("WHAT is {calls}, or one of the events {}", super::point::APPENDS.join(", ")))
        })?;
        Ok(Self::once(Point { what, step, nth }, strike.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_with_step_and_count_or_without() {
        let at = |what, step: Option<&str>, nth| Point { what, step: step.map(StepName::from), nth };
        let killed: Fault = "killed-after@intended-undo:stop#2".parse().unwrap();
        assert_eq!(
            killed,
            Fault::once(at(What::Append("intended-undo"), Some("stop"), 2), Strike::KilledAfter)
        );
        let lost: Fault = "lost-after@apply:copy".parse().unwrap();
        assert_eq!(lost, Fault::once(at(What::Apply, Some("copy"), 1), Strike::LostAfter));
        let ended: Fault = "killed-before@ended".parse().unwrap();
        assert_eq!(ended, Fault::once(at(What::Append("ended"), None, 1), Strike::KilledBefore));
    }

    #[test]
    fn what_is_no_fault_is_told_with_what_there_is() {
        for (typed, words) in [
            ("refused", "STRIKE@WHAT"),
            ("slapped@apply:copy", "lost-after"),
            ("refused@aply:copy", "intended-undo"),
            ("refused@apply:copy#0", "from 1"),
        ] {
            let error = typed.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
