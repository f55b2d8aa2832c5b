//! The tables that every machine starts from. An option is listed only if it can neither write, nor start a program, nor
//! read another configuration: `vgs --config` writes any file as root, `dmsetup ls --exec` starts programs, `lvs --profile`
//! and `--devicesfile` read files, `blkid` without `-p` writes its cache.

use super::Reader;

/// Where programs are looked for.
pub const PATH: &[&str] = &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Programs that leave something half-made behind when they are killed.
pub const CRITICAL: &[&str] = &[
    "lvm",
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
    "vgsplit",
    "vgmerge",
    "vgimport",
    "vgexport",
    "vgimportclone",
    "vgcfgrestore",
    "pvcreate",
    "pvremove",
    "pvchange",
    "pvresize",
    "pvmove",
    "dmsetup",
    "mkfs*",
    "mke2fs",
    "mkswap",
    "xfs_admin",
    "xfs_growfs",
    "xfs_repair",
    "resize2fs",
    "tune2fs",
    "e2fsck",
    "fsck*",
    "wipefs",
];

/// Statements that change nothing, wherever they are sent: the brackets of a transaction, and settings of the session.
pub const SQL: &[&str] = &[
    "begin",
    "begin read only",
    "begin transaction read only",
    "begin isolation level repeatable read read only",
    "commit",
    "rollback",
    "select 1",
    "select version()",
    "show server_version",
    "show server_version_num",
    "show data_directory",
    "show hba_file",
    "show config_file",
    "select pg_is_in_recovery()",
    "select system_identifier from pg_control_system()",
    "select system_identifier::text from pg_control_system()",
];

const LVM: &[&str] = &[
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
    "pvmove",
    "lvs",
    "vgs",
    "pvs",
];
const REPORT_FLAGS: &[&str] = &[
    "-a",
    "--all",
    "-v",
    "--verbose",
    "--noheadings",
    "--nosuffix",
    "--nameprefixes",
    "--unquoted",
    "--rows",
    "--aligned",
    "--binary",
    "--unbuffered",
    "--segments",
    "--readonly",
    "--reportformat=json",
    "--history",
    "--foreign",
];
const REPORT_VALUES: &[&str] = &[
    "-o",
    "--options",
    "--units",
    "--separator",
    "-O",
    "--sort",
    "-S",
    "--select",
    "--reportformat",
    "--devices",
];
const FILE_SYSTEMS: &[&str] =
    &["mount", "umount", "mkfs.xfs", "mkfs.ext4", "xfs_admin", "tune2fs", "lvs", "vgs"];

