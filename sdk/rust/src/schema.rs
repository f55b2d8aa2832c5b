//! The JSON Schema of inputs and outputs, brought into the subset that workflow files are checked with: object, array,
//! string with formats, integer, number, boolean, enum; `type: [T, "null"]` for what may be null; everything inline.
//! It must not know steps.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The schema of `T` in the subset, or where and why it is outside it.
pub(crate) fn of<T: JsonSchema>(strict: bool) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value();
    normalise(&mut schema, strict);
    schema
}

/// The first place of a schema that is outside the subset.
pub fn outside_subset(schema: &Value) -> Option<String> {
    outside(schema, "")
}

fn normalise(schema: &mut Value, strict: bool) {
    if schema == &Value::Bool(true) {
        *schema = json!({});
    }
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("title");
    flatten_choices(object);
    if matches!(object.get("type").and_then(base_type), Some("integer" | "number")) {
        object.remove("format");
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|property| normalise(property, strict));
        if strict && !object.contains_key("additionalProperties") {
            object.insert("additionalProperties".into(), Value::Bool(false));
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key).filter(|inner| inner.is_object()) {
            normalise(inner, strict);
        }
    }
    if object.get("default") == Some(&Value::Null) {
        object.remove("default");
    }
}

fn base_type(of: &Value) -> Option<&str> {
    of.as_str().or_else(|| of.as_array()?.iter().filter_map(Value::as_str).find(|name| *name != "null"))
}

/// `anyOf: [T, null]` becomes T with a nullable type; `oneOf` of constants becomes an enum.
fn flatten_choices(object: &mut Map<String, Value>) {
    if let Some(Value::Array(choices)) = object.get("anyOf").cloned() {
        let null = |choice: &Value| choice.get("type") == Some(&json!("null"));
        let rest: Vec<&Value> = choices.iter().filter(|choice| !null(choice)).collect();
        if let ([Value::Object(only)], true) = (rest.as_slice(), rest.len() < choices.len()) {
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key.clone()).or_insert_with(|| value.clone());
            }
            flatten_choices(object);
            if let Some(Value::String(name)) = object.get("type").cloned() {
                object.insert("type".into(), json!([name, "null"]));
            }
            if let Some(Value::Array(values)) = object.get_mut("enum") {
                values.push(Value::Null);
            }
        }
    }
    if let Some(constants) = object.get("oneOf").and_then(constants) {
        object.remove("oneOf");
        object.insert("type".into(), json!("string"));
        object.insert("enum".into(), Value::Array(constants));
    }
    if let Some(constant) = object.remove("const") {
        object.insert("enum".into(), json!([constant]));
    }
}

fn constants(choices: &Value) -> Option<Vec<Value>> {
    let mut all = Vec::new();
    for choice in choices.as_array()? {
        match (choice.get("const"), choice.get("enum").and_then(Value::as_array)) {
            (Some(constant @ Value::String(_)), _) => all.push(constant.clone()),
            (None, Some(several)) => all.extend(several.iter().cloned()),
            _ => return None,
        }
    }
    Some(all)
}

const KEYS: [&str; 17] = [
    "type",
    "format",
    "enum",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "description",
    "default",
    "examples",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
];

fn outside(schema: &Value, at: &str) -> Option<String> {
    let object = match schema {
        Value::Object(object) => object,
        Value::Bool(_) => return None,
        _ => return Some(format!("{at}: not a schema")),
    };
    if let Some(key) = object.keys().find(|key| !KEYS.contains(&key.as_str()) && !key.starts_with("x-")) {
        return Some(format!("{at}/{key}"));
    }
    match object.get("type") {
        None => {}
        Some(Value::String(_)) => {}
        Some(Value::Array(names)) if names.len() == 2 && names.get(1) == Some(&json!("null")) => {}
        Some(_) => return Some(format!("{at}/type")),
    }
    if let Some(properties) = object.get("properties").and_then(Value::as_object) {
        let found =
            properties.iter().find_map(|(name, inner)| outside(inner, &format!("{at}/properties/{name}")));
        if found.is_some() {
            return found;
        }
    }
    ["items", "additionalProperties"]
        .iter()
        .find_map(|key| object.get(*key).and_then(|inner| outside(inner, &format!("{at}/{key}"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maybe::Maybe;
    use crate::unit::Bytes;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Input {
        /// Which.
        volume: Maybe<String>,
        size: Option<Maybe<Bytes>>,
        inner: Option<Inner>,
        #[serde(default)]
        how: How,
        many: Vec<Inner>,
        by_name: BTreeMap<String, u32>,
        #[schemars(extend("x-estimate" = true))]
        free: u64,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Inner {
        how: Option<How>,
    }

    #[derive(Deserialize, serde::Serialize, JsonSchema, Default)]
    #[serde(rename_all = "kebab-case")]
    enum How {
        /// Said.
        #[default]
        OneWay,
        /// Also said.
        OrOther,
    }

    #[test]
    fn a_schema_is_inline_and_within_the_subset() {
        let schema = of::<Input>(true);
        assert_eq!(outside_subset(&schema), None, "{schema:#}");
        let of = |name: &str| &schema["properties"][name];
        assert_eq!(of("volume"), &json!({ "description": "Which.", "type": "string" }));
        assert_eq!(of("size"), &json!({ "type": ["string", "null"], "format": "bytes" }));
        assert_eq!(of("inner")["type"], json!(["object", "null"]));
        assert_eq!(of("inner")["properties"]["how"]["enum"], json!(["one-way", "or-other", null]));
        assert_eq!(of("how")["enum"], json!(["one-way", "or-other"]));
        assert_eq!(of("by-name")["additionalProperties"], json!({ "type": "integer", "minimum": 0 }));
        assert_eq!(of("free")["x-estimate"], json!(true));
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema["required"], json!(["volume", "many", "by-name", "free"]));
    }

    #[test]
    fn a_choice_of_shapes_is_outside() {
        #[derive(Deserialize, JsonSchema)]
        #[serde(untagged)]
        #[expect(dead_code, reason = "only its schema is looked at")]
        enum Either {
            A { a: u32 },
            B { b: u32 },
        }
        assert_eq!(outside_subset(&of::<Either>(true)).unwrap(), "/anyOf");
    }
}
