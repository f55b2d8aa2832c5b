//! The steps of `service` against a fake systemd and against declared programs. It must not know the engine.
#![expect(clippy::unwrap_used, reason = "a test")]

use cutwater_plugin_service::Plugin;
use cutwater_sdk::call::Reply;
use cutwater_sdk::fake::{Host, Output};
use cutwater_sdk::{Context, Effect, Partial, Plugin as _, Probed, Story, Value, held, json, schema};

const UNIT: &str = "postgresql@15-main";
const DROP_IN: &str = "/etc/systemd/system/postgresql@15-main.service.d/cutwater.conf";
const ADMITTED: &str = "/run/cutwater/admitted/postgresql@15-main.service";

/// A systemd with one unit: its drop-in's condition is obeyed, once the daemon has been reloaded.
fn systemd() -> Host {
    Host::new().file("/state", "active").program("systemctl", |host, command| {
        let args: Vec<&str> = command.args.iter().map(String::as_str).collect();
        let set = |state: &str| drop(host.files.borrow_mut().insert("/state".into(), state.into()));
        match args.as_slice() {
            ["show", .., unit] if unit.starts_with(UNIT) => {
                let state = host.text("/state").unwrap();
                Output::ok(format!("LoadState=loaded\nActiveState={state}\n"))
            }
            ["show", ..] => Output::ok("LoadState=not-found\nActiveState=inactive\n"),
            ["daemon-reload"] => {
                let condition = host.text(DROP_IN).unwrap_or_default();
                host.files.borrow_mut().insert("/loaded".into(), condition.into());
                Output::ok("")
            }
            ["start", _] => {
                let barred = host.text("/loaded").is_some_and(|text| text.contains(&format!("={ADMITTED}")));
                if !barred || host.text(ADMITTED).is_some() {
                    set("active");
                }
                Output::ok("")
            }
            ["stop", _] => {
                set("inactive");
                Output::ok("")
            }
            _ => Output::failed(1, "what?"),
        }
    })
}

fn declared() -> Host {
    let lines = json!({
        "start": ["pgctl", "start"], "stop": ["pgctl", "stop"], "status": ["pgctl", "status"],
        "fence-file": "/etc/fences/pg",
    });
    Host::new().declares("service", "pg", lines).file("/state", "up").program("pgctl", |host, command| {
        let up = host.text("/state").as_deref() == Some("up");
        let set = |state: &str| drop(host.files.borrow_mut().insert("/state".into(), state.into()));
        match command.args[0].as_str() {
            "status" if up => Output::ok("running"),
            "status" => Output::failed(3, ""),
            "start" => {
                set("up");
                Output::ok("")
            }
            _ => {
                set("down");
                Output::ok("")
            }
        }
    })
}

fn ctx<'a>(host: &'a Host, action: &str) -> Context<'a> {
    Context::over(host, action)
}

/// Everything that the step changed was shown: the plan is the policy.
fn shown(host: &Host, action: &str, unit: &str, undo: bool) -> Vec<Effect> {
    let before = host.changes();
    let input = Partial::known(json!({ "unit": unit }));
    let shown = Plugin::preview(&ctx(host, action), &input, undo).unwrap();
    assert_eq!(host.changes(), before, "a preview changes nothing");
    shown.effects
}

fn changes_were_shown(host: &Host, effects: &[Effect]) {
    let lines: Vec<String> = effects.iter().map(line).collect();
    for call in host.changes() {
        assert!(lines.contains(&call), "{call} was not shown in {lines:?}");
    }
}

