//! The template as JSON, with its short forms (such as `!Ref`) written out.

use std::collections::BTreeMap;

use serde_json::Value;
pub(crate) use xtask::template::intrinsic;
use xtask::yaml;

/// A template.
pub(crate) struct Template(Value);

/// A function of the template.
pub(crate) struct Function<'template> {
    /// The program that it runs, which is also the function's name outside the template.
    pub(crate) name: &'template str,
    /// Its properties, including the global ones.
    pub(crate) properties: BTreeMap<&'template str, &'template Value>,
}

/// A statement of a role's policies.
pub(crate) struct Statement<'template> {
    pub(crate) role: &'template str,
    pub(crate) statement: &'template Value,
}

impl Template {
    /// The template that is deployed.
    pub(crate) fn load() -> Self {
        Self(yaml::read("infra/template.yaml", intrinsic).unwrap())
    }

    /// This template with the value at a JSON pointer replaced or added.
    pub(crate) fn with(&self, pointer: &str, value: &Value) -> Self {
        Self(changed(&self.0, pointer, value))
    }

    /// The value at a JSON pointer below a resource's properties. Null if there is none.
    pub(crate) fn property(&self, resource: &str, pointer: &str) -> &Value {
        self.at(&format!("/Resources/{resource}/Properties{pointer}"))
    }

    /// The value at a JSON pointer. Null if there is none.
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

    /// The keys and values of a condition's operator; null if the statement does not have it.
    pub(crate) fn condition(&self, operator: &str) -> &'template Value {
        &self.statement["Condition"][operator]
    }

    /// The patterns of the partitions that the statement is limited to. Empty if it is not limited.
    pub(crate) fn partitions(&self) -> Vec<&'template str> {
        let patterns = &self.condition("ForAllValues:StringLike")["dynamodb:LeadingKeys"];
        listed(patterns).into_iter().map(|pattern| pattern.as_str().unwrap()).collect()
    }
}

/// The items of a list. A single value is a list of one, and null an empty list.
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

/// Asserts that the rule holds for the template and that each of these changes breaks it.
pub(crate) fn rule(complaints: impl Fn(&Template) -> Vec<String>, changes: &[(&str, Value)]) {
    rule_of(&Template::load().0, |template| complaints(&Template(template.clone())), changes);
}

/// Asserts that the rule holds for the document and that each of these changes breaks it.
pub(crate) fn rule_of(document: &Value, complaints: impl Fn(&Value) -> Vec<String>, changes: &[(&str, Value)]) {
    assert_eq!(complaints(document), Vec::<String>::new());
    assert!(!changes.is_empty(), "nothing shows that the rule can be broken");
    for (pointer, value) in changes {
        assert!(!complaints(&changed(document, pointer, value)).is_empty(), "no complaint about {pointer} = {value}");
    }
}

/// The document with the value at a JSON pointer replaced, added, or removed (`null`).
fn changed(document: &Value, pointer: &str, value: &Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    let mut changed = document.clone();
    let parent = changed.pointer_mut(parent).unwrap_or_else(|| unreachable!("nothing at {parent}"));
    match parent {
        Value::Object(members) if value.is_null() => {
            members.remove(&name).unwrap_or_else(|| unreachable!("nothing at {pointer}"));
        }
        Value::Object(members) => {
            members.insert(name, value.clone());
        }
        Value::Array(items) if name == "-" => items.push(value.clone()),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => unreachable!("nothing in {pointer}"),
    }
    assert_ne!(changed, *document, "{pointer} is {value} already");
    changed
}
