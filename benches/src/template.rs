//! The table and the functions' environments, as `infra/template.yaml` defines them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use system_tests::yaml;

use crate::aws::sqs;

/// The table's name.
pub const TABLE: &str = "portal";
/// The pepper. It is as long as the generated one of the template.
const PEPPER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The template. A YAML tag is an object with one member.
pub struct Template(Value);

impl Template {
    /// Reads the template.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read() -> Result<Self> {
        let tagged = |tag: &str, value: &Value| Some(json!({ tag: value }));
        yaml::read("infra/template.yaml", tagged).map(Self).map_err(anyhow::Error::msg)
    }

    /// The `CreateTable` request of the table.
    ///
    /// # Errors
    /// If the template has no table.
    pub fn table(&self) -> Result<Value> {
        let properties = self.0.pointer("/Resources/Table/Properties").context("the template has no table")?;
        let member = |name: &str| properties.get(name).with_context(|| format!("the table has no {name}"));
        Ok(json!({
            "TableName": TABLE,
            "AttributeDefinitions": member("AttributeDefinitions")?,
            "BillingMode": member("BillingMode")?,
            "GlobalSecondaryIndexes": member("GlobalSecondaryIndexes")?,
            "KeySchema": member("KeySchema")?,
        }))
    }

    /// The variables of a function, if the fake AWS is at `endpoint`.
    ///
    /// # Errors
    /// If there is no such function, or a variable has a value that is unknown here.
    pub fn environment(&self, function: &str, endpoint: &str) -> Result<BTreeMap<String, String>> {
        let resources = self.0.get("Resources").and_then(Value::as_object).context("the template has no resources")?;
        let properties = resources
            .values()
            .filter_map(|resource| resource.get("Properties"))
            .find(|properties| {
                let name = properties.pointer("/FunctionName/Sub").and_then(Value::as_str);
                name.is_some_and(|name| name == format!("${{AWS::StackName}}-{function}"))
            })
            .with_context(|| format!("the template has no function {function}"))?;
        let variables = properties.pointer("/Environment/Variables").and_then(Value::as_object);
        let resolved = |(name, value): (&String, &Value)| Ok((name.clone(), self.resolve(value, endpoint)?));
        variables.into_iter().flatten().map(resolved).collect()
    }

    fn resolve(&self, value: &Value, endpoint: &str) -> Result<String> {
        if let Some(text) = value.as_str() {
            return Ok(text.to_owned());
        }
        if value.get("Sub").and_then(Value::as_str).is_some_and(|text| text.contains("${PepperArn.Value}")) {
            return Ok(PEPPER.to_owned());
        }
        if value.get("GetAtt").and_then(Value::as_str) == Some("TableName.Value") {
            return Ok(TABLE.to_owned());
        }
        Ok(match value.get("Ref").and_then(Value::as_str) {
            Some("InvitationQueue" | "BulkQueue") => sqs::queue_url(endpoint),
            Some("MailConfiguration") => "portal-invitations".to_owned(),
            Some("MailFrom") => "portal@mail.example.com".to_owned(),
            Some("PortalBaseUrl") => "https://portal.example.com".to_owned(),
            Some(parameter) => self
                .0
                .pointer(&format!("/Parameters/{parameter}/Default"))
                .and_then(Value::as_str)
                .with_context(|| format!("{parameter} has no known value"))?
                .to_owned(),
            None => bail!("{value} has no known value"),
        })
    }
}