fn line(effect: &Effect) -> String {
    let detail = &effect.detail;
    match effect.kind.as_str() {
        "run" => {
            let args: Vec<&str> =
                detail["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            format!("run {} {}", detail["program"].as_str().unwrap(), args.join(" "))
        }
        "write" => format!("replace {}", detail["path"].as_str().unwrap()),
        kind => format!("{kind} {}", detail["path"].as_str().unwrap()),
    }
}

#[test]
fn a_fenced_service_stays_down_unless_cutwater_starts_it() {
    let host = systemd();
    let input = json!({ "unit": UNIT });
    let mut all = shown(&host, "fence", UNIT, false);
    all.extend(shown(&host, "stop", UNIT, false));
    all.extend(shown(&host, "stop", UNIT, true));
    all.extend(shown(&host, "fence", UNIT, true));
    assert!(matches!(Plugin::apply(&ctx(&host, "fence"), input.clone(), None), Reply::Changed(_)));
    assert!(matches!(Plugin::apply(&ctx(&host, "stop"), input.clone(), None), Reply::Changed(_)));

    // A boot: the manager starts what is enabled, and the condition is not met.
    use cutwater_sdk::{Command, Host as _};
    host.run(&Command::reading("systemctl").args(["start", UNIT])).unwrap();
    assert_eq!(host.text("/state").unwrap(), "inactive");

    assert_eq!(
        Plugin::undo(&ctx(&host, "stop"), input.clone(), &Story::default()),
        Reply::Changed(Value::Null)
    );
    assert_eq!(host.text("/state").unwrap(), "active");
    assert_eq!(Plugin::undo(&ctx(&host, "fence"), input, &Story::default()), Reply::Changed(Value::Null));
    assert_eq!((host.text(DROP_IN), host.text(ADMITTED)), (None, None), "nothing is left");
    assert_eq!(host.text("/loaded").unwrap(), "");
    changes_were_shown(&host, &all);
}

#[test]
fn a_declared_service_is_fenced_by_its_file_and_only_this_run_lifts_it() {
    let host = declared();
    let input = json!({ "unit": "pg" });
    assert!(matches!(Plugin::apply(&ctx(&host, "fence"), input.clone(), None), Reply::Changed(_)));
    assert_eq!(host.text("/etc/fences/pg").unwrap(), "# fenced by cutwater.r1.fence\n");
    assert!(matches!(Plugin::apply(&ctx(&host, "fence"), input.clone(), None), Reply::Changed(_)), "its own");

    let mut other = ctx(&host, "unfence");
    other.mark = "cutwater.r10.unfence".into();
    let Reply::Refused(refusal) = Plugin::apply(&other, input.clone(), None) else { panic!("lifted") };
    assert_eq!(refusal.code, "fenced-by-another");
    let mut again = ctx(&host, "fence");
    again.mark = "cutwater.r2.fence".into();
    let Reply::Refused(refusal) = Plugin::apply(&again, input.clone(), None) else { panic!("fenced twice") };
    assert_eq!(refusal.code, "fenced-already");
    assert_eq!(Plugin::undo(&again, input.clone(), &Story::default()), Reply::Unchanged(Value::Null));

    assert!(matches!(Plugin::apply(&ctx(&host, "unfence"), input.clone(), None), Reply::Changed(_)));
    assert_eq!(host.text("/etc/fences/pg"), None);
    assert!(matches!(Plugin::apply(&ctx(&host, "unfence"), input, None), Reply::Unchanged(_)));
}

#[test]
fn stop_is_probed_by_the_state_and_started_again() {
    let host = declared();
    let input = json!({ "unit": "pg" });
    let probe = || Plugin::probe(&ctx(&host, "stop"), input.clone(), &Story::default());
    assert_eq!(probe(), Probed::NotApplied);
    host.fault("run pgctl stop", "lost");
    assert!(matches!(Plugin::apply(&ctx(&host, "stop"), input.clone(), None), Reply::Unknown(_)));
    assert!(matches!(Plugin::apply(&ctx(&host, "stop"), input.clone(), None), Reply::Changed(_)));
    assert_eq!(probe(), Probed::Applied(json!({ "unit": "pg" })));
    assert!(matches!(Plugin::apply(&ctx(&host, "stop"), input.clone(), None), Reply::Unchanged(_)));
    assert_eq!(
        Plugin::undo(&ctx(&host, "stop"), input.clone(), &Story::default()),
        Reply::Changed(Value::Null)
    );
    assert_eq!(
        Plugin::apply(&ctx(&host, "status"), input, None),
        Reply::Unchanged(json!({ "unit": "pg", "state": "running" }))
    );
}

/// Sabotage: what comes after the program taken for a refusal, which leaves nothing behind: the run would end as undone, and the
/// service stay down.
#[test]
fn a_stop_whose_end_cannot_be_told_is_no_refusal() {
    let input = json!({ "unit": "pg" });
    let strange = declared().answers("pgctl status", [Output::ok("running"), Output::failed(9, "what?")]);
    let cut_short = declared().program("pgctl", |host, command| match command.args[0].as_str() {
        "status" if host.text("/state").as_deref() == Some("up") => Output::ok("running"),
        "status" => Output::failed(3, ""),
        _ => {
            host.files.borrow_mut().insert("/state".into(), "down".into());
            host.fault("look pgctl status", "stopping");
            Output::ok("")
        }
    });
    for host in [strange, cut_short] {
        let reply = Plugin::apply(&ctx(&host, "stop"), input.clone(), None);
        let Reply::Failed(failure) = reply else { panic!("{reply:?}, {:?}", host.calls()) };
        assert_eq!(failure.left, "`pg` was stopped, and its status cannot be told");
        assert_eq!(host.text("/state").as_deref(), Some("down"));
    }
}

#[test]
fn a_service_that_does_not_come_up_is_a_failure_in_its_own_words() {
    let host = declared().file("/state", "down").answers("pgctl start", [Output::failed(1, "no space left")]);
    let Reply::Failed(failure) = Plugin::apply(&ctx(&host, "start"), json!({ "unit": "pg" }), None) else {
        panic!("not failed")
    };
    assert_eq!((failure.code.as_str(), failure.message.as_str()), ("start-failed", "no space left"));
}

#[test]
fn a_machine_that_does_not_know_the_service_says_what_to_declare() {
    let refused = |host: &Host, unit: &str| {
        let input = Partial::known(json!({ "unit": unit }));
        Plugin::preview(&ctx(host, "stop"), &input, false).unwrap_err()
    };
    let refusal = refused(&Host::new(), "pg");
    assert_eq!(refusal.code, "no-such-service");
    assert!(refusal.message.contains("declare"), "{}", refusal.message);
    assert_eq!(refused(&systemd(), "sshd").code, "no-such-service");
    for name in ["", "-a", "a b", "../x", "a\nb"] {
        assert_eq!(refused(&systemd(), name).code, "invalid-input", "{name:?}");
    }
}

/// Sabotage: `start` that does not ask for the mark, or asks only in its preview.
#[test]
fn a_service_is_not_started_on_a_copy_that_is_held() {
    let mark = "/srv/app/.cutwater-held";
    let held = held::text("cutwater.r1.copy", held::State::Verified);
    let host = declared().file("/state", "down").file(mark, held.as_str());
    let input = json!({ "unit": "pg", "data": "/srv/app/" });
    let Reply::Refused(refusal) = Plugin::apply(&ctx(&host, "start"), input.clone(), None) else { panic!() };
    assert_eq!(refusal.code, "held");
    assert!(refusal.message.contains("verified, held by cutwater.r1.copy"), "{}", refusal.message);
    let previewed = Plugin::preview(&ctx(&host, "start"), &Partial::known(input.clone()), false);
    assert_eq!(previewed.unwrap_err().code, "held");
    assert_eq!(host.text("/state").as_deref(), Some("down"));
    host.files.borrow_mut().insert(mark.into(), "?".into());
    assert!(
        matches!(Plugin::apply(&ctx(&host, "start"), input.clone(), None), Reply::Refused(_)),
        "unreadable"
    );
    host.files.borrow_mut().remove(mark);
    assert!(matches!(Plugin::apply(&ctx(&host, "start"), input, None), Reply::Changed(_)));
}

#[test]
fn the_description_stays_in_the_subset() {
    let description = Plugin::describe();
    for (name, step) in description["steps"].as_object().unwrap() {
        for side in ["input", "output"] {
            assert_eq!(schema::outside_subset(&step[side]), None, "{name}.{side}");
        }
        assert_eq!(step["needs"]["units"], json!(["with:/unit"]));
    }
}
