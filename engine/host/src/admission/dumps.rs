//! The lines of pg_dump, pg_dumpall and pg_basebackup: where they write. It must not know grants.

const PROGRAMS: [&str; 3] = ["pg_dump", "pg_dumpall", "pg_basebackup"];

/// Options that neither write anywhere nor start anything.
const HARMLESS: [&str; 17] = [
    "checkpoint",
    "compress",
    "dbname",
    "format",
    "globals-only",
    "host",
    "jobs",
    "label",
    "manifest-checksums",
    "max-rate",
    "no-password",
    "port",
    "progress",
    "snapshot",
    "username",
    "verbose",
    "wal-method",
];

/// The one path that such a line writes to; none: it is another program.
///
/// # Errors
/// An option that is not known here, or not written out, could name another place.
pub fn target<'a>(program: &str, args: &'a [String]) -> Option<Result<&'a str, String>> {
    PROGRAMS.contains(&program).then(|| {
        let mut targets = Vec::new();
        for arg in args {
            let (name, value) = arg.split_once('=').unwrap_or((arg, ""));
            match name.strip_prefix("--") {
                Some("file" | "pgdata") if value.starts_with('/') => targets.push(value),
                Some(name) if HARMLESS.contains(&name) => {}
                _ => return Err(format!("`{arg}` is no option that is known here, written out")),
            }
        }
        match targets.as_slice() {
            [target] => Ok(*target),
            _ => Err("it names no one place with `--file=` or `--pgdata=`".to_owned()),
        }
    })
}
