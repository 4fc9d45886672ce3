//! Queries of the directory: staff find a patient by the first letters of names, or by the date of birth.
//!
//! Source of the rule: the published reference. *Search by the first two or three letters of a name, or by the date of
//! birth*; case and accents do not matter.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::{
    directory::{DirectoryPlace, DirectoryRow, folded_tokens, name_tokens},
    redacted::Redacted,
};

/// Maximum number of hits on a page.
pub const MAX_HITS: usize = 20;
/// Number of rows read for a page if the query has one word: nearly every row is a hit.
const ROWS_FOR_ONE_WORD: u16 = 20;
/// Number of rows read for a page if the query has several words: the directory finds the rows of one word, and the other
/// words are compared.
const ROWS_FOR_SEVERAL_WORDS: u16 = 200;
/// Maximum length of a query, in characters: the same as that of a name.
const QUERY_MAX_CHARS: usize = 100;

/// A query of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryQuery {
    /// All patients with this date of birth.
    BirthDate(Redacted<NaiveDate>),
    /// All patients whose names contain words with these beginnings.
    Name(NameQuery),
}

/// The beginnings of words of a name, folded. Their order does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameQuery {
    /// The longest one, by which the directory is read, because it matches the fewest rows. Of several, the first in
    /// alphabetical order.
    lead: Redacted<String>,
    /// The other beginnings.
    others: BTreeSet<Redacted<String>>,
}

/// Why a text is not a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    /// No word has at least two letters. One letter is enough if it is not ASCII: a Chinese character may be a whole name.
    #[error("too short a query")]
    TooShort,
    /// More than 100 characters.
    #[error("too long a query")]
    TooLong,
    /// It looks like a date, but is not a valid date, or has another format.
    #[error("no date of the calendar")]
    NoSuchDate,
}

impl DirectoryQuery {
    /// Parses what a user typed: a date as `mm/dd/yyyy` or `yyyy-mm-dd`, or the beginnings of one or more words.
    ///
    /// # Errors
    /// [`InvalidQuery`]
    pub fn parse(text: &str) -> Result<Self, InvalidQuery> {
        if text.chars().nth(QUERY_MAX_CHARS).is_some() {
            return Err(InvalidQuery::TooLong);
        }
        let mut words: BTreeSet<String> = folded_tokens(text).into_iter().collect();
        // No name consists of digits only, so this must be a date.
        if !words.is_empty() && !words.iter().any(|word| word.contains(char::is_alphabetic)) {
            let date = calendar_date(text.trim()).ok_or(InvalidQuery::NoSuchDate)?;
            return Ok(Self::BirthDate(Redacted::new(date)));
        }
        let longest = words.iter().rev().max_by_key(|word| word.len()).cloned().ok_or(InvalidQuery::TooShort)?;
        if longest.len() < 2 {
            return Err(InvalidQuery::TooShort);
        }
        words.remove(&longest);
        let others = words.into_iter().map(Redacted::new).collect();
        Ok(Self::Name(NameQuery { lead: Redacted::new(longest), others }))
    }

    /// A text that is the same for all equivalent queries.
    #[must_use]
    pub fn normalised(&self) -> Redacted<String> {
        match self {
            Self::BirthDate(date) => Redacted::new(date.expose().to_string()),
            Self::Name(NameQuery { lead, others }) => {
                let words: Vec<&str> = [lead].into_iter().chain(others).map(|word| word.expose().as_str()).collect();
                Redacted::new(words.join(" "))
            }
        }
    }

    /// The number of rows read for a page. It is bounded, so that the cost does not depend on the size of the directory.
    #[must_use]
    pub fn rows_per_page(&self) -> u16 {
        match self {
            Self::Name(name) if !name.others.is_empty() => ROWS_FOR_SEVERAL_WORDS,
            Self::Name(_) | Self::BirthDate(_) => ROWS_FOR_ONE_WORD,
        }
    }

