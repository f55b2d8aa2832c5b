//! Volumes backed up from snapshots and restored into snapshots that are merged, in the lab, with the real restic. Each test
//! names the sabotage that turns it red.

#![expect(clippy::unwrap_used, reason = "a test")]

use cutwater_lab::{Image, Lab, Outcome, built_program, scratch};
use cutwater_system::compiled_plugins;
use std::path::Path;
use std::time::Duration;

const AT_MOST: Duration = Duration::from_secs(10 * 60);

/// The file system on the volume, and the volume's table once nothing of a snapshot is left.
struct Kind {
    fs: &'static str,
    tables: &'static str,
}

const EXT4: Kind = Kind { fs: "ext4", tables: "vg00-data: 0 131072 linear\nvg00-logs: 0 131072 linear" };
const XFS: Kind = Kind { fs: "xfs", tables: "vg00-data: 0 622592 linear\nvg00-logs: 0 131072 linear" };

fn run(name: &str, kind: &Kind, job: &str) -> (Outcome, tempfile::TempDir) {
    let folder = scratch(name).unwrap();
    let programs = built_program("cutwater").unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lab = Lab::new(folder.path())
        .unwrap()
        .image(&Image::named("postgres").unwrap())
        .unwrap()
        .mount(programs.parent().unwrap(), "/run/bin")
        .mount(here.join("../../workflows"), "/run/workflows")
        .mount(here.join("job"), "/run/jobs")
        .mount(compiled_plugins().unwrap(), "/run/compiled");
    let begin = format!(
        ". /run/jobs/machine.sh; . /run/jobs/rollback.sh; . /run/jobs/backup.sh; install_cutwater
        backed_up_then_harmed {} || exit 90\n",
        kind.fs
    );
    let outcome = lab.run(&format!("{begin}{job}"), AT_MOST).unwrap();
    assert_eq!(outcome.status, 0, "{}", outcome.log());
    (outcome, folder)
}

fn read(outcome: &Outcome, name: &str) -> String {
    outcome.read(name).unwrap_or_else(|_| format!("no {name}")).trim().to_owned()
}

/// How a case ended; the service runs on its volumes, which are plain, and nothing of the run is left.
#[track_caller]
fn ended(outcome: &Outcome, kind: &Kind, case: &str, status: &str) {
    let read = |name: &str| read(outcome, &format!("{case}/{name}"));
    assert_eq!(read("exit"), status, "{}\n{}", read("err"), read("events.jsonl"));
    let mounted = "/dev/mapper/vg00-data /srv/app/data\n/dev/mapper/vg00-logs /srv/app/logs";
    assert_eq!(
        (read("mounted").as_str(), read("running").as_str(), read("left").as_str()),
        (mounted, "yes", ""),
        "{case}"
    );
    assert_eq!(read("tables"), kind.tables, "{case}");
    assert!(!read("events.jsonl").contains("correct-horse"), "{case}: the password is in the journal");
}

/// The plan without what differs from machine to machine: uuids, ids of backups, the hash.
fn plain(plan: &str) -> String {
    let of_word = |word: &str| {
        let dashes = word.match_indices('-').map(|(at, _)| at).collect::<Vec<_>>();
        let hex = word.chars().all(|c| c.is_ascii_hexdigit());
        match (word.len(), dashes.as_slice()) {
            (38, [6, 11, 16, 21, 26, 31]) => "UUID".to_owned(),
            (64, []) if hex => "ID".to_owned(),
            _ => word.to_owned(),
        }
    };
    let (mut out, mut word) = (String::new(), String::new());
    for c in plan.chars() {
        if c.is_ascii_alphanumeric() || c == '-' {
            word.push(c);
        } else {
            out += &of_word(&std::mem::take(&mut word));
            out.push(c);
        }
    }
    out + &of_word(&word)
}

/// The reviewed plan beside the workflow.
#[track_caller]
fn planned(outcome: &Outcome, name: &str, workflow: &str) {
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../workflows/backup/{workflow}.plan"));
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(plain(&read(outcome, name)), expected.trim(), "{} is not the plan any more", golden.display());
}

/// Sabotage: a volume that is not emptied before the restore; a merge of a snapshot that nothing was restored into.
#[test]
fn a_backup_restored_into_a_snapshot_and_merged_is_the_volume_that_was_backed_up() {
    let (outcome, _folder) = run("restored", &XFS, "run_backup restored restore-and-merge --input id=$id");
    planned(&outcome, "before/backup.plan", "snapshot-backup");
    planned(&outcome, "before/restore.plan", "restore-and-merge");
    ended(&outcome, &XFS, "backup", "0");
    assert_eq!(read(&outcome, "backup/backups").len(), 64, "not one backup");
    ended(&outcome, &XFS, "restored", "0");
    assert_ne!(read(&outcome, "before/harmed"), read(&outcome, "before/after"), "no harm was done");
    assert_eq!(read(&outcome, "restored/after"), read(&outcome, "before/after"), "not what was backed up");
    assert_eq!(read(&outcome, "restored/backups"), read(&outcome, "backup/backups"));
}

/// The check finds it; where the check reads no data, the restore does. A new backup into the same repository is found not to
/// come back whole, and is forgotten.
///
/// Sabotage: a check without `--read-data`; a restore whose status is not looked at; an undo that forgets nothing.
#[test]
fn a_damaged_pack_is_caught_before_the_merge_and_everything_is_as_it_was() {
    let (outcome, _folder) = run(
        "damaged",
        &EXT4,
        "damage
        run_backup checked restore-and-merge --input id=$id
        run_backup unread restore-and-merge --input id=$id --input read=none
        run_backup again snapshot-backup",
    );
    ended(&outcome, &EXT4, "backup", "0");
    for (case, code) in [("checked", "damaged"), ("unread", "not-restored"), ("again", "damaged")] {
        ended(&outcome, &EXT4, case, "4");
        let events = read(&outcome, &format!("{case}/events.jsonl"));
        assert!(events.contains(&format!("\"{code}\"")), "{case}: {events}");
        assert!(!events.contains(r#""event":"crossed""#), "{case}: a merge was begun");
        assert_eq!(read(&outcome, &format!("{case}/after")), read(&outcome, "before/harmed"), "{case}");
        assert_eq!(read(&outcome, &format!("{case}/backups")), read(&outcome, "backup/backups"), "{case}");
    }
}
