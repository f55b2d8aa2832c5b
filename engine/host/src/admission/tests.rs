use super::*;
use cutwater_core::grant::Address;
use cutwater_core::policy::Service;
use serde_json::json;

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn run(line: &str) -> Effect {
    let words: Vec<_> = line.split(' ').collect();
    Effect { kind: "run".into(), detail: json!({ "program": words[0], "args": words[1..] }) }
}

fn rules(phase: Phase) -> Rules {
    let line = |verb: &str| owned(&["pg_ctlcluster", "15", "main", verb]);
    let mut policy = Policy::default();
    policy.services.insert(
        "pg".into(),
        Service {
            start: line("start"),
            stop: line("stop"),
            status: line("status"),
            fence_file: Some("/etc/fences/pg".into()),
        },
    );
    Rules {
        phase,
        grants: Grants {
            run: owned(&["lvcreate", "lvremove", "mkfs.xfs"]),
            on: owned(&["vg00/dat*"]),
            mount: owned(&["/srv/postgresql"]),
            read: owned(&["/dev/vg00/*"]),
            write: owned(&["/dev/vg01/new", "/etc/fstab"]),
            units: owned(&["pg", "postgresql@15-main"]),
            freeze: owned(&["/srv/postgresql"]),
            connect: vec![Address::Unix {
                unix: "/run/s".into(),
                user: Some("postgres".into()),
                read_only: false,
            }],
            secrets: owned(&["db"]),
        },
        admitted: [
            "lvcreate -s -n dat-snap -L 64M vg00/dat",
            "lvremove -y vg00/other",
            "lvremove -y vg00/dat-snap",
            "mount -t xfs /dev/vg01/new /srv/postgresql",
            "mount /dev/vg01/new /etc",
            "mount /dev/vg00/dat /srv/postgresql",
            "mount -o ro /dev/sda /srv/postgresql",
            "mount -o ro /dev/vg00/dat-snap /run/cutwater/r1/look",
            "umount /srv/postgresql",
            "umount -l /srv/postgresql",
            "systemctl stop postgresql@15-main",
            "systemctl stop sshd",
            "pg_ctlcluster 15 main stop",
            "mkfs.xfs /dev/vg01/new",
            "mkfs.xfs /dev/sda",
            "vgs --config x",
        ]
        .map(run)
        .into(),
        input: json!({}),
        folder: "/run/cutwater/r1".into(),
        policy: Arc::new(policy),
    }
}

fn asked(rules: &Rules, line: &str) -> Result<Admitted, Denied> {
    let words = owned(&line.split(' ').collect::<Vec<_>>());
    rules.admit_run(Program { name: &words[0], args: &words[1..], user: None, stdin: b"" })
}

#[test]
fn what_the_plan_showed_and_the_file_granted_may_run() {
    for line in [
        "lvcreate -s -n dat-snap -L 64M vg00/dat",
        "lvremove -y vg00/dat-snap",
        "mount -t xfs /dev/vg01/new /srv/postgresql",
        "mount -o ro /dev/vg00/dat-snap /run/cutwater/r1/look",
        "umount /srv/postgresql",
        "systemctl stop postgresql@15-main",
        "pg_ctlcluster 15 main stop",
        "mkfs.xfs /dev/vg01/new",
    ] {
        for phase in [Phase::Apply, Phase::Undo, Phase::Hold] {
            assert_eq!(asked(&rules(phase), line), Ok(Admitted::Changes), "{line} in {phase}");
        }
        for phase in [Phase::Preview, Phase::Check, Phase::Probe] {
            assert!(matches!(asked(&rules(phase), line), Err(Denied::OnlyReads { .. })), "{line} in {phase}");
        }
    }
}

