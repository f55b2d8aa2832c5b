//! Dumps and base backups, and what is refused to count as one. It must not know the engine.

use crate::support::{Bench, Strike, changed, refused};
use cutwater_plugin_postgres::Plugin;
use cutwater_sdk::call::Reply;
use cutwater_sdk::{Ending, Partial, Plugin as _, Probed, Story, Value, json};
use std::path::{Path, PathBuf};

const COUNT: &str = "select count(*), sum(n) from ledger";

/// Something that is done to a dump.
type Harm = fn(&Path);

impl Bench {
    fn with_rows(rows: u32) -> Self {
        let bench = Self::new();
        bench.cluster.psql(&format!("insert into ledger select generate_series(1, {rows})"));
        bench
    }

    fn to(&self) -> PathBuf {
        self.cluster.folder().join("backup")
    }

    fn input(&self, more: Value) -> Value {
        let mut input = json!({ "address": self.address(), "to": self.to() });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    }

    /// What the journal knows of an attempt that was cut short.
    fn story(&self) -> Story {
        Story { checkpoint: self.machine.saved.borrow().clone(), ..Story::default() }
    }

    fn probe(&self, action: &str, input: &Value) -> Probed<Value> {
        Plugin::probe(&self.ctx(action), input.clone(), &self.story())
    }

    fn take_back(&self, action: &str, input: &Value) -> Reply {
        self.undo_from(action, input, &self.story())
    }

    fn strike(&self, strike: Strike) {
        *self.machine.strike.borrow_mut() = Some(strike);
    }
}

#[track_caller]
fn failed(reply: Reply) -> (String, String) {
    match reply {
        Reply::Failed(failure) => (failure.code, failure.message),
        other => panic!("not failed: {other:?}"),
    }
}

