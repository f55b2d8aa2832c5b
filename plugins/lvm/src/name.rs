//! Names of groups and volumes, and the paths and device-mapper names that follow from them. It must not know LVM's
//! programs.

use cutwater_sdk::Refusal;

/// Takes a name that LVM would take, and nothing that a program could read as an option or a path.
///
/// # Errors
/// `invalid-name`.
pub fn plain(name: &str) -> Result<&str, Refusal> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "+_.-".contains(c);
    match !name.is_empty() && name.len() <= 127 && name.chars().all(legal) && !name.starts_with(['-', '.']) {
        true => Ok(name),
        false => Err(Refusal::new("invalid-name", format!("`{name}` is no name of a group or volume"))),
    }
}

/// Splits `vg/lv` (or `/dev/vg/lv`).
///
/// # Errors
/// `invalid-name`.
pub fn pair(volume: &str) -> Result<(&str, &str), Refusal> {
    let short = volume.strip_prefix("/dev/").unwrap_or(volume);
    match short.split_once('/') {
        Some((group, name)) => Ok((plain(group)?, plain(name)?)),
        None => Err(Refusal::new("invalid-name", format!("`{volume}` names no volume; write GROUP/VOLUME"))),
    }
}

/// The volume's device.
pub fn device(group: &str, name: &str) -> String {
    format!("/dev/{group}/{name}")
}

/// The device of a snapshot's exception store.
pub fn store(group: &str, name: &str) -> String {
    let doubled = |text: &str| text.replace('-', "--");
    format!("/dev/mapper/{}-{}-cow", doubled(group), doubled(name))
}

/// What all tags of a run begin with, from the mark of one of its steps.
pub fn run_prefix(mark: &str) -> &str {
    mark.rfind('.').map_or(mark, |at| &mark[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_as_device_mapper_names_it() {
        assert_eq!(store("vg00", "dat-cutwater"), "/dev/mapper/vg00-dat--cutwater-cow");
    }

    #[test]
    fn a_name_that_is_an_option_or_a_path_is_refused() {
        assert_eq!(pair("vg00/dat").unwrap(), ("vg00", "dat"));
        assert_eq!(pair("/dev/vg00/dat").unwrap(), ("vg00", "dat"));
        for wrong in ["dat", "vg00/", "/dat", "vg00/-y", "vg00/a/b", "vg00/..", "vg 00/dat", "@tag/x"] {
            assert!(pair(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_tags_of_a_run_share_their_beginning() {
        assert_eq!(run_prefix("cutwater.move-2026-11-21-ab.snap"), "cutwater.move-2026-11-21-ab.");
    }
}
