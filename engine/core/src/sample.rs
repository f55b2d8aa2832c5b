//! A workflow for tests: a volume moves within an outage, as the shipped one does, with a hold beside it; and a
//! previewer that knows a small world. Only compiled for tests.

use crate::answer::{Answer, Ending, Failure, Refusal};
use crate::check::{Checked, CheckedStep, ForEach};
use crate::describe::{Catalog, Kind, Needs, Plugin, StepType, Undo};
use crate::effect::{Effect, Shown};
use crate::event::{Event, Outcome, Record, Way};
use crate::fault::Faults;
use crate::grant::{Address, Grants};
use crate::names::{Epoch, Seq, StepName};
use crate::partial::Partial;
use crate::plan::{Body, OnFailure, Plan, PlanStep, Retry};
use crate::planning::{Facts, Previewer, plan};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub fn step(name: &str, body: Body, needs: &[&str], with: Value) -> PlanStep {
    PlanStep {
        name: name.into(),
        within: None,
        body,
        needs: needs.iter().map(|name| StepName::from(*name)).collect(),
        condition: None,
        each: None,
        with,
        retry: Retry::default(),
        timeout_ms: None,
        mark: false,
        finally: false,
        shown: Shown::default(),
        undo_shown: Shown::default(),
        line: 1,
    }
}

pub fn action(uses: &str, undo: Undo) -> Body {
    let (plugin, action) = uses.split_once('.').unwrap_or((uses, ""));
    Body::Action { plugin: plugin.into(), action: action.into(), undo, watch: false }
}

pub fn check(uses: &str) -> Body {
    let (plugin, action) = uses.split_once('.').unwrap_or((uses, ""));
    Body::Check { plugin: plugin.into(), action: action.into() }
}

pub fn hold(uses: &str, limit_ms: u64) -> Body {
    let (plugin, action) = uses.split_once('.').unwrap_or((uses, ""));
    Body::Hold { plugin: plugin.into(), action: action.into(), limit_ms, carries: false }
}

pub fn within(mut step: PlanStep, around: &str) -> PlanStep {
    step.within = Some(around.into());
    step
}

/// The document: a check, a hold with two snapshots, a copy, an approval, an outage with the mark, a clean-up.
pub fn checked() -> Checked {
    let outage = Body::Outage { limit_ms: 60_000 };
    let approve = Body::Approve {
        message: "Stop the database for up to 60 s?".into(),
        by: vec!["dba".into()],
        expires_ms: Some(1_800_000),
    };
    let mut cross = within(
        step("cross", action("db.admit", Undo::None), &["start"], json!({ "who": "everyone" })),
        "down",
    );
    cross.mark = true;
    let steps = vec![
        step(
            "room",
            check("lvm.check-extents"),
            &[],
            json!({ "vg": "${{ inputs.vg }}", "volumes": "${{ inputs.volumes }}" }),
        ),
        step("calm", hold("db.quiesce", 10_000), &["room"], json!({})),
        within(
            step(
                "snap",
                action("lvm.snapshot", Undo::Discards),
                &["room"],
                json!({ "vg": "${{ inputs.vg }}", "origin": "dat", "size": "${{ steps.room.volumes[0].cow }}" }),
            ),
            "calm",
        ),
        step(
            "copy",
            action("block.sync", Undo::Discards),
            &["snap", "calm"],
            json!({ "from": "${{ steps.snap.device }}", "to": "${{ inputs.target }}" }),
        ),
        step("agree", approve, &["copy"], Value::Null),
        step("down", outage, &["agree", "copy", "snap"], Value::Null),
        within(
            step(
                "stop",
                action("service.stop", Undo::Restores),
                &["agree", "copy"],
                json!({ "unit": "postgresql@15-main" }),
            ),
            "down",
        ),
        within(
            step(
                "last",
                action("block.resync", Undo::Discards),
                &["stop", "copy"],
                json!({ "from": "${{ steps.snap.origin }}", "to": "${{ inputs.target }}", "base": "${{ steps.copy.base }}" }),
            ),
            "down",
        ),
        within(
            step(
                "same",
                check("block.compare"),
                &["last"],
                json!({ "a": "${{ steps.snap.origin }}", "b": "${{ inputs.target }}" }),
            ),
            "down",
        ),
        within(
            step(
                "start",
                action("service.start", Undo::Restores),
                &["same"],
                json!({ "unit": "postgresql@15-main" }),
            ),
            "down",
        ),
        cross,
        step(
            "tidy",
            action("lvm.remove", Undo::None),
            &["cross", "down", "snap"],
            json!({ "volume": "${{ steps.snap.id }}" }),
        ),
    ];
    Checked {
        name: "move-volume".into(),
        summary: "Move the database to another volume.".into(),
        document: "cutwater: 1\n".into(),
        inputs: [
            ("vg".to_owned(), json!("vg00")),
            ("volumes".to_owned(), json!(["dat"])),
            ("target".to_owned(), json!("/dev/vg01/new")),
        ]
        .into_iter()
        .collect(),
        on_failure: OnFailure::Undo,
        window: None,
        locks: BTreeSet::new(),
        steps: steps.into_iter().map(|step| CheckedStep { step, for_each: None }).collect(),
        grants: BTreeMap::new(),
        outputs: serde_json::Map::new(),
        warnings: Faults::default(),
    }
}

