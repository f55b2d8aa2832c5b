//! What is wrong with a file or an input, told by the real binary: with status 3, everything at once with its place and the nearest
//! name, in time, and with nothing touched.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod common;

use common::refused::{HEAD, SECOND, refused};
use common::{Place, touched};

const LVM: &str = "grants: { lvm: { run: [vgs, lvs, lvcreate, lvremove, lvchange] } }\n";

/// The text is refused with exactly these faults, each `LINE:COLUMN CODE` with words that it holds.
fn faults(text: &str, expected: &[(&str, &str, &str)]) {
    faults_with(text, &[], expected);
}

fn faults_with(text: &str, inputs: &[&str], expected: &[(&str, &str, &str)]) {
    let place = Place::new();
    place.file("x.yaml", text);
    let said = refused(&place, "x.yaml", inputs, SECOND);
    let reports: Vec<&str> = said.err.split("\n\n").filter(|report| report.contains("error[")).collect();
    for (at, code, words) in expected {
        let there = |report: &&&str| {
            let named = at.is_empty() || report.contains(&format!("─[x.yaml:{at}]"));
            report.contains(&format!("error[{code}]")) && named && report.contains(words)
        };
        assert!(
            reports.iter().any(|report| there(&report)),
            "no {code} at {at} with `{words}` in\n{}",
            said.err
        );
    }
    assert_eq!(reports.len(), expected.len(), "{}", said.err);
}

#[test]
fn broken_yaml_is_shown_where_it_breaks() {
    faults("cutwater: 1\nname: [\n", &[("2:7", "CW0001", "unclosed bracket")]);
    faults("cutwater: 1\nname: \"x\nsteps: {}\n", &[("3:1", "CW0001", "quoted")]);
    faults("cutwater: 1\n\tname: x\n", &[("", "CW0001", "found a tab")]);
}

#[test]
fn every_duplicate_and_unknown_key_is_named_at_once_with_the_nearest() {
    let text = "cutwater: 1\nname: x\nname: y\nsumary: z\nsteps:\n  a: { uzes: lvm.remove }\n  a: { uses: service.status, with: { unit: app }, tiemout: 5s }\n  b: { uses: service.status, with: { unit: app, unti: 5 } }\ngrants: { service: { units: [app], unitts: [] } }\n";
    faults(
        text,
        &[
            ("3:1", "CW0007", "`name`"),
            ("4:1", "CW0102", "did you mean `summary`?"),
            ("6:8", "CW0102", "did you mean `uses`?"),
            ("7:3", "CW0007", "`a`"),
            ("8:49", "CW0304", "did you mean `unit`?"),
            ("9:36", "CW0403", "did you mean `units`?"),
        ],
    );
}

#[test]
fn every_circle_is_named_with_its_way_round() {
    let text = format!(
        "{HEAD}{LVM}steps:\n  a: {{ uses: lvm.check-extents, needs: [c], with: {{ vg: v, volumes: [x], lasting: 1m }} }}\n  b: {{ uses: lvm.check-extents, with: {{ vg: \"${{{{ steps.a.vg.name }}}}\", volumes: [x], lasting: 1m }} }}\n  c: {{ uses: lvm.check-extents, needs: [b], with: {{ vg: v, volumes: [x], lasting: 1m }} }}\n  d: {{ uses: lvm.snapshot-usable, with: {{ volume: \"${{{{ string(steps.d.percent != null) }}}}\" }} }}\n"
    );
    faults(&text, &[("5:41", "CW0501", "`a` → `c` → `b` → `a`"), ("8:63", "CW0501", "`d`")]);
}

#[test]
fn what_does_not_fit_the_plugins_is_told_at_once_with_the_nearest() {
    let text = format!(
        "{HEAD}grants: {{ lmv: {{ run: [lvs] }}, service: {{ units: [web] }} }}\nsteps:\n  a: {{ uses: lvn.snapshot }}\n  b: {{ uses: service.statsu }}\n  c: {{ uses: service.status, with: {{ unit: 7 }} }}\n  d: {{ uses: service.status }}\n  e: {{ uses: service.status, with: {{ unit: app }} }}\n  f: {{ uses: fs.freeze, with: {{ at: srv }} }}\n  g: {{ uses: block.sync, with: {{ from: /dev/a, to: \"${{{{ steps.e.unit }}}}\", at-most: fast }} }}\n"
    );
    faults(
        &text,
        &[
            ("3:11", "CW0405", "did you mean `lvm`?"),
            ("5:14", "CW0301", "did you mean `lvm`?"),
            ("6:22", "CW0302", "did you mean `status`?"),
            ("7:44", "CW0305", "expected string, found an integer"),
            ("8:3", "CW0303", "add `unit:`"),
            ("9:44", "CW0402", "add `units: [app]` to `service`"),
            ("10:14", "CW0306", "write `hold: fs.freeze`"),
            ("10:37", "CW0305", "path"),
            ("11:40", "CW0402", "add `read: [/dev/a]` to `block`"),
            ("11:84", "CW0305", "80MiB/s"),
        ],
    );
}

