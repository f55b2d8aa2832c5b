//! Which volumes, groups and devices a command line of LVM names. Only options that are listed here are understood, and
//! what is not understood is denied: an unknown option might take the next argument as its value. It must not know grants.

/// Options without a value.
const FLAGS: &[&str] = &[
    "-y",
    "--yes",
    "-f",
    "--force",
    "-v",
    "--verbose",
    "-q",
    "--quiet",
    "-s",
    "--snapshot",
    "-K",
    "--ignoreactivationskip",
    "--noudevsync",
    "-n0",
    "--refresh",
    "--resync",
    "--nosuffix",
    "-r",
    "--resizefs",
    "--noheadings",
    "-t",
    "--test",
    "-b",
    "--background",
    "--abort",
    "--atomic",
    "--merge",
    "-ay",
    "-an",
    "-kn",
    "-ky",
    "-Zn",
    "-Zy",
    "-Wn",
    "-Wy",
    "-pr",
    "-prw",
    "--norestorefile",
];
/// Options with a value.
const VALUES: &[&str] = &[
    "-L",
    "--size",
    "-l",
    "--extents",
    "--addtag",
    "--deltag",
    "-c",
    "--chunksize",
    "-p",
    "--permission",
    "-a",
    "--activate",
    "-k",
    "--setactivationskip",
    "--setautoactivation",
    "-W",
    "--wipesignatures",
    "-Z",
    "--zero",
    "--type",
    "-i",
    "--stripes",
    "--interval",
    "-I",
    "--stripesize",
    "-m",
    "--mirrors",
    "-A",
    "--autobackup",
    "--alloc",
    "--monitor",
    "--poll",
    "-C",
    "--contiguous",
    "--readahead",
    "--units",
    "--metadataignore",
    "--pvmetadatacopies",
    "--metadatasize",
    "--dataalignment",
    "--devices",
];
const NAME: &[&str] = &["-n", "--name"];

const FAMILY: &[&str] = &[
    "lvcreate",
    "lvremove",
    "lvchange",
    "lvextend",
    "lvreduce",
    "lvresize",
    "lvrename",
    "lvconvert",
    "vgcreate",
    "vgremove",
    "vgchange",
    "vgextend",
    "vgreduce",
    "vgrename",
    "pvcreate",
    "pvremove",
    "pvchange",
    "pvresize",
    "pvmove",
];

/// Whether the program's arguments are to be read as LVM's. `lvm` itself, which takes any of them as a word, is too, and is
/// never understood.
pub fn is_family(program: &str) -> bool {
    FAMILY.contains(&program) || ["lvm", "lvmconfig", "vgsplit", "vgmerge", "vgcfgrestore"].contains(&program)
}

/// `/dev/VG/LV` as `VG/LV`; anything else as it is.
pub fn plain(object: &str) -> &str {
    match object.strip_prefix("/dev/") {
        Some(rest)
            if rest.matches('/').count() == 1
                && !rest.starts_with("mapper/")
                && !rest.starts_with("disk/") =>
        {
            rest
        }
        _ => object,
    }
}

/// Everything that the arguments name.
///
/// # Errors
/// What is not understood.
pub fn objects(program: &str, args: &[String]) -> Result<Vec<String>, String> {
    if !FAMILY.contains(&program) {
        return Err(format!("the host does not read the arguments of `{program}`; use the single programs"));
    }
    let Line { operands, name, snapshot, abort } = line(program, args)?;
    let Some(first) = operands.first().cloned() else {
        return Err("no volume is named, which can mean all of them".into());
    };
    match program {
        "lvcreate" => {
            let name = name.ok_or("the new volume has no name (`-n`), so that LVM would choose one")?;
            let group = plain(&first).split('/').next().unwrap_or_default().to_owned();
            let mut objects = vec![if name.contains('/') { name } else { format!("{group}/{name}") }];
            let origin = plain(&first).contains('/');
            if snapshot && !origin {
                return Err("the origin of a snapshot is named as VG/LV".into());
            }
            objects.extend(operands.into_iter().skip(usize::from(!origin)));
            Ok(objects)
        }
        "lvrename" if operands.len() == 3 => Ok(operands[1..]
            .iter()
            .map(|name| if name.contains('/') { name.clone() } else { format!("{first}/{name}") })
            .collect()),
        "pvmove" if abort && name.is_none() => Ok(operands),
        // Without a name it moves whatever lies on the source; without a target it takes room wherever there is some.
        "pvmove" if !abort => {
            let name = name.filter(|name| name.contains('/'));
            let name = name.ok_or("the volume to move is named by `-n VG/LV`; else others are moved, too")?;
            if operands.len() < 2 {
                return Err("the physical volume that takes the moved one is not named".into());
            }
            Ok([vec![name], operands].concat())
        }
        _ if name.is_some() => Err(format!("the host does not know what `-n` means to `{program}`")),
        _ => Ok(operands),
    }
}

struct Line {
    operands: Vec<String>,
    name: Option<String>,
    snapshot: bool,
    abort: bool,
}

fn line(program: &str, args: &[String]) -> Result<Line, String> {
    let mut line = Line { operands: Vec::new(), name: None, snapshot: false, abort: false };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let (option, value) = match arg.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value.to_owned())),
            _ => (arg.as_str(), None),
        };
        if !arg.starts_with('-') {
            if arg.starts_with('@') {
                return Err(format!("`{arg}` names whatever carries the tag; name the volumes"));
            }
            line.operands.push(arg.clone());
        } else if NAME.contains(&option) {
            let value = value.or_else(|| rest.next().cloned()).ok_or("`-n` has no value")?;
            if line.name.replace(value).is_some() {
                return Err("`-n` is given twice".into());
            }
        } else if FLAGS.contains(&arg.as_str()) {
            line.snapshot |= matches!(arg.as_str(), "-s" | "--snapshot");
            line.abort |= arg == "--abort";
        // To all others but pvcreate it is a flag, behind which stands one more device.
        } else if VALUES.contains(&option) || (option == "--uuid" && program == "pvcreate") {
            if value.is_none() {
                rest.next().ok_or_else(|| format!("`{arg}` has no value"))?;
            }
        } else if program == "vgchange" && ["--systemid", "--config"].contains(&option) {
            let value = value.as_ref().or_else(|| rest.next());
            let value = value.ok_or_else(|| format!("`{arg}` has no value"))?;
            if option == "--config" && !lets_in_foreign_groups(value) {
                return Err(format!("`--config {value}` may change anything"));
            }
        } else {
            return Err(format!("the host does not know the option `{arg}` of `{program}`"));
        }
    }
    Ok(line)
}

/// The one setting that a command line may bring along: whose groups, besides this host's own, it may change.
fn lets_in_foreign_groups(config: &str) -> bool {
    let list = config.strip_prefix("local/extra_system_ids=[").and_then(|rest| rest.strip_suffix(']'));
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.+-:/=!#&".contains(c);
    let is_text = |entry: &str| {
        let inner = entry.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        inner.is_some_and(|inner| !inner.is_empty() && inner.chars().all(plain))
    };
    list.is_some_and(|list| list.split(',').all(is_text))
}
