//! The journal on a disk that remembers each flush: whatever a power cut would have left at any of them holds all that the
//! engine had said was durable by then, and no more than a beginning of what came of it in the end. It must not know how
//! the journal is written.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

use cutwater_lab::{Disk, Image, Lab, built_program, scratch};
use cutwater_system::{Entry, LogWrites, compiled_plugins};
use rustix::mount::{MountFlags, UnmountFlags};
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const AT_MOST: Duration = Duration::from_secs(10 * 60);
const MIB: u64 = 64;

/// Two copies, a service that is stopped, and the mark: intents, answers, checkpoints, an outage. After each durable event that
/// the engine tells, its number goes into the log of the journal's disk.
const JOB: &str = r#"
    set -uo pipefail
    . /run/jobs/machine.sh
    disk=/dev/ubdb log=/dev/ubdc
    echo "0 $(blockdev --getsz $disk) log-writes $disk $log" | DM_DISABLE_UDEV=1 dmsetup create journal || exit 90
    mkfs.ext4 -q -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 /dev/mapper/journal || exit 91
    mount /dev/mapper/journal /var/lib/cutwater || exit 92
    install_cutwater
    touch /run/up
    cat >>/etc/cutwater/policy.yaml <<'EOF'
  demo: { start: [touch, /run/up], stop: [rm, -f, /run/up], status: [test, -e, /run/up], fence-file: /etc/cutwater-fences/demo }
EOF
    truncate -s 4M /run/to && head -c 4M /dev/urandom >/run/from
    from=$(losetup -f --show /run/from) to=$(losetup -f --show /run/to)
    durable='"seq":([0-9]+)'
    cutwater run /run/scratch/journal.yaml --input "from=$from" --input "to=$to" --json 2>$OUT/err | tee $OUT/run.jsonl |
      grep --line-buffered -Ev '"event":"(progressed|said|used)"' |
      while read -r line; do
        [[ $line =~ $durable ]] && dmsetup message journal 0 "mark ${BASH_REMATCH[1]}"
      done
    echo "${PIPESTATUS[0]}" >$OUT/exit
    run=$(cutwater runs --json | sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' | tail -n 1)
    echo "$run" >$OUT/run
    cutwater show "$run" --events --json >$OUT/events.jsonl
    umount /var/lib/cutwater && dmsetup remove journal
"#;

/// The journal on the replayed disk as it would be found after the cut: the lines of its events.
fn found(image: &Path, root: &Path, run: &str) -> Vec<String> {
    let at = root.join("var/lib/cutwater");
    let attached = Command::new("losetup").args(["-f", "--show"]).arg(image).output().unwrap();
    let device = String::from_utf8(attached.stdout).unwrap();
    let device = device.trim();
    let mounted = rustix::mount::mount(device, &at, "ext4", MountFlags::empty(), None);
    let said = mounted.is_ok().then(|| {
        let shown = Command::new(built_program("cutwater").unwrap())
            .args(["show", run, "--events", "--json", "--root"])
            .arg(root)
            .output()
            .unwrap();
        rustix::mount::unmount(&at, UnmountFlags::empty()).unwrap();
        shown
    });
    assert!(Command::new("losetup").args(["-d", device]).status().unwrap().success());
    let lines = said.map(|said| String::from_utf8(said.stdout).unwrap()).unwrap_or_default();
    lines.lines().filter(|line| line.contains(r#""seq""#)).map(str::to_owned).collect()
}

fn seq(line: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap()
}

/// Sabotage: a durable append committed with `synchronous=normal` in writer.rs, or told before its commit.
#[test]
fn at_every_flush_of_the_journals_disk_all_that_was_durable_is_there() {
    let folder = scratch("flushes").unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let programs = built_program("cutwater").unwrap();
    let (data, log) = (folder.path().join("data.img"), folder.path().join("log.img"));
    let lab = Lab::new(folder.path().join("lab"))
        .unwrap()
        .image(&Image::named("bare").unwrap())
        .unwrap()
        .disk(Disk::empty(&data, MIB).unwrap())
        .disk(Disk::empty(&log, 16 * MIB).unwrap())
        .mount(programs.parent().unwrap(), "/run/bin")
        .mount(here.join("tests/workflows"), "/run/scratch")
        .mount(here.join("job"), "/run/jobs")
        .mount(compiled_plugins().unwrap(), "/run/compiled");
    let outcome = lab.run(JOB, AT_MOST).unwrap();
    assert_eq!(outcome.status, 0, "{}", outcome.log());
    let err = outcome.read("err").unwrap();
    assert_eq!(outcome.read("exit").unwrap().trim(), "0", "{err}\n{}", outcome.log());
    let (run, history) = (outcome.read("run").unwrap(), outcome.read("events.jsonl").unwrap());
    let history: Vec<&str> = history.lines().collect();

    let image = folder.path().join("replayed.img");
    File::create(&image).unwrap().set_len(MIB << 20).unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("var/lib/cutwater")).unwrap();
    let disk = File::options().read(true).write(true).open(&image).unwrap();
    let mut played = LogWrites::open(&log).unwrap();
    let (mut durable, mut marks, mut cuts) = (0, 0, 0);
    let after_a_cut = folder.path().join("cut.img");
    while let Some(entry) = played.play(&disk).unwrap() {
        match entry {
            Entry::Written => continue,
            Entry::Safe => {}
            // The kernel puts one of its own at the end.
            Entry::Mark(word) => match word.parse() {
                Ok(seq) => (durable, marks) = (seq, marks + 1),
                Err(_) => continue,
            },
        }
        // Before the first event there is a file system that is being made, and a cache.
        if durable == 0 {
            continue;
        }
        std::fs::copy(&image, &after_a_cut).unwrap();
        let events = found(&after_a_cut, &root, run.trim());
        assert!(
            history.starts_with(&events.iter().map(String::as_str).collect::<Vec<_>>()),
            "another history"
        );
        let last = events.last().map_or(0, |line| seq(line));
        assert!(
            last >= durable,
            "event {durable} was durable, and the disk held {last} of {}",
            history.len()
        );
        cuts += 1;
    }
    assert!(marks >= 20 && cuts >= marks, "{marks} marks, {cuts} cuts");
    println!("{cuts} cuts, {marks} of them right after an event that was told to be durable");
}
