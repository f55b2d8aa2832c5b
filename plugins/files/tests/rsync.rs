//! The steps of `files` against a real rsync, real folders and, where a source is in use, a real writer. It must not know the
//! engine.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use cutwater_plugin_files::Plugin;
use cutwater_sdk::call::Reply;
use cutwater_sdk::{
    Context, Failure, Partial, Plugin as _, Probed, Refusal, Story, Value, held, json, schema,
};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use support::{Machine, When};

fn ctx<'a>(machine: &'a Machine, action: &str) -> Context<'a> {
    Context::over(machine, action)
}

/// What `with:` holds, and more.
fn with(machine: &Machine, consistency: &str, more: Value) -> Value {
    let mut input = json!({
        "from": machine.path("from").to_str().unwrap(), "to": machine.path("to").to_str().unwrap(),
        "consistency": consistency,
    });
    if consistency == "live" {
        input["rate"] = json!("1GiB/s");
        input["changes-every"] = json!("10s");
        input["within"] = json!("10m");
    }
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}

/// The last look, and the intent: from here on only what was shown is admitted.
fn intend(machine: &Machine, action: &str, input: &Value) -> Result<(), Refusal> {
    let input = Partial::known(input.clone());
    let mut plan = Vec::new();
    for undo in [false, true] {
        plan.extend(Plugin::preview(&ctx(machine, action), &input, undo)?.effects);
    }
    *machine.plan.borrow_mut() = plan;
    Ok(())
}

/// What was intended with the attempt; the folder is not as it was then.
fn intend_undo(machine: &Machine, input: &Value) {
    let shown = Plugin::preview(&ctx(machine, "sync"), &Partial::known(input.clone()), true).unwrap();
    *machine.plan.borrow_mut() = shown.effects;
}

fn apply(machine: &Machine, input: &Value) -> Reply {
    intend(machine, "sync", input).unwrap();
    let checkpoint = machine.saved.borrow().last().cloned();
    Plugin::apply(&ctx(machine, "sync"), input.clone(), checkpoint)
}

