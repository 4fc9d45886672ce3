//! Reading a body: only JSON, up to a size limit, with each member once.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::CONTENT_TYPE};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, map::Entry};

use super::{
    HttpEvent,
    fields::Form,
    problem::{Malformed, Problem},
};

/// The longest body that is read, in bytes: 64 KiB. The largest useful body has less than 2 KiB.
const MAX_BYTES: usize = 64 * 1024;

/// The members of a request's body; `None` if it has no body.
pub(super) fn form(event: &HttpEvent) -> Result<Option<Form>, Problem> {
    let Some(text) = event.body.as_deref().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let bytes = if event.is_base64_encoded { decode(text)? } else { text.as_bytes().to_vec() };
    if bytes.len() > MAX_BYTES {
        return Err(Problem::TooLarge);
    }
    if !is_json(&event.headers) {
        return Err(Problem::UnsupportedMediaType);
    }
    // All invalid JSON has the same answer: bad UTF-8, bad syntax, a repeated member, too deep nesting, text after the end.
    let Strict(value) = serde_json::from_slice(&bytes).map_err(|_| Malformed::Body)?;
    Form::read(value).map(Some)
}

fn decode(text: &str) -> Result<Vec<u8>, Problem> {
    // Checked before decoding, which allocates memory.
    if text.len() > MAX_BYTES.div_ceil(3) * 4 {
        return Err(Problem::TooLarge);
    }
    Ok(STANDARD.decode(text).map_err(|_| Malformed::Body)?)
}

/// Whether the body is declared as `application/json`, and as UTF-8 if a charset is given.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    media_type.eq_ignore_ascii_case("application/json") && parts.all(is_utf8_charset)
}

fn is_utf8_charset(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return false;
    };
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    name.eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8")
}

/// A JSON value in which no object has a member twice. `Value` alone would keep the last one, and two programs that read
/// the same body could read different values.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Strict, E> {
        Ok(Strict(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Strict(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Strict, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            match object.entry(name) {
                Entry::Vacant(place) => {
                    let Strict(value) = members.next_value()?;
                    place.insert(value);
                }
                Entry::Occupied(_) => return Err(A::Error::custom("a member occurs twice")),
            }
        }
        Ok(Strict(object.into()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(content_type: Option<&str>, body: &str, is_base64: bool) -> HttpEvent {
        let mut event = json!({
            "headers": {}, "requestContext": { "http": { "method": "PUT" } }, "body": body, "isBase64Encoded": is_base64
        });
        if let Some(content_type) = content_type {
            event["headers"]["content-type"] = json!(content_type);
        }
        serde_json::from_value(event).unwrap()
    }

    fn code(event: &HttpEvent) -> &'static str {
        match form(event) {
            Ok(Some(_)) => "read",
            Ok(None) => "empty",
            Err(problem) => problem.code().name(),
        }
    }

    #[test]
    fn only_json_in_utf_8_is_read() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json;charset=utf-8",
            "application/json ; charset=\"UTF-8\"",
        ] {
            assert_eq!(code(&event(Some(good), "{}", false)), "read", "{good}");
        }
        for bad in [
            None,
            Some(""),
            Some("text/json"),
            Some("application/jsonp"),
            Some("application/json; charset=utf-16"),
            Some("application/json; profile=x"),
            Some("application/json;"),
            Some("application/x-www-form-urlencoded"),
        ] {
            assert_eq!(code(&event(bad, "{}", false)), "unsupported_media_type", "{bad:?}");
        }
    }

    #[test]
    fn the_size_is_checked_first() {
        let fits = format!("{{}}{}", " ".repeat(MAX_BYTES - 2));
        assert_eq!(code(&event(Some("application/json"), &fits, false)), "read");
        assert_eq!(code(&event(Some("application/json"), &STANDARD.encode(&fits), true)), "read");
        let over = format!("{fits} ");
        assert_eq!(code(&event(None, &over, false)), "too_large");
        assert_eq!(code(&event(None, &STANDARD.encode(&over), true)), "too_large");
        assert_eq!(code(&event(None, &"A".repeat(1_000_000), true)), "too_large");
    }

    #[test]
    fn invalid_json_is_malformed() {
        let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
        for bad in [
            "{",
            "nonsense",
            " ",
            "{} {}",
            "{}x",
            "{\"a\":1,}",
            "{\"a\":1,\"a\":1}",
            "{\"x\":{\"a\":1,\"\\u0061\":2}}",
            "{\"a\":1e999}",
            "{\"a\":\"\\ud800\"}",
            "\u{feff}{}",
            &deep,
        ] {
            assert_eq!(code(&event(Some("application/json"), bad, false)), "malformed");
        }
        assert_eq!(code(&event(Some("application/json"), &STANDARD.encode(b"{\"a\":\"\xff\"}"), true)), "malformed");
        assert_eq!(code(&event(Some("application/json"), "not base64!", true)), "malformed");
    }

    #[test]
    fn a_body_may_be_missing_but_must_be_an_object() {
        assert_eq!(code(&event(None, "", false)), "empty");
        assert_eq!(code(&event(None, "", true)), "empty");
        for other in ["null", "[]", "1", "-1", "1.5", "true", "\"x\""] {
            assert_eq!(code(&event(Some("application/json"), other, false)), "invalid_fields", "{other}");
        }
    }
}
