//! The JSON Schema of scenario files, for editors, and for our own structural check.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Scenario;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Scenario>();
    let mut value = Value::from(schema);
    tidy(&mut value);
    value
});

/// The schema as a JSON value.
pub fn schema() -> &'static Value {
    &SCHEMA
}

/// The schema as it is committed in `scenarios/scenario.schema.json`.
pub fn schema_text() -> String {
    format!("{:#}\n", *SCHEMA)
}

/// TOML has no null and no width of integers: takes both out.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(object) => {
            object.values_mut().for_each(tidy);
            tidy_object(object);
        }
        _ => {}
    }
}

fn is_null_type(value: &Value) -> bool {
    value.get("type").is_some_and(|kind| kind == "null")
}

fn tidy_object(object: &mut Map<String, Value>) {
    object.remove("format");
    if object
        .get("default")
        .is_some_and(|value| value.is_null() || value.is_object() || value.is_array())
    {
        object.remove("default");
    }
    if let Some(Value::Array(kinds)) = object.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [one] = kinds.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    let Some(Value::Array(options)) = object.get_mut("anyOf") else { return };
    options.retain(|option| !is_null_type(option));
    if let [one] = options.as_slice() {
        let one = one.clone();
        object.remove("anyOf");
        if let Value::Object(one) = one {
            for (key, value) in one {
                object.entry(key).or_insert(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_null_is_left() {
        assert!(!schema_text().contains("\"null\""));
    }

    #[test]
    fn committed_copy_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/scenario.schema.json");
        let committed = std::fs::read_to_string(path).expect("the committed schema");
        assert_eq!(
            committed,
            schema_text(),
            "run `cargo sim schema > scenarios/scenario.schema.json`"
        );
    }
}
