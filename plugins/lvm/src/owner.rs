//! Whose a group is, read straight off the devices that it is known to lie on, and by which command it was changed last. It
//! must not know what is done about it.

use crate::metadata_check::{self, Devices};
use crate::{name, report};
use cutwater_lvm2::Group;
use cutwater_lvm2::survey::{self, Found};
use cutwater_sdk::{Command, Context, Device, Host, Refusal, serde_json};

/// A group and the devices that alone are looked at, and that LVM alone is shown.
pub struct Place<'a> {
    /// The group.
    pub vg: &'a str,
    devices: &'a [Device],
}

impl<'a> Place<'a> {
    /// Takes names that LVM takes, and nothing that could mean more.
    ///
    /// # Errors
    /// `invalid-name`, `invalid-input`.
    pub fn new(vg: &'a str, devices: &'a [Device]) -> Result<Self, Refusal> {
        let plain = |device: &Device| device.0.starts_with("/dev/") && !device.0.contains([',', ' ']);
        match devices.iter().find(|device| !plain(device)) {
            _ if devices.is_empty() => Err(Refusal::new("invalid-input", "`devices` is empty")),
            Some(device) => Err(Refusal::new("invalid-input", format!("`{device}` is no device's path"))),
            None => Ok(Self { vg: name::plain(vg)?, devices }),
        }
    }

    /// A line of LVM that sees these devices and no others, about this object.
    pub fn line(&self, command: Command, object: &str) -> Command {
        command.arg("--devices").arg(self.listed()).arg(object)
    }

    fn listed(&self) -> String {
        self.devices.iter().map(|device| device.0.as_str()).collect::<Vec<_>>().join(",")
    }

    /// The group, as its newest metadata has it.
    ///
    /// # Errors
    /// `unreadable`, `missing`, `several-groups`.
    pub fn group(&self, ctx: &Context<'_>) -> Result<Group, Refusal> {
        self.found(ctx).map(|found| found.group)
    }

    /// The group, where nothing stands against it.
    ///
    /// # Errors
    /// As well what `lvm.metadata-check` answers: `exported`, `in-transition`, `stale`, `missing`, `split`.
    pub fn sound(&self, ctx: &Context<'_>) -> Result<Group, Refusal> {
        let found = self.found(ctx)?;
        let Some(worst) = found.doubts.iter().map(metadata_check::answer_to).max() else {
            return Ok(found.group);
        };
        let words = found.doubts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let code = serde_json::to_value(worst).ok().and_then(|word| word.as_str().map(str::to_owned));
        let message = format!("`{}` cannot be used as it is: {words}", self.vg);
        Err(Refusal::new(code.unwrap_or_default(), message))
    }

    fn found(&self, ctx: &Context<'_>) -> Result<Found, Refusal> {
        let (mut reader, mut carried) = (Devices(ctx), Vec::new());
        for device in self.devices {
            let copy = survey::carried(&mut reader, &device.0)
                .map_err(|why| Refusal::new("unreadable", format!("{device}: {why}")))?;
            carried.extend(copy);
        }
        survey::once_each(&mut carried);
        let mut groups = survey::groups(&carried).into_iter().filter(|found| found.group.name == self.vg);
        match (groups.next(), groups.next()) {
            (Some(found), None) => Ok(found),
            (None, _) => {
                Err(Refusal::new("missing", format!("`{}` is on none of {}", self.vg, self.listed())))
            }
            (Some(one), Some(other)) => {
                let message = format!(
                    "two groups are called `{}`: {} and {}",
                    self.vg, one.group.uuid, other.group.uuid
                );
                Err(Refusal::new("several-groups", message))
            }
        }
    }

    /// Its volumes, and which of them are active on this host, whosever the group is.
    ///
    /// # Errors
    /// `lvm`, with its own words.
    pub fn volumes(&self, ctx: &Context<'_>) -> Result<Vec<report::Volume>, Refusal> {
        report::volumes_by(ctx, &["--foreign", "--devices", &self.listed()], self.vg)
    }
}

/// This host's own system ID.
///
/// # Errors
/// `no-system-id`: it has none.
pub fn own_id(ctx: &Context<'_>) -> Result<String, Refusal> {
    let told = ctx.host().run(&Command::reading("lvm").arg("systemid"))?;
    match told.text().trim().strip_prefix("system ID:").map(str::trim) {
        Some(id) if told.success() && !id.is_empty() => Ok(system_id(id)?.to_owned()),
        Some("") => {
            let message = "this host has no system ID, so no group can be its own; set `global/system_id_source` in lvm.conf";
            Err(Refusal::new("no-system-id", message))
        }
        _ => Err(Refusal::new("lvm", told.words())),
    }
}

/// Takes a system ID that LVM would take.
///
/// # Errors
/// `invalid-input`.
pub fn system_id(id: &str) -> Result<&str, Refusal> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_.+-:/".contains(c);
    match !id.is_empty() && id.chars().all(legal) && !id.starts_with('-') {
        true => Ok(id),
        false => Err(Refusal::new("invalid-input", format!("`{id}` is no system ID"))),
    }
}
