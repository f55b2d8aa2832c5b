//! Two machines over one disk: the first loses its power while it has the group, the second takes it over, with the record of the
//! fencing and never without. Each test names the sabotage that turns it red.

#![expect(clippy::unwrap_used, reason = "a test")]

use cutwater_lab::{Disk, Image, Lab, built_program, scratch};
use cutwater_system::compiled_plugins;
use std::path::{Path, PathBuf};
use std::time::Duration;

const AT_MOST: Duration = Duration::from_secs(15 * 60);
const MIB: u64 = 100;
const BEGIN: &str = ". /run/jobs/machine.sh; . /run/jobs/failover.sh; install_cutwater; ";

/// A machine with a system disk of its own, on the disk that both have.
fn host(folder: &Path, name: &str) -> Lab {
    let programs = built_program("cutwater").unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Lab::new(folder.join(name))
        .unwrap()
        .image(&Image::named("bare").unwrap())
        .unwrap()
        .disk(Disk::existing(folder.join("shared.img")))
        .share(folder.join("share"))
        .mount(programs.parent().unwrap(), "/run/bin")
        .mount(here.join("../../workflows"), "/run/workflows")
        .mount(here.join("job"), "/run/jobs")
        .mount(compiled_plugins().unwrap(), "/run/compiled")
}

struct Seen(PathBuf);

impl Seen {
    fn read(&self, name: &str) -> String {
        let path = self.0.join(name);
        std::fs::read_to_string(path).unwrap_or_else(|_| format!("no {name}")).trim().to_owned()
    }

    /// What the resource agent left with, and what it left behind: owner, tags and change of the group; what is active,
    /// mounted and running.
    #[track_caller]
    fn is(&self, case: &str, left_with: &str, group: &str, serves: bool) {
        let read = |name: &str| self.read(&format!("{case}/{name}"));
        let said = || format!("{case}: {}\n{}", read("start.log"), self.read("job.log"));
        assert_eq!(read("start"), left_with, "{}", said());
        assert_eq!(read("group"), group, "{}", said());
        let state = [read("active"), read("mounted"), read("running")];
        let expected = match serves {
            true => ["shared-data", "/dev/mapper/shared-data", "yes"],
            false => ["", "", "no CASE/running"],
        };
        assert_eq!(state, expected.map(|text| text.replace("CASE", case)), "{}", said());
    }
}

const FIRST: &str = "become node-a; make_group || exit 90
    agent first start; look first
    acknowledged node-a 20 || exit 91
    touch $OUT/serves
    sleep 600";

const SECOND: &str = "become node-b
    look found
    agent unproven start; look unproven
    fenced node-c; mv $records/node-c.json $records/node-a.json
    agent foreign start; look foreign
    fenced node-a
    cutwater plan $OCF_RESKEY_workflow --input vg=shared --input from=node-a --input 'devices=[\"/dev/ubdb\"]' \\
      --input proof=$records/node-a.json >$OUT/plan 2>&1
    touch /run/app-fails
    agent broken start; look broken
    rm /run/app-fails
    agent again start; look again
    fenced node-a
    agent second start; look second
    acknowledged node-b 20 || exit 91
    agent second monitor
    agent second stop; look stopped
    agent stopped monitor
    rm -r $records
    agent restarted start; look restarted
    app stop
    lost restarted
    true";

/// Sabotage: `lvm.take-over` that does not read the proof, or takes the wrong host's; an undo that leaves the group here; a start
/// that activates more than the one volume, or mounts before the group is this host's.
#[test]
fn the_second_host_takes_over_what_the_first_had_acknowledged_and_nothing_without_a_proof() {
    let folder = scratch("failover").unwrap();
    Disk::empty(folder.path().join("shared.img"), MIB).unwrap();
    let seen = Seen(folder.path().join("share"));

    let mut first = host(folder.path(), "a").boot(&format!("{BEGIN}{FIRST}")).unwrap();
    first.wait_for_file("serves", AT_MOST).unwrap();
    first.cut_power().unwrap();
    let outcome = host(folder.path(), "b").run(&format!("{BEGIN}{SECOND}"), AT_MOST).unwrap();
    assert_eq!(outcome.status, 0, "{}", outcome.log());

    let change =
        |case: &str| seen.read(&format!("{case}/group")).rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let made = change("found");
    seen.is("first", "0", &format!("node-a {made}"), true);
    // Nothing at all is written without the proof of this very host.
    seen.is("unproven", "1", &format!("node-a {made}"), false);
    assert!(
        seen.read("unproven/start.log").contains("nothing tells that `node-a` is off"),
        "{}",
        seen.read("unproven/start.log")
    );
    seen.is("foreign", "1", &format!("node-a {made}"), false);
    assert!(
        seen.read("foreign/start.log").contains("tells of `node-c`"),
        "{}",
        seen.read("foreign/start.log")
    );
    // A service that does not start: taken, and given back. Whoever has it again may be at it, so the proof is used up.
    seen.is("broken", "1", &format!("node-a {}", made + 4), false);
    seen.is("again", "1", &format!("node-a {}", made + 4), false);
    assert!(
        seen.read("again/start.log").contains("so its writer was not off"),
        "{}",
        seen.read("again/start.log")
    );

    let mark = seen.read("second/group");
    let tag = mark.split(' ').nth(1).unwrap_or_default();
    assert!(tag.starts_with("cutwater.") && tag.ends_with(".take"), "{mark}");
    seen.is("second", "0", &format!("node-b {tag} {}", made + 6), true);
    assert_eq!(
        [seen.read("second/monitor"), seen.read("second/stop")],
        ["0", "0"],
        "{}",
        seen.read("second/stop.log")
    );
    assert_eq!(seen.read("stopped/monitor"), "7", "{}", seen.read("stopped/monitor.log"));
    // This host's own by now: it needs no proof to start again.
    seen.is("restarted", "0", &format!("node-b {tag} {}", made + 6), true);

    assert_eq!(seen.read("restarted/lost"), "", "acknowledged, and gone");
    assert!(seen.read("restarted/acknowledged").parse::<u64>().unwrap() >= 40);
    is_the_accepted_plan(&seen.read("plan"));
}

/// As it was reviewed, without what differs from run to run; `ACCEPT=failover` takes another one.
fn is_the_accepted_plan(plan: &str) {
    let hash = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let uuid = |word: &str| word.len() == 32 && word.bytes().all(|b| b.is_ascii_alphanumeric());
    // What was found is cut off in the middle of the group's uuid.
    let cut = |line: &str| match line.split_once(r#""uuid":"#) {
        Some((before, _)) => format!("{before}…\n"),
        None => format!("{line}\n"),
    };
    let mut plain: String = plan.lines().map(cut).collect();
    for word in plan.split(|c: char| !c.is_ascii_alphanumeric()) {
        if hash(word) {
            plain = plain.replace(word, "HASH");
        } else if uuid(word) {
            plain = plain.replace(word, "UUID");
        }
    }
    let accepted = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans/failover.txt");
    if std::env::var("ACCEPT").is_ok_and(|name| name == "failover") {
        std::fs::write(&accepted, &plain).unwrap();
    }
    assert_eq!(plain, std::fs::read_to_string(accepted).unwrap_or_default());
}