/// Repeats `lvm.snapshot` over the checked volumes instead of the hold's one.
pub fn repeated() -> Checked {
    let mut checked = checked();
    let mut snap = step(
        "snap",
        action("lvm.snapshot", Undo::Discards),
        &["room"],
        json!({ "vg": "${{ inputs.vg }}", "origin": "${{ each.value.name }}", "size": "${{ each.value.cow }}" }),
    );
    snap.line = 9;
    checked.steps.truncate(1);
    checked.steps.push(CheckedStep {
        step: snap,
        for_each: Some(ForEach { over: json!("${{ steps.room.volumes }}"), at_most: Some(2) }),
    });
    checked.steps.push(CheckedStep {
        step: step(
            "tidy",
            action("lvm.remove", Undo::None),
            &["snap"],
            json!({ "volume": "${{ steps.snap[\"0\"].id }}" }),
        ),
        for_each: None,
    });
    checked
}

pub fn facts() -> Facts {
    let string = json!({ "type": "string" });
    let device = json!({ "type": "string", "format": "device" });
    let object = |fields: &[(&str, &Value)]| {
        let properties: serde_json::Map<String, Value> =
            fields.iter().map(|(name, of)| ((*name).to_owned(), (*of).clone())).collect();
        let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        json!({ "type": "object", "properties": properties, "required": required })
    };
    let typed = |kind: Kind, input: Value, output: Value, needs: Needs, undo: Undo| StepType {
        kind,
        summary: String::new(),
        input,
        output,
        taken: None,
        needs,
        undo,
        watch: false,
        scratch: None,
        identities: Vec::new(),
        consistency: None,
        carries: false,
        own_only: false,
    };
    let needs = |key: &str, value: &str| {
        let list = vec![value.to_owned()];
        match key {
            "on" => Needs { on: list, ..Needs::default() },
            "write" => Needs { write: list, ..Needs::default() },
            "units" => Needs { units: list, ..Needs::default() },
            _ => Needs::default(),
        }
    };
    let size = json!({ "type": "string", "format": "bytes" });
    let free = json!({ "type": "integer", "x-estimate": true });
    let volumes = json!({ "type": "array", "items": object(&[("name", &string), ("cow", &size)]) });
    let any = json!({});
    let steps = [
        (
            "lvm.check-extents",
            typed(
                Kind::Check,
                object(&[("vg", &string), ("volumes", &json!({ "type": "array", "items": string }))]),
                object(&[("volumes", &volumes), ("free", &free), ("identity", &string)]),
                Needs::default(),
                Undo::None,
            ),
        ),
        (
            "lvm.snapshot",
            typed(
                Kind::Action,
                object(&[("vg", &string), ("origin", &string), ("size", &size)]),
                any.clone(),
                needs("on", "with:/vg"),
                Undo::Discards,
            ),
        ),
        (
            "lvm.remove",
            typed(
                Kind::Action,
                object(&[("volume", &string)]),
                any.clone(),
                needs("on", "with:/volume"),
                Undo::None,
            ),
        ),
        (
            "block.sync",
            typed(
                Kind::Action,
                object(&[("from", &device), ("to", &device)]),
                any.clone(),
                needs("write", "with:/to"),
                Undo::Discards,
            ),
        ),
        (
            "block.resync",
            typed(
                Kind::Action,
                object(&[("from", &device), ("to", &device), ("base", &any)]),
                any.clone(),
                needs("write", "with:/to"),
                Undo::Discards,
            ),
        ),
        (
            "block.compare",
            typed(
                Kind::Check,
                object(&[("a", &device), ("b", &device)]),
                any.clone(),
                Needs::default(),
                Undo::None,
            ),
        ),
        (
            "db.quiesce",
            typed(
                Kind::Hold,
                object(&[]),
                any.clone(),
                Needs { connect: true, ..Needs::default() },
                Undo::None,
            ),
        ),
        (
            "db.admit",
            typed(Kind::Action, object(&[("who", &string)]), any.clone(), Needs::default(), Undo::None),
        ),
        (
            "service.stop",
            typed(
                Kind::Action,
                object(&[("unit", &string)]),
                any.clone(),
                needs("units", "with:/unit"),
                Undo::Restores,
            ),
        ),
        (
            "service.start",
            typed(
                Kind::Action,
                object(&[("unit", &string)]),
                any,
                needs("units", "with:/unit"),
                Undo::Restores,
            ),
        ),
    ];
    let mut catalog = Catalog::new();
    for (uses, of) in steps {
        let (plugin, action) = uses.split_once('.').unwrap_or((uses, ""));
        let entry = catalog.entry(plugin.to_owned()).or_insert_with(|| Plugin {
            name: plugin.to_owned(),
            version: "0.1.0".into(),
            summary: String::new(),
            steps: BTreeMap::new(),
            digest: format!("digest-of-{plugin}"),
        });
        entry.steps.insert(action.to_owned(), of);
    }
    let socket = Address::Unix {
        unix: "/run/postgresql/.s.PGSQL.5432".into(),
        user: Some("postgres".into()),
        read_only: false,
    };
    let grants = BTreeMap::from([
        (
            "lvm".to_owned(),
            Grants {
                run: vec!["lvcreate".into(), "lvremove".into()],
                on: vec!["vg00/dat*".into()],
                ..Grants::default()
            },
        ),
        (
            "block".to_owned(),
            Grants {
                read: vec!["/dev/vg00/*".into()],
                write: vec!["/dev/vg01/new".into()],
                ..Grants::default()
            },
        ),
        (
            "db".to_owned(),
            Grants { connect: vec![socket], write: vec!["/etc/pg_hba.conf".into()], ..Grants::default() },
        ),
        ("service".to_owned(), Grants { units: vec!["postgresql@15-main".into()], ..Grants::default() }),
    ]);
    Facts { catalog, policy: "digest-of-policy".into(), grants, hosts: Value::Null }
}