#[test]
fn what_the_plan_did_not_show_is_denied_though_it_is_granted() {
    for line in [
        "lvremove -y vg00/dat",
        "lvremove vg00/dat-snap",
        "lvcreate -s -n dat-snap -L 65M vg00/dat",
        "systemctl start postgresql@15-main",
        "pg_ctlcluster 15 main start",
        "mkfs.xfs -f /dev/vg01/new",
    ] {
        let denied = asked(&rules(Phase::Apply), line);
        assert!(
            matches!(denied, Err(Denied::NotInPlan { .. } | Denied::NotGranted { .. })),
            "{line}: {denied:?}"
        );
    }
}

#[test]
fn what_is_not_granted_is_denied_though_the_plan_showed_it() {
    for line in [
        "lvremove -y vg00/other",
        "mount /dev/vg01/new /etc",
        "mount /dev/vg00/dat /srv/postgresql",
        "mount -o ro /dev/sda /srv/postgresql",
        "umount -l /srv/postgresql",
        "systemctl stop sshd",
        "mkfs.xfs /dev/sda",
        "vgs --config x",
    ] {
        let denied = asked(&rules(Phase::Apply), line);
        assert!(
            matches!(denied, Err(Denied::NotGranted { .. } | Denied::Unclear { .. })),
            "{line}: {denied:?}"
        );
    }
}

#[test]
fn reading_programs_run_in_any_phase_where_their_family_is_granted() {
    for phase in [Phase::Preview, Phase::Check, Phase::Probe, Phase::Apply] {
        for line in [
            "lvs vg00/dat",
            "findmnt -J /srv/postgresql",
            "systemctl show pg.service",
            "pg_ctlcluster 15 main status",
        ] {
            assert_eq!(asked(&rules(phase), line), Ok(Admitted::Reads), "{line}");
        }
        assert!(matches!(
            asked(&rules(phase), "systemctl show sshd"),
            Err(Denied::NotGranted { key: "units", .. })
        ));
    }
    let bare = Rules { grants: Grants::default(), ..rules(Phase::Preview) };
    let denied = asked(&bare, "lvs vg00/dat").unwrap_err();
    assert_eq!(
        denied.to_string(),
        "`lvs vg00/dat` is not granted; the plugin's grants would need `run: [lvs]`"
    );
    assert!(asked(&bare, "pg_ctlcluster 15 main status").is_err());
}

