//! The local stack gets the same template as AWS. What it needs of its own is in `infra/local`.

use serde_json::{Value, json};

use crate::template::{Template, rule};

/// Whether an expression of a condition asks for the local stack.
fn asks_for_the_local_stack(expression: &Value) -> bool {
    match expression {
        Value::Array(items) => {
            items.contains(&json!("local")) && items.contains(&json!({ "Ref": "Stage" }))
                || items.iter().any(asks_for_the_local_stack)
        }
        Value::Object(members) => members.values().any(asks_for_the_local_stack),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[test]
fn no_condition_is_about_the_local_stack() {
    let complaints = |template: &Template| {
        let conditions = template.at("/Conditions").as_object().unwrap();
        let local = conditions.iter().filter(|(_, expression)| asks_for_the_local_stack(expression));
        local.map(|(name, _)| format!("{name} makes the local stack another one than that of AWS")).collect()
    };
    let is_local = json!({ "Fn::Equals": [{ "Ref": "Stage" }, "local"] });
    rule(
        complaints,
        &[
            ("/Conditions/IsLocal", is_local.clone()),
            ("/Conditions/IsAws", json!({ "Fn::Not": [is_local] })),
            ("/Conditions/IsProd", json!({ "Fn::Not": [{ "Fn::Equals": ["local", { "Ref": "Stage" }] }] })),
        ],
    );
}