/// A small world; `refuse` names steps that it refuses, `free` is a figure that drifts, `shuffle` mixes the order of maps.
#[derive(Default)]
pub struct World {
    pub refuse: Vec<&'static str>,
    pub free: u64,
    pub shuffle: Option<u64>,
    pub writes: Option<&'static str>,
    /// What was asked: step, and what of it.
    pub asked: Vec<String>,
}

fn run(program: &str, args: &[&str]) -> Effect {
    Effect { kind: "run".into(), detail: json!({ "program": program, "args": args }) }
}

/// What stands in an effect for a place of the input: its value, or its hole.
fn shown(input: &Partial, pointer: &str) -> String {
    match input.value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        _ => format!("\u{e000}{pointer}\u{e001}"),
    }
}

impl World {
    fn mixed(&self, value: Value) -> Value {
        self.shuffle.map_or(value.clone(), |seed| crate::planning::shuffled(&value, seed))
    }

    fn look(&self, step: &PlanStep, input: &Partial, undo: bool) -> Shown {
        let socket = json!({ "unix": "/run/postgresql/.s.PGSQL.5432", "as": "postgres" });
        let sql =
            |text: &str| Effect { kind: "sql".into(), detail: json!({ "address": socket, "text": text }) };
        let block = |detail: Value| Effect { kind: "block".into(), detail };
        let after = |value: Value, holes: &[&str]| Partial {
            value,
            unknown: holes.iter().map(|at| ((*at).to_owned(), String::new())).collect(),
        };
        let name = step.name.as_str();
        let (origin, volume) = (shown(input, "/origin"), shown(input, "/volume"));
        let id = format!("vg00/{origin}-cutwater");
        let (effects, output) = match (step.body.uses().map_or("", |uses| uses.1), undo) {
            ("quiesce", false) => (
                vec![sql("select pg_backup_start('cutwater', true)")],
                after(
                    json!({ "taken": { "lsn": null }, "released": { "label": null } }),
                    &["/taken/lsn", "/released/label"],
                ),
            ),
            ("quiesce", true) => (vec![sql("select * from pg_backup_stop()")], Partial::default()),
            ("snapshot", false) => {
                let size = shown(input, "/size");
                let mark = format!("cutwater.{}.{name}", crate::planning::RUN);
                (
                    vec![run(
                        "lvcreate",
                        &[
                            "-s",
                            "-n",
                            &format!("{origin}-cutwater"),
                            "-L",
                            &size,
                            "--addtag",
                            &mark,
                            &format!("vg00/{origin}"),
                        ],
                    )],
                    after(
                        json!({ "id": id, "device": format!("/dev/{id}"), "origin": format!("/dev/vg00/{origin}"), "uuid": null }),
                        &["/uuid"],
                    ),
                )
            }
            ("snapshot", true) => (vec![run("lvremove", &["-y", &id])], Partial::default()),
            ("remove", _) => (vec![run("lvremove", &["-y", &volume])], Partial::default()),
            ("sync", false) => (
                vec![block(
                    json!({ "verb": "copy", "from": shown(input, "/from"), "to": shown(input, "/to"), "at-most": 83_886_080 }),
                )],
                after(json!({ "bytes": null, "base": null }), &["/bytes", "/base"]),
            ),
            ("resync", false) => (
                vec![block(
                    json!({ "verb": "resync", "from": shown(input, "/from"), "to": shown(input, "/to"), "store": "/dev/mapper/vg00-dat--cutwater-cow" }),
                )],
                after(json!({ "bytes": null }), &["/bytes"]),
            ),
            ("sync" | "resync", true) => {
                (vec![block(json!({ "verb": "erase", "to": shown(input, "/to") }))], Partial::default())
            }
            ("admit", _) => {
                let path = self.writes.unwrap_or("/etc/pg_hba.conf");
                (
                    vec![
                        Effect {
                            kind: "write".into(),
                            detail: json!({ "path": path, "content": "local all all peer\n" }),
                        },
                        sql("select pg_reload_conf()"),
                    ],
                    Partial::default(),
                )
            }
            ("stop", undo) | ("start", undo) => {
                let verb = if (step.body.uses().map_or("", |uses| uses.1) == "stop") == undo {
                    "start"
                } else {
                    "stop"
                };
                (vec![run("systemctl", &[verb, &shown(input, "/unit")])], Partial::default())
            }
            _ => (Vec::new(), Partial::default()),
        };
        let effects = effects
            .into_iter()
            .map(|effect| Effect { detail: self.mixed(effect.detail), ..effect })
            .collect();
        let estimate = if name == "copy" {
            json!({ "seconds": 12.5 + self.free as f64, "bytes": 1u64 << 30 })
        } else {
            Value::Null
        };
        let notes = if name == "copy" && !undo {
            vec!["the target carries no signature".to_owned()]
        } else {
            Vec::new()
        };
        Shown { effects, output, estimate, notes }
    }
}

