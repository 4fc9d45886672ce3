//! What a practice knows of a patient, as its EHR or staff saved it.

use chrono::NaiveDate;

use crate::{email::EmailAddress, redacted::Redacted, text::PersonName};

/// The language of a patient's mails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, and whatever we have no mails for.
    #[default]
    English,
    /// Spanish.
    Spanish,
}

impl Language {
    /// The language of a BCP 47 tag, by its primary subtag; `None` if it is not a tag at all.
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
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
        }
    }
}

/// A patient's profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Given name or names.
    pub given_name: PersonName,
    /// Family name or names.
    pub family_name: PersonName,
    /// A calendar date; no invitation goes out without it, because registering asks for it.
    pub date_of_birth: Option<Redacted<NaiveDate>>,
    /// Where the practice writes to the patient. Not the address of an invitation or of an account.
    pub email: Option<EmailAddress>,
    /// The language of mails.
    pub language: Language,
}

#[cfg(test)]
mod tests {
    use super::Language;

    #[test]
    fn languages_come_from_bcp_47_tags() {
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