    /// Whether a place is in the range that is read from the directory. The range is contiguous.
    #[must_use]
    pub fn matches_place(&self, place: &DirectoryPlace) -> bool {
        match (self, place) {
            (Self::BirthDate(wanted), DirectoryPlace::BirthDate { date, .. }) => date == wanted,
            (Self::Name(name), DirectoryPlace::Name { entry, .. }) => {
                entry.token.expose().starts_with(name.lead.expose())
            }
            (Self::BirthDate(_), DirectoryPlace::Name { .. }) | (Self::Name(_), DirectoryPlace::BirthDate { .. }) => {
                false
            }
        }
    }

    /// Whether a row in the query's range is a hit: the patient's name matches every word of the query, and the row is the
    /// patient's first row in the range. So no patient is found twice, also across pages.
    #[must_use]
    pub fn is_hit(&self, row: &DirectoryRow) -> bool {
        match (self, &row.place) {
            (Self::BirthDate(_), _) => self.matches_place(&row.place),
            (Self::Name(NameQuery { lead, others }), DirectoryPlace::Name { entry, .. }) => {
                let tokens = name_tokens(&row.given_name, &row.family_name);
                let first = tokens.iter().filter(|token| token.starts_with(lead.expose())).min();
                let has = |word: &Redacted<String>| tokens.iter().any(|token| token.starts_with(word.expose()));
                first == Some(entry.token.expose()) && others.iter().all(has)
            }
            (Self::Name(_), DirectoryPlace::BirthDate { .. }) => false,
        }
    }
}

impl NameQuery {
    /// The word by which the directory is read.
    #[must_use]
    pub const fn lead(&self) -> &Redacted<String> {
        &self.lead
    }
}

