//! Jobs in the API's answers.

use crate::fake_api::{Reply, reply};
use serde_json::{Value, json};

/// The sentence of a refusal.
pub const IN_USE: &str = "This email address cannot be used: ask for a different address.";

/// A job of three patients in this state, who had these outcomes so far.
pub fn job(id: &str, state: &str, counts: &Value) -> Value {
    let processed: u64 = counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    json!({
        "jobId": id, "dryRun": false, "audience": "patientIds", "state": state, "total": 3, "processed": processed,
        "createdAt": "2026-05-05T12:00:00.000Z", "updatedAt": "2026-05-05T12:00:01.000Z", "counts": counts,
    })
}

/// A page of results: patient and outcome.
pub fn results(results: &[(&str, &str)], next: Option<&str>) -> Reply {
    let sentence = |outcome: &str| if outcome == "email_in_use" { IN_USE } else { "Another sentence." };
    let results: Vec<Value> = results
        .iter()
        .map(|(id, outcome)| json!({ "patientId": id, "outcome": outcome, "sentence": sentence(outcome) }))
        .collect();
    let mut page = json!({ "results": results });
    if let Some(next) = next {
        page["next"] = json!(next);
    }
    reply(200, &page)
}
