//! The help texts, word for word.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use common::Place;

#[test]
fn every_command_explains_itself() {
    let place = Place::new();
    let commands: [&[&str]; 26] = [
        &[],
        &["check"],
        &["plan"],
        &["simulate"],
        &["run"],
        &["rehearse"],
        &["resume"],
        &["approve"],
        &["abort"],
        &["undo"],
        &["pause"],
        &["settle"],
        &["runs"],
        &["show"],
        &["watch"],
        &["graph"],
        &["schema"],
        &["step"],
        &["extents"],
        &["doctor"],
        &["plugin"],
        &["plugin", "build"],
        &["plugin", "list"],
        &["plugin", "test"],
        &["plugin", "inspect"],
        &["completions"],
    ];
    for command in commands {
        let said = place.cutwater(&[command, &["--help"]].concat());
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{command:?}");
        let name = if command.is_empty() { "cutwater".to_owned() } else { command.join("-") };
        insta::assert_snapshot!(format!("help-{name}"), said.out);
    }
}

#[test]
fn wrong_usage_leaves_with_2_and_the_nearest_word() {
    let place = Place::new();
    for args in [
        &["chekc", "a.yaml"][..],
        &["run"],
        &["resume"],
        &["resume", "x", "--all"],
        &["run", "a", "--input", "=x"],
        &["settle", "r", "step", "--applied"],
        &["settle", "r", "step", "--applied", "--because", ""],
    ] {
        assert_eq!(place.cutwater(args).code, 2, "{args:?}");
    }
    assert!(place.cutwater(&["chekc"]).err.contains("'check'"));
}

#[test]
fn completions_name_the_commands_and_hide_what_is_hidden() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let said = place.cutwater(&["completions", shell]);
        assert_eq!(said.code, 0);
        assert!(said.out.contains("approve"), "{shell}");
        assert!(!said.out.contains("__guard") && !said.out.contains("__launch"), "{shell}");
    }
}
