//! The rows that a practice's directory has for a patient: one for each word of the name, and one for the date of birth.
//! The words are folded, so that "nunez" finds "Núñez". [`crate::search`] has the queries.

use chrono::NaiveDate;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use crate::{ids::PatientId, profile::Profile, redacted::Redacted, text::PersonName};

/// Maximum number of words of a name that a patient is listed under. In a longer name the last given names are left out.
pub const MAX_TOKENS: usize = 6;
/// Maximum length of a word, in characters. The rest of a longer word is ignored.
const TOKEN_MAX_CHARS: usize = 32;
/// Maximum length of the other words by which hits are ordered, in characters.
const REST_MAX_CHARS: usize = 64;

/// One word under which a patient is listed, and the other words, by which hits are ordered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameEntry {
    /// The word, folded.
    pub token: Redacted<String>,
    /// The other words, folded and separated by commas.
    pub rest: Redacted<String>,
}

/// The place of a row in the directory. Rows are sorted by place: names by the word, then by the other words; rows of one
/// date of birth by the patient's id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DirectoryPlace {
    /// Under one word of the name.
    Name {
        /// The word and the other words.
        entry: NameEntry,
        /// Whose row it is.
        patient: PatientId,
    },
    /// Under the date of birth.
    BirthDate {
        /// The date.
        date: Redacted<NaiveDate>,
        /// Whose row it is.
        patient: PatientId,
    },
}

impl DirectoryPlace {
    /// Whose row it is.
    #[must_use]
    pub const fn patient(&self) -> &PatientId {
        match self {
            Self::Name { patient, .. } | Self::BirthDate { patient, .. } => patient,
        }
    }
}

/// A row of the directory: its place, and what a search shows of the patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryRow {
    /// Its place, which includes the patient's id.
    pub place: DirectoryPlace,
    /// Given name or names.
    pub given_name: PersonName,
    /// Family name or names.
    pub family_name: PersonName,
    /// The date of birth, if the practice knows it.
    pub date_of_birth: Option<Redacted<NaiveDate>>,
}

/// All rows of a patient.
#[must_use]
pub fn rows(patient: &PatientId, profile: &Profile) -> Vec<DirectoryRow> {
    let by_name =
        name_entries(profile).into_iter().map(|entry| DirectoryPlace::Name { entry, patient: patient.clone() });
    let by_birth_date = profile.date_of_birth.map(|date| DirectoryPlace::BirthDate { date, patient: patient.clone() });
    let row = |place| DirectoryRow {
        place,
        given_name: profile.given_name.clone(),
        family_name: profile.family_name.clone(),
        date_of_birth: profile.date_of_birth,
    };
    by_name.chain(by_birth_date).map(row).collect()
}