#[track_caller]
fn copied(machine: &Machine, input: &Value) -> Value {
    match apply(machine, input) {
        Reply::Changed(output) => output,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn failed(machine: &Machine, input: &Value) -> Failure {
    match apply(machine, input) {
        Reply::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

fn story(machine: &Machine) -> Story {
    Story { checkpoint: machine.saved.borrow().last().cloned(), ..Story::default() }
}

fn probe(machine: &Machine, input: &Value) -> Probed<Value> {
    Plugin::probe(&ctx(machine, "sync"), input.clone(), &story(machine))
}

#[track_caller]
fn undo(machine: &Machine, input: &Value) -> Reply {
    Plugin::undo(&ctx(machine, "sync"), input.clone(), &story(machine))
}

fn names(machine: &Machine, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(machine.path(folder)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn again(output: &Value) -> Vec<(&str, &str)> {
    let files = output["again"].as_array().unwrap().iter();
    files.map(|file| (file["name"].as_str().unwrap(), file["reason"].as_str().unwrap())).collect()
}

fn tree(machine: &Machine) {
    machine.write("from/plain", "hello");
    std::fs::hard_link(machine.path("from/plain"), machine.path("from/second")).unwrap();
    std::fs::create_dir_all(machine.path("from/deep/er")).unwrap();
    machine.write("from/deep/er/we\nird", "x");
    std::os::unix::fs::symlink("plain", machine.path("from/link")).unwrap();
    std::fs::set_permissions(machine.path("from/plain"), PermissionsExt::from_mode(0o640)).unwrap();
    std::os::unix::fs::chown(machine.path("from/plain"), Some(4321), Some(1234)).unwrap();
    let sparse = std::fs::File::create(machine.path("from/sparse")).unwrap();
    sparse.set_len(8 << 20).unwrap();
}

/// Sabotage: a copy that is not verified, or not held from its first byte on; an undo that clears the whole folder, or that
/// leaves folders which it emptied.
#[test]
fn a_copy_is_whole_and_held_and_its_undo_takes_back_what_it_made_and_nothing_else() {
    let machine = Machine::new();
    tree(&machine);
    let input = with(&machine, "snapshot", json!({ "last": true }));
    machine.beside(When::Before, "--inplace", |machine, _| {
        assert!(machine.path("to").join(held::NAME).exists(), "held before the first byte");
    });
    let output = copied(&machine, &input);
    assert_eq!((&output["held"], &output["differing"]), (&json!("cutwater.r1.sync"), &json!(0)));
    assert_eq!((&output["passes"], &output["again"]), (&json!(1), &json!([])));
    let facts = |name: &str| std::fs::symlink_metadata(machine.path(name)).unwrap();
    let plain = facts("to/plain");
    assert_eq!((plain.mode() & 0o7777, plain.uid(), plain.gid(), plain.nlink()), (0o640, 4321, 1234, 2));
    assert_eq!(plain.ino(), facts("to/second").ino());
    assert!(facts("to/link").is_symlink() && facts("to/sparse").blocks() < 64);
    assert_eq!(machine.read("to/deep/er/we\nird"), b"x");
    assert_eq!(
        machine.read("to/.cutwater-held"),
        held::text("cutwater.r1.sync", held::State::Verified).as_bytes()
    );
    assert_eq!(probe(&machine, &input), Probed::Applied(output));

    // Somebody puts something there, and changes something, after the copy has ended. Of a file with two names the other one
    // looks changed once the first is gone.
    std::fs::remove_file(machine.path("to/second")).unwrap();
    std::fs::remove_file(machine.path("to/plain")).unwrap();
    machine.write("to/deep/theirs", "t");
    machine.write("to/sparse", "now it is theirs");
    assert_eq!(undo(&machine, &input), Reply::Changed(Value::Null));
    assert_eq!(names(&machine, "to"), ["deep", "sparse"]);
    assert_eq!(names(&machine, "to/deep"), ["theirs"]);
    assert_eq!(machine.read("to/sparse"), b"now it is theirs");
    let words = machine.words.borrow().last().unwrap().clone();
    assert!(
        words.contains("stays: ") && words.contains("/deep/theirs") && words.contains("/sparse"),
        "{words}"
    );
    assert_eq!(probe(&machine, &input), Probed::NotApplied);
    assert_eq!(undo(&machine, &input), Reply::Unchanged(Value::Null));
}

/// Sabotage: an undo that knows its own files by their times alone, when it has begun to remove names of one file.
#[test]
fn files_of_several_names_are_taken_back_whole_also_when_the_undo_was_cut_short() {
    for cut in [false, true] {
        let machine = Machine::new();
        tree(&machine);
        let input = with(&machine, "snapshot", json!({}));
        copied(&machine, &input);
        if cut {
            // One name is gone, and nothing else.
            machine.plan.borrow_mut().retain(|effect| !effect.detail.to_string().contains("-delete"));
            assert!(matches!(undo(&machine, &input), Reply::Failed(_)));
            std::fs::remove_file(machine.path("to/plain")).unwrap();
            assert_eq!(held_state(&machine), "being removed");
            assert!(matches!(probe(&machine, &input), Probed::PartWay(_)));
            intend_undo(&machine, &input);
        }
        assert_eq!(undo(&machine, &input), Reply::Changed(Value::Null));
        assert!(names(&machine, "to").is_empty());
    }
}

/// Sabotage: a folder that is not looked into; an undo that believes the checkpoint and not the mark.
#[test]
fn a_folder_with_anything_in_it_is_refused_and_left_alone() {
    let machine = Machine::new();
    tree(&machine);
    machine.write("to/plain", "somebody else's");
    let input = with(&machine, "snapshot", json!({}));
    let refusal = intend(&machine, "sync", &input).unwrap_err();
    assert_eq!(refusal.code, "not-empty");
    assert!(refusal.message.contains("plain"), "{}", refusal.message);
    // It comes between the last look and the step.
    std::fs::rename(machine.path("to/plain"), machine.path("plain")).unwrap();
    intend(&machine, "sync", &input).unwrap();
    std::fs::rename(machine.path("plain"), machine.path("to/plain")).unwrap();
    let reply = Plugin::apply(&ctx(&machine, "sync"), input.clone(), None);
    assert!(matches!(&reply, Reply::Refused(refusal) if refusal.code == "not-empty"), "{reply:?}");
    // Even with the checkpoint of an attempt that died before its mark was there.
    machine.saved.borrow_mut().push(json!({ "by": "cutwater.r1.sync", "done": null }));
    assert_eq!(undo(&machine, &input), Reply::Unchanged(Value::Null));
    assert_eq!(probe(&machine, &input), Probed::NotApplied);
    assert_eq!(machine.read("to/plain"), b"somebody else's");
    // The folder that a file system is born with is none of anybody's.
    std::fs::remove_file(machine.path("to/plain")).unwrap();
    std::fs::create_dir(machine.path("to/lost+found")).unwrap();
    copied(&machine, &input);
    assert_eq!(undo(&machine, &input), Reply::Changed(Value::Null));
    assert_eq!(names(&machine, "to"), ["lost+found"]);
}

/// Changes the file as soon as rsync has begun to write its copy, where it was read already.
fn change_while_read(machine: &Machine, name: &'static str) {
    machine.beside(When::During, "-aHAXSx --numeric-ids --inplace", move |machine, _| {
        let (from, to) = (machine.path("from").join(name), machine.path("to").join(name));
        while std::fs::metadata(&to).map_or(0, |facts| facts.len()) < 1 << 20 {
            std::thread::yield_now();
        }
        std::fs::File::options().write(true).open(from).unwrap().write_all_at(b"changed", 0).unwrap();
    });
}

/// Sabotage: rsync's 0 believed without a verification.
#[test]
fn a_file_that_changes_while_it_is_read_is_copied_again_and_named() {
    let machine = Machine::new();
    machine.write("from/big", vec![7; 8 << 20]);
    machine.write("from/small", "s");
    change_while_read(&machine, "big");
    let output = copied(&machine, &with(&machine, "live", json!({ "at-most": "8MiB/s" })));
    assert_eq!((&output["passes"], &output["differing"]), (&json!(2), &json!(0)));
    // Its time may be the new one: what is torn need not look so.
    assert_eq!(again(&output)[0].0, "big");
    assert!(again(&output)[0].1.starts_with("another content"), "{output}");
    assert_eq!(machine.read("to/big"), machine.read("from/big"));
    assert!(machine.words.borrow()[0].starts_with("after pass 1 1 files differ: `big`"));
}

/// Sabotage: passes that are not counted; a source that is said to be still taken for one that is in use.
#[test]
fn what_never_stops_changing_is_reported_of_a_live_copy_and_fails_any_other() {
    let changing = || {
        let machine = Machine::new();
        machine.write("from/log", "0");
        machine.write("from/still", "0");
        machine.beside(When::Before, "-aHAXSxcin", |machine, _| {
            let longer = [machine.read("from/log"), b"+".to_vec()].concat();
            machine.write("from/log", longer);
        });
        machine
    };
    let machine = changing();
    let output = copied(&machine, &with(&machine, "live", json!({ "passes": 4, "leave-rest": true })));
    assert_eq!((&output["passes"], &output["differing"]), (&json!(4), &json!(1)));
    assert_eq!(output["again"][0]["passes"], 4);
    assert!(again(&output)[0].1.contains("content"), "{output}");
    assert_eq!(held_state(&machine), "unfinished");

    for (level, words) in [
        ("snapshot", "nobody should write, and 1 files differ after 2 passes: `log` (another content"),
        ("quiesced", "nobody should write, and 1 files differ after 2 passes: `log` (another content"),
        ("live", "after 3 passes 1 files differ: `log` (another content"),
    ] {
        let machine = changing();
        let failure = failed(&machine, &with(&machine, level, json!({})));
        assert_eq!(failure.code, "differs");
        assert!(failure.message.contains(words), "{failure:?}");
        assert!(failure.left.ends_with("an unfinished copy, and is held"));
    }
}

fn held_state(machine: &Machine) -> String {
    let text = String::from_utf8(machine.read("to/.cutwater-held")).unwrap();
    text.lines().nth(1).unwrap().to_owned()
}

/// Sabotage: 24 taken for 23, or for 0 where nobody should write.
#[test]
fn a_file_that_vanishes_is_passed_over_live_and_fails_what_should_be_still() {
    let vanishing = || {
        let machine = Machine::new();
        machine.write("from/a", vec![7; 8 << 20]);
        machine.write("from/z", "gone soon");
        machine.beside(When::During, "-aHAXSx --numeric-ids --inplace", |machine, _| {
            while !machine.path("to/a").exists() {
                std::thread::yield_now();
            }
            let _ = std::fs::remove_file(machine.path("from/z"));
        });
        machine
    };
    let machine = vanishing();
    let output = copied(&machine, &with(&machine, "live", json!({ "at-most": "8MiB/s" })));
    assert_eq!((&output["passes"], &output["differing"]), (&json!(1), &json!(0)));
    assert_eq!(again(&output), [("z", "it vanished before it was copied")]);
    let machine = vanishing();
    let failure = failed(&machine, &with(&machine, "quiesced", json!({ "at-most": "8MiB/s" })));
    assert_eq!(failure.code, "vanished");
    assert!(failure.message.contains("(24)") && failure.message.contains("`z`"), "{}", failure.message);
}

/// Sabotage: 23 believed; a reason without its file.
#[test]
fn a_file_that_cannot_be_read_is_a_partial_transfer_with_its_name_and_reason() {
    let barred = || {
        let machine = Machine::new();
        machine.write("from/secret", "s");
        machine.write("from/plain", "p");
        std::fs::set_permissions(machine.path("from/secret"), PermissionsExt::from_mode(0o0)).unwrap();
        std::fs::set_permissions(machine.path(""), PermissionsExt::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(machine.path("to"), Some(65534), Some(65534)).unwrap();
        for name in ["from", "from/secret", "from/plain"] {
            std::os::unix::fs::chown(machine.path(name), Some(65534), Some(65534)).unwrap();
        }
        machine.as_nobody.set(true);
        machine
    };
    let machine = barred();
    let failure = failed(&machine, &with(&machine, "quiesced", json!({})));
    assert_eq!(failure.code, "partial");
    assert!(
        failure.message.contains("(23): `secret` (send_files failed to open: Permission denied (13))"),
        "{failure:?}"
    );
    let machine = barred();
    let output = copied(&machine, &with(&machine, "live", json!({ "passes": 2, "leave-rest": true })));
    assert_eq!(output["passes"], 2);
    assert!(output["differing"].as_u64().unwrap() > 0, "{output}");
    assert_eq!(again(&output)[0].0, "secret");
    assert_eq!(machine.read("to/plain"), b"p");
}

/// Sabotage: a checkpoint that is saved after the first byte; an undo that spares what an unfinished pass has written.
#[test]
fn a_pass_that_was_killed_is_gone_on_with_or_taken_back() {
    let machine = Machine::new();
    machine.write("from/a", "a");
    machine.write("from/big", vec![7; 8 << 20]);
    machine.write("from/z", "z");
    machine.beside(When::During, "--bwlimit", |machine, pid| {
        while !machine.path("to/big").exists() {
            std::thread::yield_now();
        }
        let pid = rustix::process::Pid::from_raw(pid.unwrap() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    });
    let slow = with(&machine, "snapshot", json!({ "at-most": "1MiB/s" }));
    let failure = failed(&machine, &slow);
    assert_eq!((failure.code.as_str(), failure.checkpoint.is_some()), ("killed", true));
    assert!(matches!(probe(&machine, &slow), Probed::PartWay(Some(_))));

    let input = with(&machine, "snapshot", json!({}));
    let output = copied(&machine, &input);
    assert_eq!((&output["differing"], machine.read("to/big")), (&json!(0), vec![7; 8 << 20]));
    assert_eq!(undo(&machine, &input), Reply::Changed(Value::Null));
    assert!(names(&machine, "to").is_empty());

    machine.saved.borrow_mut().clear();
    failed(&machine, &slow);
    assert_eq!(undo(&machine, &slow), Reply::Changed(Value::Null));
    assert!(names(&machine, "to").is_empty());
}

/// Sabotage: a deletion that nobody asked for, or one that is not shown; a last pass that believes size and time.
#[test]
fn a_further_pass_goes_on_with_the_copy_and_deletes_only_what_it_is_told_to() {
    let machine = Machine::new();
    machine.write("from/goes", "g");
    machine.write("from/torn", "whole");
    copied(&machine, &with(&machine, "live", json!({})));
    std::fs::remove_file(machine.path("from/goes")).unwrap();
    machine.write("from/new", "n");
    let last = |more: Value| {
        let waiver = json!({ "by": "anna", "because": "there are no free extents" });
        let mut input =
            with(&machine, "quiesced", json!({ "last": true, "onto": "cutwater.r1.sync", "waiver": waiver }));
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let other = with(&machine, "quiesced", json!({ "onto": "cutwater.r1.other" }));
    assert_eq!(intend(&machine, "sync", &other).unwrap_err().code, "held");
    machine.saved.borrow_mut().clear();
    let failure = failed(&machine, &last(json!({})));
    assert_eq!(failure.code, "more-than-the-source");
    assert!(failure.message.contains("`goes`") && failure.message.contains("`delete: true`"), "{failure:?}");
    assert_eq!(machine.read("to/goes"), b"g");
    assert_eq!(undo(&machine, &last(json!({}))), Reply::Changed(Value::Null));

    // A copy that was torn, with the size and the time of its source.
    let time = std::fs::metadata(machine.path("to/torn")).unwrap().modified().unwrap();
    machine.write("to/torn", "w.ole");
    std::fs::File::options().write(true).open(machine.path("to/torn")).unwrap().set_modified(time).unwrap();
    machine.saved.borrow_mut().clear();
    let input = last(json!({ "delete": true }));
    let shown = Plugin::preview(&ctx(&machine, "sync"), &Partial::known(input.clone()), false).unwrap();
    assert!(shown.effects[1].detail["args"].as_array().unwrap().contains(&json!("--delete")));
    assert!(shown.notes.iter().any(|note| note.contains("waived by anna: there are no free extents")));
    let output = copied(&machine, &input);
    assert_eq!(again(&output), [("torn", "another content")]);
    assert_eq!(names(&machine, "to"), [".cutwater-held", "new", "torn"]);
    assert_eq!((machine.read("to/torn"), held_state(&machine)), (b"whole".to_vec(), "verified".to_owned()));

    // What this pass changed stays with the copy; the pass that began it takes all of it back.
    assert_eq!(undo(&machine, &input), Reply::Changed(Value::Null));
    assert_eq!((names(&machine, "to").len(), held_state(&machine)), (3, "unfinished".to_owned()));
    let first = with(&machine, "live", json!({}));
    intend(&machine, "sync", &first).unwrap();
    let done =
        Story { checkpoint: Some(json!({ "by": "cutwater.r1.sync", "done": output })), ..Story::default() };
    assert_eq!(Plugin::undo(&ctx(&machine, "sync"), first, &done), Reply::Changed(Value::Null));
    assert!(names(&machine, "to").is_empty());
}

/// Sabotage: a release of whatever is held; an undo that does not hold the copy again.
#[test]
fn only_a_verified_copy_is_released_and_held_again_on_the_way_back() {
    let machine = Machine::new();
    machine.write("from/a", "a");
    copied(&machine, &with(&machine, "snapshot", json!({})));
    let release = |held: &str| {
        let input = json!({ "at": machine.path("to").to_str().unwrap(), "held": held });
        intend(&machine, "release", &input).unwrap();
        (Plugin::apply(&ctx(&machine, "release"), input.clone(), None), input)
    };
    let code = |reply: Reply| match reply {
        Reply::Refused(refusal) => refusal.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(release("cutwater.r1.sync").0), "unfinished");
    machine.saved.borrow_mut().clear();
    let last = json!({ "last": true, "onto": "cutwater.r1.sync" });
    copied(&machine, &with(&machine, "snapshot", last));
    machine.saved.borrow_mut().clear();
    assert_eq!(code(release("cutwater.r2.sync").0), "held");
    let (reply, input) = release("cutwater.r1.sync");
    assert!(matches!(reply, Reply::Changed(_)), "{reply:?}");
    assert_eq!(names(&machine, "to"), ["a"]);
    let probed = || Plugin::probe(&ctx(&machine, "release"), input.clone(), &story(&machine));
    assert!(matches!(probed(), Probed::Applied(_)));
    let back = Plugin::undo(&ctx(&machine, "release"), input.clone(), &story(&machine));
    assert_eq!((back, held_state(&machine)), (Reply::Changed(Value::Null), "verified".to_owned()));
    assert_eq!(probed(), Probed::NotApplied);
    std::fs::remove_file(machine.path("to/.cutwater-held")).unwrap();
    machine.saved.borrow_mut().clear();
    assert_eq!(code(Plugin::apply(&ctx(&machine, "release"), input, None)), "not-held");
}

/// Sabotage: the time of the verification left out; figures that are not asked for.
#[test]
fn what_cannot_fit_is_refused_before_anything_is_copied() {
    let machine = Machine::new();
    std::fs::File::create(machine.path("from/large")).unwrap().set_len(1 << 40).unwrap();
    let refused = |more: Value| intend(&machine, "sync", &with(&machine, "live", more)).unwrap_err();
    let never = refused(json!({ "rate": "100MiB/s", "changes-every": "1m", "within": "2d" }));
    assert_eq!(never.code, "does-not-fit");
    assert!(
        never.message.contains("passes until nothing has changed meanwhile, and there are 3"),
        "{}",
        never.message
    );
    assert!(never.details["passes"].as_f64().unwrap() > 1e70);
    let slow = refused(json!({ "rate": "100MiB/s", "changes-every": "10d", "within": "5h" }));
    assert!(slow.message.contains("to copy and verify, and there are 5h"), "{}", slow.message);
    assert_eq!(refused(json!({ "changes-every": null })).code, "invalid-input");
    assert_eq!(refused(json!({ "leave-rest": true, "last": true })).code, "invalid-input");
    let rest = refused(json!({ "leave-rest": true, "rate": "100MiB/s", "within": "5h" }));
    assert!(rest.message.contains("to copy and verify, and there are 5h"), "{}", rest.message);
    assert_eq!(refused(json!({ "passes": 0 })).code, "invalid-input");
    assert_eq!(refused(json!({ "waiver": { "by": " ", "because": "so" } })).code, "invalid-input");
    for (key, path, code) in [
        ("to", "relative", "invalid-path"),
        ("to", "/srv/../etc", "invalid-path"),
        ("to", "/srv/a*", "invalid-path"),
        ("to", "/", "invalid-path"),
        ("to", "/no/such/folder", "no-folder"),
    ] {
        assert_eq!(refused(json!({ key: path })).code, code, "{path}");
    }
    let inside = machine.path("from/large").parent().unwrap().join("in");
    assert_eq!(refused(json!({ "to": inside.to_str().unwrap() })).code, "nested");
    assert_eq!(names(&machine, "to"), Vec::<String>::new());
}

#[test]
fn the_description_stays_in_the_subset_and_tells_where_the_consistency_stands() {
    let description = Plugin::describe();
    for (name, step) in description["steps"].as_object().unwrap() {
        for side in ["input", "output"] {
            assert_eq!(schema::outside_subset(&step[side]), None, "{name}.{side}");
        }
    }
    let consistency = &description["steps"]["sync"]["consistency"];
    assert_eq!(consistency, &json!({ "level": "/consistency", "last": "/last", "waiver": "/waiver" }));
}
