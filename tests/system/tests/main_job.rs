//! The main job in the lab: success and its two failures. Each test names the sabotage that turns it red.

use cutwater_lab::scratch;
use cutwater_system::{MainJob, Moved, report};

const OLD: &str = "/dev/mapper/vg00-dat";
const NEW: &str = "/dev/mapper/vg01-new";

/// What the job and the run said, where a test fails.
fn words(moved: &Moved) -> String {
    moved.read("job.log").unwrap_or_default()
}

/// Sabotage: the final pass skipped, or one chunk of it (rows are missing, or the compare refuses); the fence not lifted
/// (not on the new volume after a reboot); the mark crossed before the compare.
#[test]
fn a_database_under_load_moves_without_losing_a_row_and_outlasts_two_reboots() {
    let folder = scratch("main-job").unwrap();
    let job = MainJob::new(folder.path()).unwrap();
    let moved = job.run().unwrap();
    assert_eq!((moved.exit, moved.status), (0, 0), "{}", words(&moved));
    assert_eq!(moved.read("mounted").unwrap(), NEW);
    assert_eq!(moved.read("left").unwrap(), "", "left behind");

    let report = report(&moved).unwrap();
    println!("{report:#}");
    assert_eq!(report["outcome"], "done");
    assert_eq!(report["lost_transactions"], 0);
    let (first, last) = (&report["bytes_copied"]["first_pass"], &report["bytes_copied"]["final_pass"]);
    assert_eq!(first.as_u64().unwrap(), 1 << 30, "the first pass copies the volume");
    let listed = report["changed"]["chunks"].as_u64().unwrap() * (16 << 10);
    assert_eq!(last.as_u64().unwrap(), listed, "the final pass copies just the chunks that the store lists");
    assert!(listed > 0 && listed < 512 << 20, "something changed, and not everything: {listed}");
    assert!(report["acked_before"].as_u64().unwrap() > 100 && report["acked_after"].as_u64().unwrap() >= 100);
    assert!(report["downtime_ms"]["client"].as_f64().unwrap() > 0.0);

    for _ in 0..2 {
        assert_eq!(job.reboot_and_look().unwrap(), NEW);
    }
    let (old, new, only_old) = job.compare_old_and_new().unwrap();
    assert_eq!(only_old, "", "rows that only the old volume has");
    assert!(old > 100 && new > old, "{old} rows on the old volume, {new} on the new one");
}

/// Sabotage: the check of extents left out (the snapshot refuses later, and the text names no number).
#[test]
fn too_few_extents_are_told_before_anything_is_touched() {
    let folder = scratch("few-extents").unwrap();
    let job = MainJob::new(folder.path()).unwrap().but_first("lvcreate -y -q -l 250 -n filler vg00");
    let moved = job.run().unwrap();
    assert_eq!(moved.exit, 4, "{}", words(&moved));
    let said = words(&moved);
    assert!(said.contains("extent"), "{said}");
    assert!(said.contains("vgextend"), "the way out is not named:\n{said}");
    assert_eq!(moved.read("mounted").unwrap(), OLD);
    assert_eq!(moved.read("left").unwrap().replace("node vg00-filler", ""), "", "left behind");
    assert!(moved.read("witness.json").unwrap().contains("\"lost\": []"));
}

/// The outage's limit in the workflow.
const LIMIT_MS: u64 = 60_000;

/// The service's start fails as soon as the new volume is mounted.
const UNABLE: &str = r#"service=/etc/cutwater-lab/services/postgresql@15-main
cp $service /run/start-for-real
cat >$service <<'CONF'
#!/bin/sh
if [ "$1" = start ] && findmnt -no SOURCE /srv/postgresql | grep -q vg01; then
  echo 'could not start: the new side is unable to' >&2
  exit 1
fi
exec sh /run/start-for-real "$@"
CONF"#;

