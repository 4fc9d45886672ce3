//! Reading the members of a body into domain types. All mistakes are reported together.
//!
//! A derived `Deserialize` is not used: it stops at the first mistake, and only the text of its error distinguishes an
//! unknown member from a missing one.

use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use portal::{email::EmailAddress, record::guards::Recipient, text::CloseReason};
use serde_json::{Map, Value};

use super::{
    field_error::{FieldCode, FieldError},
    problem::Problem,
    value::{Instant, Shape},
};

/// How the value of a member is read. `Json` is its type in the API's description.
pub struct Field<Parse, Json> {
    parse: Parse,
    #[cfg(feature = "describe")]
    about: Option<&'static str>,
    json: PhantomData<Json>,
}

impl<T, Parse: Fn(&Value) -> Result<T, FieldCode>, Json: Shape> Field<Parse, Json> {
    /// A field that `parse` reads.
    pub const fn new(parse: Parse) -> Self {
        Self {
            parse,
            #[cfg(feature = "describe")]
            about: None,
            json: PhantomData,
        }
    }

    /// What the API's description says of the member.
    #[must_use]
    pub fn about(self, #[cfg_attr(not(feature = "describe"), expect(unused))] text: &'static str) -> Self {
        Self {
            #[cfg(feature = "describe")]
            about: Some(text),
            ..self
        }
    }

    /// A field whose value is parsed further by `next`, with the type `Other` in the API's description.
    pub fn then<U, Other: Shape>(
        self,
        next: impl Fn(T) -> Option<U>,
    ) -> Field<impl Fn(&Value) -> Result<U, FieldCode>, Other> {
        Field::new(move |value: &Value| next((self.parse)(value)?).ok_or(FieldCode::Invalid))
    }
}

/// The members of an object, and the mistakes found so far. There is no `Debug`, because the members can be personal data.
pub struct Form {
    members: Map<String, Value>,
    pointer: String,
    errors: Vec<FieldError>,
    /// When the API is described, records which members are read.
    #[cfg(feature = "describe")]
    recorder: Option<describe::Recorder>,
}

impl Form {
    /// Takes the members of a body.
    ///
    /// # Errors
    /// [`Problem::Invalid`] if it is not an object.
    pub(super) fn read(body: Value) -> Result<Self, Problem> {
        match body {
            Value::Object(members) => Ok(Self::new(members, String::new())),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Problem::Invalid(vec![FieldError { pointer: String::new(), code: FieldCode::WrongType }]))
            }
        }
    }

    /// The form of a missing body.
    pub(super) fn empty() -> Self {
        Self::new(Map::new(), String::new())
    }

    fn new(members: Map<String, Value>, pointer: String) -> Self {
        Self {
            members,
            pointer,
            errors: Vec::new(),
            #[cfg(feature = "describe")]
            recorder: None,
        }
    }

    fn refuse(&mut self, name: &str, code: FieldCode) {
        self.errors.push(FieldError { pointer: format!("{}/{name}", self.pointer), code });
    }

    /// Takes a required member. If the result is `None`, [`Self::finish`] reports a mistake.
    pub fn required<T, Json: Shape>(
        &mut self,
        name: &'static str,
        field: Field<impl Fn(&Value) -> Result<T, FieldCode>, Json>,
    ) -> Option<T> {
        #[cfg(feature = "describe")]
        if let Some(recorder) = &self.recorder {
            return recorder.member(name, true, &field);
        }
        if self.members.get(name).is_none_or(Value::is_null) {
            self.members.remove(name);
            self.refuse(name, FieldCode::Required);
        }
        self.optional(name, field)
    }

    /// Takes a member that may be missing or null.
    pub fn optional<T, Json: Shape>(
        &mut self,
        name: &'static str,
        field: Field<impl Fn(&Value) -> Result<T, FieldCode>, Json>,
    ) -> Option<T> {
        #[cfg(feature = "describe")]
        if let Some(recorder) = &self.recorder {
            return recorder.member(name, false, &field);
        }
        self.take(name, field.parse)
    }

    fn take<T>(&mut self, name: &'static str, parse: impl FnOnce(&Value) -> Result<T, FieldCode>) -> Option<T> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        parse(&value).map_err(|code| self.refuse(name, code)).ok()
    }

    /// Reads an object within the object, if it is present.
    pub fn nested<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        #[cfg(feature = "describe")]
        if let Some(recorder) = &self.recorder {
            return recorder.nested(name, read);
        }
        let members = self.take(name, |value| value.as_object().cloned().ok_or(FieldCode::WrongType))?;
        let mut inner = Self::new(members, format!("{}/{name}", self.pointer));
        let value = read(&mut inner);
        inner.refuse_unknown();
        self.errors.append(&mut inner.errors);
        value
    }

    /// Takes the value of all members together. Without one, the object is reported as invalid, unless a member already is.
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

    /// Returns the value that was read from the members.
    ///
    /// # Errors
    /// [`Problem::Invalid`] with every mistake. A member that was not read is a mistake.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Problem> {
        self.refuse_unknown();
        value.filter(|_| self.errors.is_empty()).ok_or(Problem::Invalid(self.errors))
    }
}

