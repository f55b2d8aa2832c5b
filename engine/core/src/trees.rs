//! Which folders a line of `rsync`, or of `find … -delete`, reads and which it changes. Only options that are listed here are
//! understood: others start programs (`-e`, `--rsync-path`), reach other machines, follow links, or name further files to read
//! or write (`--files-from`, `--log-file`, `--temp-dir`). It must not know grants.

/// Options of rsync without a value, one letter each; they may stand together.
const LETTERS: &str = "aAHSXcinx";
const FLAGS: &[&str] = &["--delete", "--inplace", "--list-only", "--numeric-ids", "--stats", "--whole-file"];
/// Options with a value, which stands behind a `=`.
const VALUES: &[&str] = &["--bwlimit", "--exclude", "--info"];
/// What `find` may be told besides `-delete`, and how many words belong to it.
const FIND: &[(&str, usize)] = &[
    ("-xdev", 0),
    ("-depth", 0),
    ("-mindepth", 1),
    ("!", 0),
    ("(", 0),
    (")", 0),
    ("-o", 0),
    ("-path", 1),
    ("-type", 1),
    ("-empty", 0),
    ("-newercm", 1),
    ("-delete", 0),
];

/// What a line does to folders, everything below them included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trees {
    /// The folders that are read.
    pub reads: Vec<String>,
    /// The folder that is changed; none: the line changes nothing.
    pub writes: Option<String>,
}

/// Reads a line of `rsync`, or of `find` that deletes; none where it is neither.
///
/// # Errors
/// What is not understood.
pub fn parse(program: &str, args: &[String]) -> Option<Result<Trees, String>> {
    match program {
        "rsync" => Some(rsync(args)),
        "find" if args.iter().any(|arg| arg == "-delete") => Some(find(args)),
        _ => None,
    }
}

fn rsync(args: &[String]) -> Result<Trees, String> {
    let (mut dry, mut operands) = (false, Vec::new());
    for arg in args {
        let known = match (arg.strip_prefix('-'), arg.split_once('=')) {
            (None, _) => {
                operands.push(folder(arg)?);
                true
            }
            (Some(_), Some((option, _))) if VALUES.contains(&option) => true,
            (Some(_), _) if FLAGS.contains(&arg.as_str()) => true,
            (Some(letters), _) => {
                dry |= letters.contains('n');
                !letters.is_empty() && letters.chars().all(|letter| LETTERS.contains(letter))
            }
        };
        if !known {
            return Err(format!("the host does not know the option `{arg}` of `rsync`"));
        }
    }
    match (dry, <[String; 2]>::try_from(operands)) {
        (true, Ok(both)) => Ok(Trees { reads: both.into(), writes: None }),
        (false, Ok([from, to])) => Ok(Trees { reads: vec![from], writes: Some(to) }),
        (true, Err(one)) if one.len() == 1 => Ok(Trees { reads: one, writes: None }),
        _ => Err("`rsync` takes the folder that is read and the folder that is changed".into()),
    }
}

fn find(args: &[String]) -> Result<Trees, String> {
    let mut rest = args.iter();
    let place = rest.next().filter(|place| place.starts_with('/'));
    let place = folder(place.ok_or("the folder in which `find` deletes stands first")?)?;
    while let Some(word) = rest.next() {
        let known = FIND.iter().find(|(known, _)| known == word);
        let (_, values) = known.ok_or_else(|| format!("the host does not know `{word}` of `find`"))?;
        for _ in 0..*values {
            rest.next().ok_or_else(|| format!("`{word}` has no value"))?;
        }
    }
    match args.iter().any(|arg| arg == "-xdev") {
        true => Ok(Trees { reads: Vec::new(), writes: Some(place) }),
        false => Err("`find` deletes on one file system only; add `-xdev`".into()),
    }
}

