//! YAML files as JSON.

use std::fs;

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::Value;

use crate::workspace::Workspace;

/// Reads a file of the repository, by its path from the root. `tagged` gives the JSON of a value with a tag.
///
/// # Errors
/// If the file cannot be read, or contains YAML that is not supported here.
pub fn read(relative: &str, tagged: fn(&str, &Value) -> Option<Value>) -> Result<Value, String> {
    let path = Workspace::locate().map_err(|error| error.to_string())?.path(relative);
    let text = fs::read_to_string(path).map_err(|error| format!("{relative}: {error}"))?;
    parse(&text, tagged).map_err(|error| format!("{relative}: {error}"))
}

/// Parses one document.
///
/// # Errors
/// As for [`read`].
pub fn parse(text: &str, tagged: fn(&str, &Value) -> Option<Value>) -> Result<Value, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let [document] = documents.as_slice() else { return Err("it must be one document".to_owned()) };
    to_json(document, tagged)
}

fn to_json(node: &Yaml<'_>, tagged: fn(&str, &Value) -> Option<Value>) -> Result<Value, String> {
    match node {
        Yaml::Value(Scalar::Null) => Ok(Value::Null),
        Yaml::Value(Scalar::Boolean(value)) => Ok((*value).into()),
        Yaml::Value(Scalar::Integer(value)) => Ok((*value).into()),
        Yaml::Value(Scalar::FloatingPoint(value)) => Ok(value.into_inner().into()),
        Yaml::Value(Scalar::String(value)) => Ok(value.as_ref().into()),
        Yaml::Sequence(items) => items.iter().map(|item| to_json(item, tagged)).collect(),
        Yaml::Mapping(members) => {
            let member = |(name, value): (&Yaml<'_>, &Yaml<'_>)| {
                let name = name.as_str().ok_or_else(|| format!("a name is not a string: {name:?}"))?;
                Ok((name.to_owned(), to_json(value, tagged)?))
            };
            members.iter().map(member).collect()
        }
        Yaml::Tagged(tag, value) => {
            tagged(&tag.suffix, &to_json(value, tagged)?).ok_or_else(|| format!("unknown tag {}", tag.suffix))
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => Err(format!("{node:?} is not supported")),
    }
}
