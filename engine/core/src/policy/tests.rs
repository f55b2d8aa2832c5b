use super::*;
use crate::grant::Address;
use serde_json::json;

fn words(line: &str) -> (String, Vec<String>) {
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().unwrap(), words.collect())
}

fn only_reads(policy: &Policy, line: &str) -> bool {
    let (program, args) = words(line);
    policy.reads(&program, &args).next().is_some()
}

#[test]
fn the_shipped_table_knows_what_only_reads() {
    let policy = Policy::default();
    for line in [
        "vgs --noheadings --units b -o vg_free_count vg00",
        "lvs --reportformat json --units=b --nosuffix -a -o lv_name vg00/dat",
        "lvs --foreign --devices /dev/sdb,/dev/sdc -o lv_name vg00",
        "lvm systemid",
        "blkid -p -o export /dev/vg00/dat",
        "dmsetup status vg00-dat",
        "dmsetup table --inactive vg00-dat",
        "systemctl show -p ActiveState --value postgresql@15-main",
        "pg_ctlcluster 15 main status",
        "pg_controldata /srv/postgresql",
        "losetup --list --json --output NAME,BACK-FILE",
    ] {
        assert!(only_reads(&policy, line), "{line}");
    }
}

#[test]
fn an_option_that_the_table_does_not_name_makes_a_line_a_changing_one() {
    let policy = Policy::default();
    for line in [
        "vgs --config log{file=\"/etc/passwd\"}",
        "vgs --config=x",
        "lvs --profile x vg00",
        "lvs -ao lv_name",
        "lvs --devicesfile x",
        "lvm systemid --config x",
        "lvm vgs",
        "lvs -o",
        "blkid -o export /dev/vg00/dat",
        "blkid -p -w /etc/passwd /dev/sda",
        "dmsetup ls --exec /bin/sh",
        "dmsetup remove vg00-dat",
        "dmsetup table --showkeys x",
        "fuser -k -m /srv",
        "systemctl -H other show x",
        "pg_ctlcluster 15 main stop",
        "pg_ctlcluster --force main status",
        "lvcreate -n x vg00",
        "cat /etc/shadow",
        "losetup /dev/loop1 /etc/shadow",
        "losetup --list /dev/loop1 /etc/shadow",
        "losetup -d /dev/loop1",
        "losetup --json -D",
    ] {
        assert!(!only_reads(&policy, line), "{line}");
    }
}

#[test]
fn a_file_adds_to_the_shipped_tables_and_keeps_the_rest() {
    let policy = Policy::parse(
        "policy.yaml",
        "cutwater-policy: 1\n\
         roles: {dba: [user:alice, group:dba]}\n\
         critical: [restripe]\n\
         read-only:\n  - {program: restripe, args: [status, '*']}\n\
         secrets: {db: {file: /etc/db-secret}, other: {env: OTHER}}\n\
         services:\n  pg: {start: [pg_ctlcluster, '15', main, start], stop: [pg_ctlcluster, '15', main, stop], status: [pg_ctlcluster, '15', main, status], fence-file: /etc/fence/pg}\n\
         grants: {lvm: {run: [lvcreate]}}\n\
         faults: allow\n",
    )
    .unwrap();
    assert!(
        policy.is_critical("restripe") && policy.is_critical("lvcreate") && policy.is_critical("mkfs.xfs")
    );
    assert!(!policy.is_critical("pg_ctlcluster"));
    assert!(
        only_reads(&policy, "restripe status /dev/md0") && !only_reads(&policy, "restripe status --force")
    );
    assert!(only_reads(&policy, "lvs vg00"));
    assert_eq!(policy.secrets["db"], SecretSource::File("/etc/db-secret".into()));
    assert_eq!(policy.roles_of("bob", &["dba".into()]), ["dba"]);
    assert!(policy.roles_of("dba", &["alice".into()]).is_empty());
    assert!(policy.faults && !Policy::default().faults);
    assert_ne!(policy.digest(), Policy::default().digest());
}

#[test]
fn a_fault_names_its_line() {
    let fault = |text: &str| Policy::parse("p.yaml", text).unwrap_err();
    let unknown = fault("cutwater-policy: 1\nrole: {}\n");
    assert_eq!(unknown.line, 2, "{unknown}");
    assert!(unknown.message.contains("role"), "{unknown}");
    assert_eq!(fault("cutwater-policy: 1\nfaults: allow\nfaults: deny\n").line, 3);
    assert_eq!(fault("cutwater-policy: 2\n").message, "`cutwater-policy: 2` is not known; write 1");
    assert_eq!(fault("cutwater-policy: 1\nroles: {dba: [alice]}\n").line, 2);
    assert_eq!(fault("cutwater-policy: 1\npath: [usr]\n").message, "`usr` is not an absolute path");
    assert!(Policy::parse("p.yaml", "roles: {}\n").is_err());
}

#[test]
fn grants_are_cut_to_what_the_machine_allows_and_the_rest_is_told() {
    let bound = Grants {
        run: vec!["lvcreate".into()],
        write: vec!["/dev/vg01/*".into()],
        connect: vec![Address::Unix {
            unix: "/run/postgresql/*".into(),
            user: Some("postgres".into()),
            read_only: false,
        }],
        ..Grants::default()
    };
    let policy = Policy { grants: BTreeMap::from([("lvm".to_owned(), bound)]), ..Policy::default() };
    let granted = Grants {
        run: vec!["lvcreate".into(), "lvremove".into()],
        write: vec!["/dev/vg01/new*".into(), "/dev/vg01/../sda".into(), "/dev/*/new".into()],
        connect: vec![Address::Unix {
            unix: "/run/postgresql/.s.PGSQL.5432".into(),
            user: None,
            read_only: true,
        }],
        ..Grants::default()
    };
    let (effective, exceeded) = policy.cut("lvm", &granted);
    assert_eq!(effective.run, ["lvcreate"]);
    assert_eq!(effective.write, ["/dev/vg01/new*"]);
    assert!(effective.connect.is_empty(), "another user's connection is not within the bound");
    let told: Vec<_> = exceeded.iter().map(|e| (e.key, e.granted.clone())).collect();
    assert_eq!(told[0], ("run", json!("lvremove")));
    assert_eq!(told.len(), 4);
    assert_eq!(policy.cut("fs", &granted).0, granted);
}
