//! Whether the functions in other languages answer as ours do.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use chrono::DateTime;
use serde_json::{Map, Value, json};

use crate::variant::OURS;

/// Holds the answers of all variants, by their names, to the same event against ours.
///
/// # Errors
/// The first that is another one.
pub fn require(answers: &BTreeMap<String, Value>) -> Result<()> {
    let ours = comparable(answers.get(OURS).context("we have not answered")?)?;
    for (variant, answer) in answers {
        let theirs = comparable(answer)?;
        ensure!(theirs == ours, "{variant} answers {theirs} where we answer {ours}");
    }
    Ok(())
}

/// What has to be the same in an answer to the gateway; of any other answer, all of it.
fn comparable(answer: &Value) -> Result<Value> {
    let Some(status) = answer.get("statusCode") else { return Ok(answer.clone()) };
    let headers = answer["headers"].as_object().into_iter().flatten();
    let headers: Map<_, _> = headers.map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
    let body = answer["body"].as_str().unwrap_or("null");
    let body: Value = serde_json::from_str(body).context("the body is no JSON")?;
    Ok(json!({ "status": status, "headers": headers, "body": timeless(body) }))
}

/// The same without what depends on when it was asked: each variant has patients of its own, who were invited at other times.
fn timeless(value: Value) -> Value {
    match value {
        Value::String(text) if DateTime::parse_from_rfc3339(&text).is_ok() => "a time".into(),
        Value::Object(members) if members.get("code").is_some_and(|code| code == "too_soon") => json!({ "allowed": true }),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, timeless(value))).collect(),
        Value::Array(values) => values.into_iter().map(timeless).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(header: &str, body: &Value) -> Value {
        json!({ "statusCode": 200, "headers": { header: "\"3\"" }, "body": body.to_string() })
    }

    fn same(ours: &Value, theirs: &Value) -> bool {
        require(&BTreeMap::from([(OURS.to_owned(), ours.clone()), ("Other".to_owned(), theirs.clone())])).is_ok()
    }

    #[test]
    fn answers_differ_in_times_only() {
        let body = |at: &str, version: u32, action: &Value| {
            json!({ "at": at, "version": version, "actions": [action] })
        };
        let (allowed, too_soon) = (json!({ "allowed": true }), json!({ "allowed": false, "code": "too_soon" }));
        let ours = answer("etag", &body("2026-05-05T12:00:00.000Z", 3, &allowed));
        assert!(same(&ours, &answer("ETag", &body("2026-05-05T12:00:01.000Z", 3, &too_soon))));
        assert!(!same(&ours, &answer("etag", &body("2026-05-05T12:00:00.000Z", 4, &allowed))));
        assert!(!same(&ours, &answer("etag", &body("Tuesday", 3, &allowed))));
        assert!(!same(&ours, &answer("etag", &body("2026-05-05T12:00:00.000Z", 3, &json!({ "allowed": false })))));
        assert!(!same(&ours, &answer("expires", &body("2026-05-05T12:00:00.000Z", 3, &allowed))));
    }

    #[test]
    fn answers_to_others_than_the_gateway_are_compared_whole() {
        assert!(same(&Value::Null, &Value::Null));
        assert!(!same(&Value::Null, &json!({ "batchItemFailures": [] })));
    }
}
