//! Reading a body's members into domain types, with every mistake reported at once.
//!
//! The members are taken one by one instead of by a derived `Deserialize`, which stops at the first mistake and tells
//! an unknown member from a missing one in prose only.

use chrono::{DateTime, Utc};
use portal::email::EmailAddress;
use serde::Serialize;
use serde_json::{Map, Value};

use super::problem::Problem;

/// What is wrong with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldCode {
    /// It is missing, or null.
    Required,
    /// It is another JSON type than it should be.
    WrongType,
    /// The object has a member that nothing knows.
    UnknownField,
    /// Its value is not one that it may have.
    Invalid,
    /// It is not an email address.
    EmailInvalid,
}

/// One mistake, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// A JSON pointer to the member; for an unknown one to its object, because its name is the client's text.
    pub pointer: String,
    /// What is wrong.
    pub code: FieldCode,
}

/// An object's members, and the mistakes found so far. The members are the client's texts, hence no `Debug`.
pub struct Form {
    members: Map<String, Value>,
    pointer: String,
    errors: Vec<FieldError>,
}

impl Form {
    /// Takes the body.
    ///
    /// # Errors
    /// [`Problem::Invalid`] if it is not an object.
    pub(super) fn read(body: Value) -> Result<Self, Problem> {
        match body {
            Value::Object(members) => Ok(Self { members, ..Self::empty() }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Problem::Invalid(vec![FieldError { pointer: String::new(), code: FieldCode::WrongType }]))
            }
        }
    }

    /// The form of a body that is not there.
    pub(super) fn empty() -> Self {
        Self { members: Map::new(), pointer: String::new(), errors: Vec::new() }
    }

    fn refuse(&mut self, name: &str, code: FieldCode) {
        self.errors.push(FieldError { pointer: format!("{}/{name}", self.pointer), code });
    }

    /// Takes a member that must be there. `None` is always accompanied by a mistake that [`Self::finish`] reports.
    pub fn required<T>(&mut self, name: &'static str, parse: impl FnOnce(&Value) -> Result<T, FieldCode>) -> Option<T> {
        if self.members.get(name).is_none_or(Value::is_null) {
            self.members.remove(name);
            self.refuse(name, FieldCode::Required);
        }
        self.optional(name, parse)
    }

    /// Takes a member that may be missing or null.
    pub fn optional<T>(&mut self, name: &'static str, parse: impl FnOnce(&Value) -> Result<T, FieldCode>) -> Option<T> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        parse(&value).map_err(|code| self.refuse(name, code)).ok()
    }

    /// Reads an object within the object, if it is there.
    pub fn nested<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let object = |value: &Value| value.as_object().cloned().ok_or(FieldCode::WrongType);
        let members = self.optional(name, object)?;
        let mut inner = Self { members, pointer: format!("{}/{name}", self.pointer), errors: Vec::new() };
        let value = read(&mut inner);
        inner.refuse_unknown();
        self.errors.append(&mut inner.errors);
        value
    }

    /// Reports the object itself as wrong if nothing could be made of its members together, though each is right.
    pub fn whole<T>(&mut self, value: Option<T>) -> Option<T> {
        if value.is_none() && self.errors.is_empty() {
            self.errors.push(FieldError { pointer: self.pointer.clone(), code: FieldCode::Invalid });
        }
        value
    }

    fn refuse_unknown(&mut self) {
        if !self.members.is_empty() {
            self.errors.push(FieldError { pointer: self.pointer.clone(), code: FieldCode::UnknownField });
        }
    }

    /// Hands out what was made of the members.
    ///
    /// # Errors
    /// [`Problem::Invalid`] with every mistake, members that nothing took included.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Problem> {
        self.refuse_unknown();
        value.filter(|_| self.errors.is_empty()).ok_or(Problem::Invalid(self.errors))
    }
}

/// Reads text by its own parser.
pub fn text<T, E>(parse: impl FnOnce(&str) -> Result<T, E>) -> impl FnOnce(&Value) -> Result<T, FieldCode> {
    |value| parse(value.as_str().ok_or(FieldCode::WrongType)?).map_err(|_| FieldCode::Invalid)
}

/// Reads an email address.
///
/// # Errors
/// [`FieldCode::WrongType`], [`FieldCode::EmailInvalid`]
pub fn email(value: &Value) -> Result<EmailAddress, FieldCode> {
    EmailAddress::parse(value.as_str().ok_or(FieldCode::WrongType)?).map_err(|_| FieldCode::EmailInvalid)
}

/// Reads an instant in RFC 3339, of whatever offset, as whole milliseconds in UTC.
///
/// # Errors
/// [`FieldCode::WrongType`], [`FieldCode::Invalid`]
pub fn instant(value: &Value) -> Result<DateTime<Utc>, FieldCode> {
    // The parser would also take the minus sign of typesetters.
    let text = Some(value.as_str().ok_or(FieldCode::WrongType)?).filter(|text| text.is_ascii());
    let at = DateTime::parse_from_rfc3339(text.ok_or(FieldCode::Invalid)?).map_err(|_| FieldCode::Invalid)?;
    // A leap second has no milliseconds of its own: it is the first of the minute after.
    DateTime::from_timestamp_millis(at.timestamp_millis()).ok_or(FieldCode::Invalid)
}