/// The words that a patient of this name is listed under: at most [`MAX_TOKENS`], family name first.
#[must_use]
pub fn name_tokens(given: &PersonName, family: &PersonName) -> Vec<String> {
    let mut tokens = folded_tokens(family.expose());
    for token in folded_tokens(given.expose()) {
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    tokens.truncate(MAX_TOKENS);
    tokens
}

fn name_entries(profile: &Profile) -> Vec<NameEntry> {
    let tokens = name_tokens(&profile.given_name, &profile.family_name);
    let rest_of = |token: &String| {
        let others: Vec<&str> = tokens.iter().filter(|other| *other != token).map(String::as_str).collect();
        others.join(",").chars().take(REST_MAX_CHARS).collect()
    };
    tokens
        .iter()
        .map(|token| NameEntry { token: Redacted::new(token.clone()), rest: Redacted::new(rest_of(token)) })
        .collect()
}

/// The distinct words of a text in lower case, without accents, ligatures and full-width forms. Queries are folded by the
/// same function.
#[must_use]
pub fn folded_tokens(text: &str) -> Vec<String> {
    let bare: String = text.nfkd().filter(|c| !is_combining_mark(*c) && !is_apostrophe(*c)).collect();
    // To upper case first, because several lower-case letters may share one capital. Each letter by itself, because a
    // user who types only the beginning of a word does not give the letters that follow.
    let small: String = bare.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
    let folded = SPECIAL_LETTERS.iter().fold(small, |text, (from, to)| text.replace(*from, to));
    let mut tokens = Vec::new();
    for word in folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        // Compose again, because decomposed Hangul is three times as long.
        let token: String = word.nfc().take(TOKEN_MAX_CHARS).collect();
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    tokens
}

/// Letters that Unicode does not decompose into a base letter and a mark, and how people type them on other keyboards.
const SPECIAL_LETTERS: [(char, &str); 7] = [
    ('\u{df}', "ss"),
    ('\u{e6}', "ae"),
    ('\u{f8}', "o"),
    ('\u{fe}', "th"),
    ('\u{111}', "d"),
    ('\u{142}', "l"),
    ('\u{153}', "oe"),
];

/// An apostrophe does not end a word: O'Brien is one name.
const fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2bc}' | '`')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{profile::Language, text::PersonName};

    fn profile(given: &str, family: &str) -> Profile {
        let name = |text| PersonName::parse(text).unwrap();
        Profile {
            given_name: name(given),
            family_name: name(family),
            date_of_birth: None,
            email: None,
            language: Language::English,
            active: true,
        }
    }

    fn entries(given: &str, family: &str) -> Vec<(String, String)> {
        name_entries(&profile(given, family))
            .iter()
            .map(|entry| (entry.token.expose().clone(), entry.rest.expose().clone()))
            .collect()
    }

    #[test]
    fn accents_case_and_apostrophes_do_not_matter() {
        assert_eq!(folded_tokens("NÚÑEZ"), ["nunez"]);
        assert_eq!(folded_tokens("Nu\u{301}n\u{303}ez"), ["nunez"]);
        assert_eq!(folded_tokens("O\u{2019}Brien-Smith"), ["obrien", "smith"]);
        assert_eq!(folded_tokens("\u{130}pek"), ["ipek"]);
        assert_eq!(folded_tokens("Łukasz GROẞ Sørensen Ægir"), ["lukasz", "gross", "sorensen", "aegir"]);
        assert_eq!(folded_tokens("ΟΔΥΣΣΕΥΣ"), folded_tokens("οδυσσευσ"));
        assert_eq!(folded_tokens("김철수 李"), ["김철수", "李"]);
        assert_eq!(folded_tokens(" - # "), Vec::<String>::new());
    }

    #[test]
    fn each_word_finds_the_patient() {
        let pair = |token: &str, rest: &str| (token.to_owned(), rest.to_owned());
        assert_eq!(
            entries("José María", "Núñez"),
            [pair("nunez", "jose,maria"), pair("jose", "nunez,maria"), pair("maria", "nunez,jose")]
        );
        assert_eq!(entries("Lee", "Lee"), [pair("lee", "")]);
        assert_eq!(entries("a b c d e f g", "x y").len(), MAX_TOKENS);
        assert!(entries("a b c d e f g", "x y").iter().any(|(token, _)| token == "x"));
    }

    proptest! {
        #[test]
        fn entries_are_bounded_and_have_no_separator(given in "\\PC{1,100}", family in "\\PC{1,100}") {
            if let (Ok(given_name), Ok(family_name)) = (PersonName::parse(&given), PersonName::parse(&family)) {
                let found = name_entries(&Profile { given_name, family_name, ..profile("x", "y") });
                prop_assert!(found.len() <= MAX_TOKENS);
                for entry in found {
                    prop_assert!(entry.token.expose().chars().count() <= TOKEN_MAX_CHARS && entry.rest.expose().len() <= 4 * REST_MAX_CHARS);
                    prop_assert!(!entry.token.expose().contains('#') && !entry.rest.expose().contains('#'));
                }
            }
        }
    }
}
