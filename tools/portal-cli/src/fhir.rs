//! Maps a FHIR R4 `Patient` to the profile that the API saves. Pure. The rules are in `docs/IMPORT.md`.

use std::ops::Range;

use chrono::{DateTime, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use portal::{
    email::EmailAddress,
    ids::PatientId,
    profile::{Language, Profile, date_of_birth},
    redacted::Redacted,
    text::PersonName,
};
use serde_json::{Value, json};

/// The code system that FHIR requires for languages.
const LANGUAGE_TAGS: &str = "urn:ietf:bcp:47";

/// Settings of the mapping.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// System of the identifier that becomes the patient's id; `None` for the resource's own id.
    pub identifier_system: Option<String>,
    /// Now: elements whose period has ended are ignored.
    pub now: DateTime<Utc>,
}

/// A patient as the API saves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The patient's id.
    pub id: PatientId,
    /// The profile to save.
    pub profile: Profile,
    /// A note for the report.
    pub note: Option<Note>,
}

/// A resource that is not saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The patient's id, if it is known.
    pub id: Option<PatientId>,
    /// The reason.
    pub reason: Reason,
}

/// Why a resource cannot be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's sentence, in `detail`, is its documentation")]
pub enum Reason {
    NotPatient,
    IdMissing,
    IdUnusable,
    IdentifierMissing,
    NameMissing,
    NameOnlyText,
    GivenNameMissing,
    FamilyNameMissing,
    NameUnusable,
    BirthDateMissing,
    BirthDatePartial,
    BirthDateUnusable,
    EmailUnusable,
    ActiveUnreadable,
}

impl Reason {
    /// The code that programs match on.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.code_and_detail().0
    }

    /// One sentence for people.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        self.code_and_detail().1
    }

    const fn code_and_detail(self) -> (&'static str, &'static str) {
        match self {
            Self::NotPatient => ("not_patient", "The resource is not a Patient."),
            Self::IdMissing => ("id_missing", "The resource has no id."),
            Self::IdUnusable => ("id_unusable", "The id is not 1 to 64 of the characters A-Z a-z 0-9 . _ : -."),
            Self::IdentifierMissing => {
                ("identifier_missing", "The patient has no identifier of the chosen system that is in use.")
            }
            Self::NameMissing => ("name_missing", "The patient has no name that is in use."),
            Self::NameOnlyText => {
                ("name_only_text", "The name is one text: given and family name must be separate members.")
            }
            Self::GivenNameMissing => ("given_name_missing", "The name has no given name."),
            Self::FamilyNameMissing => ("family_name_missing", "The name has no family name."),
            Self::NameUnusable => {
                ("name_unusable", "Given and family name must have 1 to 100 characters each, all of them visible.")
            }
            Self::BirthDateMissing => ("birth_date_missing", "The patient has no birth date."),
            Self::BirthDatePartial => ("birth_date_partial", "The birth date has no day, or no month."),
            Self::BirthDateUnusable => {
                ("birth_date_unusable", "The birth date is not a day of the calendar from 1880 until today.")
            }
            Self::EmailUnusable => ("email_unusable", "The email address is not valid."),
            Self::ActiveUnreadable => {
                ("active_unreadable", "It is unclear whether the patient is active: a member has a wrong type.")
            }
        }
    }
}

/// What was saved differently from the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's sentence, in `detail`, is its documentation")]
pub enum Note {
    LanguageNotOffered,
    LanguageUndecided,
}

impl Note {
    /// The code that programs match on.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.code_and_detail().0
    }

    /// One sentence for people.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        self.code_and_detail().1
    }

    const fn code_and_detail(self) -> (&'static str, &'static str) {
        match self {
            Self::LanguageNotOffered => {
                ("language_not_offered", "There are no mails in the patient's language: they will be in English.")
            }
            Self::LanguageUndecided => {
                ("language_undecided", "None of several languages is preferred: mails will be in English.")
            }
        }
    }
}