/// The largest file that the dump or backup has.
fn largest(folder: &Path) -> PathBuf {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files =
        entries.filter(|entry| entry.file_name() != "toc.dat" && entry.file_type().unwrap().is_file());
    files.max_by_key(|entry| entry.metadata().unwrap().len()).unwrap().path()
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

/// Sabotage: `--snapshot` left out of pg_dump's line (rows that came after the moment are in the dump); rows counted in the live
/// database.
#[test]
fn a_dump_restored_is_the_moment_of_the_snapshot_while_a_client_writes_on() {
    let bench = Bench::with_rows(1000);
    let writes =
        "do $$ begin for i in 2000..20000000 loop insert into ledger values (i); commit; end loop; end $$";
    let mut writer = bench.cluster.client("far", writes).spawn().unwrap();
    let moved_on = |from: &str| while bench.cluster.psql(COUNT) == from {};
    moved_on(&bench.cluster.psql(COUNT));

    let hold = json!({ "address": bench.address() });
    let mut taken = bench.take("exported-snapshot", &hold);
    let snapshot = taken.output["snapshot"].as_str().unwrap().to_owned();
    let at_moment =
        format!("begin isolation level repeatable read; set transaction snapshot '{snapshot}'; {COUNT}");
    let moment = bench.cluster.psql(&at_moment);
    moved_on(&moment);
    let input = bench.input(json!({ "snapshot": snapshot, "jobs": 3 }));
    let output = changed(bench.apply("dump", &input));
    assert_eq!(taken.held.intact(), Ok(()));
    let shown = Plugin::preview(&bench.ctx("exported-snapshot"), &Partial::known(hold), true).unwrap();
    bench.machine.plan.borrow_mut().extend(shown.effects);
    assert_eq!(taken.held.release(Ending::Done), Reply::Changed(json!({})));
    writer.kill().unwrap();
    writer.wait().unwrap();

    let (rows, _) = moment.split_once('|').unwrap();
    assert_eq!((&output["tables"], output["rows"].to_string().as_str()), (&json!(1), rows));
    bench.cluster.run_there("createdb", &["restored"]);
    bench.cluster.run_there("pg_restore", &["-d", "restored", output["at"].as_str().unwrap()]);
    assert_eq!(bench.cluster.psql_in("restored", COUNT), moment);
    assert_ne!(bench.cluster.psql(COUNT), moment, "the client has written on");
    let gone = bench.cluster.client(&bench.cluster.user, &at_moment).output().unwrap();
    assert!(String::from_utf8_lossy(&gone.stderr).contains("invalid snapshot identifier"), "{gone:?}");
}

/// Sabotage: `intact` that does not ask the server (a snapshot that is gone is taken for held).
#[test]
fn a_snapshot_whose_session_ends_is_broken_and_an_orphan_is_ended() {
    let bench = Bench::new();
    let hold = json!({ "address": bench.address() });
    let mut taken = bench.take("exported-snapshot", &hold);
    assert_eq!(taken.held.intact(), Ok(()));
    let shown =
        Plugin::preview(&bench.ctx("exported-snapshot"), &Partial::known(hold.clone()), true).unwrap();
    bench.machine.plan.borrow_mut().extend(shown.effects);
    let orphan = || Plugin::release_orphan(&bench.ctx("exported-snapshot"), hold.clone());
    assert_eq!(orphan(), Reply::Changed(Value::Null));
    let broken = taken.held.intact().unwrap_err();
    assert!(broken.contains("terminating connection"), "{broken}");
    assert_eq!(failed(taken.held.release(Ending::Done)).0, "snapshot-lost");
    let sessions = "select count(*) from pg_stat_activity where application_name like 'cutwater%'";
    while bench.cluster.psql(sessions) != "0" {
        std::thread::yield_now();
    }
    assert_eq!(orphan(), Reply::Unchanged(Value::Null));
    let input = bench.input(json!({ "snapshot": taken.output["snapshot"] }));
    let (code, words) = failed(bench.apply("dump", &input));
    assert_eq!(code, "not-dumped");
    assert!(words.contains("invalid snapshot identifier"), "{words}");
}

/// Sabotage: a probe that takes the folder for the dump; an undo that leaves what it was killed at; a
/// second attempt that goes on in what the first one left.
#[test]
fn a_killed_dump_is_part_way_then_made_anew_and_taken_back() {
    let bench = Bench::with_rows(300_000);
    let input = bench.input(json!({}));
    let content = bench.to().join("database");
    assert_eq!(bench.probe("dump", &input), Probed::NotApplied);
    bench.strike(Strike::Killed("pg_dump", content.join("toc.dat")));
    assert!(matches!(bench.apply("dump", &input), Reply::Unknown(_)));
    assert_eq!(bench.probe("dump", &input), Probed::PartWay(None));

    bench.plan("dump", &input, false);
    let checkpoint = bench.story().checkpoint;
    let output = changed(Plugin::apply(&bench.ctx("dump"), input.clone(), checkpoint));
    assert_eq!(output["rows"], 300_000);
    assert_eq!(bench.probe("dump", &input), Probed::Applied(output));
    assert_eq!(bench.take_back("dump", &input), Reply::Changed(Value::Null));
    assert!(!bench.to().exists());
    assert_eq!(bench.take_back("dump", &input), Reply::Unchanged(Value::Null));

    bench.strike(Strike::Killed("pg_dump", content.join("toc.dat")));
    assert!(matches!(bench.apply("dump", &input), Reply::Unknown(_)));
    assert_eq!(bench.take_back("dump", &input), Reply::Changed(Value::Null));
    assert!(!bench.to().exists(), "undone from half-way");
}

/// Each of these passes `pg_restore --list`, and the emptied ones pass pg_restore, too.
///
/// Sabotage: a dump believed because pg_dump ended well, because it can be listed, or because pg_restore ended well.
#[test]
fn a_dump_that_is_not_whole_is_found() {
    let bench = Bench::with_rows(50_000);
    bench.cluster.psql("select lo_from_bytea(0, decode(repeat('abcdef01', 20000), 'hex'))");
    let input = bench.input(json!({}));
    let content = bench.to().join("database");
    let harms: [(&str, Harm); 5] = [
        ("cut", |folder| {
            let file = std::fs::File::options().write(true).open(largest(folder)).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("emptied", |folder| drop(std::fs::File::create(largest(folder)).unwrap())),
        ("missing", |folder| std::fs::remove_file(largest(folder)).unwrap()),
        ("flipped", |folder| flip(&largest(folder))),
        ("no large objects", |folder| drop(std::fs::File::create(folder.join("blobs.toc")).unwrap())),
    ];
    for (name, harm) in harms {
        let folder = content.clone();
        bench.strike(Strike::Harmed("pg_dump", Box::new(move || harm(&folder))));
        let (code, words) = failed(bench.apply("dump", &input));
        assert_eq!(code, "damaged", "{name}: {words}");
        assert_eq!(bench.probe("dump", &input), Probed::PartWay(None), "{name}");
        changed(bench.take_back("dump", &input));
    }
    let output = changed(bench.apply("dump", &input));
    assert_eq!((&output["rows"], &output["large-objects"]), (&json!(50_000), &json!(1)));
}

/// Sabotage: rows that look like the end of a table, or the beginning of one, counted as such; a large object that was emptied
/// not looked for.
#[test]
fn rows_are_counted_whatever_they_hold() {
    let bench = Bench::new();
    bench.cluster.psql("create table odd(t text)");
    bench.cluster.psql(
        "insert into odd values ('\\.'), (E'a\\nb'), ('COPY x FROM stdin;'), (''), (null), (repeat('x', 3000000))",
    );
    bench.cluster.psql("create table \"na\nme\" (n int)");
    bench.cluster.psql("create table nothing()");
    bench.cluster.psql("insert into nothing default values");
    bench.cluster.psql("insert into nothing default values");
    let output = changed(bench.apply("dump", &bench.input(json!({ "jobs": 1, "compress": 1 }))));
    assert_eq!((&output["tables"], &output["rows"]), (&json!(4), &json!(8)));
}

/// Sabotage: a script believed without its last line (pg_dumpall does not look whether the last of it was written).
#[test]
fn globals_and_a_whole_cluster_are_scripts_with_an_end() {
    let bench = Bench::with_rows(20);
    let globals = bench.input(json!({ "of": "globals" }));
    let output = changed(bench.apply("dump", &globals));
    assert_eq!((&output["roles"], &output["tables"]), (&json!(3), &json!(0)));
    let script = std::fs::read_to_string(output["at"].as_str().unwrap()).unwrap();
    assert!(script.contains("CREATE ROLE app;") && !script.contains("ledger"));
    assert_eq!(bench.probe("dump", &globals), Probed::PartWay(None), "written again");
    changed(bench.take_back("dump", &globals));

    let cluster = bench.input(json!({ "of": "cluster" }));
    let output = changed(bench.apply("dump", &cluster));
    assert_eq!((&output["roles"], &output["rows"]), (&json!(3), &json!(20)));
    changed(bench.take_back("dump", &cluster));
    let path = bench.to().join("cluster.sql");
    bench.strike(Strike::Harmed(
        "pg_dumpall",
        Box::new(move || {
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, &text[..text.len() - 30]).unwrap();
        }),
    ));
    let (code, words) = failed(bench.apply("dump", &cluster));
    assert_eq!(code, "damaged", "{words}");
    assert!(words.contains("has no end"), "{words}");
}

/// Sabotage: an undo that goes by the path and not by the mark; a folder that was there removed with what was put in.
#[test]
fn a_foreign_folder_is_left_alone_and_one_that_was_there_stays() {
    let bench = Bench::new();
    for (action, mark) in [("dump", None), ("base-backup", None), ("dump", Some("cutwater.r0.dump\n"))] {
        let input = bench.input(json!({}));
        bench.plan(action, &input, false);
        std::fs::create_dir(bench.to()).unwrap();
        std::fs::write(bench.to().join("theirs"), "theirs").unwrap();
        if let Some(mark) = mark {
            std::fs::write(bench.to().join("cutwater.mark"), mark).unwrap();
        }
        let preview = Plugin::preview(&bench.ctx(action), &Partial::known(input.clone()), false);
        assert_eq!(preview.unwrap_err().code, "not-empty");
        let reply = Plugin::apply(&bench.ctx(action), input.clone(), None);
        assert!(refused(reply).1.contains("is not this step's"));
        assert_eq!(bench.probe(action, &input), Probed::NotApplied);
        let made = Story { checkpoint: Some(json!({ "made": true })), ..Story::default() };
        assert_eq!(bench.undo_from(action, &input, &made), Reply::Unchanged(Value::Null));
        assert_eq!(std::fs::read_to_string(bench.to().join("theirs")).unwrap(), "theirs");
        std::fs::remove_dir_all(bench.to()).unwrap();
    }
    let mut make = bench.cluster.as_user("mkdir");
    assert!(make.arg(bench.to()).status().unwrap().success());
    for action in ["dump", "base-backup"] {
        let input = bench.input(json!({}));
        changed(bench.apply(action, &input));
        changed(bench.take_back(action, &input));
        assert_eq!(std::fs::read_dir(bench.to()).unwrap().count(), 0, "it stays, and is empty");
    }
    std::fs::remove_dir(bench.to()).unwrap();
    let input = bench.input(json!({}));
    changed(bench.apply("dump", &input));
    std::fs::write(bench.to().join("theirs"), "theirs").unwrap();
    changed(bench.take_back("dump", &input));
    assert_eq!(std::fs::read_dir(bench.to()).unwrap().count(), 1, "what somebody put in stays");
}

/// Sabotage: the password as an argument or in the connection string.
#[test]
fn a_password_goes_in_by_the_input_and_a_wrong_one_is_said() {
    let bench = Bench::with_rows(20);
    bench.machine.secrets.borrow_mut().insert("far".into(), "geheim".into());
    let far =
        json!({ "host": "127.0.0.1", "port": bench.cluster.port, "user": "far", "password-secret": "far" });
    let to = tempfile::tempdir().unwrap();
    for (action, of) in
        [("dump", json!("database")), ("dump", json!("globals")), ("base-backup", Value::Null)]
    {
        let mut input = json!({ "address": far, "to": to.path().join("x") });
        if !of.is_null() {
            input["of"] = of;
        }
        changed(bench.apply(action, &input));
        changed(bench.take_back(action, &input));
    }
    let lines = bench.machine.lines.borrow();
    assert!(lines.iter().filter(|line| line.contains("--username=far")).count() >= 3, "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("geheim")), "{lines:?}");
    bench.machine.secrets.borrow_mut().insert("far".into(), "falsch".into());
    let wrong = json!({ "address": far, "to": to.path().join("x") });
    assert!(refused(bench.apply("dump", &wrong)).1.contains("password authentication failed"));
    let cluster = json!({ "address": far, "to": to.path().join("x"), "of": "cluster" });
    let preview = Plugin::preview(&bench.ctx("dump"), &Partial::known(cluster), false);
    assert!(preview.unwrap_err().message.contains(".pgpass"));
}

/// Sabotage: the manifest not checked, or only against names and sizes.
#[test]
fn a_base_backup_is_verified_byte_for_byte_and_starts() {
    let bench = Bench::with_rows(1000);
    let identity = bench.cluster.psql("select system_identifier from pg_control_system()");
    let input = bench.input(json!({ "at-most": "512MiB/s" }));
    let data = bench.to().join("data");
    let table = bench.cluster.psql("select pg_relation_filepath('ledger')");

    let file = data.join(&table);
    bench.strike(Strike::Harmed("pg_basebackup", Box::new(move || flip(&file))));
    let (code, words) = failed(bench.apply("base-backup", &input));
    assert_eq!(code, "damaged");
    assert!(words.contains("checksum mismatch") && words.contains(&table), "{words}");
    assert_eq!(bench.probe("base-backup", &input), Probed::PartWay(None));

    bench.plan("base-backup", &input, false);
    let output = changed(Plugin::apply(&bench.ctx("base-backup"), input.clone(), bench.story().checkpoint));
    assert_eq!(output["identity"], identity.as_str());
    assert_eq!(bench.probe("base-backup", &input), Probed::Applied(output));

    bench.cluster.psql("insert into ledger select generate_series(2001, 3000)");
    crate::support_stop(&bench);
    let (at, log) = (data.to_str().unwrap(), bench.cluster.folder().join("copy.log"));
    bench.cluster.run("pg_ctl", &["-D", at, "-s", "-w", "-l", log.to_str().unwrap(), "start"]);
    assert_eq!(bench.cluster.psql("select count(*) from ledger"), "1000");
    bench.cluster.run("pg_ctl", &["-D", at, "-s", "-w", "-m", "immediate", "stop"]);
    changed(bench.take_back("base-backup", &input));
    assert!(!bench.to().exists());
}

/// Sabotage: an undo that goes by `backup_manifest`, which a killed one does not have.
#[test]
fn a_killed_base_backup_is_part_way_then_taken_back() {
    let bench = Bench::with_rows(200_000);
    let input = bench.input(json!({ "at-most": "4MiB/s" }));
    let data = bench.to().join("data");
    bench.strike(Strike::Killed("pg_basebackup", data.join("base")));
    assert!(matches!(bench.apply("base-backup", &input), Reply::Unknown(_)));
    assert!(!data.join("backup_manifest").exists());
    assert_eq!(bench.probe("base-backup", &input), Probed::PartWay(None));
    changed(bench.take_back("base-backup", &input));
    assert!(!bench.to().exists());
    assert_eq!(bench.probe("base-backup", &input), Probed::NotApplied);
}

/// pg_basebackup would write to where the tablespace lies, which may be the live one.
///
/// Sabotage: tablespaces not looked for.
#[test]
fn a_cluster_with_tablespaces_is_not_backed_up_by_halves() {
    let bench = Bench::new();
    let place = bench.cluster.folder().join("space");
    assert!(bench.cluster.as_user("mkdir").arg(&place).status().unwrap().success());
    bench.cluster.psql(&format!("create tablespace fast location '{}'", place.display()));
    let (code, words) = refused(bench.apply("base-backup", &bench.input(json!({}))));
    assert_eq!(code, "tablespaces", "{words}");
    assert!(words.contains(place.to_str().unwrap()) && !bench.to().exists(), "{words}");
}
