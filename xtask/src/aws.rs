//! The AWS APIs of the local stack, for tests that need more than the product's API.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    StackFile,
    stack_file::{CREDENTIAL, STACK_NAME},
};

/// Calls an operation of a JSON service by its full name, such as `DynamoDB_20120810.GetItem`.
///
/// # Errors
///
/// If the stack does not answer, or answers with an error.
pub fn call(stack: &StackFile, service: &str, target: &str, input: &Value) -> Result<Value> {
    let request = ureq::post(&stack.aws_endpoint)
        .header("authorization", authorization(stack, service))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", target);
    read(request.send(input.to_string())).with_context(|| format!("{target} failed"))
}

/// The signature header of a request to a service. The local stack checks only the access key in it.
#[must_use]
pub fn authorization(stack: &StackFile, service: &str) -> String {
    let scope = format!("{CREDENTIAL}/20260101/{}/{service}/aws4_request", stack.region);
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
}

/// Every item of the table, unordered. Only tests may read the whole table.
///
/// # Errors
///
/// As for [`call`].
pub fn items(stack: &StackFile) -> Result<Vec<Value>> {
    let input = json!({ "TableName": stack.table, "ConsistentRead": true });
    let scan = ["DynamoDB_20120810.Scan", "Items", "LastEvaluatedKey", "ExclusiveStartKey"];
    pages(stack, "dynamodb", scan, input)
}

/// Every line of every log of the stack, in CloudWatch: those of the functions, and the API's.
///
/// # Errors
///
/// As for [`call`].
pub fn log_lines(stack: &StackFile) -> Result<Vec<String>> {
    let list = |operation, list, input| {
        pages(stack, "logs", [&format!("Logs_20140328.{operation}"), list, "nextToken", "nextToken"], input)
    };
    let mut lines = Vec::new();
    for group in list("DescribeLogGroups", "logGroups", json!({}))? {
        let name = group.get("logGroupName").and_then(Value::as_str).unwrap_or_default();
        // Tests may delete those of other stacks at this moment.
        if !name.contains(&format!("/{STACK_NAME}-")) {
            continue;
        }
        let events = list("FilterLogEvents", "events", json!({ "logGroupName": name }))?;
        lines.extend(events.iter().filter_map(|event| Some(event.get("message")?.as_str()?.to_owned())));
    }
    Ok(lines)
}

/// Every message of every queue, visible or in flight. They are read without being received.
///
/// # Errors
///
/// If the stack does not answer.
pub fn messages(stack: &StackFile) -> Result<Vec<Value>> {
    let url = format!("{}/_ministack/sqs/messages", stack.aws_endpoint);
    let accounts = read(ureq::get(&url).call()).context("the queues cannot be read")?;
    let queues = members(&accounts).flat_map(members).flat_map(members).flat_map(members);
    Ok(queues.flat_map(|queue| queue.as_array().into_iter().flatten()).cloned().collect())
}

/// Every entry of a paged list. The names are those of the operation, of the list in its answer, of the cursor in its
/// answer, and of the cursor in its input.
fn pages(
    stack: &StackFile,
    service: &str,
    [target, list, cursor_out, cursor_in]: [&str; 4],
    mut input: Value,
) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    loop {
        let page = call(stack, service, target, &input)?;
        all.extend(page.get(list).and_then(Value::as_array).into_iter().flatten().cloned());
        match (page.get(cursor_out), input.as_object_mut()) {
            (Some(next), Some(input)) if !next.is_null() => input.insert(cursor_in.to_owned(), next.clone()),
            _ => return Ok(all),
        };
    }
}

fn members(object: &Value) -> impl Iterator<Item = &Value> {
    object.as_object().into_iter().flat_map(serde_json::Map::values)
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value> {
    // A page of a log or of a table is longer than the default limit.
    Ok(answer?.body_mut().with_config().limit(u64::MAX).read_json()?)
}
