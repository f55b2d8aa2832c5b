//! The steps of `postgres` against a real, throw-away server. A statement that the preview did not show is denied, as the
//! real host does. It must not know the engine.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod dumps;
mod support;

use cutwater_plugin_postgres::Plugin;
use cutwater_sdk::call::Reply;
use cutwater_sdk::{Ending, GiveBack, Partial, Plugin as _, Probed, Story, Value, json, schema};
use support::{Bench, changed, refused};

/// Sabotage: a probe of a killed undo that looks at the file alone (the server still turns clients away).
#[test]
fn clients_are_barred_drained_and_admitted_again() {
    let bench = Bench::new();
    let hba = bench.cluster.hba();
    let before = std::fs::read(&hba).unwrap();
    let input = json!({ "address": bench.address(), "hba": hba });
    let mut sleeper = bench.cluster.sleeper("app");
    let mut same_role = bench.cluster.sleeper(&bench.cluster.user);

    changed(bench.apply("bar", &input));
    let app = bench.app();
    assert!(String::from_utf8_lossy(&app.stderr).contains("rejects connection"), "{app:?}");
    assert!(sleeper.try_wait().unwrap().is_none(), "an open session is not touched");
    assert_eq!(Plugin::probe(&bench.ctx("bar"), input.clone(), &Story::default()), Probed::PartWay(None));
    changed(bench.apply("bar", &input));

    let drained = changed(bench.apply("drain", &json!({ "address": bench.address() })));
    assert_eq!(drained, json!({ "ended": 2 }));
    assert!(!sleeper.wait().unwrap().success() && !same_role.wait().unwrap().success());

    changed(bench.undo("bar", &input));
    assert_eq!(std::fs::read(&hba).unwrap(), before, "byte for byte");
    assert!(bench.app().status.success());
    let undoing = Story { checkpoint: Some(json!({ "undoing": true })), ..Story::default() };
    let probed = Plugin::probe(&bench.ctx("bar"), input.clone(), &undoing);
    assert!(matches!(probed, Probed::PartWay(_)), "the server may not have read the file: {probed:?}");

    changed(bench.apply("bar", &input));
    assert!(!bench.app().status.success());
    changed(bench.apply("admit", &input));
    assert_eq!(std::fs::read(&hba).unwrap(), before);
    assert!(bench.app().status.success());
    changed(bench.undo("admit", &input));
    assert!(!bench.app().status.success());
}

/// What a boot after a power cut finds: the fence holds the server back, and the point of no return is crossed.
#[test]
fn a_server_that_is_down_admits_clients_as_soon_as_it_starts() {
    let bench = Bench::new();
    let input = json!({ "address": bench.address(), "hba": bench.cluster.hba() });
    let before = std::fs::read(bench.cluster.hba()).unwrap();
    changed(bench.apply("bar", &input));
    support_stop(&bench);
    changed(bench.apply("admit", &input));
    assert_eq!(std::fs::read(bench.cluster.hba()).unwrap(), before, "byte for byte");
}

#[test]
fn a_server_starts_only_with_clients_barred_and_its_undo_stops_it() {
    let bench = Bench::new();
    let bar = json!({ "address": bench.address(), "hba": bench.cluster.hba() });
    let start = json!({ "unit": "pg", "address": bench.address(), "hba": bench.cluster.hba() });
    let identity = bench.cluster.psql("select system_identifier from pg_control_system()");
    assert_eq!(refused(bench.apply("start", &start)).0, "not-barred");
    changed(bench.apply("bar", &bar));
    assert!(matches!(bench.apply("start", &start), Reply::Unchanged(_)), "it runs already");

    support_stop(&bench);
    let probe = || Plugin::probe(&bench.ctx("start"), start.clone(), &Story::default());
    assert_eq!(probe(), Probed::NotApplied);
    assert_eq!(changed(bench.apply("start", &start)), json!({ "identity": identity }));
    assert_eq!(probe(), Probed::Applied(json!({ "identity": identity })));
    assert!(!bench.app().status.success(), "clients are still barred");
    changed(bench.undo("start", &start));
    assert_eq!(probe(), Probed::NotApplied);

    changed(bench.undo("bar", &bar));
    assert!(
        !std::fs::read_to_string(bench.cluster.hba()).unwrap().contains("cutwater"),
        "also while it is down"
    );
}

