//! The steps against the real restic, on a repository and on trees in a folder; only the mounts are made up. It must not know
//! the engine. Each test names the sabotage that turns it red.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use cutwater_sdk::call::Reply;
use cutwater_sdk::{Bytes, Exit, Probed, Story, Value, json, serde_json};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use support::{PASSWORD, Place, harm};

#[track_caller]
fn changed(reply: Reply) -> Value {
    match reply {
        Reply::Changed(output) => output,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn failed(reply: Reply) -> (String, String, bool) {
    match reply {
        Reply::Failed(failure) => (failure.code, failure.message + " / " + &failure.left, failure.again),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(reply: Reply) -> (String, String) {
    match reply {
        Reply::Refused(refusal) => (refusal.code, refusal.message),
        other => panic!("{other:?}"),
    }
}

/// Sabotage: undo that forgets the backups of the path, and not those of the mark.
#[test]
fn a_backup_is_made_counted_and_forgotten_and_no_other_with_it() {
    let place = Place::new();
    let others = place.restic(&["backup", "--tag", "cutwater.r0.backup", place.source()]);
    assert!(others.contains("saved"), "{others}");
    let output = changed(place.apply("backup", place.backup()));
    let bytes: Bytes = serde_json::from_value(output["bytes"].clone()).unwrap();
    assert_eq!((output["files"].as_u64().unwrap() > 8, bytes), (true, Bytes(3_000_016)));
    assert_eq!(place.ids("cutwater.r1.backup"), [output["id"].as_str().unwrap()]);

    let story = Story { output: Some(output), ..Story::default() };
    changed(place.undo("backup", place.backup(), &story));
    assert_eq!((place.ids("cutwater.r1.backup").len(), place.ids("cutwater.r0.backup").len()), (0, 1));
    assert!(matches!(place.undo("backup", place.backup(), &story), Reply::Unchanged(_)));
}

/// Sabotage: the password as an argument, or in the effect; a command that the preview does not show.
#[test]
fn all_that_changes_something_was_shown_and_the_password_is_nowhere() {
    let place = Place::new();
    place.restic(&["backup", place.source()]);
    let id = &place.ids("")[0];
    for (action, input) in [("backup", place.backup()), ("restore", place.restore(id))] {
        let mut shown = place.shown(action, &input, false);
        changed(place.apply(action, input.clone()));
        changed_or_not(place.undo(action, input.clone(), &Story::default()));
        shown.extend(place.shown(action, &input, true));
        assert!(
            !format!("{shown:?}").contains(PASSWORD) && format!("{shown:?}").contains("[secret backup]\\n")
        );
        for ran in place.changes() {
            let admits = |effect: &cutwater_sdk::Effect| place.admits(effect, &ran);
            assert!(shown.iter().any(admits), "`{ran}` was not shown by {action}: {shown:?}");
        }
        assert!(place.changes().len() >= 2, "{:?}", place.changes());
        place.forget_calls();
    }
    assert!(!place.all_calls().contains(PASSWORD));
}

fn changed_or_not(reply: Reply) {
    assert!(matches!(reply, Reply::Changed(_) | Reply::Unchanged(_)), "{reply:?}");
}

/// Sabotage: status 3 taken for done.
#[test]
fn a_backup_that_could_not_read_a_file_is_failed_and_taken_back() {
    let place = Place::new().unprivileged();
    std::fs::set_permissions(Path::new(place.source()).join("changed"), PermissionsExt::from_mode(0o000))
        .unwrap();
    let (code, words, again) = failed(place.apply("backup", place.backup()));
    assert_eq!((code.as_str(), again), ("source-not-read", false), "{words}");
    assert!(words.contains("srv/source/changed: error 13") && words.contains("not whole"), "{words}");
    assert_eq!(place.ids("cutwater.r1.backup").len(), 1);
    let exit = Exit { program: "restic".into(), args: vec!["backup".into()], status: Some(3), signal: None };
    let story = Story { exits: vec![exit], ..Story::default() };
    assert!(matches!(place.probe("backup", place.backup(), &story), Probed::PartWay(_)));
    changed(place.undo("backup", place.backup(), &story));
    assert!(place.ids("cutwater.r1.backup").is_empty());
}

/// Sabotage: a backup believed by its mark alone; the one of an attempt before left beside the new one.
#[test]
fn a_backup_whose_end_nobody_saw_is_made_again_and_stays_one() {
    let place = Place::new();
    let probe = |story: &Story| place.probe("backup", place.backup(), story);
    assert!(matches!(probe(&Story::default()), Probed::NotApplied));
    let first = changed(place.apply("backup", place.backup()))["id"].clone();
    let ended = |status| {
        let exit =
            Exit { program: "restic".into(), args: vec!["backup".into(), "x".into()], status, signal: None };
        Story { exits: vec![exit], ..Story::default() }
    };
    assert!(matches!(probe(&ended(None)), Probed::PartWay(_)));
    assert!(matches!(probe(&ended(Some(0))), Probed::Applied(output) if output["id"] == first));
    let second = changed(place.apply("backup", place.backup()))["id"].clone();
    assert_ne!(first, second);
    assert_eq!(place.ids("cutwater.r1.backup"), [second.as_str().unwrap()]);
}

/// Sabotage: no unlock before the forgetting, or a word less.
#[test]
fn the_lock_of_a_killed_restic_is_removed_and_said() {
    let place = Place::new();
    changed(place.apply("backup", place.backup()));
    let mut other = place.locking();
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(place.locks(), 1);
    changed(place.undo("backup", place.backup(), &Story::default()));
    assert_eq!((place.locks(), place.ids("cutwater.r1.backup").len()), (0, 0));
    assert!(place.words().contains("stale locks"), "{}", place.words());
}

/// Sabotage: `unlock --remove-all`.
#[test]
fn the_lock_of_a_living_restic_is_respected_and_named() {
    let place = Place::new();
    changed(place.apply("backup", place.backup()));
    let mut other = place.locking();
    let (code, words, again) = failed(place.undo("backup", place.backup(), &Story::default()));
    assert_eq!((code.as_str(), again), ("locked", true), "{words}");
    assert_eq!((place.locks(), place.ids("cutwater.r1.backup").len()), (1, 1));
    other.kill().unwrap();
    other.wait().unwrap();
}

/// Sabotage: `--read-data` left out; all of the data read while planning, and again when the step's turn comes.
#[test]
fn a_damaged_pack_is_found_by_the_check_and_stops_the_restore() {
    let place = Place::new();
    let id = changed(place.apply("backup", place.backup()))["id"].as_str().unwrap().to_owned();
    let whole = changed_output(place.apply("check", place.check(&id)));
    assert_eq!((whole["of"].as_str(), whole["id"].as_str()), (Some(place.source()), Some(id.as_str())));
    place.damage();
    assert_eq!(changed_output(place.apply_while_planning("check", place.check(&id))), whole);
    let mut structure = place.check(&id[..8]);
    structure["read-data"] = json!("none");
    changed_output(place.apply("check", structure));
    let (code, words) = refused(place.apply("check", place.check(&id)));
    assert_eq!(code, "damaged", "{words}");
    let (code, words, _) = failed(place.apply("restore", place.restore(&id)));
    assert_eq!(code, "not-restored", "{words}");
    assert!(words.contains("ciphertext verification failed"), "{words}");
}

fn changed_output(reply: Reply) -> Value {
    match reply {
        Reply::Unchanged(output) | Reply::Changed(output) => output,
        other => panic!("{other:?}"),
    }
}

/// Sabotage: an empty tree taken for the same; any one of the compared things left out of `tree::Entry`; the second pass,
/// which names what is missing, left out.
#[test]
fn a_restored_tree_is_the_backup_and_each_harm_to_it_is_named() {
    let place = Place::new();
    let id = changed(place.apply("backup", place.backup()))["id"].as_str().unwrap().to_owned();
    std::fs::write(place.target().join("left over"), "x").unwrap();
    changed(place.apply("restore", place.restore(&id)));
    assert_eq!(support::listing(Path::new(place.source())), support::listing(&place.target()));
    let same = changed_output(place.apply("compare", place.restore(&id)))["same"].as_u64().unwrap();
    assert_eq!(same, support::listing(&place.target()).lines().count() as u64);
    for (how, words) in harm::ALL {
        changed(place.apply("restore", place.restore(&id)));
        how(&place.target());
        let (code, said) = refused(place.apply("compare", place.restore(&id)));
        assert_eq!(code, "differs");
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// Sabotage: the emptying left out: restic writes through the link.
#[test]
fn a_link_in_the_place_of_a_file_is_replaced_and_not_followed() {
    let place = Place::new();
    let id = changed(place.apply("backup", place.backup()))["id"].as_str().unwrap().to_owned();
    let outside = place.folder().join("outside");
    std::fs::write(&outside, "the machine's own").unwrap();
    symlink(&outside, place.target().join("changed")).unwrap();
    changed(place.apply("restore", place.restore(&id)));
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "the machine's own");
    assert!(!place.target().join("changed").is_symlink());
}

/// Sabotage: any of these looks left out: the folders of the machine itself would be emptied.
#[test]
fn nothing_is_emptied_that_is_not_the_volume() {
    let place = Place::new();
    let id = changed(place.apply("backup", place.backup()))["id"].as_str().unwrap().to_owned();
    place.forget_calls();
    let with = |key: &str, value: &str| {
        let mut input = place.restore(&id);
        input[key] = json!(value);
        input
    };
    let elsewhere = place.folder().join("elsewhere").display().to_string();
    let mut unmounted = with("at", &format!("{elsewhere}{}", place.source()));
    for (input, expected) in [
        (unmounted.take(), "not-mounted"),
        (with("at", place.source()), "other-path"),
        (with("at", "/"), "invalid-path"),
        (with("at", "/srv/../etc"), "invalid-path"),
        (with("device", "/dev/vg00/other"), "other-device"),
        (with("id", "0123456789"), "no-such-backup"),
        (with("id", "latest"), "invalid-id"),
    ] {
        let (code, words) = refused(place.apply("restore", input));
        assert_eq!(code, expected, "{words}");
    }
    place.mounted_read_only();
    assert_eq!(refused(place.apply("restore", place.restore(&id))).0, "read-only");
    assert_eq!(place.changes(), [""; 0]);
}

/// Sabotage: a mount point on which nothing is mounted backed up as an empty volume.
#[test]
fn a_folder_on_which_nothing_is_mounted_is_not_backed_up() {
    let place = Place::new();
    place.unmount();
    assert_eq!(refused(place.apply("backup", place.backup())).0, "not-mounted");
    assert_eq!(place.changes(), [""; 0]);
}

#[test]
fn each_way_in_which_restic_refuses_has_its_name() {
    let place = Place::new();
    let with = |key: &str, value: &str| {
        let mut input = place.backup();
        input[key] = json!(value);
        input
    };
    for (input, expected) in [
        (with("password", "other"), "wrong-password"),
        (with("password", "short"), "unusable-secret"),
        (with("password", "two-lines"), "unusable-secret"),
        (with("repository", "/nonexistent"), "no-repository"),
        (with("repository", "sftp:host:/srv"), "invalid-path"),
    ] {
        let (code, words) = refused(place.apply("backup", input));
        assert_eq!(code, expected, "{words}");
    }
    assert_eq!(place.changes(), [""; 0]);
}

/// Sabotage: a fault of the backup's own line answered as refused.
#[test]
fn a_backup_whose_end_is_lost_is_unknown() {
    let place = Place::new();
    place.fault("run restic backup", "lost");
    assert!(matches!(place.apply("backup", place.backup()), Reply::Unknown(_)));
}
