//! Texts made to hurt: each is answered with faults, in time, on the stack that core asks for.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{GOOD, checked, given, target, timed};
use cutwater_core::document;
use cutwater_core::fault::{Faults, KEPT};
use proptest::prelude::*;
use std::fmt::Write;
use std::time::Duration;

/// The codes that a text is refused with. Answered within a second.
fn refused(text: String) -> Vec<&'static str> {
    let (found, took) = timed(&text, &given(&[]));
    let faults = found.unwrap_err();
    assert!(faults.render(|_| Some(&text), true).len() < 2_000 * KEPT);
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    codes(&faults)
}

fn codes(faults: &Faults) -> Vec<&'static str> {
    faults.faults.iter().map(|fault| fault.code.as_str()).collect()
}

/// A document whose summary is this.
fn with_summary(summary: &str) -> String {
    format!("cutwater: 1\nname: x\nsummary: {summary}\nsteps: {{ a: {{ uses: postgres.checkpoint }} }}\n")
}

#[test]
fn aliases_that_explode_are_refused() {
    let mut text = "cutwater: 1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        let _ = writeln!(text, "a{level}: &a{level} [{below}]");
    }
    assert_eq!(refused(text), ["CW0004"]);
}

#[test]
fn anchors_on_anchors_are_refused() {
    let mut text = "cutwater: 1\na: ".to_owned();
    for level in 0..40 {
        let _ = write!(text, "&a{level} [");
    }
    text.push_str(&"x, ".repeat(100_000));
    text.push_str(&"]".repeat(40));
    assert_eq!(refused(text), ["CW0004"]);
}

#[test]
fn deep_nesting_is_refused() {
    assert_eq!(refused(with_summary(&"[".repeat(200_000))), ["CW0003"]);
    assert_eq!(refused(with_summary(&"{a: ".repeat(50_000))), ["CW0003"]);
    let blocks: String = (0..3_000).fold("cutwater: 1\n".to_owned(), |mut text, level| {
        let _ = writeln!(text, "{}a:", " ".repeat(level));
        text
    });
    assert_eq!(refused(blocks), ["CW0003"]);
    assert_eq!(refused(format!("cutwater: 1\nx: {}1", "- ".repeat(5_000))).len(), 1);
}

#[test]
fn a_million_keys_are_refused() {
    let mut text = "cutwater: 1\nname: x\nsteps:\n".to_owned();
    for key in 0..1_000_000 {
        let _ = writeln!(text, "  k{key}:");
    }
    assert!(refused(text).contains(&"CW0002"));
}

#[test]
fn long_texts_and_long_documents_are_refused() {
    assert_eq!(refused(with_summary(&"a".repeat(300 << 10))), ["CW0005"]);
    assert_eq!(refused(with_summary(&format!("\"{}\"", "b".repeat(7 << 20)))), ["CW0005"]);
    assert_eq!(refused(with_summary(&"a".repeat(9 << 20))), ["CW0002"]);
    assert_eq!(refused(format!("cutwater: 1\n{}", "#".repeat(7 << 20)))[0], "CW0104");
    assert_eq!(refused(String::new()), ["CW0101"]);
    assert_eq!(refused("\u{feff}\n".to_owned()), ["CW0101"]);
    assert_eq!(refused("- a\n- b\n".to_owned()), ["CW0105"]);
}

#[test]
fn many_faults_are_shown_in_part_and_counted() {
    let mut text = "cutwater: 1\nname: x\nsteps:\n".to_owned();
    for step in 0..10_000 {
        let _ = writeln!(text, "  s{step}: {{ uses: none.such{step}, needs: [t{step}] }}");
    }
    let (found, took) = timed(&text, &given(&[]));
    let faults = found.unwrap_err();
    assert_eq!(faults.faults.len(), KEPT);
    assert_eq!(faults.more, 20_000 - KEPT);
    assert!(took < Duration::from_secs(2), "it took {took:?}");
}

