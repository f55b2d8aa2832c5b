//! Whether a snapshot could be merged into its origin now, for `lvm.merge` and for whoever has to know before it is too late
//! to turn back. It must not merge.

use crate::report::Volume;
use crate::{name, report};
use cutwater_sdk::{Context, Refusal};

/// Refuses a snapshot that is not whole, or that LVM would not begin to merge at once.
///
/// While planning nobody is asked to have closed anything: that is what steps before it are for.
///
/// # Errors
/// `not-a-snapshot`, `thin-snapshot`, `merge-running`, `not-active`, `suspended`, `snapshot-overflowed`, `in-use`.
pub fn check(ctx: &Context<'_>, group: &str, snapshot: &Volume, all: &[Volume]) -> Result<(), Refusal> {
    let id = format!("{group}/{}", snapshot.name);
    if snapshot.attr.starts_with('V') {
        let message = format!(
            "`{id}` is a thin volume: once it is merged, other snapshots of its origin have none any more and can never be \
             merged; only classic snapshots are merged here"
        );
        return Err(Refusal::new("thin-snapshot", message));
    }
    let origin = match snapshot.origin.as_deref().filter(|_| snapshot.is_snapshot()) {
        Some(origin) => report::find(all, group, origin)?,
        None => return Err(Refusal::new("not-a-snapshot", format!("`{id}` is no snapshot"))),
    };
    let whole = format!("{group}/{}", origin.name);
    if origin.merging() || snapshot.merging() {
        let message =
            format!("a snapshot is being merged into `{whole}` already: `lvs -a {group}` shows which");
        return Err(Refusal::new("merge-running", message).again());
    }
    if origin.suspended() || snapshot.suspended() {
        let message =
            format!("`{whole}` is suspended: every access to it hangs; try `lvchange --refresh {whole}`");
        return Err(Refusal::new("suspended", message));
    }
    if snapshot.invalid {
        let message = format!("the snapshot `{id}` overflowed, and holds only a part of what `{whole}` was");
        return Err(Refusal::new("snapshot-overflowed", message));
    }
    let barred = origin.tags.iter().any(|tag| tag.starts_with(name::run_prefix(&ctx.mark)));
    match (origin.active() && snapshot.active(), origin.active() || !barred) {
        (true, _) => {}
        (false, false) => return Ok(()),
        (false, true) => {
            let message = format!(
                "`{id}` is not active, so it cannot be known whether it is whole; `lvchange -ay {whole}` makes it so"
            );
            return Err(Refusal::new("not-active", message));
        }
    }
    match [(origin, &whole), (snapshot, &id)].into_iter().find(|(volume, _)| volume.open) {
        Some((_, id)) if !ctx.planning() => {
            let message = format!(
                "`{id}` is open, so LVM would only merge at the next activation of `{whole}`; unmount it, or see who has it \
                 open: `fuser -vm /dev/{id}`, `lsof /dev/{id}`, `dmsetup ls --tree`"
            );
            Err(Refusal::new("in-use", message).again())
        }
        _ => Ok(()),
    }
}

/// Other snapshots of its origin: what the merge overwrites, they have to keep.
pub fn others<'a>(origin: &Volume, snapshot: &Volume, all: &'a [Volume]) -> Vec<&'a str> {
    let of_origin =
        |other: &&Volume| other.origin.as_deref() == Some(&origin.name) && other.uuid != snapshot.uuid;
    all.iter().filter(of_origin).map(|other| other.name.as_str()).collect()
}
