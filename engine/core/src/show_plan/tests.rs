//! The plan as people read it.

use super::{line, text};
use crate::effect::Effect;
use crate::sample::sample;
use serde_json::json;

#[test]
fn a_plan_shows_every_command_statement_and_write_and_the_way_back() {
    let mut plan = sample();
    plan.hash = "HASH".into();
    insta::assert_snapshot!(text(&plan));
}

#[test]
fn arguments_are_quoted_as_a_shell_would_read_them_and_never_move_the_cursor() {
    let run = |args: &[&str]| {
        line(&Effect {
            kind: "run".into(),
            detail: json!({ "program": "lvs", "as": "postgres", "args": args }),
        })
    };
    assert_eq!(run(&["-o", "lv name", "", "it's"]), r"(as postgres) $ lvs -o 'lv name' '' 'it'\''s'");
    assert_eq!(run(&["\u{1b}[2J"]), r"(as postgres) $ lvs $'\u{1b}[2J'");
    assert_eq!(
        line(&Effect { kind: "odd".into(), detail: json!({ "a": "\u{202e}" }) }),
        r#"odd {"a":"\u{202e}"}"#
    );
}

#[test]
fn what_stands_from_the_mark_on_is_never_shown_as_undone() {
    let mut plan = sample();
    for step in &mut plan.steps {
        let detail = json!({ "path": format!("/undo-of-{}", step.name) });
        step.undo_shown.effects = vec![Effect { kind: "remove".into(), detail }];
    }
    let page = text(&plan);
    assert!(page.contains("undo: remove /undo-of-start"));
    assert!(!page.contains("undo-of-cross") && !page.contains("undo-of-tidy"), "{page}");
}
