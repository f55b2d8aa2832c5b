//! What is no workflow file: said with its name, at once, with exit 3, and nothing touched.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use common::Place;
use std::time::{Duration, Instant};

#[test]
fn what_is_no_regular_file_is_named_and_not_waited_for() {
    let place = Place::new();
    let fifo = place.path("fifo.yaml");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    std::fs::create_dir(place.path("folder.yaml")).unwrap();
    let cases = [
        ("fifo.yaml", "fifo.yaml is a FIFO"),
        ("folder.yaml", "folder.yaml is a folder"),
        ("/dev/zero", "/dev/zero is a device"),
        ("/dev/tty", "/dev/tty"),
        ("none.yaml", "cannot read none.yaml: No such file or directory"),
    ];
    for command in ["check", "plan", "run"] {
        for (file, words) in cases {
            let began = Instant::now();
            let said = place.cutwater(&[command, file]);
            assert_eq!(said.code, 3, "{command} {file}: {said:?}");
            assert!(said.err.contains(words), "{command} {file}: {said:?}");
            assert!(began.elapsed() < Duration::from_secs(1), "{command} {file}");
        }
    }
    assert!(!place.path("root/var/lib/cutwater/journal.db").exists());
}

#[test]
fn a_file_too_large_or_not_utf_8_is_named_with_its_place() {
    let place = Place::new();
    place.file("large.yaml", vec![b'a'; (8 << 20) + 1]);
    place.file("latin.yaml", b"cutwater: 1\nname: caf\xe9\n");
    assert!(place.cutwater(&["plan", "large.yaml"]).err.contains("larger than 8 MiB"));
    let said = place.cutwater(&["plan", "latin.yaml"]);
    assert_eq!(
        (said.code, said.err.as_str()),
        (3, "error: latin.yaml:2: byte 21 is not UTF-8; save the file as UTF-8\n")
    );
}

#[test]
fn no_name_can_steer_the_terminal() {
    let place = Place::new();
    place.file("a\u{1b}[2J.yaml", "cutwater: 1\nname: \"x\\e[31m\"\nsteps: {\"a\\u0007\": {}}\n");
    for args in [
        &["check", "a\u{1b}[2J.yaml"][..],
        &["check", "b\u{1b}[2J.yaml"],
        &["show", "\u{1b}[2J"],
        &["plugin", "inspect", "\u{1b}"],
    ] {
        let said = place.cutwater(args);
        assert_eq!(said.code, 3, "{args:?}");
        assert!(!said.err.contains('\u{1b}') && !said.out.contains('\u{1b}'), "{args:?}: {said:?}");
        assert!(!said.err.contains('\u{7}'), "{args:?}: {said:?}");
    }
}

#[test]
fn a_broken_document_is_answered_at_once_and_a_program_can_read_the_answer() {
    let place = Place::new();
    place.file("broken.yaml", "cutwater: 1\nname: [\n");
    let began = Instant::now();
    let said = place.cutwater(&["check", "broken.yaml"]);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(said.code, 3);
    assert!(said.err.contains("broken.yaml:"), "{said:?}");
    let said = place.cutwater(&["--json", "check", "broken.yaml"]);
    let value: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(value["error"]["exit"], 3);
    assert_eq!(value["error"]["faults"][0]["file"], "broken.yaml");
}

#[test]
fn a_policy_that_others_can_write_is_not_obeyed() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    std::fs::create_dir_all(place.path("root/etc/cutwater")).unwrap();
    let policy = place.file("root/etc/cutwater/policy.yaml", "cutwater-policy: 1\n");
    std::fs::set_permissions(&policy, PermissionsExt::from_mode(0o666)).unwrap();
    let said = place.cutwater(&["schema"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("can be written by others"), "{said:?}");
}

#[test]
fn where_nothing_ever_ran_there_is_nothing_to_show() {
    let place = Place::new();
    assert_eq!(place.cutwater(&["runs"]).golden(), "exit 0\n--- stdout\n--- stderr\n");
    assert_eq!(place.cutwater(&["--json", "runs"]).out, "[]\n");
    let said = place.cutwater(&["--json", "resume"]);
    let value: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, value["error"]["exit"].as_u64()), (2, Some(2)), "{said:?}");
    let said = place.cutwater(&["show", "x"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("nothing ever ran here"), "{said:?}");
    assert!(!place.path("root/var/lib/cutwater/journal.db").exists(), "looking made a journal");
}

/// Sabotage: half a document on a full disk, and status 0.
#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    let place = Place::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let said = place.command(&["schema"]).stdout(full).output().unwrap();
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("cannot be written: No space left"), "{said:?}");
}
