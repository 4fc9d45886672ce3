//! Whether the functions in other languages do what ours do.

use anyhow::{Context as _, Result, ensure};
use chrono::DateTime;
use serde_json::{Map, Value, json};

use crate::aws::Counts;

/// What a variant has made of an event.
pub struct Done<'call> {
    /// Which variant.
    pub variant: &'call str,
    /// What it answered.
    pub answer: &'call Value,
    /// What it asked of AWS for it.
    pub aws: &'call Counts,
}

/// Holds what the other variants have made of the same event against the first, ours: the same answer, by the same calls,
/// that read and wrote as much.
///
/// # Errors
/// The first that has made something else of it.
pub fn require(all: &[Done<'_>]) -> Result<()> {
    let Some((ours, others)) = all.split_first() else { return Ok(()) };
    let expected = comparable(ours)?;
    for other in others {
        let (done, variant) = (comparable(other)?, other.variant);
        ensure!(done == expected, "{variant} does not do the same as we do: {done} for {expected}");
    }
    Ok(())
}

/// What has to be the same: of an answer to the gateway its status, its headers and its body, of any other all.
fn comparable(done: &Done<'_>) -> Result<Value> {
    let Done { variant: _, answer, aws } = done;
    let answer = match answer.get("statusCode") {
        None => (*answer).clone(),
        Some(status) => {
            let headers = answer["headers"].as_object().into_iter().flatten();
            let headers: Map<_, _> = headers.map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
            let body = serde_json::from_str(answer["body"].as_str().unwrap_or("null")).context("a body is no JSON")?;
            json!({ "status": status, "headers": headers, "body": timeless(body) })
        }
    };
    Ok(json!({ "answer": answer, "calls": aws.calls, "read": aws.read_units, "written": aws.write_units }))
}

/// The same without what depends on the time: each variant has patients of its own, who were invited at other times.
fn timeless(value: Value) -> Value {
    match value {
        Value::String(text) if DateTime::parse_from_rfc3339(&text).is_ok() => "a time".into(),
        Value::Object(members) if members.get("code").is_some_and(|code| code == "too_soon") => {
            json!({ "allowed": true })
        }
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, timeless(value))).collect(),
        Value::Array(values) => values.into_iter().map(timeless).collect(),
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

    fn same(answer: &Value, aws: &Counts) -> bool {
        let ours = self::answer("etag", NOON, 3, &json!({ "allowed": true }));
        let ours = Done { variant: "Rust", answer: &ours, aws: &Counts::default() };
        require(&[ours, Done { variant: "Other", answer, aws }]).is_ok()
    }

    #[test]
    fn answers_differ_in_times_only() {
        let (allowed, too_soon) = (json!({ "allowed": true }), json!({ "allowed": false, "code": "too_soon" }));
        let nothing = Counts::default();
        assert!(same(&answer("ETag", "2026-05-05T12:00:01.000Z", 3, &too_soon), &nothing));
        for other in [
            answer("etag", NOON, 4, &allowed),
            answer("etag", "Tuesday", 3, &allowed),
            answer("etag", NOON, 3, &json!({ "allowed": false })),
            answer("expires", NOON, 3, &allowed),
            Value::Null,
        ] {
            assert!(!same(&other, &nothing), "{other}");
        }
    }

    #[test]
    fn other_calls_and_other_items_are_noticed() {
        let right = answer("etag", NOON, 3, &json!({ "allowed": true }));
        let calls = [("Scan".to_owned(), 1)].into();
        for aws in [
            Counts { calls, ..Counts::default() },
            Counts { read_units: 0.5, ..Counts::default() },
            Counts { write_units: 2.0, ..Counts::default() },
        ] {
            assert!(!same(&right, &aws), "{aws:?}");
        }
    }
}
