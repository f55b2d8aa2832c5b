//! Facts about types.

use super::{Type, Unit, bytes_of, milliseconds_of};
use serde_json::json;

fn read(schema: serde_json::Value) -> Type {
    Type::from_schema(&schema).expect("schema of the subset")
}

fn copy_input() -> Type {
    read(json!({
        "type": "object",
        "properties": {
            "from": { "type": "string", "format": "device" },
            "to": { "type": "string", "format": "device" },
            "at-most": { "type": ["string", "null"], "format": "rate" },
            "mode": { "oneOf": [{ "const": "whole", "type": "string" }, { "const": "sparse", "type": "string" }], "default": "whole" },
            "replaces": { "anyOf": [{ "$ref": "#/$defs/Identity" }, { "type": "null" }] },
        },
        "required": ["from", "to"],
        "$defs": { "Identity": { "type": "object", "properties": { "uuid": { "type": "string" } }, "required": ["uuid"] } },
    }))
}

#[test]
fn what_derives_from_rust_types_is_read() {
    let of = copy_input();
    assert!(
        of.accepts(&json!({ "from": "/dev/vg00/dat", "to": "/dev/vg01/new", "at-most": "80MiB/s" })).is_ok()
    );
    assert!(
        of.accepts(
            &json!({ "from": "/dev/vg00/dat", "to": "/dev/vg01/new", "at-most": 1024, "replaces": null })
        )
        .is_ok()
    );
    assert_eq!(of.field("at-most"), Ok(Type::Unit(Unit::Rate).nullable()));
    assert_eq!(of.field("mode"), Ok(Type::Enum(vec!["whole".into(), "sparse".into()])));
}

#[test]
fn every_wrong_place_of_a_value_is_named_at_once() {
    let faults = copy_input()
        .accepts(&json!({ "from": "vg00/dat", "mode": "hole", "replaces": { "uuid": 3 }, "form": 1 }))
        .expect_err("four faults and a missing place");
    assert_eq!(
        faults,
        [
            ("/from".to_owned(), "`vg00/dat` is no device; write it like `/dev/vg00/dat`".to_owned()),
            ("/mode".to_owned(), "`hole` is none of whole, sparse; did you mean `whole`?".to_owned()),
            ("/replaces/uuid".to_owned(), "expected string, found an integer".to_owned()),
            (String::new(), "there is no `form` here; did you mean `from`?".to_owned()),
            (String::new(), "`to` (device) is missing".to_owned()),
        ]
    );
}

#[test]
fn a_place_not_known_yet_is_not_looked_at() {
    let partial = crate::partial::Partial {
        value: json!({ "from": null, "to": "/dev/vg01/new" }),
        unknown: [("/from".to_owned(), "snap".to_owned())].into(),
    };
    assert!(copy_input().accepts_partial(&partial).is_ok());
    assert!(copy_input().accepts(&partial.value).is_err());
}

#[test]
fn schemas_outside_the_subset_are_refused_with_their_place() {
    for (schema, pointer) in [
        (
            json!({ "type": "object", "properties": { "a": { "type": "string", "not": {} } } }),
            "/properties/a",
        ),
        (json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }] }), "/anyOf"),
        (json!({ "$ref": "#" }), ""),
        (json!({ "type": "array", "items": { "type": "string", "format": "email" } }), "/items"),
        (json!({ "enum": [1, 2] }), ""),
    ] {
        let fault = Type::from_schema(&schema).expect_err("outside the subset");
        assert_eq!(fault.pointer, pointer, "{schema}");
    }
}

#[test]
fn units_fit_only_what_means_the_same() {
    let device = Type::Unit(Unit::Device);
    assert!(device.fits(&Type::Unit(Unit::Path)));
    assert!(device.fits(&Type::Text));
    assert!(Type::Text.fits(&device), "a text is looked at when it is known");
    assert!(!Type::Unit(Unit::Bytes).fits(&Type::Unit(Unit::Duration)));
    assert!(Type::integer().fits(&Type::Unit(Unit::Bytes)));
    assert!(!Type::integer().fits(&Type::Text));
    assert!(!Type::Text.nullable().fits(&Type::Text));
    assert!(Type::Text.fits(&Type::Text.nullable()));
}

#[test]
fn an_object_fits_where_all_wanted_places_are_there_and_no_other() {
    let have = Type::object([("vg", Type::Text), ("size", Type::integer())]);
    assert!(have.fits(&Type::object([("vg", Type::Text), ("size", Type::Number)])));
    assert!(!have.fits(&Type::object([("vg", Type::Text)])));
    assert!(!have.fits(&Type::object([("vg", Type::Text), ("size", Type::Number), ("id", Type::Text)])));
}

#[test]
fn sizes_and_durations_are_read_as_people_write_them() {
    assert_eq!(bytes_of("512MiB"), Some(512 << 20));
    assert_eq!(bytes_of("1.5GiB"), Some(3 << 29));
    assert_eq!(bytes_of("4kB"), Some(4000));
    assert_eq!(bytes_of("20000000TiB"), None, "beyond 64 bits");
    for wrong in ["", "MiB", "1.", "-1", "1 MiB", "1M", "1x"] {
        assert_eq!(bytes_of(wrong), None, "{wrong}");
    }
    assert_eq!(milliseconds_of("1h30m"), Some(5_400_000));
    assert_eq!(milliseconds_of("250ms"), Some(250));
    for wrong in ["", "5", "s", "1m1h", "1.5h", "1m30"] {
        assert_eq!(milliseconds_of(wrong), None, "{wrong}");
    }
}

#[test]
fn estimates_are_found_wherever_they_stand() {
    let of = read(json!({ "type": "object", "properties": {
        "free": { "type": "integer", "x-estimate": true },
        "volumes": { "type": "array", "items": { "type": "object", "properties": { "cow": { "type": "integer", "x-estimate": true } } } },
    } }));
    assert_eq!(
        of.estimates(),
        [vec!["free".to_owned()], vec!["volumes".to_owned(), "*".to_owned(), "cow".to_owned()]]
    );
}