#[test]
fn every_volume_that_an_lvm_line_names_is_found() {
    let objects = |line: &str| {
        let words = owned(&line.split(' ').collect::<Vec<_>>());
        lvm::objects(&words[0], &words[1..])
    };
    for (line, named) in [
        ("lvcreate -s -n snap -L 1G vg00/dat", &["vg00/snap", "vg00/dat"][..]),
        ("lvcreate --snapshot --name=snap -l 10 /dev/vg00/dat", &["vg00/snap", "/dev/vg00/dat"]),
        ("lvcreate -n new -l 10 vg01", &["vg01/new"]),
        ("lvcreate -n new -l 10 vg01 /dev/sdb", &["vg01/new", "/dev/sdb"]),
        ("lvremove -y vg00/a vg00/b", &["vg00/a", "vg00/b"]),
        ("lvremove -y vg00", &["vg00"]),
        ("lvchange -ay -K --addtag x vg00/a", &["vg00/a"]),
        ("lvrename vg00 a b", &["vg00/a", "vg00/b"]),
        ("lvconvert --merge -b -i 1 vg00/a", &["vg00/a"]),
        ("lvchange --poll y vg00/a", &["vg00/a"]),
        ("pvmove --atomic -i 1 -n vg00/a /dev/sda /dev/sdb", &["vg00/a", "/dev/sda", "/dev/sdb"]),
        ("pvmove --name=vg00/a /dev/sda /dev/sdb /dev/sdc", &["vg00/a", "/dev/sda", "/dev/sdb", "/dev/sdc"]),
        ("pvmove --abort /dev/sda", &["/dev/sda"]),
        ("pvcreate --uuid a-b --norestorefile --pvmetadatacopies 0 /dev/loop40", &["/dev/loop40"]),
        ("vgextend vg00 /dev/loop40", &["vg00", "/dev/loop40"]),
        ("pvchange --addtag mark /dev/loop40", &["/dev/loop40"]),
        ("vgreduce vg00 /dev/loop40", &["vg00", "/dev/loop40"]),
        (
            "vgchange -y --systemid b --config local/extra_system_ids=[\"a\",\"mark\"] --devices /dev/sdb vg00",
            &["vg00"],
        ),
        ("lvchange -ay --devices /dev/sdb,/dev/sdc vg00/a", &["vg00/a"]),
    ] {
        assert_eq!(objects(line).unwrap(), named, "{line}");
    }
    for line in [
        "lvcreate -l 10 vg01",
        "lvremove -y @tag",
        "lvremove -y",
        "lvremove -S all vg00/a",
        "lvremove --config x vg00/a",
        "vgchange --config x vg00",
        "vgchange --config local/extra_system_ids=[\"a\"]log{file=\"/etc/passwd\"} vg00",
        "vgchange --config local/extra_system_ids=[\"a\"]\nlog/file=[\"/x\"] vg00",
        "vgchange --config local/extra_system_ids=[] vg00",
        "vgchange --config",
        "lvchange --config local/extra_system_ids=[\"a\"] vg00/a",
        "vgchange --systemid vg00",
        "lvcreate -sn snap vg00/dat",
        "lvm lvremove vg00/a",
        "lvcreate -s -n x vg00",
        "vgchange -u vg00 vg01",
        "pvchange --uuid /dev/sda /dev/sdb",
        "vgreduce --all vg00",
        "vgreduce --removemissing vg00",
        "pvmove",
        "pvmove --abort",
        "pvmove /dev/sda",
        "pvmove /dev/sda /dev/sdb",
        "pvmove -n a /dev/sda /dev/sdb",
        "pvmove -n vg00/a /dev/sda",
        "pvmove -n vg00/a -n vg00/b /dev/sda /dev/sdb",
        "pvmove --abort -n vg00/a /dev/sda",
    ] {
        assert!(objects(line).is_err(), "{line}");
    }
}

#[test]
fn a_move_needs_the_volume_and_both_physical_volumes_granted() {
    let line = "pvmove --atomic -i 1 -n vg00/dat /dev/sda /dev/sdb";
    let with = |on: &[&str]| {
        let mut rules = rules(Phase::Apply);
        rules.grants.run.push("pvmove".into());
        rules.grants.on = owned(on);
        rules.admitted.extend([run(line), run("pvmove /dev/sda /dev/sdb")]);
        rules
    };
    let granted = with(&["vg00/dat", "/dev/sda", "/dev/sdb"]);
    assert_eq!(asked(&granted, line), Ok(Admitted::Changes));
    assert!(matches!(asked(&granted, "pvmove /dev/sda /dev/sdb"), Err(Denied::Unclear { .. })));
    for (on, missing) in [
        (["vg00/other", "/dev/sda", "/dev/sdb"], "vg00/dat"),
        (["vg00/dat", "/dev/sda", "/dev/sdc"], "/dev/sdb"),
        (["vg00/dat", "/dev/sdb", "/dev/sdc"], "/dev/sda"),
    ] {
        let denied = asked(&with(&on), line);
        assert!(
            matches!(&denied, Err(Denied::NotGranted { key: "on", entry, .. }) if entry == missing),
            "{denied:?}"
        );
    }
}

