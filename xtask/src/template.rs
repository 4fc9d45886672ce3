//! The `CloudFormation` templates, as JSON and as they are deployed with given parameters.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use crate::{workspace::Workspace, yaml};

/// Reads a template by its path from the top, with the short forms of functions (`!Ref` and the like) written out.
///
/// # Errors
///
/// If the file cannot be read or is no template.
pub fn read(workspace: &Workspace, relative: &str) -> Result<Value> {
    let text = fs::read_to_string(workspace.path(relative)).with_context(|| format!("{relative} cannot be read"))?;
    yaml::parse(&text, intrinsic).map_err(|error| anyhow::anyhow!("{relative}: {error}"))
}

/// The long form of a short one.
#[must_use]
pub fn intrinsic(name: &str, value: &Value) -> Option<Value> {
    Some(match name {
        "Ref" | "Condition" => json!({ name: value }),
        "GetAtt" => {
            let (resource, attribute) = value.as_str()?.split_once('.')?;
            json!({ "Fn::GetAtt": [resource, attribute] })
        }
        _ => json!({ format!("Fn::{name}"): value }),
    })
}

/// A template with values for its parameters. References to resources stay as they are.
#[derive(Debug)]
pub struct Deployment<'template> {
    template: &'template Value,
    parameters: BTreeMap<&'template str, Value>,
}

impl<'template> Deployment<'template> {
    /// Gives the parameters these values. Every other one has its default, or its own name if it has none.
    #[must_use]
    pub fn new(template: &'template Value, given: &BTreeMap<String, Value>) -> Self {
        let declared = template["Parameters"].as_object().into_iter().flatten();
        let value = |(name, declaration): (&'template String, &Value)| {
            let value = given.get(name).or_else(|| declaration.get("Default")).cloned().unwrap_or_else(|| json!(name));
            let is_list = declaration["Type"] == "CommaDelimitedList";
            let items = value.as_str().filter(|_| is_list).map(|text| json!(text.split(',').collect::<Vec<_>>()));
            (name.as_str(), items.unwrap_or(value))
        };
        Self { template, parameters: declared.map(value).collect() }
    }

    /// The resources that exist, with the values of their properties.
    ///
    /// # Errors
    ///
    /// If the template has a function that is unknown here.
    pub fn resources(&self) -> Result<BTreeMap<&'template str, Value>> {
        let all = self.template["Resources"].as_object().context("the template has no resources")?;
        let mut resources = BTreeMap::new();
        for (name, resource) in all {
            let exists = resource["Condition"].as_str().map_or(Ok(true), |condition| self.holds(condition))?;
            if exists {
                resources.insert(name.as_str(), self.value(resource).with_context(|| name.clone())?);
            }
        }
        Ok(resources)
    }

    /// Whether a condition holds.
    ///
    /// # Errors
    ///
    /// If there is no such condition, or it has a function that is unknown here.
    pub fn holds(&self, condition: &str) -> Result<bool> {
        let rule = self.template["Conditions"].get(condition);
        let value = self.value(rule.with_context(|| format!("there is no condition {condition}"))?)?;
        value.as_bool().with_context(|| format!("the condition {condition} is {value}"))
    }

    /// A value with its functions carried out, as far as they do not depend on a resource.
    ///
    /// # Errors
    ///
    /// If it has a function that is unknown here.
    pub fn value(&self, value: &Value) -> Result<Value> {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value.clone()),
            Value::Array(items) => {
                let values: Result<Vec<Value>> = items.iter().map(|item| self.value(item)).collect();
                Ok(values?.into_iter().filter(|value| !is_no_value(value)).collect())
            }
            Value::Object(members) => match self.function(members)? {
                Some(value) => Ok(value),
                None => self.members(members),
            },
        }
    }

    fn members(&self, members: &Map<String, Value>) -> Result<Value> {
        let mut values = Map::new();
        for (name, member) in members {
            let value = self.value(member)?;
            if !is_no_value(&value) {
                values.insert(name.clone(), value);
            }
        }
        Ok(values.into())
    }

    /// The value of a function; nothing if the object is none.
    fn function(&self, members: &Map<String, Value>) -> Result<Option<Value>> {
        let mut all = members.iter();
        let (Some((name, argument)), None) = (all.next(), all.next()) else { return Ok(None) };
        let arguments = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(Some(match (name.as_str(), arguments) {
            ("Ref", _) => {
                let parameter = argument.as_str().and_then(|name| self.parameters.get(name));
                parameter.cloned().unwrap_or_else(|| json!({ name: argument }))
            }
            // Beside `Type`, it is a member of a resource or a policy.
            ("Condition", _) => match argument.as_str() {
                Some(condition) => self.holds(condition)?.into(),
                None => return Ok(None),
            },
            ("Fn::GetAtt", _) => json!({ name: argument }),
            ("Fn::Sub", _) => json!(self.substituted(argument.as_str().context("Fn::Sub has a list")?)),
            ("Fn::Join", [separator, items]) => {
                let items = self.value(items)?;
                let texts = items.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
                json!(texts.join(separator.as_str().unwrap_or_default()))
            }
            ("Fn::Split", [separator, joined]) => {
                let joined = text(&self.value(joined)?);
                json!(joined.split(separator.as_str().context("Fn::Split has no separator")?).collect::<Vec<_>>())
            }
            ("Fn::If", [condition, then, otherwise]) => {
                let holds = self.holds(condition.as_str().context("Fn::If has no condition")?)?;
                self.value(if holds { then } else { otherwise })?
            }
            ("Fn::Equals", [one, other]) => (text(&self.value(one)?) == text(&self.value(other)?)).into(),
            ("Fn::Not", [condition]) => (!self.truth(condition)?).into(),
            ("Fn::And", conditions) => self.truths(conditions)?.into_iter().all(|holds| holds).into(),
            ("Fn::Or", conditions) => self.truths(conditions)?.into_iter().any(|holds| holds).into(),
            (name, _) if name.starts_with("Fn::") => bail!("{name} is not known in xtask/src/template.rs"),
            _ => return Ok(None),
        }))
    }

    fn truth(&self, condition: &Value) -> Result<bool> {
        let value = self.value(condition)?;
        value.as_bool().with_context(|| format!("{value} is no condition"))
    }

    fn truths(&self, conditions: &[Value]) -> Result<Vec<bool>> {
        conditions.iter().map(|condition| self.truth(condition)).collect()
    }

    fn substituted(&self, pattern: &str) -> String {
        let fill =
            |filled: String, (name, value): (&&str, &Value)| filled.replace(&format!("${{{name}}}"), &text(value));
        self.parameters.iter().fold(pattern.to_owned(), fill)
    }
}

