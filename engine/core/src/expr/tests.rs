//! Facts about expressions: bounds, types, values, holes. Hostile shapes run on a thread's ordinary 2 MiB stack.

use super::*;
use crate::partial::Partial;
use crate::schema::Unit;
use proptest::prelude::*;
use serde_json::{Value, json};

fn env() -> Env {
    let volume = Type::object([("name", Type::Text), ("cow", Type::integer())]);
    let room = Type::object([
        ("volumes", Type::Array(Box::new(volume))),
        ("free", Type::integer()),
        ("first-pass", Type::Text),
    ]);
    let copy = Type::from_schema(&json!({
        "type": "object",
        "properties": { "bytes": { "type": "integer" }, "base": { "type": ["string", "null"] } },
        "required": ["bytes"],
    }));
    let steps = Type::object([
        ("room", room),
        ("copy", copy.expect("a schema")),
        ("maybe", Type::object([("id", Type::Text)]).nullable()),
    ]);
    let inputs = Type::object([
        ("vg", Type::Text),
        ("target", Type::Unit(Unit::Device)),
        ("lasting", Type::Unit(Unit::Duration)),
        ("who", Type::Enum(vec!["everyone".into(), "nobody".into()])),
    ]);
    Env::new().with("inputs", inputs).with("steps", steps).with("run", run_type())
}

fn scope() -> Scope {
    let partial = Partial {
        value: json!({ "volumes": [{ "name": "dat", "cow": 4096 }, { "name": "wal", "cow": null }], "free": 7, "first-pass": "x" }),
        unknown: [("/volumes/1/cow".to_owned(), "room".to_owned())].into(),
    };
    Scope {
        inputs: json!({ "vg": "vg00", "target": "/dev/vg01/new", "lasting": "30m", "who": "nobody", "sizes": { "b": 2, "a": 1 } }),
        steps: [("room".to_owned(), partial), ("copy".to_owned(), Partial::after("copy"))].into(),
        run: run_value("move-1", "move"),
        ..Scope::default()
    }
}

fn value(text: &str) -> Partial {
    Template::parse(text).expect("it parses").evaluate(&scope()).expect("it has a value")
}

fn faults(text: &str) -> Vec<String> {
    let found = check_text(text, &env()).expect_err(text);
    found
        .into_iter()
        .map(|fault| {
            let place = &text[fault.at];
            format!(
                "[{place}] {}{}",
                fault.message,
                fault.help.map(|help| format!(" ({help})")).unwrap_or_default()
            )
        })
        .collect()
}

#[test]
fn a_text_that_is_one_expression_has_its_type_and_any_other_is_a_string() {
    assert_eq!(check_text("${{ steps.room.free }}", &env()), Ok(Type::integer()));
    assert_eq!(check_text("${{ steps.room.volumes[0].cow }}", &env()), Ok(Type::integer()));
    assert_eq!(check_text("size=${{ steps.room.free }}b", &env()), Ok(Type::Text));
    assert_eq!(check_text("plain", &env()), Ok(Type::Enum(vec!["plain".into()])));
    assert_eq!(
        check_text("${{ inputs.who == 'nobody' ? 'a' : 'b' }}", &env()),
        Ok(Type::Enum(vec!["a".into(), "b".into()]))
    );
    assert_eq!(check_text("${{ {'a': {'b': 1}}.a.b }}", &env()).map(|of| of.fits(&Type::Number)), Ok(true));
    assert_eq!(
        check_text("${{ steps.room.volumes.map(v, v.name) }}", &env()),
        Ok(Type::Array(Box::new(Type::Text)))
    );
}

