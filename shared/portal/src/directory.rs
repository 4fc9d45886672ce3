//! How a patient is found by name: folded, so that "nunez" finds "Núñez", and by each word of the name.

use std::collections::BTreeSet;

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use crate::{profile::Profile, redacted::Redacted};

/// Words of a name that a patient is found by; of a longer name the first given names are left out.
pub const MOST_TOKENS: usize = 6;
/// Longest word that is told apart, in characters.
const TOKEN_MAX_CHARS: usize = 32;
/// Longest remainder that hits are ordered by, in characters.
const REST_MAX_CHARS: usize = 64;

/// One word by which a patient is found, and the other words, by which hits are ordered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameEntry {
    /// The word, folded.
    pub token: Redacted<String>,
    /// The other words, folded and separated by spaces.
    pub rest: Redacted<String>,
}

/// The entries of a patient's name: at most [`MOST_TOKENS`], family name first.
#[must_use]
pub fn name_entries(profile: &Profile) -> BTreeSet<NameEntry> {
    let mut tokens = folded_tokens(profile.family_name.expose());
    for token in folded_tokens(profile.given_name.expose()) {
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    tokens.truncate(MOST_TOKENS);
    let rest_of = |token: &String| {
        let others: Vec<&str> = tokens.iter().filter(|other| *other != token).map(String::as_str).collect();
        others.join(" ").chars().take(REST_MAX_CHARS).collect()
    };
    tokens
        .iter()
        .map(|token| NameEntry { token: Redacted::new(token.clone()), rest: Redacted::new(rest_of(token)) })
        .collect()
}

/// The distinct words of a text in lower case and without accents. Whoever searches folds the query likewise.
#[must_use]
pub fn folded_tokens(text: &str) -> Vec<String> {
    let bare: String = text.nfd().filter(|c| !is_combining_mark(*c) && !is_apostrophe(*c)).collect();
    let mut tokens = Vec::new();
    for word in bare.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        // Composed again, because decomposed Hangul is three times as long.
        let token: String = word.nfc().take(TOKEN_MAX_CHARS).collect();
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    tokens
}

/// Apostrophes are within a word: O'Brien is one name.
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
        assert_eq!(folded_tokens("김철수 李"), ["김철수", "李"]);
        assert_eq!(folded_tokens(" - # "), Vec::<String>::new());
    }

    #[test]
    fn each_word_finds_the_patient() {
        let pair = |token: &str, rest: &str| (token.to_owned(), rest.to_owned());
        assert_eq!(
            entries("José María", "Núñez"),
            [pair("jose", "nunez maria"), pair("maria", "nunez jose"), pair("nunez", "jose maria")]
        );
        assert_eq!(entries("Lee", "Lee"), [pair("lee", "")]);
        assert_eq!(entries("a b c d e f g", "x y").len(), MOST_TOKENS);
        assert!(entries("a b c d e f g", "x y").iter().any(|(token, _)| token == "x"));
    }

    proptest! {
        #[test]
        fn entries_are_bounded_and_have_no_separator(given in "\\PC{1,100}", family in "\\PC{1,100}") {
            if let (Ok(given_name), Ok(family_name)) = (PersonName::parse(&given), PersonName::parse(&family)) {
                let found = name_entries(&Profile { given_name, family_name, ..profile("x", "y") });
                prop_assert!(found.len() <= MOST_TOKENS);
                for entry in found {
                    prop_assert!(entry.token.expose().chars().count() <= TOKEN_MAX_CHARS && entry.rest.expose().len() <= 4 * REST_MAX_CHARS);
                    prop_assert!(!entry.token.expose().contains('#') && !entry.rest.expose().contains('#'));
                }
            }
        }
    }
}
