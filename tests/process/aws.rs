//! The stack's AWS APIs, for tests that do what no client of the product can do.

use serde_json::Value;
use ureq::http;
use xtask::{
    StackFile,
    aws::{authorization, call},
};

use crate::{client::exchange, wait::eventually};

/// Calls an operation of the table.
pub(crate) fn dynamodb(stack: &StackFile, operation: &str, input: &Value) -> Value {
    call(stack, "dynamodb", &format!("DynamoDB_20120810.{operation}"), input).unwrap()
}

/// Calls an operation of a queue.
pub(crate) fn sqs(stack: &StackFile, operation: &str, input: &Value) -> Value {
    call(stack, "sqs", &format!("AmazonSQS.{operation}"), input).unwrap()
}

/// Calls an operation of the event buses.
pub(crate) fn events(stack: &StackFile, operation: &str, input: &Value) -> Value {
    call(stack, "events", &format!("AWSEvents.{operation}"), input).unwrap()
}

/// The stack's AWS account, read from the queue's URL.
pub(crate) fn account(stack: &StackFile) -> &str {
    stack.queue_url.rsplit('/').nth(1).unwrap()
}

/// Invokes a function, waits for its end, and returns its answer.
pub(crate) fn invoke(stack: &StackFile, function: &str, event: &Value) -> Value {
    invoke_by_name(stack, &stack.functions[function], event)
}

/// Invokes a function by its name in Lambda, which may be another stack's.
pub(crate) fn invoke_by_name(stack: &StackFile, name: &str, event: &Value) -> Value {
    let url = format!("{}/2015-03-31/functions/{name}/invocations", stack.aws_endpoint);
    let request = http::Request::post(url).header("authorization", authorization(stack, "lambda"));
    let answer = exchange(request.body(event.to_string().into()).unwrap());
    assert_eq!((answer.status, answer.header("x-amz-function-error")), (200, None), "{answer:?}");
    answer.json()
}

/// Makes the sender process a batch. A message that failed is delivered again, as the queue does it, because on a busy
/// machine the table may answer too late.
pub(crate) fn process_batch(stack: &StackFile, batch: &Value) {
    let mut batch = batch.clone();
    eventually("every message of the batch is processed", || {
        let answer = invoke(stack, "sender", &batch);
        let failures = answer["batchItemFailures"].as_array().unwrap();
        let failed = |record: &Value| failures.iter().any(|failure| failure["itemIdentifier"] == record["messageId"]);
        batch["Records"].as_array_mut().unwrap().retain(failed);
        failures.is_empty().then_some(())
    });
}

/// Calls an operation of a service that speaks forms and XML, and returns its answer, which may be an error.
pub(crate) fn query(stack: &StackFile, service: &str, action: &str, parameters: &[(&str, &str)]) -> String {
    let version = match service {
        "cloudformation" => "2010-05-15",
        "iam" => "2010-05-08",
        "sts" => "2011-06-15",
        _ => unreachable!("add the version of {service} here"),
    };
    let form = [("Action", action), ("Version", version)].into_iter().chain(parameters.iter().copied());
    let request = ureq::post(&stack.aws_endpoint).header("authorization", authorization(stack, service));
    let request = request.config().http_status_as_error(false).build();
    request.send_form(form).unwrap().body_mut().read_to_string().unwrap()
}

/// The text of the first element of this name in an XML document.
pub(crate) fn element(document: &str, name: &str) -> String {
    let text = document.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once("</"));
    let text = text.unwrap_or_else(|| unreachable!("no {name}: {document}")).0;
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, character)| text.replace(escaped, character))
}
