//! Extents lent in the lab to a group that has none left. Each test names the sabotage that turns it red.

#![expect(clippy::unwrap_used, reason = "a test")]

use cutwater_lab::{Disk, Image, Lab, Outcome, built_program, scratch};
use cutwater_system::compiled_plugins;
use std::path::Path;
use std::time::Duration;

const AT_MOST: Duration = Duration::from_secs(10 * 60);
/// Disks without a file system: the group's, and one to copy to.
const GROUP_MIB: u64 = 65;
const COPY_MIB: u64 = 80;

fn run(name: &str, job: &str) -> (Outcome, tempfile::TempDir) {
    let folder = scratch(name).unwrap();
    let programs = built_program("cutwater").unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lab = Lab::new(folder.path())
        .unwrap()
        .image(&Image::named("bare").unwrap())
        .unwrap()
        .disk(Disk::empty(folder.path().join("group.img"), GROUP_MIB).unwrap())
        .disk(Disk::empty(folder.path().join("copy.img"), COPY_MIB).unwrap())
        .mount(programs.parent().unwrap(), "/run/bin")
        .mount(here.join("tests/workflows"), "/run/scratch")
        .mount(here.join("job"), "/run/jobs")
        .mount(compiled_plugins().unwrap(), "/run/compiled");
    let begin = ". /run/jobs/machine.sh; . /run/jobs/lend.sh; install_cutwater; make_full_group || exit 90\n";
    let outcome = lab.run(&format!("{begin}{job}"), AT_MOST).unwrap();
    assert_eq!(outcome.status, 0, "{}", outcome.log());
    (outcome, folder)
}

fn read(outcome: &Outcome, name: &str) -> String {
    outcome.read(name).unwrap_or_else(|_| format!("no {name}")).trim().to_owned()
}

/// The group has its own disk and nothing else, the file and the loop device are gone, and the origin is whole.
#[track_caller]
fn as_before(outcome: &Outcome, case: &str) {
    let read = |name: &str| read(outcome, name);
    assert_eq!(read(&format!("{case}/machine")), read("machine-before"), "{case}: {}", outcome.log());
    assert_eq!(read(&format!("{case}/left")), "", "{case}");
    assert_eq!(read(&format!("{case}/sum")), SUM, "{case}");
}

/// Of the numbers from 1 to 20000, a line each.
const SUM: &str = "f6351f5ead9a700e34275480b3856ea738122a7c57bdeb744a631251c069587a";

/// Sabotage: the physical volume left in the group, the loop device left with its file; the origin's own file system taken for
/// a place (its snapshot would be kept inside itself); what lies on it removed, or passed over in silence.
#[test]
fn extents_are_lent_for_a_snapshot_given_back_and_never_taken_from_under_what_lies_on_them() {
    let job = format!(
        "lends whole
lends itself --input file=/srv/dat/room
{USED}"
    );
    let (outcome, _folder) = run("lend", &job);
    let read = |name: &str| read(&outcome, name);
    assert_eq!(read("whole/exit"), "0", "{}\n{}", read("whole/out"), read("whole/err"));
    as_before(&outcome, "whole");
    assert!(read("whole/events.jsonl").contains("\"extents\":"), "{}", read("whole/events.jsonl"));

    assert_ne!(read("itself/exit"), "0");
    let words = "`/srv/dat` lies on `vg00` itself (by way of /dev/mapper/vg00-dat, /dev/ubdb)";
    assert!(read("itself/err").contains(words), "{}", read("itself/err"));
    as_before(&outcome, "itself");

    // Somebody's volume on what is lent: said, with the way out; the run waits for a person, and nothing is lost.
    assert!(read("used/show").contains("`vg00/theirs` still lies on `/dev/loop40`"), "{}", read("used/show"));
    assert!(read("used/show").contains("pvmove /dev/loop40"), "{}", read("used/show"));
    assert_eq!(read("used/theirs"), "kept by somebody");
    assert_eq!(read("used/left"), "theirs");
    assert_eq!(read("freed/exit"), "4", "{}", read("freed/out"));
    as_before(&outcome, "freed");
}

/// Somebody makes a volume on the lent extents while the run copies; once it is away, `resume` gives everything back.
const USED: &str = r#"
    mkdir -p $OUT/freed
    begins_to_copy used --input size=16MiB
    lvcreate -q -y -W n -n theirs -l 1 vg00 /dev/loop40 >/dev/null 2>&1 || exit 92
    echo kept by somebody | dd of=/dev/vg00/theirs conv=sync,fsync status=none
    wait $engine; echo $? >$OUT/used/exit
    aftermath used
    head -n 1 /dev/vg00/theirs | tr -d '\0' >$OUT/used/theirs
    lvremove -q -y vg00/theirs >/dev/null 2>&1
    cutwater resume "$(newest_run)" >$OUT/freed/out 2>&1
    echo $? >$OUT/freed/exit
    aftermath freed
"#;

/// Sabotage: the hold given back before its inner steps are taken back (the snapshot lies on it, and a person is asked); the
/// file not put behind its device again after a boot.
#[test]
fn an_engine_killed_inside_leaves_nothing_and_neither_does_a_boot() {
    let (outcome, _folder) = run("lend-killed", KILLED);
    let read = |name: &str| read(&outcome, name);
    assert_eq!(read("killed/exit"), "4", "{}\n{}", read("killed/show"), outcome.log());
    as_before(&outcome, "killed");
    assert_eq!(read("booted/missing"), "1", "the group does not miss what was lent");
    assert_eq!(read("booted/exit"), "4", "{}\n{}", read("booted/out"), outcome.log());
    as_before(&outcome, "booted");
}

const KILLED: &str = r#"
    allow_faults
    mkdir -p $OUT/killed
    blank
    cutwater run $workflow --fault killed-after@intended:copy >$OUT/killed/out 2>$OUT/killed/err </dev/null
    timeout 300 cutwater watch "$(newest_run)" >$OUT/killed/watch 2>&1
    echo $? >$OUT/killed/exit
    aftermath killed

    # What a power cut leaves: no engine, no guard, nothing mounted, nothing active, and no loop device.
    begins_to_copy booted
    guard=$(pgrep -x -f '.*__guard.*' | head -n 1)
    kill -KILL $guard $engine
    wait $engine 2>/dev/null
    no_engine
    umount /run/look; umount /srv/dat
    vgchange -q -an vg00 >/dev/null 2>&1
    losetup -d /dev/loop40
    vgs --noheadings -o vg_missing_pv_count vg00 2>/dev/null | tr -d ' ' >$OUT/booted/missing
    timeout 300 cutwater resume "$(newest_run)" >$OUT/booted/out 2>&1
    echo $? >$OUT/booted/exit
    vgchange -q -ay vg00 >/dev/null 2>&1
    mount /dev/vg00/dat /srv/dat
    aftermath booted
"#;
