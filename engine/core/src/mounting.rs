//! What a `mount` or `umount` line does: where, of which device, and whether that device is written to. It must not know
//! grants.

const FLAGS: &[&str] =
    &["-v", "--verbose", "-r", "--read-only", "-n", "--no-mtab", "-w", "--rw", "--read-write"];
const VALUES: &[&str] = &["-o", "--options", "-t", "--types"];

/// What a line does.
#[derive(Debug, PartialEq, Eq)]
pub struct Mounting {
    /// The mount points.
    pub points: Vec<String>,
    /// What is mounted there, by its path.
    pub device: Option<String>,
    /// Whether it is mounted to be written to. One that is only read still may replay its log.
    pub writes: bool,
}

/// Reads a line of `mount` or `umount`.
///
/// # Errors
/// What is not understood. `umount -l` and `-f` are not: a writer could go on behind them.
pub fn parse(program: &str, args: &[String]) -> Result<Mounting, String> {
    let mounting = program == "mount";
    let (mut operands, mut writes) = (Vec::new(), mounting);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-r" | "--read-only" => writes = false,
            "-w" | "--rw" | "--read-write" => writes = true,
            flag if FLAGS.contains(&flag) => {}
            option if option.starts_with('-') => {
                let value = rest.next().filter(|_| mounting && VALUES.contains(&option));
                let value = value
                    .ok_or_else(|| format!("the host does not know the option `{option}` of `{program}`"))?;
                if option.starts_with("-t") || option == "--types" {
                    check_type(value)?;
                } else {
                    writes = value.split(',').fold(writes, |writes, option| match option {
                        "ro" => false,
                        "rw" => true,
                        _ => writes,
                    });
                }
            }
            _ => operands.push(arg.clone()),
        }
    }
    if mounting {
        return mounted(operands, writes);
    }
    match operands.as_slice() {
        [] => Err("a mount point is missing".into()),
        all if all.iter().all(|at| at.starts_with('/') && !at.starts_with("/dev/")) => {
            Ok(Mounting { points: operands, device: None, writes })
        }
        _ => Err("what is unmounted is named by its mount point".into()),
    }
}

fn mounted(operands: Vec<String>, writes: bool) -> Result<Mounting, String> {
    match <[String; 2]>::try_from(operands) {
        Ok([device, at]) if device.starts_with('/') && at.starts_with('/') => {
            Ok(Mounting { points: vec![at], device: Some(device), writes })
        }
        _ => Err("`mount` takes a device and a mount point, both by their paths".into()),
    }
}

/// Types that start a program of their own choice are not understood.
fn check_type(value: &str) -> Result<(), String> {
    let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain && !value.starts_with("fuse") {
        Ok(())
    } else {
        Err(format!("file systems of type `{value}` are mounted by programs of their own"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<Mounting, String> {
        let mut words = text.split(' ').map(str::to_owned);
        parse(&words.next().unwrap(), &words.collect::<Vec<_>>())
    }

    #[test]
    fn the_device_and_whether_it_is_written_to() {
        for (text, writes) in [
            ("mount /dev/vg/a /srv", true),
            ("mount -t xfs -o nouuid,noatime /dev/vg/a /srv", true),
            ("mount -o nouuid,ro /dev/vg/a /srv", false),
            ("mount -r /dev/vg/a /srv", false),
            ("mount -r -o rw /dev/vg/a /srv", true),
        ] {
            let found = line(text).unwrap();
            assert_eq!((found.device.as_deref(), found.writes), (Some("/dev/vg/a"), writes), "{text}");
            assert_eq!(found.points, ["/srv"]);
        }
        assert_eq!(line("umount /srv").unwrap().device, None);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in [
            "mount -o remount,rw /srv",
            "mount UUID=1 /srv",
            "mount /srv",
            "mount --bind /etc /srv",
            "mount -t fuse.sshfs a:/ /srv",
            "umount -l /srv",
            "umount /dev/vg/a",
            "umount",
        ] {
            assert!(line(text).is_err(), "{text}");
        }
    }
}