/// The shipped table.
pub fn readers() -> Vec<Reader> {
    let mut all: Vec<Reader> =
        ["lvs", "vgs", "pvs"].map(|name| names(reader(name, LVM, REPORT_FLAGS, REPORT_VALUES))).into();
    all.extend([
        whole("lvm", LVM, &["systemid"]),
        names(reader(
            "blkid",
            FILE_SYSTEMS,
            &["-v"],
            &["-o", "--output", "-s", "--match-tag", "-u", "--usages"],
        ))
        .requiring("-p"),
        names(reader(
            "findmnt",
            FILE_SYSTEMS,
            &[
                "-n",
                "--noheadings",
                "-r",
                "--raw",
                "-J",
                "--json",
                "-P",
                "--pairs",
                "-l",
                "--list",
                "-k",
                "--kernel",
                "-v",
                "--nofsroot",
                "-f",
                "--first-only",
                "-b",
                "--bytes",
                "-u",
                "--notruncate",
                "-e",
                "--evaluate",
            ],
            &["-o", "--output", "-S", "--source", "-T", "--target", "-M", "--mountpoint", "-t", "--types"],
        )),
        names(reader(
            "lsblk",
            FILE_SYSTEMS,
            &[
                "-n",
                "--noheadings",
                "-r",
                "--raw",
                "-J",
                "--json",
                "-P",
                "--pairs",
                "-l",
                "--list",
                "-b",
                "--bytes",
                "-d",
                "--nodeps",
                "-p",
                "--paths",
                "-s",
                "--inverse",
                "-f",
                "--fs",
            ],
            &["-o", "--output"],
        )),
        // Without a name: with one and a file it would set the device up.
        reader("losetup", FILE_SYSTEMS, &["--json"], &["--output"]).requiring("--list"),
        names(reader(
            "dmsetup",
            LVM,
            &["-c", "--columns", "-C", "--noheadings", "--noflush", "--tree", "-j", "-m", "--inactive"],
            &["-o", "--options", "--separator", "--target", "-u", "--uuid", "--major", "--minor"],
        ))
        .verbs(&["status", "table", "info", "deps", "ls"]),
        Reader {
            units: true,
            ..names(reader(
                "systemctl",
                &["units"],
                &["--no-pager", "--value", "--all", "-a", "--quiet", "-q", "--full", "-l"],
                &["-p", "--property"],
            ))
        }
        .verbs(&["show", "is-active", "is-enabled", "is-failed", "cat"]),
        names(reader("pg_controldata", &["connect", "units"], &[], &["-D", "--pgdata"])),
        whole("pg_ctlcluster", &["connect", "units"], &["*", "*", "status"]),
        reader(
            "pg_lsclusters",
            &["connect", "units"],
            &["-h", "--no-header", "-j", "--json", "-s", "--start-conf"],
            &[],
        ),
        names(reader("xfs_info", FILE_SYSTEMS, &[], &[])),
        names(reader("dumpe2fs", FILE_SYSTEMS, &[], &[])).requiring("-h"),
        names(reader(
            "blockdev",
            FILE_SYSTEMS,
            &["--getsize64", "--getsz", "--getss", "--getpbsz", "--getbsz", "--getro"],
            &[],
        )),
        names(reader(
            "mountpoint",
            FILE_SYSTEMS,
            &["-q", "--quiet", "-d", "--fs-devno", "-x", "--devno"],
            &[],
        )),
        names(reader("fuser", FILE_SYSTEMS, &["-m", "--mount", "-v", "--verbose", "-a", "--all", "-M"], &[])),
        names(reader(
            "df",
            FILE_SYSTEMS,
            &["-P", "--portability", "-k", "-B1", "-T", "--print-type", "-i", "--inodes"],
            &["--output", "-t", "--type", "--block-size"],
        )),
    ]);
    all.extend(restic());
    all.extend(postgres());
    all
}

/// A dump or a base backup read to its end.
fn postgres() -> Vec<Reader> {
    vec![
        whole("pg_restore", &["pg_dump"], &["--list", "/*"]),
        whole("pg_restore", &["pg_dump"], &["--data-only", "--file=-", "/*"]),
        whole("pg_verifybackup", &["pg_basebackup"], &["/*"]),
    ]
}

/// A repository on this machine, nothing written to it: neither a lock nor a cache, which restic makes where it is not told
/// otherwise. And a tree listed, to be compared with a backup.
fn restic() -> Vec<Reader> {
    let quiet = ["--no-lock", "--no-cache"];
    let line = |verb: &str, rest: &[&str]| {
        let args = [&[verb, "--repo", "/*"], &quiet[..], rest].concat();
        Reader { secret: true, ..whole("restic", &[], &args) }
    };
    vec![
        line("snapshots", &["--json", "--tag", "*"]),
        line("snapshots", &["--json", "*"]),
        line("stats", &["--json", "--mode", "restore-size", "*"]),
        line("ls", &["--json", "*"]),
        line("list", &["locks"]),
        line("check", &[]),
        line("check", &["--read-data"]),
        line("check", &["--read-data-subset", "*"]),
        whole("find", &["restic"], &["/*", "-xdev", "-printf", "*"]),
    ]
}

fn reader(program: &str, goes_with: &[&str], flags: &[&str], values: &[&str]) -> Reader {
    Reader {
        program: program.to_owned(),
        goes_with: owned(goes_with),
        flags: owned(flags),
        values: owned(values),
        ..Reader::default()
    }
}

fn whole(program: &str, goes_with: &[&str], args: &[&str]) -> Reader {
    Reader {
        program: program.to_owned(),
        goes_with: owned(goes_with),
        args: Some(owned(args)),
        ..Reader::default()
    }
}

fn names(reader: Reader) -> Reader {
    Reader { names: true, ..reader }
}

impl Reader {
    fn requiring(self, option: &str) -> Self {
        Self { required: owned(&[option]), ..self }
    }

    fn verbs(self, verbs: &[&str]) -> Self {
        Self { verbs: owned(verbs), ..self }
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}
