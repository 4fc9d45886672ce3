//! Names and values of DynamoDB expressions. Every attribute is written as `#name`, because many names are reserved words.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};

/// The attribute names that the expressions use, as a request declares them.
pub(super) fn names(expressions: &[&str]) -> HashMap<String, String> {
    placeholders(expressions, '#').into_iter().map(|name| (format!("#{name}"), name.to_owned())).collect()
}

/// Those of the values that the expressions use. DynamoDB rejects a request with an unused value.
pub(super) fn values<const N: usize>(
    expressions: &[&str],
    all: [(&'static str, AttributeValue); N],
) -> HashMap<String, AttributeValue> {
    let used = placeholders(expressions, ':');
    let is_used = |name: &str| name.strip_prefix(':').is_some_and(|name| used.contains(name));
    all.into_iter().filter(|(name, _)| is_used(name)).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn placeholders<'text>(expressions: &[&'text str], mark: char) -> HashSet<&'text str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let after_marks = expressions.iter().flat_map(|text| text.split(mark).skip(1));
    after_marks.filter_map(|rest| rest.split(|c| !is_name(c)).next()).collect()
}

/// A string attribute.
pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// A number attribute.
pub(super) fn number(number: impl ToString + Copy) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// An instant as a number attribute: milliseconds since 1970.
pub(super) fn millis(at: DateTime<Utc>) -> AttributeValue {
    number(at.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_exactly_those_used() {
        let used = ["SET #a = :one, #list[2] = list_append(#list, :two)", "#b_c <= :one"];
        let mut found: Vec<_> = names(&used).into_values().collect();
        found.sort();
        assert_eq!(found, ["a", "b_c", "list"]);
        let values = values(&used, [(":one", number(1)), (":on", number(2)), (":two", text("x"))]);
        assert_eq!(values.len(), 2);
        assert_eq!(values.get(":one"), Some(&number(1)));
    }
}