/// Sabotage: the undo of unmount, stop or bar left out (the old side is not back), the outage not undone.
#[test]
fn a_new_side_that_cannot_start_brings_the_old_one_back_within_the_limit() {
    let folder = scratch("unable").unwrap();
    let job = MainJob::new(folder.path()).unwrap().but_first(UNABLE);
    let moved = job.run().unwrap();
    let said = words(&moved);
    assert_eq!(moved.exit, 4, "{said}");
    assert!(said.contains("the new side is unable to"), "the program's own words are missing:\n{said}");
    assert_eq!(moved.read("mounted").unwrap(), OLD);
    assert_eq!(moved.read("left").unwrap(), "", "left behind");
    let report = report(&moved).unwrap();
    println!("{report:#}");
    assert_eq!(report["lost_transactions"], 0);
    assert!(report["downtime_ms"]["engine"].as_u64().unwrap() < LIMIT_MS, "{report:#}");
}

/// Sabotage: the mark crossed in a rehearsal; the outage, the copy or the snapshot not taken back.
#[test]
fn a_rehearsal_with_its_outage_ends_where_it_began() {
    let folder = scratch("rehearsal").unwrap();
    let job = MainJob::new(folder.path()).unwrap().rehearsed();
    let moved = job.run().unwrap();
    let said = words(&moved);
    assert_eq!((moved.exit, moved.status), (0, 0), "{said}");
    assert_eq!(moved.read("mounted").unwrap(), OLD, "{said}");
    assert_eq!(moved.read("left").unwrap(), "", "left behind\n{said}");
    let report = report(&moved).unwrap();
    println!("{report:#}");
    assert_eq!((&report["outcome"], &report["lost_transactions"]), (&"rehearsed".into(), &0.into()));
    assert!(report["downtime_ms"]["engine"].as_u64().unwrap() > 0, "{report:#}");
}

/// What must not change by planning: sequence numbers, volumes, nodes, mounts, fences, files, sessions.
const PLANS: &str = r#". /run/jobs/machine.sh
install_cutwater
look() {
  vgs --noheadings -o vg_name,vg_seqno; lvs --noheadings -o lv_name,lv_attr,lv_tags; dmsetup table
  findmnt -rn; ls -lA --time-style=full-iso /etc /etc/postgresql/15/main /etc/cutwater-fences | grep -v ' \.\.$'
  query 'select pid, usename, application_name from pg_stat_activity where pid <> pg_backend_pid() and backend_type = $$client backend$$'
}
plan() { cutwater plan /run/workflows/postgres/move-volume.yaml --input target=/dev/vg01/new --json; }
look >$OUT/before
plan >$OUT/first.json; status=$?
plan >$OUT/second.json || status=1
look >$OUT/after
cutwater plan /run/workflows/postgres/move-volume.yaml --input target=/dev/vg01/new >$OUT/plan.txt
exit $status"#;

/// Sabotage: an estimate or a time in the hash; a preview that writes.
#[test]
fn planning_changes_nothing_and_gives_the_same_hash_twice() {
    let folder = scratch("plans").unwrap();
    let job = MainJob::new(folder.path()).unwrap();
    let outcome = job.then(PLANS).unwrap().success().unwrap();
    assert_eq!(outcome.read("before").unwrap(), outcome.read("after").unwrap());
    let hash = |name: &str| -> String {
        let plan: serde_json::Value = serde_json::from_str(&outcome.read(name).unwrap()).unwrap();
        plan["hash"].as_str().unwrap().to_owned()
    };
    assert_eq!(hash("first.json"), hash("second.json"));
    let text = outcome.read("plan.txt").unwrap();
    for shown in [
        "$ lvcreate -s -y",
        "sql> checkpoint",
        "write /etc/fstab",
        "$ umount /srv/postgresql",
        "POINT OF NO RETURN",
    ] {
        assert!(text.contains(shown), "the plan does not show `{shown}`:\n{text}");
    }
}
