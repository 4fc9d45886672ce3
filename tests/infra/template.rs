//! The template as JSON, its short forms (`!Ref` and its like) written out.

use std::{collections::BTreeMap, fs};

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Value, json};
use xtask::workspace::Workspace;

/// A template.
pub(crate) struct Template(Value);

/// A function of the template.
pub(crate) struct Function<'template> {
    /// The program that it runs, which is also the name by which everything else knows it.
    pub(crate) name: &'template str,
    /// Its properties, with what the template says of all functions.
    pub(crate) properties: BTreeMap<&'template str, &'template Value>,
}

/// What a role may do.
pub(crate) struct Statement<'template> {
    pub(crate) role: &'template str,
    pub(crate) statement: &'template Value,
}

impl Template {
    /// The template that is deployed.
    pub(crate) fn load() -> Self {
        let path = Workspace::locate().unwrap().path("infra/template.yaml");
        let documents = Yaml::load_from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let [document] = documents.as_slice() else { unreachable!("one document") };
        Self(to_json(document))
    }

    /// The template with the value at a JSON pointer replaced, or added, or taken away (`null`).
    fn with(&self, pointer: &str, value: &Value) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut changed = self.0.clone();
        let parent = changed.pointer_mut(parent).unwrap_or_else(|| unreachable!("nothing at {parent}"));
        match parent {
            Value::Object(members) if value.is_null() => {
                members.remove(name).unwrap_or_else(|| unreachable!("nothing at {pointer}"));
            }
            Value::Object(members) => {
                members.insert(name.to_owned(), value.clone());
            }
            Value::Array(items) if name == "-" => items.push(value.clone()),
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.clone(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => unreachable!("nothing in {pointer}"),
        }
        assert_ne!(changed, self.0, "{pointer} is {value} already");
        Self(changed)
    }

    /// What is at a JSON pointer below a resource's properties; null if there is nothing.
    pub(crate) fn property(&self, resource: &str, pointer: &str) -> &Value {
        self.at(&format!("/Resources/{resource}/Properties{pointer}"))
    }

    /// What is at a JSON pointer; null if there is nothing.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// Every resource of a type, by name.
    pub(crate) fn resources(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let all = self.0["Resources"].as_object().unwrap();
        all.iter().filter(|(_, resource)| resource["Type"] == kind).map(|(name, it)| (name.as_str(), it)).collect()
    }

    pub(crate) fn functions(&self) -> Vec<Function<'_>> {
        let globals = self.0["Globals"]["Function"].as_object().unwrap();
        let functions = self.resources("AWS::Serverless::Function").into_values();
        functions
            .map(|resource| {
                let own = resource["Properties"].as_object().unwrap();
                let properties = globals.iter().chain(own).map(|(name, value)| (name.as_str(), value)).collect();
                let name = resource["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap();
                Function { name, properties }
            })
            .collect()
    }

    /// Every statement of every policy of every role, those of managed policies included.
    pub(crate) fn statements(&self) -> Vec<Statement<'_>> {
        let mut statements = Vec::new();
        for (role, resource) in self.resources("AWS::IAM::Role") {
            let policies = resource["Properties"]["Policies"].as_array().into_iter().flatten();
            statements
                .extend(policies.flat_map(|policy| listed(&policy["PolicyDocument"]["Statement"])).map(|s| (role, s)));
        }
        for (name, resource) in self.resources("AWS::IAM::ManagedPolicy") {
            let document = &resource["Properties"]["PolicyDocument"];
            statements.extend(listed(&document["Statement"]).into_iter().map(|statement| (name, statement)));
        }
        statements.into_iter().map(|(role, statement)| Statement { role, statement }).collect()
    }
}

impl Function<'_> {
    pub(crate) fn property(&self, name: &str) -> &Value {
        self.properties.get(name).copied().unwrap_or(&Value::Null)
    }

    /// The logical id of the role that it runs under.
    pub(crate) fn role(&self) -> &str {
        self.property("Role")["Fn::GetAtt"][0].as_str().unwrap_or_default()
    }

    pub(crate) fn variables(&self) -> Vec<&str> {
        self.property("Environment")["Variables"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

impl<'template> Statement<'template> {
    pub(crate) fn actions(&self) -> Vec<&'template str> {
        listed(&self.statement["Action"]).into_iter().map(|action| action.as_str().unwrap()).collect()
    }

    pub(crate) fn resources(&self) -> Vec<&'template Value> {
        listed(&self.statement["Resource"])
    }

    /// The patterns of the partitions that the statement is for; none if it is for all.
    pub(crate) fn partitions(&self) -> Vec<&'template str> {
        let patterns = &self.statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
        listed(patterns).into_iter().map(|pattern| pattern.as_str().unwrap()).collect()
    }
}

/// A list, or the one thing that stands for a list of one; nothing where there is nothing.
pub(crate) fn listed(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![value],
    }
}

/// A complaint, unless the two are equal.
pub(crate) fn expect(what: impl Into<String>, actual: &Value, wanted: &Value) -> Option<String> {
    (actual != wanted).then(|| format!("{} is {actual} and must be {wanted}", what.into()))
}

/// The rule holds for the template, and each of these changes breaks it.
pub(crate) fn rule(complaints: impl Fn(&Template) -> Vec<String>, changes: &[(&str, Value)]) {
    let template = Template::load();
    assert_eq!(complaints(&template), Vec::<String>::new());
    assert!(!changes.is_empty(), "nothing shows that the rule can be broken");
    for (pointer, value) in changes {
        assert!(!complaints(&template.with(pointer, value)).is_empty(), "no complaint about {pointer} = {value}");
    }
}

fn to_json(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => (*value).into(),
        Yaml::Value(Scalar::Integer(value)) => (*value).into(),
        Yaml::Value(Scalar::FloatingPoint(value)) => value.into_inner().into(),
        Yaml::Value(Scalar::String(value)) => value.as_ref().into(),
        Yaml::Sequence(items) => items.iter().map(to_json).collect(),
        Yaml::Mapping(members) => {
            members.iter().map(|(name, value)| (name.as_str().unwrap().to_owned(), to_json(value))).collect()
        }
        Yaml::Tagged(tag, value) => intrinsic(&tag.suffix, &to_json(value)),
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => unreachable!("CloudFormation has no {node:?}"),
    }
}

/// The long form of a short one.
fn intrinsic(name: &str, value: &Value) -> Value {
    match name {
        "Ref" | "Condition" => json!({ name: value }),
        "GetAtt" => {
            let (resource, attribute) = value.as_str().and_then(|path| path.split_once('.')).unwrap();
            json!({ "Fn::GetAtt": [resource, attribute] })
        }
        _ => json!({ format!("Fn::{name}"): value }),
    }
}

#[test]
fn short_forms_are_written_out() {
    let text = "{a: !Ref X, b: !GetAtt X.Arn, c: !Sub 'y${X}', d: !If [C, !Ref X, 2], e: '3', f: true, g: ~}";
    let json = to_json(&Yaml::load_from_str(text).unwrap()[0]);
    let expected = json!({
        "a": { "Ref": "X" }, "b": { "Fn::GetAtt": ["X", "Arn"] }, "c": { "Fn::Sub": "y${X}" },
        "d": { "Fn::If": ["C", { "Ref": "X" }, 2] }, "e": "3", "f": true, "g": null,
    });
    assert_eq!(json, expected);
}
