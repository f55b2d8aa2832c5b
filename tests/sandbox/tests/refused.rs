//! The hostile plugin tries what it was not granted, what the plan did not show, and what a preview must not do.

use cutwater_core::effect::Effect;
use cutwater_core::grant::Grants;
use cutwater_core::policy::{Policy, SecretSource};
use cutwater_driver::ports::Verb;
use cutwater_sandbox::Bench;
use serde_json::json;

fn bench() -> Bench {
    let mut policy = Policy::default();
    policy.secrets.insert("db".into(), SecretSource::File("/proc/self/stat".into()));
    Bench::new(policy)
}

fn run(program: &str, args: &[&str]) -> Effect {
    Effect { kind: "run".into(), detail: json!({ "program": program, "args": args }) }
}

#[test]
fn each_capability_is_denied_where_it_is_not_granted_and_the_denial_is_reported() {
    let bench = bench();
    let tries = json!([
        ["run", "true"],
        ["run", "lvs"],
        ["read", "/etc/passwd"],
        ["stat", "/etc/passwd"],
        ["write", "/tmp/hostile", "x"],
        ["remove", "/tmp/hostile"],
        ["folder", "/tmp/hostile"],
        ["facts", "/dev/null"],
        ["read-block", "/dev/null"],
        ["copy", "/dev/null", "/dev/zero"],
        ["erase", "/dev/zero"],
        ["freeze", "/"],
        ["thaw", "/"],
        ["connect", "/run/socket", "postgres"],
        ["connect", "/run/socket", "opaque"],
        ["secret", "db"],
        ["declared", "sshd"],
    ]);
    let shows = [
        run("true", &[]),
        Effect { kind: "write".into(), detail: json!({ "path": "/tmp/hostile", "content": "x" }) },
    ];
    let count = tries.as_array().unwrap().len();
    let heard = bench.apply(tries, &Grants::default(), &shows);
    assert_eq!(heard.told(), vec!["denied"; count], "{:?}", heard.outcome);
    let capabilities = [
        "run", "run", "file", "file", "file", "file", "file", "block", "block", "block", "block", "freeze",
        "freeze", "connect", "connect", "secret", "machine",
    ];
    assert_eq!(heard.denied(), capabilities);
    assert!(
        heard.used.iter().all(|what| what["why"].as_str().is_some_and(|why| why.contains("not granted")))
    );
}

#[test]
fn a_command_line_that_the_plan_did_not_show_is_denied_and_the_shown_one_runs() {
    let bench = bench();
    let folder = tempfile::tempdir().unwrap();
    let [shown, other] =
        ["shown", "other"].map(|name| folder.path().join(name).to_string_lossy().into_owned());
    let grants = Grants { run: vec!["touch".into()], ..Grants::default() };
    let tries = json!([
        ["run", "touch", shown],
        ["run", "touch", other],
        ["run", "touch", "-c", shown],
        ["run", "rm", shown]
    ]);
    let heard = bench.apply(tries.clone(), &grants, &[run("touch", &[&shown]), run("rm", &[&shown])]);
    assert_eq!(heard.told(), ["ok ", "denied", "denied", "denied"], "{heard:?}");
    assert!(std::path::Path::new(&shown).exists() && !std::path::Path::new(&other).exists());
    assert_eq!(heard.denied(), ["run"; 3]);
    let whys: Vec<_> = heard.used.iter().filter_map(|what| what["why"].as_str()).collect();
    assert!(whys[0].contains("is not in the plan"), "{whys:?}");
    assert!(whys[2].contains("`run: [rm]`"), "the refusal names the line to add: {whys:?}");
    let started = heard.used.iter().find(|what| what["pid"].is_u64() && what["args"].is_array()).unwrap();
    assert_eq!((&started["program"], &started["args"]), (&json!("touch"), &json!([shown])));
}