#[test]
fn every_missing_and_wrong_input_is_told_at_once() {
    let text = format!(
        "{HEAD}inputs:\n  target: {{ type: device }}\n  size: {{ type: bytes }}\n  count: {{ type: integer }}\nsteps:\n  a: {{ approve: \"${{{{ inputs.target }}}} ${{{{ inputs.size }}}} ${{{{ inputs.count }}}}\", by: [dba] }}\n"
    );
    faults_with(
        &text,
        &["tagret=/dev/x", "size=5 apples"],
        &[
            ("", "CW0201", "did you mean `target`?"),
            ("4:3", "CW0202", "--input target=/dev/vg00/dat"),
            ("5:3", "CW0203", "512MiB"),
            ("6:3", "CW0202", "--input count=5"),
        ],
    );
    let place = Place::new();
    place.file("x.yaml", text);
    for command in ["plan", "run"] {
        let said = place.cutwater(&[command, "x.yaml"]);
        assert_eq!((said.code, said.err.matches("error[CW0202]").count()), (3, 3), "{}", said.err);
    }
    assert_eq!(place.cutwater(&["check", "x.yaml", "--input", "size"]).code, 2, "that is wrong usage");
    assert_eq!(touched(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn what_is_no_file_is_named_and_never_waited_for() {
    let place = Place::new();
    let fifo = place.path("fifo.yaml");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let _listens = std::os::unix::net::UnixListener::bind(place.path("socket.yaml")).unwrap();
    std::fs::create_dir(place.path("folder.yaml")).unwrap();
    std::os::unix::fs::symlink("fifo.yaml", place.path("link.yaml")).unwrap();
    std::os::unix::fs::symlink("loop.yaml", place.path("loop.yaml")).unwrap();
    for (file, words) in [
        ("fifo.yaml", "fifo.yaml is a FIFO"),
        ("link.yaml", "link.yaml is a FIFO"),
        ("socket.yaml", "socket.yaml"),
        ("folder.yaml", "folder.yaml is a folder"),
        ("loop.yaml", "loop.yaml"),
        ("/dev/zero", "/dev/zero is a device"),
        ("/dev/null", "/dev/null is a device"),
        ("/dev/tty", "/dev/tty"),
        ("/proc/self/mem", "/proc/self/mem"),
        ("none.yaml", "none.yaml"),
    ] {
        let said = refused(&place, file, &[], SECOND);
        assert!(said.err.contains(words), "{file}: {}", said.err);
    }
}

#[test]
fn a_file_that_is_empty_huge_or_no_text_is_named() {
    let place = Place::new();
    std::fs::File::create(place.path("huge.yaml")).unwrap().set_len(1 << 40).unwrap();
    for (name, content, words) in [
        ("empty.yaml", &b""[..], "cutwater: 1"),
        ("blank.yaml", b"\n\n# nothing\n", "cutwater: 1"),
        ("latin.yaml", b"cutwater: 1\nname: caf\xe9\n", "latin.yaml:2"),
        ("wide.yaml", b"\xff\xfec\0u\0t\0", "wide.yaml:1"),
        ("zero.yaml", b"cutwater: 1\nname: a\0b\n", "zero.yaml:2"),
        ("list.yaml", b"- a\n- b\n", "list.yaml:1:1"),
        ("text.yaml", b"#!/bin/sh\necho hello\n", "text.yaml:2:1"),
    ] {
        place.file(name, content);
        let said = refused(&place, name, &[], SECOND);
        assert!(said.err.contains(words) && said.err.contains(name), "{name}: {}", said.err);
    }
    let said = refused(&place, "huge.yaml", &[], SECOND);
    assert!(said.err.contains("huge.yaml is larger than 8 MiB"), "{}", said.err);
    let large = format!("{HEAD}steps:\n{}", "  a: {}\n".repeat(1_050_000));
    place.file("large.yaml", &large[..(8 << 20)]);
    refused(&place, "large.yaml", &[], 2 * SECOND);
}

#[test]
fn several_files_are_answered_together_and_a_program_can_read_the_answer() {
    let place = Place::new();
    place.file("a.yaml", "cutwater: 1\nnmae: a\nsteps: { a: { uses: lvm.remov } }\n");
    place.file("b.yaml", "cutwater: 1\nname: [\n");
    place.file("c.yaml", format!("{HEAD}steps: {{ a: {{ approve: Yes?, by: [root] }} }}\n"));
    let said = place.cutwater(&["check", "a.yaml", "none.yaml", "b.yaml", "c.yaml"]);
    assert_eq!(said.code, 3);
    for words in ["did you mean `name`?", "did you mean `remove`?", "none.yaml", "─[b.yaml:2:7]"] {
        assert!(said.err.contains(words), "no {words} in {}", said.err);
    }
    assert!(said.out.contains("c.yaml"), "the sound one is told too: {}", said.out);
    let said = place.cutwater(&["--json", "check", "a.yaml", "b.yaml"]);
    let answer: serde_json::Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!((said.code, answer["error"]["exit"].as_u64()), (3, Some(3)));
    let faults = answer["error"]["faults"].as_array().unwrap();
    assert!(faults.iter().all(|fault| fault["file"].is_string() && fault["code"].is_string()), "{answer}");
    let places: Vec<_> =
        faults.iter().map(|fault| (&fault["place"]["line"], &fault["place"]["col"])).collect();
    assert!(places.iter().all(|(line, column)| line.is_u64() && column.is_u64()), "{answer}");
}