/// Reads a string with a parser.
pub fn text<T: Shape, E>(parse: impl Fn(&str) -> Result<T, E>) -> Field<impl Fn(&Value) -> Result<T, FieldCode>, T> {
    text_like(parse)
}

/// Reads a string with a parser. The API's description has the type `Json` instead of the parsed one.
pub fn text_like<T, E, Json: Shape>(
    parse: impl Fn(&str) -> Result<T, E>,
) -> Field<impl Fn(&Value) -> Result<T, FieldCode>, Json> {
    Field::new(move |value: &Value| parse(value.as_str().ok_or(FieldCode::WrongType)?).map_err(|_| FieldCode::Invalid))
}

/// Reads an email address.
#[must_use]
pub fn email() -> Field<impl Fn(&Value) -> Result<EmailAddress, FieldCode>, EmailAddress> {
    Field::new(|value: &Value| {
        EmailAddress::parse(value.as_str().ok_or(FieldCode::WrongType)?).map_err(|_| FieldCode::EmailInvalid)
    })
}

/// Reads an instant in RFC 3339, with any offset, as whole milliseconds in UTC.
#[must_use]
pub fn instant() -> Field<impl Fn(&Value) -> Result<DateTime<Utc>, FieldCode>, Instant> {
    Field::new(parse_instant)
}

fn parse_instant(value: &Value) -> Result<DateTime<Utc>, FieldCode> {
    // The parser would also accept the Unicode minus sign.
    let text = Some(value.as_str().ok_or(FieldCode::WrongType)?).filter(|text| text.is_ascii());
    let at = DateTime::parse_from_rfc3339(text.ok_or(FieldCode::Invalid)?).map_err(|_| FieldCode::Invalid)?;
    // A leap second has no milliseconds of its own: it becomes the first second of the next minute.
    DateTime::from_timestamp_millis(at.timestamp_millis()).ok_or(FieldCode::Invalid)
}

/// Reads `true` or `false`.
#[must_use]
pub fn flag() -> Field<impl Fn(&Value) -> Result<bool, FieldCode>, bool> {
    Field::new(|value: &Value| value.as_bool().ok_or(FieldCode::WrongType))
}

/// Reads a small number. It is invalid if it is negative, has a fraction or is above 255.
#[must_use]
pub fn small_number() -> Field<impl Fn(&Value) -> Result<u8, FieldCode>, u8> {
    Field::new(|value: &Value| {
        let number = value.as_number().ok_or(FieldCode::WrongType)?;
        number.as_u64().and_then(|number| u8::try_from(number).ok()).ok_or(FieldCode::Invalid)
    })
}

/// Reads a list of items that have the same parser.
pub fn list<T, Json: Shape>(
    item: Field<impl Fn(&Value) -> Result<T, FieldCode>, Json>,
) -> Field<impl Fn(&Value) -> Result<Vec<T>, FieldCode>, Vec<Json>>
where
    Vec<Json>: Shape,
{
    Field::new(move |value: &Value| value.as_array().ok_or(FieldCode::WrongType)?.iter().map(&item.parse).collect())
}

/// Reads the body of a command that invites.
///
/// # Errors
/// [`Problem::Invalid`]
pub fn recipient(mut form: Form) -> Result<Recipient, Problem> {
    let about = "The address to invite to, instead of the usual one. It is not saved to the profile.";
    let email = form.optional("email", email().about(about));
    let about = "Whether a person has confirmed the address with the patient, although mail to it bounced. \
                 The timeline keeps it.";
    let confirmed = form.optional("addressConfirmed", flag().about(about)).unwrap_or_default();
    form.finish(Some(Recipient { email, confirmed }))
}

/// Reads the body of a command that needs an email address.
///
/// # Errors
/// [`Problem::Invalid`]
pub fn new_email(mut form: Form) -> Result<EmailAddress, Problem> {
    let given = form.required("email", email().about("The address that the patient will log in with."));
    form.finish(given)
}

/// Reads the reason for closing an account.
///
/// # Errors
/// [`Problem::Invalid`]
pub fn close_reason(mut form: Form) -> Result<CloseReason, Problem> {
    let about = "Why the account is closed. The history keeps it.";
    let given = form.required("reason", text(CloseReason::parse).about(about));
    form.finish(given)
}

/// Reads a body that has no members.
///
/// # Errors
/// [`Problem::Invalid`]
pub fn no_members(form: Form) -> Result<(), Problem> {
    form.finish(Some(()))
}

