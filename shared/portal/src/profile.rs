//! A patient's profile, as saved by the practice's EHR or staff.

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Utc};

use crate::{email::EmailAddress, redacted::Redacted, text::PersonName};

/// The language of a patient's mails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
pub enum Language {
    /// English, also for the languages that there are no mails in.
    #[default]
    #[strum(serialize = "en")]
    English,
    /// Spanish.
    #[strum(serialize = "es")]
    Spanish,
}

impl Language {
    /// The language for a BCP 47 tag, by its primary subtag; `None` if the text is not a tag.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let mut parts = tag.split('-');
        let primary = parts.next()?;
        let well_formed = tag.len() <= 35
            && (2..=8).contains(&primary.len())
            && primary.chars().all(|c| c.is_ascii_alphabetic())
            && parts.all(|part| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric()));
        well_formed.then(|| if primary.eq_ignore_ascii_case("es") { Self::Spanish } else { Self::English })
    }

    /// The BCP 47 tag.
    #[must_use]
    pub fn tag(self) -> &'static str {
        self.into()
    }
}

/// A patient's profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Given name or names.
    pub given_name: PersonName,
    /// Family name or names.
    pub family_name: PersonName,
    /// Without it no invitation is sent, because registration asks for it.
    pub date_of_birth: Option<Redacted<NaiveDate>>,
    /// The patient's address in the practice's records. An invitation or an account may have another address.
    pub email: Option<EmailAddress>,
    /// The language of mails.
    pub language: Language,
    /// False if the patient has died or is inactive in the EHR. Such a patient is not invited. Earlier invitations and an
    /// account stay unchanged.
    pub active: bool,
}

/// Parses a date of birth: `yyyy-mm-dd`, a valid date, not before 1880 and not in the future.
#[must_use]
pub fn date_of_birth(text: &str, now: DateTime<Utc>) -> Option<Redacted<NaiveDate>> {
    const EARLIEST_YEAR: i32 = 1880;
    // The easternmost time zone is 14 hours ahead of UTC, and a child may be born there today.
    let today_somewhere = (now + TimeDelta::hours(14)).date_naive();
    let plain = text.len() == 10 && text.chars().all(|c| c.is_ascii_digit() || c == '-');
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| plain)?;
    (date.year() >= EARLIEST_YEAR && date <= today_somewhere).then(|| Redacted::new(date))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{Language, date_of_birth};

    #[test]
    fn a_date_of_birth_is_a_valid_date_from_1880_until_today() {
        let now: DateTime<Utc> = "2026-05-05T12:00:00Z".parse().unwrap();
        for good in ["1980-02-29", "1880-01-01", "2026-05-05", "2026-05-06"] {
            assert_eq!(date_of_birth(good, now).map(|date| date.expose().to_string()), Some(good.to_owned()));
        }
        for bad in [
            "",
            "1981-02-29",
            "1980-2-29",
            "1980-02-30",
            "1879-12-31",
            "2026-05-07",
            "02/29/1980",
            "80-02-29",
            "+1980-02-29",
            "-980-02-29",
            "1980-02-29T00:00:00Z",
            " 1980-02-29",
            "19800229",
            "1980-00-01",
            "１９８０-02-29",
        ] {
            assert_eq!(date_of_birth(bad, now), None, "{bad}");
        }
    }

    #[test]
    fn languages_parse_from_bcp_47_tags() {
        for (tag, language) in [
            ("es", Some(Language::Spanish)),
            ("ES-mx", Some(Language::Spanish)),
            ("en", Some(Language::English)),
            ("pt-BR", Some(Language::English)),
            ("", None),
            ("e", None),
            ("es_MX", None),
            ("es-", None),
            ("12", None),
        ] {
            assert_eq!(Language::from_tag(tag), language, "{tag}");
        }
    }
}
