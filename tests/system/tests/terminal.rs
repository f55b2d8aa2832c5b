//! Nothing that a file or an argument holds reaches the terminal as something that it obeys.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod common;

use common::refused::{HEAD, SECOND, harmless, refused};
use common::{Place, touched};

/// Turns a terminal red, clears it, renames its window, rings, goes back on the line, and writes the line backwards.
const STEERS: &str = "\u{1b}[31m\u{1b}[2J\u{1b}]0;x\u{7}\u{8}\r\u{9b}2J\u{202e}";

#[test]
fn nothing_in_a_file_reaches_the_terminal_as_an_escape() {
    let quoted = "\\e[31m\\e[2J\\e]0;x\\a\\b\\r\\x9b2J\\u202e";
    for steers in [STEERS, quoted] {
        for text in [
            format!("cutwater: 1\nname: \"x{steers}\"\nsteps: {{ a: {{ uses: lvm.remove }} }}\n"),
            format!("{HEAD}steps: {{ \"a{steers}\": {{ uses: lvm.remove }} }}\n"),
            format!("{HEAD}steps: {{ a: {{ uses: \"lvm{steers}.remove{steers}\" }} }}\n"),
            format!("{HEAD}steps: {{ a: {{ uses: lvm.remove, \"with{steers}\": 1 }} }}\n"),
            format!("{HEAD}steps: {{ a: {{ approve: \"${{{{ inputs.{steers} }}}}\", by: [dba] }} }}\n"),
            format!("{HEAD}steps: {{ a: {{ approve: \"${{{{ '{steers}' + 1 }}}}\", by: [dba] }} }}\n"),
            format!(
                "{HEAD}steps: {{ a: {{ uses: service.status, with: {{ unit: \"{steers}\", u: 1 }} }} }}\n"
            ),
            format!(
                "{HEAD}grants: {{ \"{steers}\": {{ run: [\"/{steers}\"] }} }}\nsteps: {{ a: {{ uses: lvm.remove }} }}\n"
            ),
            format!(
                "{HEAD}window: {{ opens: \"{steers}\", closes: \"1\", timezone: \"{steers}\" }}\nsteps: {{ a: {{ uses: lvm.remove }} }}\n"
            ),
            format!("{STEERS}\n"),
        ] {
            let place = Place::new();
            place.file("x.yaml", &text);
            refused(&place, "x.yaml", &[], SECOND);
        }
    }
}

#[test]
fn nothing_in_an_argument_reaches_the_terminal_as_an_escape() {
    let place = Place::new();
    place.file("x.yaml", format!("{HEAD}inputs: {{ a: {{ type: string }} }}\nsteps: {{ s: {{ approve: \"${{{{ inputs.a }}}}?\", by: [dba] }} }}\n"));
    refused(&place, "x.yaml", &[&format!("a={STEERS}")], SECOND);
    refused(&place, "x.yaml", &[&format!("a{STEERS}=1"), "a=1"], SECOND);
    let name = format!("n{STEERS}.yaml");
    refused(&place, &name, &[], SECOND);
    place.file(&name, "cutwater: 1\nnmae: x\n");
    refused(&place, &name, &[], SECOND);
    for args in [
        vec!["show", STEERS],
        vec!["approve", STEERS],
        vec!["resume", STEERS],
        vec!["step", STEERS],
        vec!["plugin", "inspect", STEERS],
        vec!["run", "x.yaml", "--plan", STEERS],
        vec!["check", "x.yaml", STEERS],
        vec!["check", "x.yaml", "--input", STEERS],
        vec![STEERS],
    ] {
        let said = place.cutwater(&args);
        assert!([2, 3].contains(&said.code), "{args:?}: {said:?}");
        harmless(&said);
    }
    assert_eq!(touched(), Vec::<std::path::PathBuf>::new());
}
