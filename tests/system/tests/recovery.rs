//! The main job struck in its outage: the engine killed, the machine's power cut, before the point of no return and right
//! after it. Nobody helps: the guard takes the killed engine's run over, the boot goes on with the one that lost power.
//! `make prove` runs the ignored ones, too: a kill at each event of the run, on its way forth and back.
//! It must not know how a run recovers.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which tells what it counted")]

use cutwater_lab::scratch;
use cutwater_system::{MainJob, Struck};
use std::time::Duration;

const OLD: &str = "/dev/mapper/vg00-dat";
const NEW: &str = "/dev/mapper/vg01-new";

/// Until the machine is struck: a first pass and half an outage, with room for a slow machine.
const STRUCK: Duration = Duration::from_secs(8 * 60);
/// The limit of the outage.
const LIMIT_MS: u64 = 60_000;
/// What clients need to connect again.
const RECONNECTED_MS: u64 = 5_000;

/// Where a strike falls, as the journal writes it down.
fn place(event: &str, step: &str) -> String {
    format!(r#""event":"{event}","step":"{step}""#)
}

/// The old side serves again, nothing is left, nothing is lost, and whatever Cutwater says agrees.
fn is_undone(struck: &Struck) {
    let said = struck.words();
    assert_eq!(struck.status, 4, "{said}");
    assert_eq!(struck.outcome().unwrap(), "undone", "{said}");
    assert_eq!(struck.read("mounted").unwrap(), OLD, "{said}");
    serves_without_loss(struck);
}

/// The new side serves, nothing is left, nothing is lost.
fn is_done(struck: &Struck) {
    let said = struck.words();
    assert_eq!(struck.status, 0, "{said}");
    assert_eq!(struck.outcome().unwrap(), "done", "{said}");
    assert_eq!(struck.read("mounted").unwrap(), NEW, "{said}");
    serves_without_loss(struck);
}

fn serves_without_loss(struck: &Struck) {
    let said = struck.words();
    assert_eq!(struck.read("left").unwrap(), "", "left behind\n{said}");
    let witness = struck.witness().unwrap();
    assert_eq!(witness["lost"].as_array().map(Vec::len), Some(0), "lost transactions: {witness:#}\n{said}");
    assert!(witness["acked_after"].as_u64().unwrap() >= 100, "writes do not flow: {witness:#}\n{said}");
}

/// As the clients saw it, who lived on: writes flowed again within the limit and what giving back took, and they were not
/// down for longer than the run says.
fn was_down_for_a_short_time(struck: &Struck) {
    let seen = struck.witness().unwrap()["longest_gap_ms"].as_f64().unwrap() as u64;
    let (down, gave_back) = struck.downtime_ms().unwrap();
    println!("down for {down} ms, giving back took {gave_back} of them; clients waited {seen} ms");
    let said = struck.words();
    assert!(down <= LIMIT_MS + gave_back, "{down} ms, giving back took {gave_back}\n{said}");
    assert!(seen <= down + RECONNECTED_MS, "clients waited {seen} ms, the run says {down}\n{said}");
}

/// Whoever owned the run after the killed engine was the guard itself: it became the take-over.
fn the_guard_took_over(struck: &Struck) {
    let owners = struck.owners().unwrap();
    assert_eq!(owners.len(), 2, "{}", struck.words());
    assert_eq!(owners[1], struck.guard().unwrap(), "{}", struck.words());
}

/// Sabotage: the guard not told of the outage, or told too late (nobody goes on with the run); an undo left out; the
/// probe of the step that was struck left out (the unknown mount stays); a run that turns back after the mark.
#[test]
fn a_killed_engine_is_taken_over_by_its_guard_backwards_before_the_mark_and_forwards_after_it() {
    let folder = scratch("killed").unwrap();
    let job = MainJob::new(folder.path()).unwrap();
    let strikes = [("back", "killed-after@intended:on", ""), ("forth", "killed-after@crossed:cross", "")];
    let struck = job.killed(&strikes).unwrap();
    let [back, forth] = struck.as_slice() else { panic!("two strikes were asked for") };
    is_undone(back);
    the_guard_took_over(back);
    is_done(forth);
    the_guard_took_over(forth);
    was_down_for_a_short_time(back);
    was_down_for_a_short_time(forth);
}

/// Sabotage: an intent or the mark that is not durable before its effect; the fence of the service not persistent (the
/// boot starts a half-moved database); the boot's hook left out.
#[test]
fn a_power_cut_is_undone_by_the_next_boot_before_the_mark_and_finished_by_it_after_the_mark() {
    let folder = scratch("power").unwrap();
    let job = MainJob::new(folder.path()).unwrap();
    let places =
        [("checkpointed", "copy"), ("answered", "stop"), ("intended", "last"), ("answered", "start")];
    let last = cut_in_turn(&job, &places);
    job.power_cut("forth", &place("crossed", "cross"), Some(&last), STRUCK).unwrap();
    is_undone(&job.struck(&last).unwrap());
    is_done(&job.booted_after("forth").unwrap());
}

/// Cuts the power at each of these places, all before the mark; each boot is told what became of the cut before it, which is
/// undone. Gives the name of the last cut, which nobody has looked at yet.
fn cut_in_turn(job: &MainJob, places: &[(&str, &str)]) -> String {
    let mut earlier: Option<String> = None;
    for (event, step) in places {
        let name = format!("{event}-{step}");
        job.power_cut(&name, &place(event, step), earlier.as_deref(), STRUCK).unwrap();
        if let Some(earlier) = &earlier {
            is_undone(&job.struck(earlier).unwrap());
        }
        earlier = Some(name);
    }
    earlier.unwrap()
}

/// Steps before the outage, those of the outage before the mark, those that are taken back, and those behind the mark, in
/// order; checks among them, for an engine may die in one as well.
const PREPARED: [&str; 6] = ["room", "flush", "snap", "copy", "first-pass", "ease"];
const OUTAGE: [&str; 13] = [
    "fence",
    "bar",
    "drain",
    "before",
    "stop",
    "off",
    "last",
    "same",
    "old-fenced",
    "on",
    "start",
    "sound",
    "persist",
];
const TAKEN_BACK: [&str; 14] = [
    "persist",
    "start",
    "on",
    "old-fenced",
    "last",
    "off",
    "stop",
    "drain",
    "bar",
    "fence",
    "ease",
    "copy",
    "snap",
    "flush",
];
const BEHIND: [&str; 3] = ["serve", "free", "tidy"];
/// How many moves one machine makes.
const MOVES: usize = 7;

/// An event of each step.
fn of_each(event: &str, steps: &[&str]) -> Vec<String> {
    steps.iter().map(|step| format!("{event}:{step}")).collect()
}

fn and_these(events: &[&str]) -> Vec<String> {
    events.iter().map(|event| (*event).to_owned()).collect()
}

fn before_the_outage() -> Vec<String> {
    let run = and_these(&["created", "checkpointed:copy", "checkpointed:copy#3", "asked:agree"]);
    let armed = and_these(&["approved:agree", "armed"]);
    [run, armed, of_each("intended", &PREPARED), of_each("answered", &PREPARED)].concat()
}

fn in_the_outage() -> Vec<String> {
    let saved = ["outage-began:down", "checkpointed:off", "checkpointed:last", "checkpointed:on"];
    [and_these(&saved), of_each("intended", &OUTAGE), of_each("answered", &OUTAGE)].concat()
}

fn on_the_way_back() -> Vec<String> {
    let run = and_these(&["answered:cross", "turned-back", "outage-ended:down", "checkpointed:bar", "ended"]);
    [run, of_each("intended-undo", &TAKEN_BACK), of_each("answered-undo", &TAKEN_BACK)].concat()
}

fn behind_the_mark() -> Vec<String> {
    let run = and_these(&["crossed:cross", "answered:cross", "outage-ended:down", "ended"]);
    [run, of_each("intended", &BEHIND), of_each("answered", &BEHIND)].concat()
}

/// Each is one append with the event before it: `created`, `crossed:cross`.
const APPENDED_WITH_ANOTHER: [&str; 2] = ["owned", "intended:cross"];

/// That an engine is killed at each event of a run's journal.
fn nothing_is_left_out(struck: &Struck, struck_at: [Vec<String>; 3]) {
    let known = [struck_at.concat(), and_these(&APPENDED_WITH_ANOTHER)].concat();
    assert_eq!(struck.durable_but_for(&known).unwrap(), [""; 0], "no engine is killed at these events");
}

/// Kills engines at a machine's share of these events, each in a move of its own that ends where it began.
fn all_are_undone(events: &[String], machine: usize, faults: &str, resumed: &str) {
    let few = events.chunks(MOVES).nth(machine - 1).unwrap();
    let folder = scratch("each").unwrap();
    let job = MainJob::new(folder.path()).unwrap();
    let name = |event: &str| event.replace([':', '#'], "-");
    let named: Vec<(String, String)> =
        few.iter().map(|event| (name(event), format!("{faults} killed-after@{event}"))).collect();
    let strikes: Vec<(&str, &str, &str)> =
        named.iter().map(|(name, faults)| (name.as_str(), faults.as_str(), resumed)).collect();
    for struck in job.killed(&strikes).unwrap() {
        is_undone(&struck);
        was_down_for_a_short_time(&struck);
        nothing_is_left_out(&struck, [before_the_outage(), in_the_outage(), on_the_way_back()]);
    }
    println!("{} kills, each undone: {}", few.len(), few.join(" "));
}

/// Nothing is down: a person resumes, and the outage refuses to begin in earnest.
fn kills_before_the_outage(machine: usize) {
    all_are_undone(&before_the_outage(), machine, "", "refused@apply:fence");
}

fn kills_in_the_outage(machine: usize) {
    all_are_undone(&in_the_outage(), machine, "", "");
}

/// Everything before the mark is done, the mark's own step has drifted, and the engine dies on its way back.
fn kills_on_the_way_back(machine: usize) {
    all_are_undone(&on_the_way_back(), machine, "drifted@preview:cross", "");
}

/// After the mark the new side is there to stay: a machine for each.
fn kill_behind_the_mark(machine: usize) {
    let event = &behind_the_mark()[machine - 1];
    let folder = scratch("each-forth").unwrap();
    let job = MainJob::new(folder.path()).unwrap();
    let (name, fault) = (event.replace(':', "-"), format!("killed-after@{event}"));
    let struck = &job.killed(&[(&name, &fault, "")]).unwrap()[0];
    is_done(struck);
    nothing_is_left_out(struck, [before_the_outage(), in_the_outage(), behind_the_mark()]);
    println!("1 kill, finished: {event}");
}

/// Where the power is cut: before the mark each cut is undone by the next boot, or by a person where nothing was down.
const CUTS: [(&str, &str); 26] = [
    ("intended", "flush"),
    ("intended", "snap"),
    ("answered", "snap"),
    ("intended", "copy"),
    ("checkpointed", "copy"),
    ("answered", "copy"),
    ("answered", "first-pass"),
    ("asked", "agree"),
    ("answered", "ease"),
    ("intended", "fence"),
    ("answered", "fence"),
    ("intended", "bar"),
    ("answered", "bar"),
    ("answered", "drain"),
    ("intended", "stop"),
    ("answered", "stop"),
    ("intended", "off"),
    ("answered", "off"),
    ("answered", "last"),
    ("answered", "same"),
    ("answered", "old-fenced"),
    ("intended", "on"),
    ("answered", "on"),
    ("answered", "start"),
    ("answered", "sound"),
    ("answered", "persist"),
];

fn cuts_before_the_mark(machine: usize) {
    let folder = scratch("cuts").unwrap();
    let job = MainJob::new(folder.path()).unwrap();
    let few = CUTS.chunks(MOVES).nth(machine - 1).unwrap();
    let last = cut_in_turn(&job, few);
    is_undone(&job.booted_after(&last).unwrap());
    println!("{} cuts, each undone: {few:?}", few.len());
}

const CUTS_BEHIND: [(&str, &str); 4] =
    [("crossed", "cross"), ("answered", "cross"), ("outage-ended", "down"), ("intended", "tidy")];

fn cut_behind_the_mark(machine: usize) {
    let (event, step) = CUTS_BEHIND[machine - 1];
    let folder = scratch("cut-forth").unwrap();
    let job = MainJob::new(folder.path()).unwrap();
    job.power_cut("cut", &place(event, step), None, STRUCK).unwrap();
    is_done(&job.booted_after("cut").unwrap());
    println!("1 cut, finished: {event} {step}");
}

/// A test for each machine: `make prove` runs two at once, and remembers each by itself.
macro_rules! machines {
    ($($strikes:ident: $($name:ident $machine:literal)*;)*) => {$($(
        #[test]
        #[ignore = "exhaustive: make prove runs it"]
        fn $name() {
            $strikes($machine);
        }
    )*)*};
}

machines! {
    kills_before_the_outage: before_1 1 before_2 2 before_3 3;
    kills_in_the_outage: outage_1 1 outage_2 2 outage_3 3 outage_4 4 outage_5 5;
    kills_on_the_way_back: back_1 1 back_2 2 back_3 3 back_4 4 back_5 5;
    kill_behind_the_mark: behind_1 1 behind_2 2 behind_3 3 behind_4 4 behind_5 5 behind_6 6 behind_7 7 behind_8 8 behind_9 9 behind_10 10;
    cuts_before_the_mark: cuts_1 1 cuts_2 2 cuts_3 3 cuts_4 4;
    cut_behind_the_mark: cut_behind_1 1 cut_behind_2 2 cut_behind_3 3 cut_behind_4 4;
}

#[test]
fn every_event_has_its_machine() {
    let machines = |strikes: usize| strikes.div_ceil(MOVES);
    let lists = [before_the_outage(), in_the_outage(), on_the_way_back()];
    assert_eq!(lists.map(|list| machines(list.len())), [3, 5, 5]);
    assert_eq!((behind_the_mark().len(), machines(CUTS.len()), CUTS_BEHIND.len()), (10, 4, 4));
    assert_eq!(CUTS.len() + CUTS_BEHIND.len(), 30);
}

/// A test of the tests: a piece of a pass that is said to be copied and is not is found, by the first comparison where it
/// is of the first pass, by the second where it is of the last; nothing was let go yet. Sabotage: as it says.
#[test]
#[ignore = "exhaustive: make prove runs it"]
fn a_pass_that_drops_a_chunk_is_found_and_the_move_is_undone() {
    let folder = scratch("dropped").unwrap();
    let job = MainJob::new(folder.path()).unwrap();
    let sabotages =
        [("first", "claimed@change:copy", "first-pass"), ("final", "claimed@change:last", "same")];
    let strikes = sabotages.map(|(name, fault, _)| (name, fault));
    for (struck, (_, _, found_by)) in job.sabotaged(&strikes).unwrap().iter().zip(sabotages) {
        is_undone(struck);
        let events = struck.read("events.jsonl").unwrap();
        let refused =
            |line: &&str| line.contains(&format!(r#""step":"{found_by}""#)) && line.contains("differ");
        assert!(events.lines().any(|line| refused(&line)), "{}", struck.words());
        println!("1 kill of a piece, found by {found_by}");
    }
}

/// An lvcreate that is killed between suspend and resume leaves the origin suspended, and every writer hangs. Undo gives it
/// back; and a test of the tests: where undo only says so, what is asked at the end finds it. Sabotage: the refresh left
/// out of `lvm.snapshot`'s undo, or its probe not asking for the origin's state.
#[test]
fn an_origin_left_suspended_is_resumed_by_undo_and_found_where_it_is_not() {
    let folder = scratch("suspended").unwrap();
    let job = MainJob::new(folder.path()).unwrap();
    let [mended, left] = job.lvcreate_killed().unwrap();
    for struck in [&mended, &left] {
        assert_eq!(struck.read("origin").unwrap(), "Suspended", "{}", struck.words());
    }
    is_undone(&mended);
    assert_eq!(left.status, 4, "{}", left.words());
    assert!(left.read("left").unwrap().contains("suspended vg00-dat"), "{}", left.words());
}