/// A folder by its whole path, without the `/` at its end. What rsync would take for a place on another machine has none
/// at its beginning.
fn folder(arg: &str) -> Result<String, String> {
    let parts = arg.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest).split('/'));
    let plain =
        parts.is_some_and(|mut parts| parts.all(|part| !part.is_empty() && part != "." && part != ".."));
    match plain {
        true => Ok(arg.strip_suffix('/').unwrap_or(arg).to_owned()),
        false => Err(format!("`{arg}` is no folder of this machine by its whole path, without `..`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<Trees, String> {
        let mut words = text.split(' ').map(str::to_owned);
        parse(&words.next().unwrap(), &words.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_is_read_and_what_is_changed_is_told_apart() {
        let found =
            line("rsync -aHAXSx --numeric-ids --inplace --exclude=/held /srv/app/ /mnt/new/").unwrap();
        assert_eq!(found, Trees { reads: vec!["/srv/app".into()], writes: Some("/mnt/new".into()) });
        let dry = line("rsync -aHAXSxcin --delete /srv/app/ /mnt/new/").unwrap();
        assert_eq!(dry, Trees { reads: vec!["/srv/app".into(), "/mnt/new".into()], writes: None });
        assert_eq!(line("rsync -n --list-only /mnt/a:b/").unwrap().reads, ["/mnt/a:b"]);
        let gone =
            line("find /mnt/new -xdev -depth -mindepth 1 ! -path /mnt/new/held -type d -delete").unwrap();
        assert_eq!(gone, Trees { reads: vec![], writes: Some("/mnt/new".into()) });
        assert_eq!(parse("find", &["/etc".into(), "-empty".into()]), None);
        assert_eq!(parse("cp", &[]), None);
    }

    /// Sabotage: an unknown option that is passed over; a letter that takes the next word as its value; a place on another
    /// machine taken for a folder.
    #[test]
    fn whatever_leads_out_of_two_folders_is_not_understood() {
        for options in [
            "-e sh",
            "-esh",
            "--rsh=sh",
            "--rsync-path=/tmp/x",
            "-M--fake",
            "--files-from=/etc/shadow",
            "-f",
            "-F",
            "--filter=merge,/etc/shadow",
            "--exclude-from=/etc/shadow",
            "--include-from=x",
            "--log-file=/etc/x",
            "--temp-dir=/etc",
            "-T/etc",
            "--backup-dir=/etc",
            "-b",
            "--partial-dir=/etc",
            "--compare-dest=/etc",
            "--link-dest=/etc",
            "--copy-dest=/etc",
            "--write-batch=/etc/x",
            "--read-batch=/etc/x",
            "--daemon",
            "--server",
            "--config=/x",
            "--password-file=/x",
            "-L",
            "-k",
            "-K",
            "--copy-unsafe-links",
            "-R",
            "--remove-source-files",
            "--delete-missing-args",
            "-",
            "--",
            "--exclude",
            "--chown=a:b",
            "-0",
        ] {
            assert!(line(&format!("rsync -a {options} /srv/app/ /mnt/new/")).is_err(), "{options}");
        }
        for operands in [
            "host:/srv /mnt/new",
            "/srv host:/mnt",
            "rsync://host/x /mnt",
            "host::x /mnt",
            "srv /mnt",
            "/srv/../etc /mnt",
            "/srv /mnt/./x",
            "/srv //mnt",
            "/ /mnt",
            "/srv",
            "/srv /mnt /etc",
            "",
        ] {
            assert!(line(&format!("rsync -a {operands}")).is_err(), "{operands}");
        }
        for text in [
            "find -delete",
            "find . -xdev -delete",
            "find /mnt -delete",
            "find / -xdev -delete",
            "find -L /mnt -xdev -delete",
            "find /mnt /etc -xdev -delete",
            "find /mnt -xdev -exec sh ; -delete",
            "find /mnt -xdev -fprint /etc/x -delete",
            "find /mnt -xdev -delete -path",
            "find /mnt -xdev -files0-from x -delete",
        ] {
            assert!(line(text).is_err(), "{text}");
        }
    }
}
