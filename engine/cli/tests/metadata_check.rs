//! `lvm.metadata-check` against groups that LVM's own tools made and changed, on loop devices. Needs root. What LVM did is the
//! oracle.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use common::disks::Disks;
use serde_json::{Value, json};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// What the step says, and with what `--exit-code steps.step.code` leaves.
fn checked(disks: &Disks, devices: &[String], known: &Value) -> (Value, i32) {
    let mut with = json!({ "vg": "vgx", "devices": devices });
    if !known.is_null() {
        with["known"] = known.clone();
    }
    let with = with.to_string();
    let args = ["step", "lvm.metadata-check", "--json", "--with", &with, "--exit-code", "steps.step.code"];
    let said = disks.place.cutwater(&args);
    (serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}")), said.code)
}

#[track_caller]
fn answers(disks: &Disks, devices: &[String], known: &Value, expected: &str, code: i32) -> Value {
    let (said, left_with) = checked(disks, devices, known);
    assert_eq!((said["answer"].as_str().unwrap(), left_with), (expected, code), "{said:#}");
    assert_eq!(said["code"], code);
    said
}

fn open(device: &str) -> File {
    File::options().read(true).write(true).open(device).unwrap()
}

/// All of LVM's metadata on a device.
fn metadata(device: &str) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    open(device).read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn put_back(device: &str, bytes: &[u8]) {
    let disk = open(device);
    disk.write_all_at(bytes, 0).unwrap();
    disk.sync_all().unwrap();
}

/// LVM's checksum of an area's header.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xf597_a6cf, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

/// Sabotage: the stamps of the second disk not compared; a group that is not here taken for one that did not change.
#[test]
fn what_has_changed_is_told_by_word_and_by_exit_status() {
    let disks = Disks::new();
    disks.group();
    let both = disks.devices.clone();
    let first = answers(&disks, &both, &Value::Null, "unknown", 11);
    assert_eq!(first["group"]["physical"].as_array().unwrap().len(), 2);
    let known = answers(&disks, &both, &first, "unchanged", 0);
    assert_eq!(known["group"], first["group"]);
    // Whatever the devices are called.
    let reversed: Vec<String> = both.iter().rev().cloned().collect();
    answers(&disks, &reversed, &known, "unchanged", 0);
    answers(&disks, &both[..1], &known, "missing", 18);

    disks.lvm("vgchange -q --addtag newer vgx");
    let changed = answers(&disks, &both, &known, "changed", 10);
    assert!(changed["found"][0].as_str().unwrap().contains("vgchange -q --addtag newer vgx"), "{changed}");
    let now = answers(&disks, &both, &changed, "unchanged", 0);

    let file = File::create(disks.place.path("c")).unwrap();
    file.set_len(64 << 20).unwrap();
    let other = disks.place.device("c");
    let three = [&both[..], std::slice::from_ref(&other)].concat();
    answers(&disks, &three, &now, "unchanged", 0);
    put_back(&other, &metadata(&both[0])[..4096]);
    answers(&disks, &both, &now, "unchanged", 0);
}

/// Sabotage: the other disk's checksum not asked for (split), its number not compared (stale), slot 1 passed over (in
/// transition).
#[test]
fn a_stale_a_split_and_a_half_written_copy_are_told_apart() {
    let disks = Disks::new();
    disks.group();
    let both = disks.devices.clone();
    let known = answers(&disks, &both, &Value::Null, "unknown", 11);
    let before = both.iter().map(|device| metadata(device)).collect::<Vec<_>>();

    disks.lvm("vgchange -q --addtag here vgx");
    let here = metadata(&both[1]);
    put_back(&both[1], &before[1]);
    answers(&disks, &both, &known, "stale", 17);

    put_back(&both[0], &before[0]);
    answers(&disks, &both, &known, "unchanged", 0);
    disks.lvm("vgchange -q --addtag there vgx");
    put_back(&both[1], &here);
    answers(&disks, &both, &known, "split", 19);

    // What a writer leaves that dies before its commit: a second text beside the one that counts.
    let mut half = before[0].clone();
    let committed: Vec<u8> = half[4096 + 40..4096 + 64].to_vec();
    half[4096 + 64..4096 + 88].copy_from_slice(&committed);
    let sum = crc(&half[4096 + 4..4096 + 512]);
    half[4096..4100].copy_from_slice(&sum.to_le_bytes());
    put_back(&both[0], &half);
    put_back(&both[1], &before[1]);
    answers(&disks, &both, &known, "in-transition", 16);

    put_back(&both[0], &before[0]);
    disks.lvm("vgexport -q vgx");
    answers(&disks, &both, &known, "exported", 15);
}

