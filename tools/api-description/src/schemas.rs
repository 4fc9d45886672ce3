//! Changes the JSON Schemas of the types so that generators of clients make good types of them.

use anyhow::{Context as _, Result, ensure};
use portal_aws::http::value::NAMES;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Collects the schemas of the document.
pub struct Schemas(SchemaGenerator);

impl Schemas {
    /// No schemas.
    pub fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self(settings.into_generator())
    }

    /// The schema of a type of an answer. If the schema has a name, a reference to it.
    pub fn schema<T: JsonSchema>(&mut self) -> Result<Value> {
        plain(self.0.subschema_for::<T>().into())
    }

    /// The schema of a body, made by `schema`.
    pub fn body(&mut self, schema: impl FnOnce(&mut SchemaGenerator) -> Schema) -> Value {
        schema(&mut self.0).into()
    }

    /// All schemas with a name.
    pub fn finish(&mut self) -> Result<Map<String, Value>> {
        let mut named: Vec<_> = self.0.take_definitions(false).into_iter().collect();
        named.sort_by(|(name, _), (other, _)| name.cmp(other));
        named.into_iter().map(|(name, schema)| Ok((name, plain(schema)?))).collect()
    }
}

/// Changes a schema for generators of clients.
fn plain(schema: Value) -> Result<Value> {
    let Value::Object(members) = schema else {
        return match schema {
            Value::Array(items) => items.into_iter().map(plain).collect(),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                Ok(other)
            }
        };
    };
    let members = members.into_iter().map(|(name, value)| {
        let value = if name == NAMES { value } else { plain(value)? };
        Ok((name, value))
    });
    let mut members: Map<String, Value> = members.collect::<Result<_>>()?;
    without_null(&mut members);
    if let Some(reference) = members.get("$ref") {
        ensure!(
            members.len() == 1,
            "{reference} has other members beside it: write them in the documentation of its type"
        );
    }
    if let Some(Value::Object(names)) = members.remove(NAMES) {
        open_enum(&mut members, names);
    }
    if let Some(Value::String(format)) = members.get_mut("format") {
        let signed = match format.as_str() {
            "uint64" => Some("int64"),
            "uint8" | "uint16" | "uint32" => Some("int32"),
            _ => None,
        };
        if let Some(signed) = signed {
            signed.clone_into(format);
        }
    }
    Ok(Value::Object(members))
}

/// Removes the type null: a member without a value is left out of an answer.
fn without_null(members: &mut Map<String, Value>) {
    if let Some(Value::Array(kinds)) = members.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            members.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(kinds)) = members.get_mut("anyOf") {
        kinds.retain(|kind| *kind != json!({ "type": "null" }));
        if let [Value::Object(only)] = kinds.as_slice() {
            let only = only.clone();
            members.remove("anyOf");
            members.extend(only);
        }
    }
}

/// Describes an enum of an answer as a string with known values. A client that was generated with a closed enum would fail
/// on a value that is added later.
fn open_enum(members: &mut Map<String, Value>, names: Map<String, Value>) {
    let mut lines: Vec<String> =
        members.get("description").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.extend(names.iter().map(|(name, meaning)| match meaning.as_str().unwrap_or_default() {
        "" => format!("* `{name}`"),
        meaning => format!("* `{name}`: {meaning}"),
    }));
    lines.push(String::new());
    lines.push("More values may be added.".to_owned());
    members.insert("description".to_owned(), lines.join("\n").into());
    members.insert("x-extensible-enum".to_owned(), names.into_iter().map(|(name, _)| name).collect());
}

impl Schemas {
    /// The schema of a type, which has this name, instead of a reference.
    pub fn definition<T: JsonSchema>(&mut self, name: &str) -> Result<Value> {
        self.0.subschema_for::<T>();
        let schema = self.0.definitions_mut().remove(name);
        plain(schema.with_context(|| format!("there is no schema {name}"))?)
    }

    /// Whether an object has a member.
    pub fn has_member(&self, name: &str, member: &str) -> bool {
        self.0.definitions().get(name).is_some_and(|schema| schema["properties"].get(member).is_some())
    }
}