#[test]
fn a_circle_of_ten_thousand_steps_is_named_in_part() {
    let mut text =
        "cutwater: 1\nname: x\ngrants: { postgres: { connect: [{ host: db, port: 1 }] } }\nsteps:\n"
            .to_owned();
    for step in 0..10_000 {
        let _ =
            writeln!(text, "  s{step}: {{ uses: postgres.checkpoint, needs: [s{}] }}", (step + 1) % 10_000);
    }
    let (found, took) = timed(&text, &given(&[]));
    let faults = found.unwrap_err();
    assert_eq!(codes(&faults), ["CW0501"]);
    assert!(faults.faults[0].message.len() < 300, "{}", faults.faults[0].message);
    assert!(took < Duration::from_secs(2), "it took {took:?}");
}

#[test]
fn ten_thousand_steps_are_checked_in_two_seconds() {
    let mut text = "cutwater: 1\nname: x\ninputs:\n  vg: { type: string, default: vg00 }\ngrants:\n  lvm: { run: [lvcreate, lvremove, lvchange] }\nsteps:\n  room: { uses: lvm.check-extents, with: { vg: a, volumes: [b] } }\n".to_owned();
    for step in 0..10_000 {
        let _ = writeln!(
            text,
            "  s{step}:\n    uses: lvm.snapshot\n    needs: [{}]\n    with: {{ vg: \"${{{{ inputs.vg }}}}\", origin: \"v{step}-${{{{ inputs.vg }}}}\", size: \"${{{{ steps.room.volumes[{step}].cow }}}}\" }}",
            if step == 0 { "room".to_owned() } else { format!("s{}", step - 1) },
        );
    }
    let (found, took) = timed(&text, &given(&[]));
    assert_eq!(found.unwrap().steps.len(), 10_001);
    assert!(took < Duration::from_secs(2), "it took {took:?}");
}

#[test]
fn an_outage_of_ten_thousand_steps_is_a_line() {
    let mut text = "cutwater: 1\nname: x\ngrants: { postgres: { connect: [{ host: db, port: 1 }] } }\nsteps:\n  down:\n    outage: { limit: 5s }\n    steps:\n".to_owned();
    for step in 0..10_000 {
        let _ = writeln!(text, "      s{step}: {{ uses: postgres.checkpoint }}");
    }
    let (found, took) = timed(&text, &given(&[]));
    let checked = found.unwrap();
    assert!(checked.steps.iter().all(|step| step.step.needs.len() <= 1));
    assert!(took < Duration::from_secs(2), "it took {took:?}");
}

#[test]
fn hostile_expressions_are_faults() {
    let long = "1+".repeat(400) + "1";
    let parens = "(".repeat(450);
    let calls = "size(".repeat(200);
    for expression in
        [long.as_str(), &parens, &calls, &"!".repeat(1000), &"-".repeat(1000), &"a.".repeat(500), "\"\\x\""]
    {
        let text = format!(
            "cutwater: 1\nname: x\nsteps: {{ a: {{ approve: '${{{{ {expression} }}}}', by: [dba] }} }}\n"
        );
        assert_eq!(refused(text)[0], "CW0107", "{expression}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_damaged_document_is_answered_never_a_panic(
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), 0_usize..12, "[ -~\\n\\t\u{e9}\u{1b}]{0,6}"), 1..6),
    ) {
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, removed, put) in cuts {
            let at = at.index(text.len());
            let end = (at + removed).min(text.len());
            text.splice(at..end, put.chars());
        }
        let text: String = text.into_iter().collect();
        match checked(&text, &target()) {
            Ok(checked) => prop_assert!(!checked.steps.is_empty()),
            Err(faults) => {
                prop_assert!(faults.has_errors());
                let shown = faults.render(|_| Some(&text), false);
                prop_assert!(!shown.contains(char::from(27)), "an escape reaches the terminal");
                for place in faults.faults.iter().filter_map(|fault| fault.place) {
                    prop_assert!(text.is_char_boundary(place.offset) && place.offset + place.len <= text.len());
                }
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let parsed = document::parse_leniently(&text, "any.yaml");
        prop_assert!(parsed.document.is_some() || !parsed.faults.is_empty());
    }
}