/// Maps one resource.
///
/// # Errors
/// [`Rejected`] says what cannot be saved. It quotes only the patient's id from the resource.
pub fn map(resource: &Value, mapping: &Mapping) -> Result<Mapped, Rejected> {
    if text(resource, "resourceType") != Some("Patient") {
        return Err(Rejected { id: None, reason: Reason::NotPatient });
    }
    let id = id(resource, mapping).map_err(|reason| Rejected { id: None, reason })?;
    match profile(resource, mapping.now) {
        Ok((profile, note)) => Ok(Mapped { id, profile, note }),
        Err(reason) => Err(Rejected { id: Some(id), reason }),
    }
}

/// The body of the `PUT` that saves a profile.
#[must_use]
pub fn body(profile: &Profile) -> Value {
    let Profile { given_name, family_name, date_of_birth, email, language, active } = profile;
    json!({
        "givenName": given_name.expose(),
        "familyName": family_name.expose(),
        "dateOfBirth": date_of_birth.map(|birth_date| birth_date.expose().to_string()),
        "email": email.as_ref().map(EmailAddress::typed),
        "language": language.tag(),
        "active": active,
    })
}

fn profile(resource: &Value, now: DateTime<Utc>) -> Result<(Profile, Option<Note>), Reason> {
    let (given_name, family_name) = names(resource, now)?;
    let date_of_birth = Some(birth_date(resource, now)?);
    let email = email(resource, now)?;
    let (language, note) = language(resource);
    let active = active(resource)?;
    Ok((Profile { given_name, family_name, date_of_birth, email, language, active }, note))
}

fn id(resource: &Value, mapping: &Mapping) -> Result<PatientId, Reason> {
    let given = match mapping.identifier_system.as_deref() {
        None => text(resource, "id").ok_or(Reason::IdMissing)?,
        Some(system) => list(resource, "identifier")
            .filter(|identifier| text(identifier, "system") == Some(system) && is_current(identifier, mapping.now))
            .find_map(|identifier| text(identifier, "value"))
            .ok_or(Reason::IdentifierMissing)?,
    };
    // These two have a special meaning in a path.
    let usable = PatientId::parse(given).ok().filter(|_| given != "." && given != "..");
    usable.ok_or(Reason::IdUnusable)
}

/// Given and family name of the official name, or else of the usual one, or else of the first that is neither former nor
/// temporary.
fn names(resource: &Value, now: DateTime<Utc>) -> Result<(PersonName, PersonName), Reason> {
    let all: Vec<&Value> = list(resource, "name").filter(|name| in_period(name, now)).collect();
    let used_as = |wanted| all.iter().find(|name| text(name, "use") == Some(wanted));
    let lasting = |name: &&&Value| !matches!(text(name, "use"), Some("old" | "maiden" | "temp"));
    let chosen = used_as("official").or_else(|| used_as("usual")).or_else(|| all.iter().find(lasting));
    let name = chosen.ok_or(Reason::NameMissing)?;
    let given: Vec<&str> = list(name, "given").filter_map(filled).collect();
    match (given.join(" "), text(name, "family")) {
        (given, Some(family)) if !given.is_empty() => {
            let [given, family] =
                [&given, family].map(|name| PersonName::parse(name).map_err(|_| Reason::NameUnusable));
            Ok((given?, family?))
        }
        (given, None) if given.is_empty() => {
            Err(if text(name, "text").is_some() { Reason::NameOnlyText } else { Reason::NameMissing })
        }
        (_, None) => Err(Reason::FamilyNameMissing),
        (_, Some(_)) => Err(Reason::GivenNameMissing),
    }
}

fn birth_date(resource: &Value, now: DateTime<Utc>) -> Result<Redacted<NaiveDate>, Reason> {
    let given = text(resource, "birthDate").ok_or(Reason::BirthDateMissing)?;
    let partial = matches!(given.len(), 4 | 7) && moments(given).is_some();
    if partial {
        return Err(Reason::BirthDatePartial);
    }
    date_of_birth(given, now).ok_or(Reason::BirthDateUnusable)
}

