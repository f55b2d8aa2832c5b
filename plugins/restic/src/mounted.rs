//! Whether a folder is the volume that it is taken for: a mount point with nothing mounted on it would be backed up as empty,
//! and emptied as the machine's own. It must not know what is done with it.

use cutwater_sdk::host::Mount;
use cutwater_sdk::{Context, Device, Host, Refusal, Stop};

/// The mount of the device at that place.
pub fn at(ctx: &Context<'_>, at: &str, device: &Device) -> Result<Mount, Stop> {
    let mounts = ctx.host().mounts()?;
    let uppermost = mounts.into_iter().rfind(|mount| mount.at == at);
    let Some(mount) = uppermost else {
        return Err(Refusal::new("not-mounted", format!("nothing is mounted at {at}")).into());
    };
    if mount.root != "/" {
        let message = format!("{at} shows only the folder {} of its file system", mount.root);
        return Err(Refusal::new("bind-mount", message).into());
    }
    if !ctx.host().facts(device.as_str())?.mounts.iter().any(|place| place == at) {
        let message = format!("{} is mounted at {at}, and not {device}", mount.device);
        return Err(Refusal::new("other-device", message).into());
    }
    Ok(mount)
}

/// Takes an absolute path that neither turns nor holds what restic would take for a pattern.
pub fn plain(text: &str) -> Result<&str, Refusal> {
    let text = if text.len() > 1 { text.trim_end_matches('/') } else { text };
    let turns = text.split('/').any(|part| part == ".." || part == ".") || text.contains("//");
    let odd = text.chars().any(|c| c.is_control() || "*?[]\\".contains(c));
    match text.starts_with('/') && text.len() > 1 && !turns && !odd {
        true => Ok(text),
        false => {
            let message = format!(
                "`{}` is no absolute path, or it holds `..` or one of `* ? [ ] \\`",
                text.escape_debug()
            );
            Err(Refusal::new("invalid-path", message))
        }
    }
}