/// Sabotage: a dry run taken for a change, or a change for a dry run; the target looked for under `read`; folders of `find`
/// not looked for at all.
#[test]
fn folders_that_are_copied_need_a_grant_of_both_and_a_dry_run_changes_nothing() {
    let copy = "rsync -aHAXSx --delete /srv/app/ /mnt/new/";
    let clear = "find /mnt/new -xdev -depth -mindepth 1 -delete";
    let dry = "rsync -aHAXSxcin --delete /srv/app/ /mnt/new/";
    let with = |phase, read: &[&str], write: &[&str]| {
        let mut rules = rules(phase);
        rules.grants = Grants {
            run: owned(&["rsync", "find"]),
            read: owned(read),
            write: owned(write),
            ..Grants::default()
        };
        rules.admitted = [copy, clear, "rsync -a --rsync-path=x /srv/app/ /mnt/new/"].map(run).into();
        rules
    };
    let apply = with(Phase::Apply, &["/srv/app"], &["/mnt/new"]);
    let preview = with(Phase::Preview, &["/srv/app"], &["/mnt/new"]);
    for line in [copy, clear] {
        assert_eq!(asked(&apply, line), Ok(Admitted::Changes), "{line}");
        assert!(matches!(asked(&preview, line), Err(Denied::OnlyReads { .. })), "{line}");
        let other = with(Phase::Apply, &["/srv/app", "/mnt/new"], &["/mnt/other"]);
        assert!(matches!(asked(&other, line), Err(Denied::NotGranted { key: "write", .. })), "{line}");
    }
    assert_eq!(asked(&preview, dry), Ok(Admitted::Reads));
    for (line, key) in [(copy, "read"), (dry, "read")] {
        let denied = asked(&with(Phase::Apply, &["/srv/application"], &["/mnt/new"]), line);
        assert!(matches!(&denied, Err(Denied::NotGranted { key: k, .. }) if *k == key), "{line}: {denied:?}");
    }
    assert!(matches!(
        asked(&apply, "rsync -a --rsync-path=x /srv/app/ /mnt/new/"),
        Err(Denied::Unclear { .. })
    ));
    assert!(matches!(asked(&apply, "rsync -a /srv/app/ /mnt/new/"), Err(Denied::NotInPlan { .. })));
    let bare = Rules { grants: Grants { run: vec![], ..apply.grants.clone() }, ..apply };
    assert!(matches!(asked(&bare, copy), Err(Denied::NotGranted { key: "run", .. })));
}

/// Sabotage: the file of a `losetup` not looked at (any file of the machine becomes a device).
#[test]
fn a_file_that_becomes_a_device_is_granted_by_write_and_so_is_the_device() {
    let lines = [
        "fallocate -l 65536 /srv/spare/room.mark",
        "chmod 600 /srv/spare/room.mark",
        "losetup /dev/loop40 /srv/spare/room.mark",
    ];
    let with = |write: &[&str], more: &[&str]| {
        let mut rules = rules(Phase::Hold);
        rules.grants.run.extend(owned(&["fallocate", "chmod", "losetup"]));
        rules.grants.write = owned(write);
        rules.admitted.extend(lines.iter().chain(more).map(|line| run(line)));
        rules
    };
    for line in lines {
        let granted = with(&["/dev/loop40", "/srv/spare/room*"], &[]);
        assert_eq!(asked(&granted, line), Ok(Admitted::Changes), "{line}");
        let denied = asked(&with(&["/dev/loop40"], &[]), line);
        assert!(matches!(denied, Err(Denied::NotGranted { key: "write", .. })), "{line}: {denied:?}");
    }
    let denied = asked(&with(&["/srv/spare/*"], &[]), lines[2]);
    assert!(matches!(denied, Err(Denied::NotGranted { key: "on", .. })), "{denied:?}");
    let out = "losetup /dev/loop40 /srv/spare/../../etc/shadow";
    assert!(matches!(
        asked(&with(&["/dev/loop40", "/srv/spare/*"], &[out]), out),
        Err(Denied::Unclear { .. })
    ));
}

