//! Services: the verbs of systemctl, and the files that fence a service. It must not know how a service is started.

use super::program::not_granted;
use super::{Denied, Rules, any};

const VERBS: &[&str] = &[
    "start",
    "stop",
    "restart",
    "try-restart",
    "reload",
    "reset-failed",
    "enable",
    "disable",
    "mask",
    "unmask",
];
const FLAGS: &[&str] =
    &["--no-block", "--quiet", "-q", "--no-pager", "--no-ask-password", "--runtime", "--now"];

impl Rules {
    /// A changing call of systemctl: each unit must be granted; `daemon-reload` goes with any granted unit.
    pub(super) fn systemctl(&self, args: &[String], what: &str) -> Result<(), Denied> {
        let unclear = |why: String| Denied::Unclear { what: what.to_owned(), why };
        if let Some(flag) = args.iter().find(|arg| arg.starts_with('-') && !FLAGS.contains(&arg.as_str())) {
            return Err(unclear(format!("the host does not know the option `{flag}` of `systemctl`")));
        }
        let mut words = args.iter().map(String::as_str).filter(|arg| !arg.starts_with('-'));
        let verb = words.next().unwrap_or_default();
        let units: Vec<_> = words.collect();
        if verb == "daemon-reload" && units.is_empty() {
            return if self.grants.units.is_empty() {
                Err(not_granted(what, "units", "UNIT"))
            } else {
                Ok(())
            };
        }
        if !VERBS.contains(&verb) {
            return Err(unclear(format!("the host does not know the verb `{verb}` of `systemctl`")));
        }
        if units.is_empty() {
            return Err(unclear("no unit is named".into()));
        }
        units.iter().try_for_each(|unit| self.unit(unit, what))
    }

    /// Whether the unit is granted, with or without its `.service`.
    ///
    /// # Errors
    /// What would have to be granted.
    pub fn unit(&self, unit: &str, what: &str) -> Result<(), Denied> {
        let bare = unit.strip_suffix(".service").unwrap_or(unit);
        let granted = |name: &str| any(&self.grants.units, name);
        if granted(unit) || granted(bare) || granted(&format!("{bare}.service")) {
            Ok(())
        } else {
            Err(not_granted(what, "units", unit))
        }
    }

    /// Whether the path is one of the files that fence a granted service: its drop-in, its admission, its declared file.
    pub(super) fn fences(&self, path: &str) -> bool {
        let of_unit = |unit: &str| self.unit(unit, "").is_ok();
        let dropin = path
            .strip_prefix("/etc/systemd/system/")
            .and_then(|rest| rest.strip_suffix(".d/cutwater.conf"))
            .is_some_and(|unit| !unit.contains('/') && of_unit(unit));
        let admitted = path
            .strip_prefix("/run/cutwater/admitted/")
            .is_some_and(|unit| !unit.contains('/') && !unit.is_empty() && of_unit(unit));
        let declared = self.policy.services.iter().any(|(name, service)| {
            service.fence_file.as_deref() == Some(path) && any(&self.grants.units, name)
        });
        dropin || admitted || declared
    }
}
