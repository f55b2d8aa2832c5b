//! `cutwater extents` against groups that LVM's own tools made, on loop devices; nothing is activated, so no device mapper is
//! needed. Needs root. What LVM itself says is the oracle.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use common::Said;
use common::disks::Disks;
use serde_json::Value;
use std::os::unix::fs::FileExt;

trait Extents {
    fn extents(&self, args: &[&str]) -> Said;
    fn seen(&self, args: &[&str]) -> Value;
}

impl Extents for Disks {
    fn extents(&self, args: &[&str]) -> Said {
        let devices: Vec<&str> = self.devices.iter().map(String::as_str).collect();
        self.place.cutwater(&[&["extents"], devices.as_slice(), args].concat())
    }

    fn seen(&self, args: &[&str]) -> Value {
        let said = self.extents(&[args, &["--json"]].concat());
        serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"))
    }
}

/// Sabotage: the free extents counted over one disk; the text read without its wrapped part.
#[test]
fn what_is_read_from_the_disks_is_what_lvm_says_however_often_the_ring_went_round() {
    let disks = Disks::new();
    disks.group();
    // A text of 40 KiB in a ring of 1020 KiB.
    let tags: Vec<String> = (0..400).map(|n| format!("--addtag {n:0>100}")).collect();
    disks.lvm(&format!("vgchange -q {} vgx", tags.join(" ")));
    let mut wrapped = 0;
    for round in 0..30 {
        disks.lvm(&format!("vgchange -q --addtag r{round} vgx"));
        let seen = disks.seen(&[]);
        let group = &seen["groups"][0];
        let said = disks.lvm("vgs --noheadings -o vg_seqno,vg_free_count,vg_extent_count vgx");
        let figures: Vec<u64> = said.split_whitespace().map(|word| word.parse().unwrap()).collect();
        assert_eq!(figures, ["seqno", "free", "extents"].map(|key| group[key].as_u64().unwrap()), "{group}");
        assert_eq!(group["doubts"], serde_json::json!([]));
        assert_eq!(group["volumes"][0]["bytes"], 83_886_080);
        wrapped += u32::from(disks.is_wrapped());
    }
    assert!(wrapped > 0, "no text passed the end of the ring");
}

/// Sabotage: too little room left with 0; the figure without what would mend it.
#[test]
fn too_few_extents_are_told_with_their_number_and_the_command_that_adds_some() {
    let disks = Disks::new();
    disks.group();
    // 10 of 30 extents of 4 MiB are free; 15 % of 80 MiB are 13 MiB, 4 extents.
    let said = disks.extents(&[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("room for a snapshot of each: 4 extents are needed"), "{}", said.out);
    let said = disks.extents(&["--rate", "1MiB", "--lasting", "1h"]);
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.out.contains("TOO LITTLE: 21 extents are needed, 11 (44 MiB) are missing"), "{}", said.out);
    assert!(said.out.contains("vgextend vgx DEVICE"), "{}", said.out);
    let report = disks.extents(&["--host-report"]);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    assert!(report["host"]["kernel"].is_string() && report["groups"][0]["vg"] == "vgx", "{report}");
}

/// Sabotage: a torn sector taken for an older state, or for no group at all; a group whose half is away counted as whole.
#[test]
fn a_damaged_a_missing_and_a_stale_disk_are_named() {
    let disks = Disks::new();
    disks.group();
    let none = disks.place.cutwater(&["extents", "/dev/nonexistent"]);
    assert!(none.code == 4 && none.err.contains("there is no /dev/nonexistent"), "{none:?}");
    let first = disks.place.cutwater(&["extents", &disks.devices[0]]);
    assert_eq!(first.code, 4, "{first:?}");
    assert!(first.out.contains("is not here"), "{}", first.out);

    let disk = std::fs::OpenOptions::new().read(true).write(true).open(&disks.devices[1]).unwrap();
    let mut header = [0; 512];
    disk.read_exact_at(&mut header, 4096).unwrap();
    disks.lvm("vgchange -q --addtag newer vgx");
    let mut newer = [0; 512];
    disk.read_exact_at(&mut newer, 4096).unwrap();
    disk.write_all_at(&header, 4096).unwrap();
    disk.sync_all().unwrap();
    let said = disks.extents(&[]);
    assert!(said.code == 4 && said.out.contains("is stale"), "{said:?}");

    newer[100] ^= 1;
    disk.write_all_at(&newer, 4096).unwrap();
    disk.sync_all().unwrap();
    let said = disks.extents(&[]);
    assert_eq!(said.code, 4, "{said:?}");
    let torn = format!("{}: the checksum of the header of the metadata does not agree", disks.devices[1]);
    assert!(said.err.contains(&torn), "{said:?}");
}
