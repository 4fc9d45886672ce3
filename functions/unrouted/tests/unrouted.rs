//! The function `unrouted`, from the gateway's events to its answers.

use portal_aws::http::testing::{Sample, Shown};
use unrouted::answer;

#[test]
fn nothing_there() {
    insta::assert_json_snapshot!("not_found", Shown::from(answer(&Sample::of("unrouted/no-such-path").event())));
}

#[test]
fn another_method() {
    insta::assert_json_snapshot!("method", Shown::from(answer(&Sample::of("unrouted/other-method").event())));
}
