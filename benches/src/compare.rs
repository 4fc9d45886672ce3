//! Comparison of the functions in other languages with ours.

use anyhow::{Context as _, Result, ensure};
use chrono::DateTime;
use serde_json::{Map, Value, json};

use crate::aws::Counts;

/// The result of a variant for an event.
pub struct Outcome<'call> {
    /// The variant's name.
    pub variant: &'call str,
    /// Its answer.
    pub answer: &'call Value,
    /// Its calls to AWS.
    pub aws: &'call Counts,
}

/// Checks that all variants have the same result for the same event as the first one, which is ours: the answer, the calls
/// to AWS, and the units that these read and wrote.
///
/// # Errors
/// If a variant has another result.
pub fn require_same(all: &[Outcome<'_>]) -> Result<()> {
    let Some((ours, others)) = all.split_first() else { return Ok(()) };
    let expected = comparable(ours)?;
    for other in others {
        let (found, variant) = (comparable(other)?, other.variant);
        ensure!(found == expected, "{variant} has another result than ours: {found} instead of {expected}");
    }
    Ok(())
}

/// The parts that must be the same. Of an answer to the gateway these are the status, the headers and the body.
fn comparable(outcome: &Outcome<'_>) -> Result<Value> {
    let Outcome { variant: _, answer, aws } = outcome;
    let answer = match answer.get("statusCode") {
        None => (*answer).clone(),
        Some(status) => {
            let headers = answer["headers"].as_object().into_iter().flatten();
            let headers: Map<_, _> = headers.map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
            let body = serde_json::from_str(answer["body"].as_str().unwrap_or("null")).context("a body is not JSON")?;
            json!({ "status": status, "headers": headers, "body": without_times(body) })
        }
    };
    Ok(json!({ "answer": answer, "calls": aws.calls, "read": aws.read_units, "written": aws.write_units }))
}

/// Removes everything that depends on the time, because the patients of each variant were invited at other times.
fn without_times(value: Value) -> Value {
    match value {
        Value::String(text) if DateTime::parse_from_rfc3339(&text).is_ok() => "a time".into(),
        Value::Object(members) if members.get("code").is_some_and(|code| code == "too_soon") => {
            json!({ "allowed": true })
        }
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, without_times(value))).collect(),
        Value::Array(values) => values.into_iter().map(without_times).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "2026-05-05T12:00:00.000Z";

    fn answer(header: &str, at: &str, version: u32, action: &Value) -> Value {
        let body = json!({ "at": at, "version": version, "actions": [action] });
        json!({ "statusCode": 200, "headers": { header: "\"3\"" }, "body": body.to_string() })
    }

    fn is_same(answer: &Value, aws: &Counts) -> bool {
        let ours = self::answer("etag", NOON, 3, &json!({ "allowed": true }));
        let ours = Outcome { variant: "Rust", answer: &ours, aws: &Counts::default() };
        require_same(&[ours, Outcome { variant: "Other", answer, aws }]).is_ok()
    }

    #[test]
    fn answers_may_differ_in_times_only() {
        let (allowed, too_soon) = (json!({ "allowed": true }), json!({ "allowed": false, "code": "too_soon" }));
        let nothing = Counts::default();
        assert!(is_same(&answer("ETag", "2026-05-05T12:00:01.000Z", 3, &too_soon), &nothing));
        for other in [
            answer("etag", NOON, 4, &allowed),
            answer("etag", "Tuesday", 3, &allowed),
            answer("etag", NOON, 3, &json!({ "allowed": false })),
            answer("expires", NOON, 3, &allowed),
            Value::Null,
        ] {
            assert!(!is_same(&other, &nothing), "{other}");
        }
    }

    #[test]
    fn other_calls_and_other_units_are_an_error() {
        let right = answer("etag", NOON, 3, &json!({ "allowed": true }));
        let calls = [("Scan".to_owned(), 1)].into();
        for aws in [
            Counts { calls, ..Counts::default() },
            Counts { read_units: 0.5, ..Counts::default() },
            Counts { write_units: 2.0, ..Counts::default() },
        ] {
            assert!(!is_same(&right, &aws), "{aws:?}");
        }
    }
}