/// Reads `true` or `false`.
///
/// # Errors
/// [`FieldCode::WrongType`]
pub fn flag(value: &Value) -> Result<bool, FieldCode> {
    value.as_bool().ok_or(FieldCode::WrongType)
}

/// Reads a small number.
///
/// # Errors
/// [`FieldCode::WrongType`], [`FieldCode::Invalid`] if it is negative, broken or above 255.
pub fn small_number(value: &Value) -> Result<u8, FieldCode> {
    let number = value.as_number().ok_or(FieldCode::WrongType)?;
    number.as_u64().and_then(|number| u8::try_from(number).ok()).ok_or(FieldCode::Invalid)
}

/// Reads a list, each item by the same parser.
pub fn list<T>(item: impl Fn(&Value) -> Result<T, FieldCode>) -> impl FnOnce(&Value) -> Result<Vec<T>, FieldCode> {
    move |value| value.as_array().ok_or(FieldCode::WrongType)?.iter().map(item).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors(problem: &Problem) -> Value {
        let Problem::Invalid(errors) = problem else { panic!("{problem:?}") };
        serde_json::to_value(errors).unwrap()
    }

    #[test]
    fn every_mistake_is_reported_and_no_text_of_the_client() {
        let body =
            json!({ "name": 7, "days": 300, "more": { "on": "yes", "secret": 1 }, "x": 1, "y": 2, "email": "no" });
        let mut form = Form::read(body).unwrap();
        form.required("name", text(|text| Ok::<_, ()>(text.to_owned())));
        form.required("days", small_number);
        form.required("absent", flag);
        form.optional("email", email);
        form.nested("more", |more| more.optional("on", flag));
        assert_eq!(
            errors(&form.finish(Some(())).unwrap_err()),
            json!([
                { "pointer": "/name", "code": "wrong_type" },
                { "pointer": "/days", "code": "invalid" },
                { "pointer": "/absent", "code": "required" },
                { "pointer": "/email", "code": "email_invalid" },
                { "pointer": "/more/on", "code": "wrong_type" },
                { "pointer": "/more", "code": "unknown_field" },
                { "pointer": "", "code": "unknown_field" },
            ])
        );
    }

    #[test]
    fn null_is_the_same_as_missing() {
        let mut form = Form::read(json!({ "a": null, "b": null, "c": null })).unwrap();
        assert_eq!(form.optional("a", flag), None);
        assert_eq!(form.nested("b", |_| Some(1)), None);
        assert_eq!(form.required("c", flag), None);
        assert_eq!(errors(&form.finish(Some(())).unwrap_err()), json!([{ "pointer": "/c", "code": "required" }]));
    }

    #[test]
    fn an_instant_is_the_same_in_every_offset() {
        let read = |text: &str| instant(&json!(text)).map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
        for (text, utc) in [
            ("2026-05-05T12:00:00Z", "2026-05-05T12:00:00.000Z"),
            ("2026-05-05T12:00:00.5Z", "2026-05-05T12:00:00.500Z"),
            ("2026-05-05T12:00:00.123999999Z", "2026-05-05T12:00:00.123Z"),
            ("2026-05-05T02:00:00.123+14:00", "2026-05-04T12:00:00.123Z"),
            ("2026-05-05T23:59:59.999-12:00", "2026-05-06T11:59:59.999Z"),
            ("2026-05-05t12:00:00z", "2026-05-05T12:00:00.000Z"),
            ("2026-05-05T12:00:00-00:00", "2026-05-05T12:00:00.000Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(utc), "{text}");
        }
        for text in [
            "",
            "now",
            "2026-05-05",
            "2026-05-05T12:00:00",
            "2026-05-05T12:00Z",
            "2026-05-05T12:00:00+0200",
            "2026-05-05T24:00:00Z",
            "2026-02-30T12:00:00Z",
            "2026-05-05T12:00:00+24:00",
            "2026-05-05T12:00:00Z ",
            "2026-05-05T12:00:00.Z",
            "+12026-05-05T12:00:00Z",
            "1777982400000",
            "2026-05-05T12:00:00\u{2212}02:00",
        ] {
            assert_eq!(read(text), Err(FieldCode::Invalid), "{text}");
        }
        assert_eq!(instant(&json!(1_777_982_400_000_u64)), Err(FieldCode::WrongType));
    }

    #[test]
    fn lists_have_items_of_one_kind() {
        assert_eq!(list(small_number)(&json!([1, 2])), Ok(vec![1, 2]));
        assert_eq!(list(small_number)(&json!([1, "2"])), Err(FieldCode::WrongType));
        assert_eq!(list(small_number)(&json!([1, -2])), Err(FieldCode::Invalid));
        assert_eq!(list(small_number)(&json!({})), Err(FieldCode::WrongType));
    }
}