#[test]
fn unknown_names_are_told_with_place_and_nearest_name() {
    assert_eq!(
        faults("${{ steps.copy.lag }}"),
        ["[lag] step `copy` gives no `lag` (there is `base`, `bytes`)"]
    );
    assert_eq!(
        faults("to ${{ inputs.taget }}"),
        ["[taget] there is no input `taget` (did you mean `target`?)"]
    );
    assert_eq!(faults("${{ step.copy.bytes }}"), ["[step] there is no `step` (did you mean `steps`?)"]);
    assert_eq!(
        faults("${{ each.key }}"),
        ["[each] `each` cannot be read here (here only `inputs`, `run`, `steps` may be read)"]
    );
    assert_eq!(
        faults("${{ steps.room.volumes.filtre(v, true) }}"),
        ["[filtre] there is no function `filtre` (did you mean `filter`?)"]
    );
    assert_eq!(
        faults("${{ steps.room.first-pass }}"),
        [
            "[-] this subtracts `pass` from `first` (a name with a dash is written `steps.room[\"first-pass\"]`)"
        ]
    );
    assert_eq!(check_text("${{ steps.room[\"first-pass\"] }}", &env()), Ok(Type::Text));
}

#[test]
fn wrong_types_are_told_once_and_all_of_them() {
    assert_eq!(
        faults("${{ steps.room.free + inputs.vg }} and ${{ inputs.who == 'noone' }}"),
        ["[+] `+` does not take integer and string", "[==] everyone | nobody is never equal to noone"]
    );
    assert_eq!(
        faults("${{ inputs.lasting < 60 }}"),
        [
            "[<] `<` does not take duration and integer from 60 to 60 (`bytes(…)` and `milliseconds(…)` make integers of sizes, rates and durations)"
        ]
    );
    assert_eq!(
        faults("${{ steps.room.volumes }}.img"),
        ["[volumes] list of object with cow, name cannot stand inside a text"]
    );
    assert_eq!(
        faults("${{ inputs.vg.matches('(') }}"),
        ["[matches] `(` is no regular expression, or too large a one"]
    );
    assert!(check_condition("steps.room.free", &env()).is_err());
    assert!(check_condition("steps.room.free > 3 && inputs.vg.startsWith('vg')", &env()).is_ok());
}

#[test]
fn what_may_be_nothing_must_be_asked_for_first() {
    assert_eq!(
        faults("${{ steps.maybe.id }}"),
        ["[maybe] `steps.maybe` may be nothing (ask first: `steps.maybe != null ? … : …`)"]
    );
    assert_eq!(check_text("${{ has(steps.maybe.id) ? steps.maybe.id : 'none' }}", &env()), Ok(Type::Text));
    assert_eq!(check_text("${{ steps.maybe == null ? '' : steps.maybe.id }}", &env()), Ok(Type::Text));
    assert_eq!(
        check_text("${{ steps.copy.base != null && steps.copy.base.startsWith('x') }}", &env()),
        Ok(Type::Boolean)
    );
    assert_eq!(check_text("${{ steps.copy.base }}", &env()), Ok(Type::Text.nullable()));
    assert_eq!(value("${{ has(steps.maybe.id) ? steps.maybe.id : 'none' }}"), Partial::known(json!("none")));
}

#[test]
fn values_that_depend_on_the_unknown_are_unknown_and_name_the_step() {
    assert_eq!(value("${{ steps.room.volumes[0].cow * 2 }}"), Partial::known(json!(8192)));
    assert_eq!(value("${{ steps.room.volumes[1].cow * 2 }}"), Partial::after("room"));
    assert_eq!(value("${{ steps.copy.bytes }}"), Partial::after("copy"));
    assert_eq!(value("copied ${{ steps.copy.bytes }} to ${{ inputs.target }}"), Partial::after("copy"));
    assert_eq!(
        value("${{ inputs.who == 'everyone' && steps.copy.bytes > 0 }}"),
        Partial::known(json!(false))
    );
    assert_eq!(
        value("${{ steps.copy.bytes > 0 && inputs.who == 'everyone' }}"),
        Partial::known(json!(false))
    );
    assert_eq!(
        value("${{ steps.room.volumes.map(v, v.cow) }}"),
        Partial { value: json!([4096, null]), unknown: [("/1".to_owned(), "room".to_owned())].into() }
    );
    assert_eq!(condition("steps.copy.bytes > 0", &scope()), Ok(None));
    assert_eq!(condition("${{ steps.room.free > 0 }}", &scope()), Ok(Some(true)));
}