/// Sabotage: the place that pg_dump writes to not looked at, or looked at only where it is spelled as we spell it.
#[test]
fn a_dump_goes_only_where_writing_is_granted() {
    let line = "pg_dump --format=directory --file=/srv/dump/database --jobs=2 --dbname=x";
    let verify = "pg_verifybackup /srv/base/data";
    let refused = [
        "pg_dump --file=/etc/cron.d/x --dbname=x",
        "pg_dumpall --file=/srv/dump/../../etc/passwd",
        "pg_dump -f /etc/passwd --file=/srv/dump/x",
        "pg_dump --fil=/etc/passwd --file=/srv/dump/x",
        "pg_dump --file=/srv/dump/x --file=/srv/dump/y",
        "pg_basebackup --pgdata=/srv/dump/x --waldir=/etc/x",
        "pg_dumpall --dbname=x",
        "rm -r -f /etc",
        "chown postgres /etc/shadow",
    ];
    let mut rules = rules(Phase::Apply);
    rules.grants.run.extend(owned(&["pg_dump", "pg_dumpall", "pg_basebackup", "rm", "chown"]));
    rules.grants.write = owned(&["/srv/dump/*"]);
    rules
        .admitted
        .extend(refused.iter().chain([&line, &"rm -r -f /srv/dump/database"]).map(|line| run(line)));
    assert_eq!(asked(&rules, line), Ok(Admitted::Changes));
    assert_eq!(asked(&rules, "rm -r -f /srv/dump/database"), Ok(Admitted::Changes));
    for line in refused {
        let denied = asked(&rules, line);
        let expected =
            matches!(denied, Err(Denied::NotGranted { key: "write", .. } | Denied::Unclear { .. }));
        assert!(expected, "{line}: {denied:?}");
    }
    let preview = Rules { phase: Phase::Preview, ..rules };
    for line in ["pg_restore --list /srv/d", "pg_restore --data-only --file=- /srv/d", verify] {
        assert_eq!(asked(&preview, line), Ok(Admitted::Reads), "{line}");
    }
    for line in ["pg_restore --list --file=/etc/x /srv/d", "pg_restore --data-only --file=/etc/x /srv/d"] {
        assert!(asked(&preview, line).is_err(), "{line}");
    }
}

#[test]
fn a_command_line_is_compared_whole_with_user_and_input() {
    let mut rules = rules(Phase::Apply);
    rules.grants.run.push("tool".into());
    let detail = json!({ "program": "tool", "args": ["\u{e000}/size\u{e001}b"], "as": "postgres", "stdin": "go", "nothing": null });
    rules.admitted.push(Effect { kind: "run".into(), detail });
    rules.input = json!({ "size": 4096 });
    let ask = |arg: &str, user, stdin: &[u8]| {
        rules.admit_run(Program { name: "tool", args: &[arg.to_owned()], user, stdin })
    };
    assert_eq!(ask("4096b", Some("postgres"), b"go"), Ok(Admitted::Changes));
    assert!(ask("4097b", Some("postgres"), b"go").is_err());
    assert!(ask("4096b", None, b"go").is_err());
    assert!(ask("4096b", Some("postgres"), b"stop").is_err());
    assert!(ask("4096b", Some("postgres"), b"\xff").is_err());
    assert!(rules.admit_run(Program { name: "lvs", args: &[], user: None, stdin: b"x" }).is_err());
    assert!(rules.admit_run(Program { name: "/bin/lvs", args: &[], user: None, stdin: b"" }).is_err());
}

