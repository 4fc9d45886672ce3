//! The table and the functions' environments, as `infra/template.yaml` defines them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use xtask::{
    template::{self, Deployment},
    workspace::Workspace,
};

use crate::aws::sqs;

/// The table's name.
pub const TABLE: &str = "portal";
/// The pepper. It is as long as the generated one of the template.
const PEPPER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The template.
pub struct Template(Value);

impl Template {
    /// Reads the template.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read() -> Result<Self> {
        template::read(&Workspace::locate()?, "infra/template.yaml").map(Self)
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
        let parameters = [("MailFrom", "portal@mail.example.com"), ("PortalBaseUrl", "https://portal.example.com")];
        let parameters = parameters.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let resources = Deployment::new(&self.0, &parameters).resources()?;
        let name = format!("${{AWS::StackName}}-{function}");
        let properties = resources
            .values()
            .filter_map(|resource| resource.get("Properties"))
            .find(|properties| properties.get("FunctionName").is_some_and(|found| *found == name))
            .with_context(|| format!("the template has no function {function}"))?;
        let variables = properties.pointer("/Environment/Variables").and_then(Value::as_object);
        let resolved = |(name, value): (&String, &Value)| Ok((name.clone(), resolve(value, endpoint)?));
        variables.into_iter().flatten().map(resolved).collect()
    }
}

/// The value of a variable that refers to a resource.
fn resolve(value: &Value, endpoint: &str) -> Result<String> {
    if let Some(text) = value.as_str() {
        return Ok(if text.contains("${PepperArn.Value}") { PEPPER } else { text }.to_owned());
    }
    if *value == json!({ "Fn::GetAtt": ["TableName", "Value"] }) {
        return Ok(TABLE.to_owned());
    }
    Ok(match value.get("Ref").and_then(Value::as_str) {
        Some("InvitationQueue" | "BulkQueue") => sqs::queue_url(endpoint),
        Some("MailConfiguration") => "portal-invitations".to_owned(),
        Some(_) | None => bail!("{value} has no known value"),
    })
}