#[test]
fn a_whole_value_is_rendered_with_its_holes_in_place() {
    let with = json!({ "to": "${{ inputs.target }}", "all": ["${{ steps.room.volumes[1] }}", 3], "a/b": "${{ steps.copy }}" });
    let rendered = render(&with, &scope()).expect("it renders");
    assert_eq!(
        rendered.value,
        json!({ "to": "/dev/vg01/new", "all": [{ "name": "wal", "cow": null }, 3], "a/b": null })
    );
    let holes: Vec<_> = rendered.unknown.iter().map(|(at, step)| (at.as_str(), step.as_str())).collect();
    assert_eq!(holes, [("/all/0/cow", "room"), ("/a~1b", "copy")]);
    let fault =
        render(&json!({ "x": ["${{ inputs.vg + 1 }}"] }), &scope()).expect_err("a string and an integer");
    assert_eq!((fault.pointer.as_str(), fault.at), ("/x/0", 14..15));
}

#[test]
fn what_a_text_reads_is_found_with_its_path() {
    let found = references(
        "a ${{ steps.room.volumes.filter(v, v.cow > inputs.least)[0] }} ${{ has(steps[\"first-pass\"].x) }}",
    )
    .expect("it parses");
    let paths: Vec<String> =
        found.iter().map(|found| format!("{}:{}", found.root, found.path.join("/"))).collect();
    assert_eq!(paths, ["steps:room/volumes", "inputs:least", "steps:first-pass/x"]);
    let hidden = references("${{ [1].map(steps, steps + 1) }}").expect("it parses");
    assert_eq!(hidden, []);
}

#[test]
fn hostile_sources_are_refused_before_they_can_overflow_a_stack() {
    let deep =
        |open: &str, close: &str, n: usize| format!("${{{{ {}1{} }}}}", open.repeat(n), close.repeat(n));
    for text in [
        deep("(", ")", 400),
        deep("[", "]", 400),
        deep("{1:", "}", 200),
        deep("size(", ")", 150),
        format!("${{{{ {}1 }}}}", "1+".repeat(450)),
        format!("${{{{ a{} }}}}", ".a".repeat(450)),
        format!("${{{{ a{} }}}}", "[0]".repeat(300)),
        format!("${{{{ {}true }}}}", "!(".repeat(300)),
        format!("${{{{ {}1 }}}}", "true?1:".repeat(140)),
        format!("${{{{ r\"\\\" + {}1 }}}}", "(".repeat(900)),
        format!("${{{{ {} }}}}", "x".repeat(2000)),
        "${{ [1].map(a, [1].map(b, [1].map(c, 1))) }}".to_owned(),
        "${{ }}".to_owned(),
        "${{ 1".to_owned(),
        "${{ '}} ".to_owned(),
        "${{ \u{1b}[31m }}".to_owned(),
    ] {
        assert!(Template::parse(&text).and_then(|template| template.check(&env())).is_err(), "{text}");
    }
}

#[test]
fn evaluation_has_a_bound() {
    let scope = Scope { inputs: json!({ "many": (0..1000).collect::<Vec<u32>>() }), ..Scope::default() };
    let template =
        Template::parse("${{ inputs.many.map(a, inputs.many.map(b, a * b)) }}").expect("it parses");
    let fault = template.evaluate(&scope).expect_err("a million products");
    assert_eq!(fault.message, "the expression takes too many steps to evaluate");
}

#[test]
fn the_order_of_a_map_is_that_of_its_keys() {
    assert_eq!(value("${{ inputs.sizes.map(k, k) }}"), Partial::known(json!(["a", "b"])));
    assert_eq!(value("${{ 1.0 == 1 && 'a' in inputs.sizes && 7 % 4 == 3 }}"), Partial::known(json!(true)));
}