/// What a call has read as a secret stands as `[secret NAME]` here, and nothing else may be read by what only reads.
///
/// Sabotage: any input admitted where an entry of the table takes a secret; restic's repository on another machine, which
/// restic reaches by starting a program; a line without `--no-lock`, which writes.
#[test]
fn a_secret_may_be_the_input_of_what_only_reads() {
    let mut rules = rules(Phase::Preview);
    rules.grants.run.push("restic".into());
    let ask = |line: &str, stdin: &[u8]| {
        let words = owned(&line.split(' ').collect::<Vec<_>>());
        rules.admit_run(Program { name: &words[0], args: &words[1..], user: None, stdin })
    };
    let secret = b"[secret db]\n";
    let list = "restic snapshots --repo /srv/backup --no-lock --no-cache --json --tag cutwater.r.s";
    assert_eq!(ask(list, secret), Ok(Admitted::Reads));
    for stdin in [
        &b"[secret db]"[..],
        b"[secret db]\nx\n",
        b"x[secret db]\n",
        b"[secret a] [secret b]\n",
        b"hunter22\n",
    ] {
        assert!(matches!(ask(list, stdin), Err(Denied::Unclear { .. })), "{stdin:?}");
    }
    for line in [
        "restic snapshots --repo sftp:host:/srv --no-lock --no-cache --json x",
        "restic snapshots --repo /srv/backup --no-cache --json x",
        "restic check --repo /srv/backup --no-lock --no-cache --cleanup-cache",
        "restic snapshots --repo /srv/backup --no-lock --no-cache --json --password-command=reboot",
        "restic forget --repo /srv/backup --no-lock --no-cache x",
    ] {
        assert!(matches!(ask(line, secret), Err(Denied::OnlyReads { .. })), "{line}");
    }
    assert!(matches!(ask("lvs", secret), Err(Denied::Unclear { .. })));
    assert_eq!(ask("find /srv/x -xdev -printf %P", b""), Ok(Admitted::Reads));
    assert!(matches!(ask("find /srv/x -xdev -fprintf /etc/passwd", b""), Err(Denied::OnlyReads { .. })));
}

#[test]
fn files_devices_and_file_systems_need_grant_and_plan() {
    let mut apply = rules(Phase::Apply);
    apply.admitted.extend([
        Effect {
            kind: "write".into(),
            detail: json!({ "path": "/etc/fstab", "content": "x\n", "mode": 420 }),
        },
        Effect { kind: "write".into(), detail: json!({ "path": "/etc/passwd", "content": "x\n" }) },
        Effect { kind: "remove".into(), detail: json!({ "path": "/etc/fences/pg" }) },
        Effect {
            kind: "block".into(),
            detail: json!({ "verb": "copy", "from": "/dev/vg00/dat", "to": "/dev/vg01/new" }),
        },
        Effect { kind: "freeze".into(), detail: json!({ "at": "/srv/postgresql" }) },
    ]);
    let preview = Rules { phase: Phase::Preview, ..apply.clone() };
    assert_eq!(apply.admit_write("/etc/fstab", b"x\n"), Ok(Admitted::Changes));
    assert!(matches!(preview.admit_write("/etc/fstab", b"x\n"), Err(Denied::OnlyReads { .. })));
    assert!(matches!(apply.admit_write("/etc/fstab", b"y\n"), Err(Denied::NotInPlan { .. })));
    assert!(matches!(apply.admit_write("/etc/passwd", b"x\n"), Err(Denied::NotGranted { key: "write", .. })));
    assert_eq!(
        apply.admit_remove("/etc/fences/pg"),
        Ok(Admitted::Changes),
        "a declared fence goes with its unit"
    );
    assert!(apply.admit_remove("/etc/fstab").is_err());
    let (from, to) = ("/dev/vg00/dat", "/dev/vg01/new");
    let request = json!({ "from": from, "to": to });
    assert_eq!(apply.admit_block("copy", &request, &[from], &[to]), Ok(Admitted::Changes));
    assert!(apply.admit_block("erase", &request, &[from], &[to]).is_err());
    assert!(apply.admit_block("copy", &json!({ "from": to, "to": from }), &[to], &[from]).is_err());
    assert!(preview.admit_block("copy", &request, &[from], &[to]).is_err());
    assert_eq!(apply.admit_freeze("/srv/postgresql"), Ok(Admitted::Changes));
    assert!(preview.admit_freeze("/srv/postgresql").is_err() && apply.admit_freeze("/").is_err());
    assert!(apply.admit_thaw("/srv/postgresql").is_ok() && preview.admit_thaw("/srv/postgresql").is_err());
    assert!(preview.admit_read("/dev/vg00/dat").is_ok() && preview.admit_read("/dev/vg00/../sda").is_err());
    assert!(preview.admit_secret("db").is_ok() && preview.admit_secret("other").is_err());
    assert!(apply.admit_folder("/srv/postgresql").is_ok(), "the plan mounts something there");
    assert!(matches!(apply.admit_folder("/run/cutwater/r1/other"), Err(Denied::NotInPlan { .. })));
    assert!(apply.admit_folder("/srv").is_err() && preview.admit_stat("/srv/postgresql").is_ok());
    assert!(preview.admit_folder("/srv/postgresql").is_err());
}

