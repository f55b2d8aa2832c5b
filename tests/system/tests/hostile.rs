//! Files made to hurt, given to the real binary: refused with few words, within a second of processor time, and without a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod common;

use common::Place;
use common::refused::{HEAD, SECOND, refused};
use std::fmt::Write;

const LVM: &str = "grants: { lvm: { run: [vgs, lvs, lvcreate, lvremove, lvchange] } }\n";

/// A text in which something explodes is refused with this code, and with few words.
fn bounded(text: &str, code: &str) {
    let place = Place::new();
    place.file("x.yaml", text);
    let said = refused(&place, "x.yaml", &[], SECOND);
    assert!(said.err.contains(&format!("[{code}]")), "no {code} in {}", said.err);
    assert!(said.err.contains("x.yaml"), "{}", said.err);
    assert!(said.err.len() < 200_000, "{} bytes", said.err.len());
}

#[test]
fn aliases_that_explode_are_refused() {
    let mut text = format!("{HEAD}a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..40 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        writeln!(text, "a{level}: &a{level} [{below}]").unwrap();
    }
    bounded(&text, "CW0004");
    bounded("cutwater: 1\na: &a { b: *a }\n", "CW0004");
}

#[test]
fn nesting_that_would_overflow_a_stack_is_refused() {
    for deep in [
        "[".repeat(1_000_000),
        "{a: ".repeat(500_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        "&a [".repeat(100_000),
    ] {
        let place = Place::new();
        place.file("x.yaml", format!("{HEAD}summary: {deep}\n"));
        let said = refused(&place, "x.yaml", &[], SECOND);
        assert!(said.err.contains("─[x.yaml:3:"), "{}", said.err);
    }
    let mut blocks = HEAD.to_owned();
    for level in 0..3_000 {
        writeln!(blocks, "{}a:", " ".repeat(level)).unwrap();
    }
    bounded(&blocks, "CW0003");
}

#[test]
fn expressions_that_would_overflow_a_stack_are_refused() {
    let plus = format!("1{}", "+1".repeat(100_000));
    let ternary = format!("{}1", "true ? 1 : ".repeat(20_000));
    for expression in [
        "(".repeat(100_000),
        "[".repeat(100_000),
        "{1:".repeat(50_000),
        "!".repeat(200_000),
        "-".repeat(1_000),
        "a.".repeat(100_000),
        "size(".repeat(50_000),
        "a[".repeat(50_000),
        format!("{}1", "-(".repeat(400)),
        format!("a{}", "[0]".repeat(300)),
        plus,
        ternary,
    ] {
        bounded(
            &format!("{HEAD}steps: {{ a: {{ approve: '${{{{ {expression} }}}}', by: [dba] }} }}\n"),
            "CW0107",
        );
        bounded(
            &format!("{HEAD}steps: {{ a: {{ approve: Yes?, by: [dba], if: '{expression}' }} }}\n"),
            "CW0107",
        );
    }
}

#[test]
fn ten_thousand_steps_are_answered_in_two_seconds() {
    let within = 2 * SECOND;
    let place = Place::new();
    let mut unknown = format!("{HEAD}steps:\n");
    let mut circle = format!("{HEAD}grants: {{ service: {{ units: [app] }} }}\nsteps:\n");
    let mut good = format!(
        "{HEAD}inputs: {{ vg: {{ type: string, default: v }} }}\n{LVM}steps:\n  room: {{ uses: lvm.check-extents, with: {{ vg: v, volumes: [x], lasting: 1m }} }}\n"
    );
    for step in 0..10_000 {
        writeln!(unknown, "  s{step}: {{ uses: lvn.snapshot, needs: [t{step}] }}").unwrap();
        let next = (step + 1) % 10_000;
        writeln!(circle, "  s{step}: {{ uses: service.status, needs: [s{next}], with: {{ unit: app }} }}")
            .unwrap();
        let before = if step == 0 { "room".to_owned() } else { format!("s{}", step - 1) };
        writeln!(good, "  s{step}: {{ uses: lvm.snapshot, needs: [{before}], with: {{ vg: \"${{{{ inputs.vg }}}}\", origin: v{step}, size: \"${{{{ steps.room.volumes[0].cow }}}}\" }} }}").unwrap();
    }
    place.file("unknown.yaml", unknown);
    let said = refused(&place, "unknown.yaml", &[], within);
    assert!(said.err.contains("did you mean `lvm`?"), "{}", said.err);
    assert!(said.err.len() < 200_000, "{} bytes", said.err.len());
    place.file("circle.yaml", circle);
    let said = refused(&place, "circle.yaml", &[], within);
    assert!(said.err.contains("CW0501") && said.err.len() < 5_000, "{}", said.err);
    place.file("good.yaml", good);
    let said = place.cutwater(&["check", "good.yaml"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.took < within, "it took {:?}", said.took);
}