impl Previewer for World {
    fn check(&mut self, step: &PlanStep, input: Value, _grants: &Grants) -> Answer {
        self.asked.push(format!("check {} {input}", step.name));
        if self.refuse.contains(&step.name.as_str()) {
            return Answer::Refused(refusal("not-enough-extents", "`vg00` lacks 3 extents"));
        }
        let volumes = json!([{ "name": "dat", "cow": "64MiB" }, { "name": "wal", "cow": "32MiB" }]);
        Answer::Changed {
            output: self.mixed(json!({ "volumes": volumes, "free": self.free, "identity": "vg-uuid-1" })),
        }
    }

    fn preview(
        &mut self,
        step: &PlanStep,
        input: Partial,
        _grants: &Grants,
        undo: bool,
    ) -> Result<Shown, Refusal> {
        self.asked.push(format!("preview {}{} {}", step.name, if undo { " undo" } else { "" }, input.value));
        if self.refuse.contains(&step.name.as_str()) {
            return Err(refusal("refused", "the world refuses"));
        }
        Ok(self.look(step, &input, undo))
    }
}

fn refusal(code: &str, message: &str) -> Refusal {
    Refusal { code: code.into(), message: message.into(), again: false, details: Value::Null }
}

pub fn sample() -> Plan {
    plan(checked(), &facts(), &mut World { free: 7, ..World::default() }).expect("the sample can be planned")
}

/// Writes a history down: each event so many milliseconds after the one before.
struct Diary {
    at: i64,
    records: Vec<Record>,
}

impl Diary {
    fn new() -> Self {
        let mut diary = Self { at: 1_790_000_000_000, records: Vec::new() };
        let plan = Box::new(sample());
        diary.add(
            0,
            Event::Created { format: 1, run: "move-volume-1".into(), plan, by: "root".into(), faults: false },
        );
        diary.add(1, Event::Owned { epoch: Epoch(1), pid: 42, boot: "b".into(), by: "root".into() });
        diary
    }

