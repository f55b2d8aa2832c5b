//! Volumes that are written to while a run moves them to another disk: moved, aborted, and the power cut, at random moments. `make
//! prove` runs the ignored ones, too. It must not know how volumes are moved.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which tells what it counted")]

use cutwater_lab::{Disk, Image, Lab, built_program, scratch};
use cutwater_system::compiled_plugins;
use std::path::Path;
use std::time::Duration;

const A_MOVE: Duration = Duration::from_secs(4 * 60);
const MIB: u64 = 256;
const BEGIN: &str = ". /run/jobs/machine.sh; . /run/jobs/move_disk.sh\n";
const MAKE: &str = "install_cutwater; make_volumes || exit 90; start_writing\n";
/// Later than this, by the first one's time, a move may be over.
const LATEST: u64 = 850;

struct Machine {
    lab: Lab,
    folder: tempfile::TempDir,
}

impl Machine {
    fn new(name: &str) -> Self {
        let folder = scratch(name).unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let programs = built_program("cutwater").unwrap();
        let disk = |name: &str| Disk::empty(folder.path().join(name), MIB).unwrap();
        let lab = Lab::new(folder.path().join("lab"))
            .unwrap()
            .image(&Image::named("bare").unwrap())
            .unwrap()
            .disk(disk("ubdb.img"))
            .disk(disk("ubdc.img"))
            .disk(disk("ubdd.img"))
            .mount(programs.parent().unwrap(), "/run/bin")
            .mount(here.join("../../workflows"), "/run/workflows")
            .mount(here.join("job"), "/run/jobs")
            .mount(compiled_plugins().unwrap(), "/run/compiled");
        Self { lab, folder }
    }

    fn runs(&self, job: &str, moves: u32) {
        let outcome = self.lab.run(&format!("{BEGIN}{job}"), A_MOVE * moves).unwrap();
        assert_eq!(outcome.status, 0, "{}", outcome.log());
    }

    fn read(&self, name: &str) -> String {
        let path = self.folder.path().join("lab/share").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|_| format!("no {name}")).trim().to_owned()
    }

    /// Every volume is on the new disk, or where it was, as the status says; nothing is lost, and nothing left.
    #[track_caller]
    fn ended(&self, case: &str, exit: &str) {
        let read = |name: &str| self.read(&format!("{case}/{name}"));
        let words = ["struck", "layout", "err", "aborted", "watch"].map(read).join("\n");
        let said = || format!("{case}: {words}\n{}", self.read("job.log"));
        assert_eq!(read("exit"), exit, "{}", said());
        let to = read("to");
        let wanted = if exit == "0" { format!("one {to}\ntwo {to}") } else { read("before") };
        assert_eq!(read("on"), wanted, "{}", said());
        for name in ["lost", "kept", "sound", "left"] {
            assert_eq!(read(name), "", "{name}: {}", said());
        }
        assert!(read("acknowledged").parse::<u64>().unwrap() > 10, "nobody wrote: {}", said());
    }

    /// How far it was.
    fn tell(&self, case: &str, how: &str, moment: u64) {
        let disks = self.read(&format!("{case}/before")).replace("/dev/", "").replace('\n', ", ");
        println!("{case}: {how}, at {moment} of 1000, {disks}; {}", self.read(&format!("{case}/struck")));
    }
}

/// Moments as parts of a whole move, in thousandths: other ones each time, and the same ones for the same seed.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = std::env::var("CUTWATER_SEED").map_or_else(|_| now(), |seed| seed.parse().unwrap());
        println!("CUTWATER_SEED={seed}");
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % LATEST
    }
}

/// Every other one from two disks.
fn aborts(count: u32) {
    let machine = Machine::new("aborts");
    let mut moments = Moments::new();
    let cases: Vec<(String, u64)> = (1..=count).map(|n| (format!("abort-{n}"), moments.next())).collect();
    let lines: String = cases
        .chunks(2)
        .flat_map(|pair| ["spread", "moved together"].iter().zip(pair))
        .map(|(first, (name, moment))| format!("{first}\naborted {name} {moment}\n"))
        .collect();
    machine.runs(&format!("{MAKE}planned\nmoved whole\n{lines}"), 2 * count + 1);
    machine.ended("whole", "0");
    for (name, moment) in &cases {
        machine.ended(name, "4");
        machine.tell(name, "aborted", *moment);
    }
    let whole = machine.read("whole/milliseconds");
    println!("{count} aborts: each volume is where it was; a whole move takes {whole} ms");
    is_the_accepted_plan(&machine.read("plan"));
}

/// The odd ones are gone on with, the even ones gone back with; every other pair is from two disks.
fn cuts(count: u32) {
    let machine = Machine::new("cuts");
    let mut moments = Moments::new();
    machine.runs(&format!("{MAKE}moved whole"), 1);
    machine.ended("whole", "0");
    for n in 1..=count {
        let (name, moment) = (format!("cut-{n}"), moments.next());
        let (way, exit) = if n % 2 == 1 { ("forth", "0") } else { ("back", "4") };
        let spread = if n % 4 == 3 { "spread; " } else { "" };
        let job = format!("{BEGIN}start_writing; {spread}lose_power {name} {moment} {way}");
        let mut running = machine.lab.boot(&job).unwrap();
        running.wait_for_file(&format!("{name}/cut"), A_MOVE).unwrap();
        running.cut_power().unwrap();
        machine.runs(&format!("after_cut {name} {way}"), 1);
        machine.ended(&name, exit);
        machine.tell(&name, way, moment);
    }
    println!("{count} cuts: every volume is on the new disk, or where it was");
}

/// As it was reviewed; `ACCEPT=move-disk` takes another one.
fn is_the_accepted_plan(plan: &str) {
    let uuid = |word: &str| word.split('-').map(str::len).eq([6, 4, 4, 4, 4, 4, 6]);
    let hash = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut words: Vec<&str> = plan.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
    words.retain(|word| uuid(word) || hash(word));
    let plan = words.iter().fold(plan.to_owned() + "\n", |plan, word| match hash(word) {
        true => plan.replace(word, "HASH"),
        false => plan.replace(word, "UUID"),
    });
    let accepted = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans/move-disk.txt");
    if std::env::var("ACCEPT").is_ok_and(|name| name == "move-disk") {
        std::fs::write(&accepted, &plan).unwrap();
    }
    assert_eq!(plan, std::fs::read_to_string(accepted).unwrap_or_default());
}

/// Sabotage: an undo without the volumes that were moved before the one that was under way, or without `pvmove --abort`.
#[test]
fn a_move_that_is_aborted_leaves_every_volume_on_the_old_disk() {
    aborts(1);
}

/// Sabotage: a probe that takes a move that lost its machine for one that was not begun.
#[test]
fn a_move_that_lost_its_machine_is_finished_by_the_next_boot() {
    cuts(1);
}

#[test]
#[ignore = "exhaustive: make prove runs it"]
fn ten_moves_are_aborted_at_random_moments() {
    aborts(10);
}

#[test]
#[ignore = "exhaustive: make prove runs it"]
fn ten_moves_lose_their_machine_at_random_moments() {
    cuts(10);
}