fn support_stop(bench: &Bench) {
    assert!(std::process::Command::new(bench.cluster.control()).arg("stop").status().unwrap().success());
}

#[test]
fn the_plan_knows_the_identity_from_the_data_directory() {
    let bench = Bench::new();
    let input = json!({ "address": bench.address(), "data": bench.cluster.data() });
    let shown = bench.plan("checkpoint", &input, false);
    let identity = shown.output.value["identity"].clone();
    assert_eq!(identity, bench.cluster.psql("select system_identifier from pg_control_system()").as_str());
    assert_eq!(shown.output.unknown.keys().collect::<Vec<_>>(), ["/redo", "/timeline"]);
    let output = changed(bench.apply("checkpoint", &input));
    assert_eq!((&output["identity"], &output["timeline"]), (&identity, &json!("1")));
}

#[test]
fn a_check_reads_compares_and_cannot_write() {
    let bench = Bench::new();
    bench.cluster.psql("insert into ledger select generate_series(1, 42)");
    let ask = |more: Value| {
        let mut input = json!({ "address": bench.address() });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bench.apply("check", &input)
    };
    let Reply::Unchanged(output) =
        ask(json!({ "query": "select count(*), max(n), null from ledger", "expect": "42" }))
    else {
        panic!("not answered")
    };
    assert_eq!(output["value"], "42");
    assert_eq!(output["rows"], json!([["42", "42", null]]));
    assert!(matches!(
        ask(json!({ "same-as": output["identity"], "query": "select 'a'", "equals": "a" })),
        Reply::Unchanged(_)
    ));

    let (code, words) = refused(ask(json!({ "same-as": "123" })));
    assert_eq!(code, "not-the-same");
    assert!(words.contains("should be 123"), "{words}");
    let (code, words) = refused(ask(json!({ "query": "insert into ledger values (43)" })));
    assert_eq!(code, "postgres");
    assert!(words.contains("read-only transaction"), "{words}");
    let two = refused(ask(json!({ "query": "rollback; insert into ledger values (44)" })));
    assert!(two.1.contains("multiple commands"), "{two:?}");
    assert_eq!(bench.cluster.psql("select count(*) from ledger"), "42");
}

