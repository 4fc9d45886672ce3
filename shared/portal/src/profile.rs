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

/// A member of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "camelCase")]
#[expect(missing_docs, reason = "named after the members of the profile")]
pub enum ProfileMember {
    GivenName,
    FamilyName,
    DateOfBirth,
    Email,
    Language,
    Active,
}

impl ProfileMember {
    /// The member's stable name, which is also its name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The member in the words of a sentence.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::GivenName => "given name",
            Self::FamilyName => "family name",
            Self::DateOfBirth => "date of birth",
            Self::Email => "email address",
            Self::Language => "language",
            Self::Active => "active or inactive",
        }
    }
}

impl Profile {
    /// The members in which another profile differs from this one. Addresses are compared by their canonical form, but a
    /// new spelling of the same address is also a difference.
    #[must_use]
    pub fn changed_members(&self, other: &Self) -> Vec<ProfileMember> {
        let Self { given_name, family_name, date_of_birth, email, language, active } = self;
        let typed = |email: &Option<EmailAddress>| email.as_ref().map(|email| email.typed().to_owned());
        let changed = [
            (ProfileMember::GivenName, *given_name != other.given_name),
            (ProfileMember::FamilyName, *family_name != other.family_name),
            (ProfileMember::DateOfBirth, *date_of_birth != other.date_of_birth),
            (ProfileMember::Email, *email != other.email || typed(email) != typed(&other.email)),
            (ProfileMember::Language, *language != other.language),
            (ProfileMember::Active, *active != other.active),
        ];
        changed.into_iter().filter_map(|(member, differs)| differs.then_some(member)).collect()
    }
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

    use super::{Language, Profile, ProfileMember, date_of_birth};
    use crate::{testing::samples, text::PersonName};

    #[test]
    fn each_member_that_differs_is_named() {
        let profile = samples::profile(Some("jose@example.com"));
        let name = |name| PersonName::parse(name).unwrap();
        let with = |change: fn(&mut Profile)| {
            let mut other = profile.clone();
            change(&mut other);
            profile.changed_members(&other)
        };
        assert_eq!(with(|_| {}), []);
        assert_eq!(with(|other| other.date_of_birth = None), [ProfileMember::DateOfBirth]);
        assert_eq!(with(|other| other.email = None), [ProfileMember::Email]);
        assert_eq!(with(|other| other.email = Some(samples::email("JOSE@example.com"))), [ProfileMember::Email]);
        assert_eq!(with(|other| other.language = Language::English), [ProfileMember::Language]);
        assert_eq!(with(|other| other.active = false), [ProfileMember::Active]);
        let renamed = Profile { given_name: name("Ana"), family_name: name("Ruiz"), ..profile.clone() };
        assert_eq!(profile.changed_members(&renamed), [ProfileMember::GivenName, ProfileMember::FamilyName]);
    }

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
