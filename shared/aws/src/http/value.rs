//! The types of members of requests and answers.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

/// A type of members. When the API is described, it has a JSON Schema.
#[cfg(not(feature = "describe"))]
pub trait Shape {}
#[cfg(not(feature = "describe"))]
impl<T> Shape for T {}

/// A type of members. When the API is described, it has a JSON Schema.
#[cfg(feature = "describe")]
pub trait Shape: schemars::JsonSchema {}
#[cfg(feature = "describe")]
impl<T: schemars::JsonSchema> Shape for T {}

/// An instant: RFC 3339, UTC, milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Instant(pub DateTime<Utc>);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// A calendar date: `yyyy-mm-dd`.
#[derive(Clone, Copy, Debug)]
pub struct Day(pub NaiveDate);

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.format("%Y-%m-%d"))
    }
}

/// A value of an enum, shown by its stable name.
#[derive(Clone, Copy, Debug)]
pub struct Name<T>(pub T);

impl<T: Copy + Into<&'static str>> Serialize for Name<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.into())
    }
}

/// Declares types with a JSON Schema that says more than the Rust type of the value could.
macro_rules! shapes {
    ($($(#[$doc:meta])+ $name:ident => $schema:tt;)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        #[cfg(feature = "describe")]
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    )+};
}

shapes! {
    /// A language, as a BCP 47 tag.
    LanguageTag => {
        "type": "string", "maxLength": 35, "pattern": "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", "examples": ["es"],
    };
    /// The name of a time zone.
    TimeZone => {
        "description": "A name of the IANA time zone database.",
        "type": "string", "pattern": "^[A-Za-z0-9_+/-]+$", "examples": ["America/New_York"],
    };
    /// A time of day, to the minute.
    TimeOfDay => { "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "examples": ["09:00"] };
    /// The first and the last time of day.
    Daytime => {
        "type": "array", "minItems": 2, "maxItems": 2, "examples": [["09:00", "18:00"]],
        "items": { "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$" },
    };
    /// The number of days for which a link works.
    LinkDayCount => { "type": "integer", "format": "int32", "minimum": 1, "maximum": 30, "examples": [7] };
    /// The numbers of days after which reminders are sent.
    AfterDays => {
        "type": "array", "maxItems": (portal::practice::ReminderPolicy::MAX_REMINDERS), "examples": [[3, 7, 14]],
        "items": { "type": "integer", "format": "int32", "minimum": 1, "maximum": (portal::practice::ReminderPolicy::LONGEST_WAIT_DAYS) },
    };
    /// Patients, without duplicates.
    PatientList => {
        "type": "array", "minItems": 1, "maxItems": (portal::policy::MAX_BULK_PATIENTS), "items": { "type": "string", "pattern": (portal::ids::PatientId::pattern()) }, "examples": [["p-1001"]],
    };
    /// An audience that is given as a word.
    NamedAudience => { "type": "string", "enum": [Self::NEVER_INVITED] };
}

impl NamedAudience {
    /// The patients who have an email address and were never invited.
    pub const NEVER_INVITED: &'static str = "never_invited";
}

#[cfg(feature = "describe")]
mod schemas {
    use std::borrow::Cow;

    use portal::describe::Named;
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde_json::{Map, Value};

    use super::{Day, Instant, Name};

    /// The extension of a schema with the names of an enum and their meanings. The description of the API shows them as a
    /// list.
    pub const NAMES: &str = "x-names";

    macro_rules! inline {
        ($name:literal) => {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
        };
    }

    impl JsonSchema for Instant {
        inline!("Instant");

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "string", "format": "date-time", "examples": ["2026-05-05T12:00:00.000Z"] })
        }
    }

    impl JsonSchema for Day {
        inline!("Day");

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "string", "format": "date", "examples": ["1980-02-29"] })
        }
    }

    impl<T: Named> JsonSchema for Name<T> {
        inline!("Name");

        fn schema_id() -> Cow<'static, str> {
            std::any::type_name::<Self>().into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            let names = T::names();
            let example = names.first().map(|(name, _)| *name);
            let meanings: Map<String, Value> =
                names.into_iter().map(|(name, meaning)| (name.to_owned(), meaning.into())).collect();
            json_schema!({ "type": "string", "examples": [example], NAMES: meanings })
        }
    }
}

#[cfg(feature = "describe")]
pub use schemas::NAMES;