#[test]
fn statements_need_the_plan_and_connections_a_grant() {
    let address = json!({ "unix": "/run/s", "as": "postgres" });
    let mut apply = rules(Phase::Apply);
    apply
        .admitted
        .push(Effect { kind: "sql".into(), detail: json!({ "address": address, "text": "checkpoint" }) });
    assert!(apply.admit_connect(&address, "postgres").is_ok());
    assert!(apply.admit_connect(&json!({ "unix": "/run/s" }), "postgres").is_err(), "another user");
    assert!(matches!(apply.admit_connect(&address, "opaque"), Err(Denied::NotInPlan { .. })));
    assert_eq!(apply.admit_sql(&address, "checkpoint"), Ok(Admitted::Changes));
    assert_eq!(apply.admit_sql(&address, "SHOW server_version;"), Ok(Admitted::Reads));
    assert!(matches!(apply.admit_sql(&address, "drop table ledger"), Err(Denied::NotInPlan { .. })));
    let at = |phase| Rules { phase, ..apply.clone() };
    assert!(at(Phase::Preview).admit_connect(&address, "postgres").is_err());
    assert_eq!(at(Phase::Check).admit_sql(&address, "checkpoint"), Ok(Admitted::Reads));
    assert!(at(Phase::Probe).admit_sql(&address, "checkpoint").is_err());
    apply.admitted.push(Effect {
        kind: "sql".into(),
        detail: json!({ "address": address, "text": "select count(*) from ledger", "reads": true }),
    });
    let at = |phase| Rules { phase, ..apply.clone() };
    for phase in [Phase::Check, Phase::Probe, Phase::Apply] {
        assert_eq!(at(phase).admit_sql(&address, "select count(*) from ledger"), Ok(Admitted::Reads));
    }
    let mut preview = at(Phase::Preview);
    preview.grants.connect =
        vec![Address::Unix { unix: "/run/s".into(), user: Some("postgres".into()), read_only: true }];
    assert!(preview.admit_connect(&address, "postgres").is_ok());
    assert_eq!(preview.admit_sql(&address, "select count(*) from ledger"), Ok(Admitted::Reads));
}

#[test]
fn a_unit_is_granted_by_either_of_its_names() {
    let mut rules = rules(Phase::Apply);
    rules.grants.units = owned(&["pg", "web.service"]);
    for unit in ["pg", "pg.service", "web", "web.service"] {
        assert!(rules.unit(unit, unit).is_ok(), "{unit}");
    }
    assert!(rules.unit("pg.socket", "").is_err() && rules.unit("other", "").is_err());
}

#[test]
fn a_grant_of_units_lets_a_drop_in_bar_a_unit_and_run_nothing() {
    let path = "/etc/systemd/system/postgresql@15-main.d/cutwater.conf";
    let admits = |content: &str| {
        let mut rules = rules(Phase::Apply);
        rules.admitted =
            vec![Effect { kind: "write".into(), detail: json!({ "path": path, "content": content }) }];
        rules.admit_write(path, content.as_bytes()).is_ok()
    };
    assert!(admits("# fenced\n[Unit]\nConditionPathExists=/run/cutwater/admitted/x\n"));
    assert!(!admits("[Service]\nExecStartPre=/bin/sh -c id\n"));
    assert!(!admits("[Unit]\nConditionPathExists=/x \\\n[Service]\nExecStartPre=/bin/id\n"));
    assert!(!admits("[Unit]\nOnFailure=evil.service\n"));
}