/// A scalar as text: `CloudFormation` compares and joins texts.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_no_value(value: &Value) -> bool {
    *value == json!({ "Ref": "AWS::NoValue" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Value {
        let text = "
            Parameters:
              Stage: { Type: String, Default: dev }
              Number: { Type: Number, Default: 5 }
              List: { Type: CommaDelimitedList, Default: '' }
              Unset: { Type: String }
            Conditions:
              IsProd: !Equals [!Ref Stage, prod]
              HasList: !Not [!Equals [!Join ['', !Ref List], '']]
              Both: !And [!Condition IsProd, !Condition HasList]
              Either: !Or [!Condition IsProd, !Condition HasList]
            Resources:
              Always:
                Type: A
                Properties:
                  Number: !Ref Number
                  Name: !Sub '${Stage}-${AWS::Region}-${Always}'
                  List: !If [HasList, !Ref List, !Ref AWS::NoValue]
                  Parts: !Split ['e', !Ref Stage]
                  Items: [!If [IsProd, 1, !Ref AWS::NoValue], 2]
                  Other: !Ref Sometimes
                  Arn: !GetAtt Sometimes.Arn
                  Unset: !Ref Unset
                  Policy: { Condition: { StringEquals: { a: !Ref Stage } } }
              Sometimes: { Type: B, Condition: Both }
              Mostly: { Type: C, Condition: Either }
        ";
        yaml::parse(text, intrinsic).unwrap()
    }

    fn resources(given: Value) -> BTreeMap<String, Value> {
        let (template, given) = (template(), serde_json::from_value(given).unwrap());
        let resources = Deployment::new(&template, &given).resources().unwrap();
        resources.into_iter().map(|(name, resource)| (name.to_owned(), resource)).collect()
    }

    #[test]
    fn functions_are_carried_out_as_far_as_parameters_decide() {
        let deployed = resources(json!({}));
        assert_eq!(deployed.keys().collect::<Vec<_>>(), ["Always"]);
        let expected = json!({
            "Number": 5, "Name": "dev-${AWS::Region}-${Always}", "Items": [2], "Parts": ["d", "v"], "Other": { "Ref": "Sometimes" },
            "Arn": { "Fn::GetAtt": ["Sometimes", "Arn"] }, "Unset": "Unset",
            "Policy": { "Condition": { "StringEquals": { "a": "dev" } } },
        });
        assert_eq!(deployed["Always"]["Properties"], expected);
    }

    #[test]
    fn conditions_decide_which_resources_exist() {
        let deployed = resources(json!({ "Stage": "prod", "List": "a,b" }));
        assert_eq!(deployed.keys().collect::<Vec<_>>(), ["Always", "Mostly", "Sometimes"]);
        assert_eq!(deployed["Always"]["Properties"]["List"], json!(["a", "b"]));
        assert_eq!(deployed["Always"]["Properties"]["Items"], json!([1, 2]));
        assert_eq!(resources(json!({ "Stage": "prod" })).keys().collect::<Vec<_>>(), ["Always", "Mostly"]);
    }

    #[test]
    fn an_unknown_function_or_condition_is_an_error() {
        let template = template();
        let deployment = Deployment::new(&template, &BTreeMap::new());
        let error = |value| deployment.value(&value).unwrap_err().to_string();
        assert_eq!(error(json!({ "Fn::Base64": "x" })), "Fn::Base64 is not known in xtask/src/template.rs");
        assert_eq!(error(json!({ "Fn::If": ["Nowhere", 1, 2] })), "there is no condition Nowhere");
    }

    #[test]
    fn short_forms_are_written_out() {
        let text = "{a: !Ref X, b: !GetAtt X.Arn, c: !Sub 'y${X}', d: !If [C, !Ref X, 2], e: '3', f: true, g: ~}";
        let expected = json!({
            "a": { "Ref": "X" }, "b": { "Fn::GetAtt": ["X", "Arn"] }, "c": { "Fn::Sub": "y${X}" },
            "d": { "Fn::If": ["C", { "Ref": "X" }, 2] }, "e": "3", "f": true, "g": null,
        });
        assert_eq!(yaml::parse(text, intrinsic).unwrap(), expected);
    }
}
