//! Writes JSON as YAML, which people can read and compare.

use std::fmt::Write as _;

use serde_json::Value;

/// The text of a document.
pub fn text(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text
}

/// Writes a value at this depth. A string starts on the line of its name. Objects and lists start on the next line.
fn write(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                indent(out, depth);
                out.push_str(&scalar(name));
                out.push(':');
                write_after(out, value, depth);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                indent(out, depth);
                out.push('-');
                write_after(out, item, depth);
            }
        }
        Value::Object(_) => out.push_str("{}\n"),
        Value::Array(_) => out.push_str("[]\n"),
        Value::String(text) => {
            out.push_str(&scalar(text));
            out.push('\n');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let _infallible = writeln!(out, "{value}");
        }
    }
}

/// Writes a value after its name or the hyphen of its item.
fn write_after(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            out.push('\n');
            write(out, value, depth + 1);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            write(out, value, depth + 1);
        }
        Value::String(text) if is_block(text) => block(out, text, depth + 1),
        Value::Object(_) | Value::Array(_) | Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {
            out.push(' ');
            write(out, value, depth + 1);
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    (0..depth).for_each(|_| out.push_str("  "));
}

/// Whether a string is written as a block of lines.
fn is_block(text: &str) -> bool {
    text.contains('\n') && !text.contains('\r') && !text.starts_with([' ', '\n']) && !text.ends_with('\n')
}

fn block(out: &mut String, text: &str, depth: usize) {
    out.push_str(" |-\n");
    for line in text.split('\n') {
        if !line.is_empty() {
            indent(out, depth);
        }
        out.push_str(line);
        out.push('\n');
    }
}

/// A string on one line: without quotes if YAML reads it as the same string, otherwise in quotes, as JSON.
fn scalar(text: &str) -> String {
    let starts_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '$');
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || " /$_-.,()'+{};:".contains(c));
    let like_member = text.contains(": ") || text.ends_with([':', ' ']);
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_word = words.contains(&text.to_lowercase().as_str());
    if starts_plain && is_plain && !like_member && !is_word { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn a_document_has_one_line_for_each_value() {
        let document = json!({
            "openapi": "3.1.1",
            "/v1/{id}": [{ "a": 1, "b": [] }, "x: y", true],
            "text": "one\n\ntwo",
            "no": "No",
        });
        assert_eq!(
            text(&document),
            "openapi: \"3.1.1\"\n/v1/{id}:\n  -\n    a: 1\n    b: []\n  - \"x: y\"\n  - true\ntext: |-\n  one\n\n  two\n\"no\": \"No\"\n"
        );
    }
}