fn calendar_date(text: &str) -> Option<NaiveDate> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let format = match shape.as_str() {
        "00/00/0000" => "%m/%d/%Y",
        "0000-00-00" => "%Y-%m-%d",
        _ => return None,
    };
    NaiveDate::parse_from_str(text, format).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{directory::rows, ids::PatientId, profile::Profile, testing::samples, text::PersonName};

    fn named(given: &str, family: &str) -> Profile {
        let name = |text| PersonName::parse(text).unwrap();
        Profile { given_name: name(given), family_name: name(family), ..samples::profile(None) }
    }

    fn all_rows(profile: &Profile) -> Vec<DirectoryRow> {
        rows(&samples::patient_id("p-1"), profile)
    }

    /// How often a query finds a patient.
    fn hits(query: &str, profile: &Profile) -> usize {
        let query = DirectoryQuery::parse(query).unwrap();
        all_rows(profile).iter().filter(|row| query.matches_place(&row.place) && query.is_hit(row)).count()
    }

    fn normalised(text: &str) -> Result<String, InvalidQuery> {
        DirectoryQuery::parse(text).map(|query| query.normalised().expose().clone())
    }

    #[test]
    fn both_date_formats_parse_to_the_same_date() {
        for text in ["02/29/1980", "1980-02-29", " 1980-02-29 "] {
            assert_eq!(normalised(text).as_deref(), Ok("1980-02-29"), "{text}");
        }
        for text in [
            "02/30/1980",
            "02/29/1981",
            "13/01/1980",
            "29/02/1980",
            "2/29/1980",
            "1980-2-29",
            "1980/02/29",
            "02-29-1980",
            "1980-02-29 1",
            "19800229",
            "1980",
            "12",
            "１９８０-02-29",
            "+980-02-29",
            "02/29/80",
        ] {
            assert_eq!(normalised(text), Err(InvalidQuery::NoSuchDate), "{text}");
        }
    }

    #[test]
    fn a_query_needs_two_ascii_letters_or_one_other_letter() {
        for (text, words) in [
            ("jo", "jo"),
            (" JÓ ", "jo"),
            ("josephine", "josephine"),
            ("李", "李"),
            ("O'Brien", "obrien"),
            ("smith j", "smith j"),
            ("Smith, Jo", "smith jo"),
            ("jo smith", "smith jo"),
            ("jo mi", "jo mi"),
            ("mi jo jo", "jo mi"),
            ("jo 3rd", "3rd jo"),
        ] {
            assert_eq!(normalised(text).as_deref(), Ok(words), "{text}");
        }
        for text in ["", " ", "j", "É", "a b c", "-", "#", "%", "''", "\u{301}"] {
            assert_eq!(normalised(text), Err(InvalidQuery::TooShort), "{text:?}");
        }
        assert!(normalised(&"x".repeat(100)).is_ok());
        for text in ["x".repeat(101), " ".repeat(101), "1".repeat(1_000_000)] {
            assert_eq!(normalised(&text), Err(InvalidQuery::TooLong));
        }
    }

    #[test]
    fn a_patient_is_found_by_the_beginnings_of_their_names_once() {
        for (query, given, family, expected) in [
            ("jo", "José", "Núñez", 1),
            ("NU", "José", "Núñez", 1),
            ("os", "José", "Núñez", 0),
            ("jo", "Mary Jo", "Smith", 1),
            ("mary jo", "Mary Jo", "Smith", 1),
            ("smith jo", "Mary Jo", "Smith", 1),
            ("s m j", "Mary Jo", "Smith", 0),
            ("smi m j", "Mary Jo", "Smith", 1),
            ("smith joe", "Mary Jo", "Smith", 0),
            ("jo", "Jo José", "Johnson", 1),
            ("jo jos", "Jo José", "Johnson", 1),
            ("ob", "Ana", "O'Brien", 1),
            ("br", "Ana", "O'Brien", 0),
            ("br", "Ana", "O-Brien", 1),
            ("x", "Ana", "Li", 0),
        ] {
            if query.len() < 2 || query == "s m j" {
                assert_eq!(normalised(query), Err(InvalidQuery::TooShort), "{query}");
            } else {
                assert_eq!(hits(query, &named(given, family)), expected, "{query}: {given} {family}");
            }
        }
        // A name with more words than the directory lists is found by its family names and its first given names.
        let long = named("a1 b1 c1 d1 e1", "f1 f2 f3");
        assert_eq!([hits("f3", &long), hits("a1", &long), hits("c1", &long), hits("d1", &long)], [1, 1, 1, 0]);
    }

    #[test]
    fn a_patient_is_found_by_the_date_of_birth() {
        assert_eq!(hits("02/29/1980", &named("José", "Núñez")), 1);
        assert_eq!(hits("03/01/1980", &named("José", "Núñez")), 0);
        assert_eq!(hits("02/29/1980", &Profile { date_of_birth: None, ..named("José", "Núñez") }), 0);
    }

    #[test]
    fn debug_output_does_not_contain_the_query() {
        let shown = format!("{:?}", [DirectoryQuery::parse("núñez jo"), DirectoryQuery::parse("1980-02-29")]);
        assert!(!shown.contains("nu") && !shown.contains("1980"), "{shown}");
    }

    proptest! {
        #[test]
        fn every_text_parses_or_is_refused(text in any::<String>()) {
            if let Ok(query) = DirectoryQuery::parse(&text) {
                let again = DirectoryQuery::parse(query.normalised().expose());
                prop_assert_eq!(again, Ok(query));
            }
        }

        #[test]
        fn every_patient_is_found_once_by_the_first_letters_of_each_word(given in "\\PC{1,60}", family in "[\\PC]{1,60}") {
            let names = [&given, &family].map(|name| PersonName::parse(name));
            let [Ok(given_name), Ok(family_name)] = names else { return Ok(()) };
            let profile = Profile { given_name, family_name, ..samples::profile(None) };
            for token in name_tokens(&profile.given_name, &profile.family_name) {
                for letters in [2, 3] {
                    let first: String = token.chars().take(letters).collect();
                    for typed in [first.clone(), first.to_uppercase()] {
                        if first.len() < 2 || !first.contains(char::is_alphabetic) {
                            continue;
                        }
                        prop_assert_eq!(hits(&typed, &profile), 1, "{}", typed);
                    }
                }
            }
        }
    }

    #[test]
    fn a_place_contains_its_patient() {
        let wanted = PatientId::parse("p-1").unwrap();
        assert!(all_rows(&named("José", "Núñez")).iter().all(|row| *row.place.patient() == wanted));
    }
}