/// A group that was made elsewhere, on a disk that is known: neither the scan of every disk nor the stored stamp of the one
/// group would find it. Sabotage: only the group's own physical volumes compared.
#[test]
fn a_group_that_has_come_onto_a_known_disk_and_another_hosts_group_are_told() {
    let disks = Disks::new();
    disks.lvm(&format!("vgcreate -q vgx {}", disks.devices[0]));
    let both = disks.devices.clone();
    let known = answers(&disks, &both, &Value::Null, "unknown", 11);
    disks.lvm(&format!("vgcreate -q vgy {}", both[1]));
    let said = answers(&disks, &both, &known, "other-groups", 12);
    assert!(said["found"][0].as_str().unwrap().contains("`vgy`"), "{said}");
    answers(&disks, &both, &said, "unchanged", 0);

    disks.lvm("vgchange -q -y --config local{system_id=\"elsewhere\"}global{system_id_source=\"lvmlocal\"} --systemid elsewhere vgx");
    let said = answers(&disks, &both, &known, "foreign", 14);
    assert!(said["found"].to_string().contains("`elsewhere`"), "{said}");
}

/// The shipped script, as a cluster's resource agent would call it. Sabotage: a stamp that is not kept, or kept in part.
#[test]
fn a_failover_script_leaves_with_what_was_found() {
    let disks = Disks::new();
    disks.group();
    let script =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows/failover/metadata-check.sh");
    disks.place.file(
        "cutwater",
        format!(
            "#!/bin/sh\nexec {} --root {} \"$@\"\n",
            env!("CARGO_BIN_EXE_cutwater"),
            disks.place.path("root").display()
        ),
    );
    std::fs::set_permissions(
        disks.place.path("cutwater"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let path = format!("{}:{}", disks.place.path("").display(), std::env::var("PATH").unwrap());
    let left_with = |verb: &str| {
        let mut command = std::process::Command::new(&script);
        command
            .args([verb, "vgx"])
            .args(&disks.devices)
            .env("PATH", &path)
            .env("KEPT", disks.place.path("kept"));
        let output = command.output().unwrap();
        output.status.code().unwrap_or_else(|| panic!("{output:?}"))
    };
    assert_eq!(left_with("ask"), 11);
    assert_eq!(left_with("keep"), 0);
    assert_eq!(left_with("ask"), 0);
    disks.lvm("vgchange -q --addtag newer vgx");
    assert_eq!(left_with("ask"), 10);
    assert_eq!(left_with("no-such-verb"), 2);
}

/// While LVM writes, one change after another. Sabotage: a text taken without its checksum (torn), or a header that is read once
/// for all (`unchanged` behind a change).
#[test]
fn while_metadata_is_written_no_torn_text_is_believed_and_no_change_is_missed() {
    let disks = Disks::new();
    disks.group();
    // A long text is long in the writing.
    let tags: Vec<String> = (0..200).map(|n| format!("--addtag {n:0>100}")).collect();
    disks.lvm(&format!("vgchange -q {} vgx", tags.join(" ")));
    let runs: u64 = std::env::var("CUTWATER_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(150);
    let base: u64 = disks.lvm("vgs --noheadings -o vg_seqno vgx").parse().unwrap();
    let (committed, over) = (AtomicU64::new(base), AtomicBool::new(false));
    let lvm = disks.tools();
    let unchanged = std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                if over.load(SeqCst) {
                    break;
                }
                lvm.lvm(&format!("vgchange -q --addtag w{n} --deltag w{} vgx", n - 1));
                committed.fetch_add(1, SeqCst);
            }
        });
        let (mut known, mut unchanged) = (Value::Null, 0);
        for _ in 0..runs {
            let before = committed.load(SeqCst);
            let (said, _) = checked(&disks, &disks.devices, &known);
            let seqno = said["group"]["seqno"].as_u64().unwrap_or_else(|| panic!("{said:#}"));
            assert!(seqno >= before, "change {before} was committed, and {seqno} was told: {said:#}");
            let fine = ["unknown", "unchanged", "changed", "in-transition", "stale"];
            assert!(fine.contains(&said["answer"].as_str().unwrap()), "{said:#}");
            unchanged += u64::from(said["answer"] == "unchanged");
            known = said;
        }
        over.store(true, SeqCst);
        unchanged
    });
    println!("{runs} checks, {unchanged} unchanged, {} changes meanwhile", committed.load(SeqCst) - base);
    assert!(committed.load(SeqCst) - base > runs / 20, "hardly anything was written");
}