/// The JSON Schema of a body, derived from the function that reads it.
#[cfg(feature = "describe")]
pub mod describe {
    use std::{cell::RefCell, rc::Rc};

    use schemars::{Schema, SchemaGenerator, json_schema};
    use serde_json::{Map, Value, json};

    use super::{Field, Form, Problem, Shape};

    /// Makes the schema of a member. The text is the name of its object's schema.
    type MakeSchema = Box<dyn FnOnce(&mut SchemaGenerator, &str) -> Schema>;

    struct Member {
        name: &'static str,
        is_required: bool,
        schema: MakeSchema,
    }

    /// Records the members that a function reads.
    #[derive(Clone, Default)]
    pub(super) struct Recorder(Rc<RefCell<Vec<Member>>>);

    /// The schema of the body that `read` reads. `name` is the schema's name in a generated client. The schema of a nested
    /// object has this name followed by the member's.
    pub fn schema<T>(
        generator: &mut SchemaGenerator,
        name: &str,
        read: impl FnOnce(Form) -> Result<T, Problem>,
    ) -> Schema {
        let recorder = Recorder::default();
        // The form has no values, so the result is of no use. The members that were read are in the recorder.
        drop(read(recorder.form()));
        recorder.schema(generator, name)
    }

    impl Recorder {
        fn form(&self) -> Form {
            Form { recorder: Some(self.clone()), ..Form::empty() }
        }

        pub(super) fn member<T, Parse, Json: Shape>(
            &self,
            name: &'static str,
            is_required: bool,
            field: &Field<Parse, Json>,
        ) -> Option<T> {
            let about = field.about;
            let schema = move |generator: &mut SchemaGenerator, _: &str| {
                let mut schema = generator.subschema_for::<Json>();
                if let Some(about) = about {
                    schema.insert("description".to_owned(), about.into());
                }
                schema
            };
            self.0.borrow_mut().push(Member { name, is_required, schema: Box::new(schema) });
            None
        }

        pub(super) fn nested<T>(&self, name: &'static str, read: impl FnOnce(&mut Form) -> Option<T>) -> Option<T> {
            let inner = Self::default();
            drop(read(&mut inner.form()));
            let schema = move |generator: &mut SchemaGenerator, outer: &str| {
                let name = format!(
                    "{outer}{}{}",
                    name.get(..1).unwrap_or_default().to_uppercase(),
                    name.get(1..).unwrap_or_default()
                );
                inner.schema(generator, &name)
            };
            self.0.borrow_mut().push(Member { name, is_required: false, schema: Box::new(schema) });
            None
        }

        fn schema(&self, generator: &mut SchemaGenerator, name: &str) -> Schema {
            let (mut properties, mut required) = (Map::new(), Vec::new());
            for member in self.0.take() {
                if member.is_required {
                    required.push(Value::from(member.name));
                }
                properties.insert(member.name.to_owned(), (member.schema)(generator, name).into());
            }
            let mut schema =
                json_schema!({ "type": "object", "properties": properties, "additionalProperties": false });
            if !required.is_empty() {
                schema.insert("required".to_owned(), json!(required));
            }
            generator.definitions_mut().insert(name.to_owned(), schema.into());
            Schema::new_ref(format!("#/components/schemas/{name}"))
        }
    }
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
    fn every_mistake_is_reported_without_the_clients_values() {
        let body =
            json!({ "name": 7, "days": 300, "more": { "on": "yes", "secret": 1 }, "x": 1, "y": 2, "email": "no" });
        let mut form = Form::read(body).unwrap();
        form.required("name", text(|text| Ok::<_, ()>(text.to_owned())));
        form.required("days", small_number());
        form.required("absent", flag());
        form.optional("email", email());
        form.nested("more", |more| more.optional("on", flag()));
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
        assert_eq!(form.optional("a", flag()), None);
        assert_eq!(form.nested("b", |_| Some(1)), None);
        assert_eq!(form.required("c", flag()), None);
        assert_eq!(errors(&form.finish(Some(())).unwrap_err()), json!([{ "pointer": "/c", "code": "required" }]));
    }

    #[test]
    fn an_instant_is_the_same_in_every_offset() {
        let read =
            |text: &str| parse_instant(&json!(text)).map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
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
        assert_eq!(parse_instant(&json!(1_777_982_400_000_u64)), Err(FieldCode::WrongType));
    }

    #[test]
    fn a_list_with_an_invalid_item_is_refused() {
        assert_eq!((list(small_number()).parse)(&json!([1, 2])), Ok(vec![1, 2]));
        assert_eq!((list(small_number()).parse)(&json!([1, "2"])), Err(FieldCode::WrongType));
        assert_eq!((list(small_number()).parse)(&json!([1, -2])), Err(FieldCode::Invalid));
        assert_eq!((list(small_number()).parse)(&json!({})), Err(FieldCode::WrongType));
    }
}
