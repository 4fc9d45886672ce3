//! The stack's AWS APIs, where a test has to do what no client of the product can.

use serde_json::Value;
use ureq::http;
use xtask::{StackFile, stack_file::CREDENTIAL};

use crate::client::exchange;

/// Calls an operation of the table.
pub(crate) fn dynamodb(stack: &StackFile, operation: &str, input: &Value) -> Value {
    call(stack, "dynamodb", &format!("DynamoDB_20120810.{operation}"), input)
}

/// Calls an operation of a queue.
pub(crate) fn sqs(stack: &StackFile, operation: &str, input: &Value) -> Value {
    call(stack, "sqs", &format!("AmazonSQS.{operation}"), input)
}

/// Calls an operation of the event buses.
pub(crate) fn events(stack: &StackFile, operation: &str, input: &Value) -> Value {
    call(stack, "events", &format!("AWSEvents.{operation}"), input)
}

/// The account that the stack is in: part of a queue's URL.
pub(crate) fn account(stack: &StackFile) -> &str {
    stack.queue_url.rsplit('/').nth(1).unwrap()
}

/// Invokes a function, waits for its end, and returns what it answered.
pub(crate) fn invoke(stack: &StackFile, function: &str, event: &Value) -> Value {
    let url = format!("{}/2015-03-31/functions/{}/invocations", stack.aws_endpoint, stack.functions[function]);
    let answer = exchange(request(stack, "lambda", &url).body(event.to_string().into()).unwrap());
    assert_eq!((answer.status, answer.header("x-amz-function-error")), (200, None), "{answer:?}");
    answer.json()
}

fn call(stack: &StackFile, service: &str, target: &str, input: &Value) -> Value {
    let request = request(stack, service, &stack.aws_endpoint)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", target);
    let answer = exchange(request.body(input.to_string().into()).unwrap());
    assert_eq!(answer.status, 200, "{target}: {answer:?}");
    answer.json()
}

/// The local stack looks at whose key it is and at nothing else of the signature.
fn request(stack: &StackFile, service: &str, url: &str) -> http::request::Builder {
    let scope = format!("{CREDENTIAL}/20260101/{}/{service}/aws4_request", stack.region);
    let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    http::Request::post(url).header("authorization", authorization)
}