    fn add(&mut self, ms: i64, event: Event) {
        self.at += ms;
        self.records.push(Record { seq: Seq(self.records.len() as u64 + 1), at: self.at, event });
    }

    fn attempt(&mut self, step: &str, way: Way, ms: i64, answer: Answer) {
        let step = StepName::from(step);
        self.add(
            2,
            Event::Intended {
                step: step.clone(),
                way,
                attempt: 1,
                input: Value::Null,
                effects: Vec::new(),
                undo: Vec::new(),
            },
        );
        self.add(ms, Event::Answered { step, way, attempt: 1, answer });
    }

    fn apply(&mut self, step: &str, ms: i64, output: Value) {
        self.attempt(step, Way::Apply, ms, Answer::Changed { output });
    }

    fn undo(&mut self, step: &str, ms: i64) {
        self.attempt(step, Way::Undo, ms, Answer::Changed { output: Value::Null });
    }

    /// Until the database is stopped.
    fn down(&mut self) {
        self.apply("room", 40, json!({ "free": 7 }));
        self.apply("calm", 30, json!({ "lsn": "0/1" }));
        self.apply("snap", 84, json!({ "id": "vg00/dat-cutwater" }));
        self.add(2, Event::HoldConfirmed { step: "calm".into() });
        self.add(2, Event::Releasing { step: "calm".into(), how: Ending::Done });
        self.attempt("calm", Way::Release, 8, Answer::Changed { output: json!({ "label": "x" }) });
        self.apply("copy", 9_000, json!({ "bytes": 1u64 << 30, "read": 1u64 << 30, "milliseconds": 8_900 }));
        self.add(5, Event::Asked { step: "agree".into(), message: "Stop?".into(), expires: None });
        self.add(2_500, Event::Approved { step: "agree".into(), by: "anna".into(), plan: "h".into() });
        self.add(5, Event::OutageBegan { step: "down".into() });
        self.apply("stop", 900, Value::Null);
        self.apply("last", 700, json!({ "bytes": 6 << 20, "milliseconds": 650 }));
    }

    fn end(mut self, outcome: Outcome, because: &str) -> Vec<Record> {
        self.add(3, Event::Ended { outcome, because: because.into() });
        self.records
    }
}

/// A run that ended well.
pub fn done() -> Vec<Record> {
    let mut diary = Diary::new();
    diary.down();
    diary.apply("same", 600, json!({ "bytes": 6 << 20, "equal": true }));
    diary.records.pop();
    diary.add(
        0,
        Event::Answered {
            step: "same".into(),
            way: Way::Apply,
            attempt: 1,
            answer: Answer::Unchanged { output: Value::Null },
        },
    );
    diary.apply("start", 1_700, Value::Null);
    diary.add(1, Event::Crossed { step: "cross".into() });
    diary.apply("cross", 60, Value::Null);
    diary.add(2, Event::OutageEnded { step: "down".into(), downtime_ms: 3_973 });
    diary.apply("tidy", 90, Value::Null);
    diary.end(Outcome::Done, "")
}

/// A run whose last comparison was refused.
pub fn undone() -> Vec<Record> {
    let mut diary = Diary::new();
    diary.down();
    diary.attempt(
        "same",
        Way::Apply,
        300,
        Answer::Refused(refusal("differs", "the devices differ at byte 4096")),
    );
    diary.add(
        1,
        Event::TurnedBack {
            because: "`same` was refused: the devices differ at byte 4096".into(),
            open_only: false,
        },
    );
    diary.undo("last", 88);
    diary.undo("stop", 1_001);
    diary.undo("copy", 10);
    diary.undo("snap", 70);
    diary.end(Outcome::Undone, "`same` was refused: the devices differ at byte 4096")
}

/// A run in which the snapshot could not be taken back.
pub fn stopped() -> Vec<Record> {
    let mut records = undone();
    records.truncate(records.len() - 3);
    let at = records.last().map_or(0, |record| record.at);
    let mut diary = Diary { at, records };
    let failure = Failure {
        code: "busy".into(),
        message: "in use".into(),
        left: "the snapshot".into(),
        checkpoint: None,
        again: false,
    };
    diary.attempt("snap", Way::Undo, 70, Answer::Failed(failure));
    diary.add(
        1,
        Event::Stuck { step: "snap".into(), why: "the snapshot cannot be removed: it is in use".into() },
    );
    diary.end(Outcome::Stopped, "`snap` could not be taken back")
}