#[test]
fn a_password_is_proved_in_plain_and_bound_to_the_channel_in_tls() {
    let bench = Bench::new();
    bench.machine.secrets.borrow_mut().insert("far".into(), "geheim".into());
    bench.machine.secrets.borrow_mut().insert("wrong".into(), "falsch".into());
    let query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let ask = |tls: Value, secret: Value| {
        let address = json!({
            "host": "127.0.0.1", "port": bench.cluster.port, "user": "far", "tls": tls, "password-secret": secret
        });
        bench.apply("check", &json!({ "address": address, "query": query }))
    };
    let value = |reply: Reply| match reply {
        Reply::Unchanged(output) => output["value"].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(value(ask(Value::Null, json!("far"))), "f");
    assert_eq!(value(ask(json!({ "name": "localhost" }), json!("far"))), "t");
    assert!(refused(ask(Value::Null, json!("wrong"))).1.contains("password authentication failed"));
    assert!(refused(ask(Value::Null, Value::Null)).1.contains("password-secret"));
    let log = std::fs::read_to_string(bench.cluster.folder().join("log")).unwrap();
    assert!(!log.contains("SCRAM channel binding"), "{log}");
}

#[test]
fn a_copy_made_in_backup_mode_starts_with_the_label_and_the_wal() {
    let bench = Bench::new();
    let input = json!({ "address": bench.address(), "data": bench.cluster.data() });
    bench.cluster.psql("insert into ledger select generate_series(1, 1000)");
    let mut taken = bench.take("quiesce", &input);
    assert_eq!(taken.give_backs, [GiveBack::HangUp(7)]);
    assert_eq!(taken.held.intact(), Ok(()));

    let copy = bench.cluster.folder().join("copy");
    let args = ["-a", bench.cluster.data().to_str().unwrap(), copy.to_str().unwrap()];
    assert!(std::process::Command::new("cp").args(args).status().unwrap().success());
    bench.cluster.psql("insert into ledger select generate_series(1001, 2000)");
    bench
        .machine
        .plan
        .borrow_mut()
        .extend(Plugin::preview(&bench.ctx("quiesce"), &Partial::known(input), true).unwrap().effects);
    let released = changed(taken.held.release(Ending::Done));
    assert!(released["label"].as_str().unwrap().contains("cutwater.r1.quiesce"));
    assert!(!released["wal"].as_array().unwrap().is_empty());

    let _ = std::fs::remove_file(copy.join("postmaster.pid"));
    let wal = |of: &std::path::Path| json!(of.join("pg_wal"));
    let mut partial = Partial::known(json!({
        "from": wal(bench.cluster.data()), "to": wal(&copy), "data": copy, "label": null, "wal": null,
        "owner": bench.cluster.user,
    }));
    for place in ["/label", "/wal"] {
        partial.unknown.insert(place.into(), "backup".into());
    }
    let early = Plugin::preview(&bench.ctx("take-wal"), &partial, false).unwrap();
    assert_eq!(early.effects[1].detail["stdin"], "\u{e000}/label\u{e001}");
    let mut complete = partial.value.clone();
    complete["label"] = released["label"].clone();
    complete["wal"] = released["wal"].clone();
    changed(bench.apply("take-wal", &complete));
    assert_eq!(
        std::fs::read_to_string(copy.join("backup_label")).unwrap(),
        released["label"].as_str().unwrap()
    );

    support_stop(&bench);
    let (data, log) = (copy.to_str().unwrap(), bench.cluster.folder().join("copy.log"));
    bench.cluster.run("pg_ctl", &["-D", data, "-s", "-w", "-l", log.to_str().unwrap(), "start"]);
    assert_eq!(bench.cluster.psql("select count(*) from ledger"), "2000");
    bench.cluster.run("pg_ctl", &["-D", data, "-s", "-w", "-m", "immediate", "stop"]);
}

#[test]
fn a_hold_whose_session_ends_is_broken_and_an_orphan_is_ended() {
    let bench = Bench::new();
    let input = json!({ "address": bench.address() });
    let mut taken = bench.take("quiesce", &input);
    let sessions = "select count(*) from pg_stat_activity where application_name = 'cutwater.r1.quiesce'";
    assert_eq!(bench.cluster.psql(sessions), "1");

    let shown = Plugin::preview(&bench.ctx("quiesce"), &Partial::known(input.clone()), true).unwrap();
    bench.machine.plan.borrow_mut().extend(shown.effects);
    assert_eq!(Plugin::release_orphan(&bench.ctx("quiesce"), input.clone()), Reply::Changed(Value::Null));
    let broken = taken.held.intact().unwrap_err();
    assert!(broken.contains("terminating connection"), "{broken}");
    let Reply::Failed(failure) = taken.held.release(Ending::Done) else { panic!("released") };
    assert_eq!(failure.code, "backup-broken");
    while bench.cluster.psql(sessions) != "0" {
        std::thread::yield_now();
    }
    assert_eq!(Plugin::release_orphan(&bench.ctx("quiesce"), input), Reply::Unchanged(Value::Null));
}

#[test]
fn what_the_plan_does_not_show_is_denied_and_a_server_that_is_down_says_so() {
    let bench = Bench::new();
    let input = json!({ "address": bench.address() });
    let (code, words) = refused(Plugin::apply(&bench.ctx("drain"), input.clone(), None));
    assert_eq!(code, "denied", "{words}");
    support_stop(&bench);
    assert_eq!(refused(bench.apply("checkpoint", &input)).0, "missing");
}

#[test]
fn the_description_stays_in_the_subset() {
    for (name, step) in Plugin::describe()["steps"].as_object().unwrap() {
        for side in ["input", "output", "taken"] {
            assert_eq!(step.get(side).and_then(schema::outside_subset), None, "{name}.{side}");
        }
    }
}
