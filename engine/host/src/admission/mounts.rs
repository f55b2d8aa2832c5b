//! Which mount points a `mount` or `umount` names. It must not know grants.

const FLAGS: &[&str] =
    &["-v", "--verbose", "-r", "--read-only", "-n", "--no-mtab", "-w", "--rw", "--read-write"];
const VALUES: &[&str] = &["-o", "--options", "-t", "--types"];

/// The mount points; for `mount` the last argument.
///
/// # Errors
/// What is not understood. `umount -l` and `-f` are not: a writer could go on behind them.
pub fn points(program: &str, args: &[String]) -> Result<Vec<String>, String> {
    let mut operands = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mounting = program == "mount";
        if !arg.starts_with('-') {
            operands.push(arg.clone());
        } else if !FLAGS.contains(&arg.as_str()) {
            let value = rest.next().filter(|_| mounting && VALUES.contains(&arg.as_str()));
            let value =
                value.ok_or_else(|| format!("the host does not know the option `{arg}` of `{program}`"))?;
            if arg.starts_with("-t") || arg == "--types" {
                check_type(value)?;
            }
        }
    }
    match (program, operands.len()) {
        ("mount", 1 | 2) => Ok(operands.split_off(operands.len() - 1)),
        ("umount", 1..) if operands.iter().all(|at| at.starts_with('/') && !at.starts_with("/dev/")) => {
            Ok(operands)
        }
        ("umount", 1..) => Err("what is unmounted is named by its mount point".into()),
        _ => Err("a mount point is missing, or there are too many arguments".into()),
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
