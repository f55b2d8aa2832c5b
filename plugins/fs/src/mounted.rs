//! Finding a mount in the kernel's table. It must not know what is done with it.

use cutwater_sdk::host::Mount;
use cutwater_sdk::{Context, Host, Refusal, Stop};

/// What is mounted at a path: the uppermost mount there.
pub fn at(ctx: &Context<'_>, path: &str) -> Result<Option<Mount>, Stop> {
    Ok(ctx.host().mounts()?.into_iter().rfind(|mount| mount.at == path))
}

/// Whether the mount's source is that device, under whatever name: `/dev/vg/lv` and `/dev/mapper/vg-lv` are one.
pub fn is_of(mount: &Mount, device: &str) -> bool {
    mount.device == device || mapper(&mount.device) == mapper(device)
}

/// LVM's other name of a device.
fn mapper(device: &str) -> String {
    let volume = device.strip_prefix("/dev/").and_then(|rest| rest.split_once('/'));
    match volume.filter(|(group, name)| *group != "mapper" && *group != "disk" && !name.contains('/')) {
        Some((group, name)) => {
            format!("/dev/mapper/{}-{}", group.replace('-', "--"), name.replace('-', "--"))
        }
        None => device.to_owned(),
    }
}

/// Each option once, in order.
pub fn options(mount: &Mount) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for option in mount.options.split(',').filter(|option| !option.is_empty()) {
        if !seen.contains(&option) {
            seen.push(option);
        }
    }
    seen.join(",")
}

/// Takes an absolute path without turns.
pub fn path(text: &str) -> Result<&str, Refusal> {
    let turns = text.split('/').any(|part| part == ".." || part == ".");
    match text.starts_with('/') && !turns && !text.chars().any(char::is_control) {
        true if text.len() > 1 => Ok(text.trim_end_matches('/')),
        true => Ok(text),
        false => Err(Refusal::new("invalid-path", format!("`{text}` is no absolute path without `..`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_known_by_either_of_its_names() {
        let mount = Mount { device: "/dev/mapper/my--vg-dat".into(), ..Mount::default() };
        assert!(is_of(&mount, "/dev/my-vg/dat") && is_of(&mount, "/dev/mapper/my--vg-dat"));
        assert!(!is_of(&mount, "/dev/my/vg-dat") && !is_of(&mount, "/dev/my-vg/data"));
    }

    #[test]
    fn options_are_told_once() {
        let mount = Mount { options: "rw,relatime,rw,attr2".into(), ..Mount::default() };
        assert_eq!(options(&mount), "rw,relatime,attr2");
    }
}