/// The address with the best rank. Without ranks, the first one.
fn email(resource: &Value, now: DateTime<Utc>) -> Result<Option<EmailAddress>, Reason> {
    let rank = |contact: &&Value| contact.get("rank").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let address = list(resource, "telecom")
        .filter(|contact| text(contact, "system") == Some("email") && is_current(contact, now))
        .filter(|contact| text(contact, "value").is_some())
        .min_by_key(rank)
        .and_then(|contact| text(contact, "value"));
    address.map(EmailAddress::parse).transpose().map_err(|_| Reason::EmailUnusable)
}

/// The preferred language, or else the only one.
fn language(resource: &Value) -> (Language, Option<Note>) {
    let spoken: Vec<&Value> = list(resource, "communication").collect();
    let preferred = spoken.iter().find(|one| one.get("preferred").and_then(Value::as_bool) == Some(true));
    let chosen = match (preferred, spoken.as_slice()) {
        (Some(chosen), _) | (None, [chosen]) => chosen,
        (None, []) => return (Language::default(), None),
        (None, [_, ..]) => return (Language::default(), Some(Note::LanguageUndecided)),
    };
    let codings = || chosen.get("language").into_iter().flat_map(|language| list(language, "coding"));
    let tag = codings()
        .find(|coding| text(coding, "system") == Some(LANGUAGE_TAGS))
        .and_then(|coding| text(coding, "code"))
        .or_else(|| codings().find_map(|coding| text(coding, "code")));
    let offered = tag.and_then(|tag| {
        let primary = tag.split('-').next()?;
        let language = Language::from_tag(tag)?;
        primary.eq_ignore_ascii_case(language.tag()).then_some(language)
    });
    offered.map_or((Language::default(), Some(Note::LanguageNotOffered)), |language| (language, None))
}

/// Whether the patient is alive and the record is active. A member that cannot be read is an error, not a yes.
fn active(resource: &Value) -> Result<bool, Reason> {
    let member = |name| resource.get(name).filter(|value| !value.is_null());
    let flag = |name, unless_given| {
        member(name).map_or(Ok(unless_given), |value| value.as_bool().ok_or(Reason::ActiveUnreadable))
    };
    let died_on = member("deceasedDateTime").map(|value| value.as_str().ok_or(Reason::ActiveUnreadable)).transpose()?;
    Ok(flag("active", true)? && !flag("deceasedBoolean", false)? && died_on.is_none())
}

/// Whether an identifier or a contact is in use.
fn is_current(element: &Value, now: DateTime<Utc>) -> bool {
    text(element, "use") != Some("old") && in_period(element, now)
}

/// Whether an element's period has begun and has not ended. A missing or invalid date sets no limit.
fn in_period(element: &Value, now: DateTime<Utc>) -> bool {
    let limit = |name| element.get("period").and_then(|period| text(period, name)).and_then(moments);
    limit("start").is_none_or(|start| start.start <= now) && limit("end").is_none_or(|end| end.end >= now)
}

/// The time range of that moment, day, month or year in any time zone.
fn moments(date_time: &str) -> Option<Range<DateTime<Utc>>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(date_time) {
        return Some(at.to_utc()..at.to_utc());
    }
    let day = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let (first, after) = match date_time.len() {
        4 => day(&format!("{date_time}-01-01")).map(|first| (first, first.checked_add_months(Months::new(12))))?,
        7 => day(&format!("{date_time}-01")).map(|first| (first, first.checked_add_months(Months::new(1))))?,
        10 => day(date_time).map(|first| (first, first.succ_opt()))?,
        _ => return None,
    };
    let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
    let earliest = midnight(first).checked_sub_signed(TimeDelta::hours(14))?;
    let latest = midnight(after?).checked_add_signed(TimeDelta::hours(12))?;
    Some(earliest..latest)
}

/// The items of a member that is a list.
fn list<'resource>(element: &'resource Value, name: &str) -> impl Iterator<Item = &'resource Value> {
    element.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// A member that is a text and not blank.
fn text<'resource>(element: &'resource Value, name: &str) -> Option<&'resource str> {
    element.get(name).and_then(filled)
}

fn filled(value: &Value) -> Option<&str> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty())
}