/// The `cel` crate's own interpreter, as an oracle.
fn oracle(source: &str) -> Option<Value> {
    fn of(value: &Value) -> cel::Value {
        match value {
            Value::Number(number) => number
                .as_i64()
                .map(cel::Value::Int)
                .unwrap_or(cel::Value::Float(number.as_f64().unwrap_or(0.0))),
            Value::String(text) => text.as_str().into(),
            Value::Bool(truth) => cel::Value::Bool(*truth),
            Value::Array(items) => items.iter().map(of).collect::<Vec<_>>().into(),
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| (key.clone(), of(value)))
                .collect::<std::collections::HashMap<_, _>>()
                .into(),
            Value::Null => cel::Value::Null,
        }
    }
    let environment = std::sync::Arc::new(cel::Env::stdlib());
    let program = environment.compile(source).ok()?;
    let mut context = cel::Context::with_env(environment);
    context.add_variable_from_value(
        "inputs",
        of(&json!({ "i": 3, "s": "vg00", "l": [1, 2, 3], "m": { "a": 1, "b": 2 } })),
    );
    program.execute(&context).ok()?.json().ok()
}

fn ours(source: &str) -> Option<Value> {
    let scope = Scope {
        inputs: json!({ "i": 3, "s": "vg00", "l": [1, 2, 3], "m": { "a": 1, "b": 2 } }),
        ..Scope::default()
    };
    let template = Template::parse(&format!("${{{{ {source} }}}}")).ok()?;
    template.evaluate(&scope).ok().map(|partial| partial.value)
}

fn integer() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (-9_i64..99).prop_map(|n| format!("({n})")),
        Just("inputs.i".to_owned()),
        Just("inputs.l[1]".to_owned()),
        Just("size(inputs.s)".to_owned()),
        Just("inputs.m.b".to_owned())
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%"]), inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (truth(inner.clone().boxed()), inner.clone(), inner.clone())
                .prop_map(|(c, a, b)| format!("({c} ? {a} : {b})")),
            inner.clone().prop_map(|a| format!("inputs.l.map(x, x + {a})[0]")),
            inner.prop_map(|a| format!("size(inputs.l.filter(x, x < {a}))")),
        ]
    })
}

fn truth(number: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    let compare =
        (number.clone(), prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]), number.clone())
            .prop_map(|(a, op, b)| format!("({a} {op} {b})"));
    prop_oneof![
        compare.clone(),
        (compare.clone(), prop::sample::select(vec!["&&", "||"]), compare)
            .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        number.clone().prop_map(|a| format!("({a} in inputs.l)")),
        number.clone().prop_map(|a| format!("inputs.l.exists(x, x == {a})")),
        number.prop_map(|a| format!("!inputs.l.all(x, x > {a})")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn our_values_are_those_of_the_cel_interpreter(source in prop_oneof![integer().boxed(), truth(integer().boxed()).boxed()]) {
        prop_assume!(Template::condition(&source).is_ok(), "deeper than is allowed");
        prop_assert_eq!(ours(&source), oracle(&source), "{}", source);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}") {
        let wrapped = format!("${{{{ {text} }}}}");
        for text in [&text, &wrapped] {
            if let Err(faults) = check_text(text, &env()) {
                for fault in faults {
                    prop_assert!(text.get(fault.at).is_some());
                }
            }
        }
    }

    #[test]
    fn no_string_of_tokens_makes_it_panic(tokens in prop::collection::vec(prop::sample::select(vec!["steps", ".", "room", "(", ")", "[", "]", "{", "}", "has", "map", ",", "1", "'a'", "\"", "+", "-", "?", ":", "!", "in", "`", "\\", " ", "free", "..", "&&", "0x", "1e9", "null", "r'"]), 0..40)) {
        let text = format!("${{{{ {} }}}}", tokens.concat());
        if let Ok(template) = Template::parse(&text) {
            let _ = template.check(&env());
            let _ = template.evaluate(&scope());
            template.references();
        }
    }
}