/// Sabotage: folders compared as they are named, and not where they lead; what carries the journal not looked for.
#[test]
fn a_program_that_changes_whole_folders_is_held_to_where_they_really_are() {
    let bench = bench();
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().canonicalize().unwrap().join(name).to_string_lossy().into_owned();
    for name in ["from", "to", "outside"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    std::fs::write(at("from/file"), "f").unwrap();
    std::fs::write(at("outside/theirs"), "t").unwrap();
    std::os::unix::fs::symlink(at("outside"), at("link")).unwrap();
    let grants = Grants {
        run: vec!["rsync".into(), "find".into()],
        read: vec![at("from")],
        write: vec![at("to"), at("link"), at("missing"), "/var/lib".into()],
        ..Grants::default()
    };
    let copy = |to: &str| vec!["-a".to_owned(), format!("{}/", at("from")), format!("{to}/")];
    let clear = vec![at("link"), "-xdev".into(), "-mindepth".into(), "1".into(), "-delete".into()];
    let lines = [
        ("rsync", copy(&at("link"))),
        ("rsync", copy(&at("missing"))),
        ("rsync", copy("/var/lib")),
        ("find", clear),
        ("rsync", vec!["-an".into(), format!("{}/", at("outside")), format!("{}/", at("to"))]),
        ("rsync", copy(&at("to"))),
    ];
    let shows: Vec<Effect> = lines
        .iter()
        .map(|(program, args)| run(program, &args.iter().map(String::as_str).collect::<Vec<_>>()))
        .collect();
    let tries: Vec<Vec<&str>> = lines
        .iter()
        .map(|(program, args)| ["run", program].into_iter().chain(args.iter().map(String::as_str)).collect())
        .collect();
    let heard = bench.apply(json!(tries), &grants, &shows);
    assert_eq!(heard.told(), ["denied", "denied", "denied", "denied", "denied", "ok "], "{heard:?}");
    assert!(
        std::path::Path::new(&at("outside/theirs")).exists() && std::path::Path::new(&at("to/file")).exists()
    );
    assert!(
        !std::path::Path::new(&at("outside/file")).exists() && !std::path::Path::new(&at("missing")).exists()
    );
    let whys: Vec<_> = heard.used.iter().filter_map(|what| what["why"].as_str()).collect();
    assert!(whys[0].contains("where its folders really are"), "{whys:?}");
    assert!(whys[2].contains("which Cutwater stands on"), "{whys:?}");
    let dry = json!([["run", "rsync", "-an", format!("{}/", at("from")), format!("{}/", at("to"))]]);
    assert_eq!(bench.preview(dry, &grants).unwrap().output.value["told"], json!(["ok "]));
}

#[test]
fn a_preview_a_check_and_a_probe_write_nothing_though_all_is_granted_and_planned() {
    let bench = bench();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file").to_string_lossy().into_owned();
    let grants = Grants { run: vec!["touch".into()], write: vec![path.clone()], ..Grants::default() };
    let shows = [
        run("touch", &[&path]),
        Effect { kind: "write".into(), detail: json!({ "path": path, "content": "x" }) },
    ];
    let tries = json!([["run", "touch", path], ["write", path, "x"], ["save", "state"]]);
    let shown = bench.preview(tries.clone(), &grants).unwrap();
    assert_eq!(shown.output.value["told"], json!(["denied", "denied", "denied"]));
    let mut probe = bench.call(tries.clone(), &grants, &shows);
    probe.verb = Verb::Probe(Default::default());
    let probed = bench.make(probe);
    assert!(format!("{:?}", probed.outcome).contains("\"denied\""), "{probed:?}");
    assert_eq!(probed.denied(), ["run", "file"]);
    let mut check = bench.call(tries.clone(), &grants, &shows);
    check.action = "look".into();
    let checked = bench.make(check);
    assert_eq!(checked.told(), ["denied", "denied", "ok "], "{checked:?}");
    assert!(
        checked
            .used
            .iter()
            .any(|what| what["why"].as_str().is_some_and(|why| why.contains("a check only reads")))
    );
    assert!(!folder.path().join("file").exists());
    let applied = bench.apply(tries, &grants, &shows);
    assert_eq!(applied.told(), ["ok ", "ok ", "ok "]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "x");
    assert_eq!(applied.saved, [json!("state")]);
}

#[test]
fn a_granted_secret_is_kept_out_of_words_checkpoints_and_output() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "correct-horse-battery\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut policy = Policy::default();
    policy.secrets.insert("db".into(), SecretSource::File(file.to_string_lossy().into_owned()));
    let bench = Bench::new(policy);
    let grants = Grants { secrets: vec!["db".into()], ..Grants::default() };
    let tries =
        json!([["secret", "db"], ["say", "it is correct-horse-battery"], ["save", "correct-horse-battery"]]);
    let heard = bench.apply(tries, &grants, &[]);
    assert_eq!(heard.told(), ["ok [secret db]", "ok ", "ok "]);
    assert!(!format!("{heard:?}").contains("horse"), "{heard:?}");
    assert!(heard.said[0].contains("[secret db]"));
}

/// Sabotage: the input compared as it is (no plan can show it), or arguments compared without their secrets.
#[test]
fn a_secret_reaches_a_program_by_its_input_as_the_plan_showed_and_never_as_an_argument() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "correct-horse-battery\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut policy = Policy::default();
    policy.secrets.insert("db".into(), SecretSource::File(file.to_string_lossy().into_owned()));
    let bench = Bench::new(policy);
    let grants =
        Grants { secrets: vec!["db".into()], run: vec!["wc".into(), "echo".into()], ..Grants::default() };
    let tries = json!([["tell", "db", "wc", "-c"], ["tell", "db", "wc", "-l"], ["betray", "db", "echo"]]);
    let shows = [
        Effect {
            kind: "run".into(),
            detail: json!({ "program": "wc", "args": ["-c"], "stdin": "[secret db]\n" }),
        },
        Effect { kind: "run".into(), detail: json!({ "program": "wc", "args": ["-l"], "stdin": "other\n" }) },
        Effect { kind: "run".into(), detail: json!({ "program": "echo", "args": ["[secret db]"] }) },
    ];
    let heard = bench.apply(tries, &grants, &shows);
    assert_eq!(heard.told(), ["ok 22\n", "denied", "denied"], "{heard:?}");
    assert!(!format!("{heard:?}").contains("horse"), "{heard:?}");
    assert!(
        heard.used.iter().any(|use_| use_["why"].as_str().is_some_and(|why| why.contains("no argument")))
    );
}
