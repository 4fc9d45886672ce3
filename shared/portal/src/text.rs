//! Short texts for people: names and phone numbers.

use unicode_normalization::UnicodeNormalization as _;

use crate::{email::is_hidden, redacted::Redacted};

/// Maximum length of a name, in characters.
pub(crate) const NAME_MAX_CHARS: usize = 100;

/// The text is empty, too long, or has invisible characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable text")]
pub struct InvalidText;

fn visible_line(input: &str, max_chars: usize) -> Result<String, InvalidText> {
    // Check the length before any other work, so that a huge input costs nothing.
    if input.len() > max_chars * 8 {
        return Err(InvalidText);
    }
    let text: String = input.trim().nfc().collect();
    let fits = (1..=max_chars).contains(&text.chars().count());
    if fits && !text.chars().any(is_hidden) { Ok(text) } else { Err(InvalidText) }
}

/// A patient's given or family name: 1 to 100 visible characters in NFC. Personal data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonName(Redacted<String>);

impl PersonName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`InvalidText`] if it is empty, longer than 100 characters, or has control or invisible characters.
    pub fn parse(input: &str) -> Result<Self, InvalidText> {
        visible_line(input, NAME_MAX_CHARS).map(|name| Self(Redacted::new(name)))
    }

    /// The name, to show it to the patient's own practice.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Why an account was closed: 1 to 100 visible characters in NFC. It may name a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason(Redacted<String>);

impl CloseReason {
    /// Parses a reason.
    ///
    /// # Errors
    /// [`InvalidText`] as for [`PersonName::parse`].
    pub fn parse(input: &str) -> Result<Self, InvalidText> {
        visible_line(input, NAME_MAX_CHARS).map(|reason| Self(Redacted::new(reason)))
    }

    /// The reason, to show it to the patient's own practice.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// A practice's or sender's name: 1 to 100 visible characters in NFC, public.
///
/// Angle brackets, quotes and similar characters are refused, because the name is in a mail's `From` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`InvalidText`] as for [`PersonName::parse`], and for characters that have a meaning in a mail header.
    pub fn parse(input: &str) -> Result<Self, InvalidText> {
        let name = visible_line(input, NAME_MAX_CHARS)?;
        if name.contains(['<', '>', '"', '\\', '@', ';', ':']) { Err(InvalidText) } else { Ok(Self(name)) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why Customer Care looks at a patient: 1 to 200 visible characters in NFC. A person writes it, so it may say anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessReason(Redacted<String>);

impl AccessReason {
    /// The maximum number of characters.
    pub const MAX_CHARS: usize = 200;

    /// Parses a reason.
    ///
    /// # Errors
    /// [`InvalidText`] as for [`PersonName::parse`], with another limit.
    pub fn parse(input: &str) -> Result<Self, InvalidText> {
        visible_line(input, Self::MAX_CHARS).map(Redacted::new).map(Self)
    }

    /// The reason, to show it to the patient's own practice.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// A phone number as printed for people: 3 to 30 digits, spaces and `+ - . ( )`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone(String);

impl Phone {
    /// Parses a phone number. Only its characters are checked, because formats differ by country.
    ///
    /// # Errors
    /// [`InvalidText`] if it has other characters, fewer than 3 digits or more than 30 characters.
    pub fn parse(input: &str) -> Result<Self, InvalidText> {
        let text = input.trim();
        let plain = text.chars().all(|c| c.is_ascii_digit() || " +-.()".contains(c));
        let digits = text.chars().filter(char::is_ascii_digit).count();
        if plain && digits >= 3 && text.len() <= 30 { Ok(Self(text.to_owned())) } else { Err(InvalidText) }
    }

    /// The number as typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_any_script_but_no_hidden_character() {
        for good in ["José", "  Núñez ", "O'Brien-Smith", "李", "Mary Jo", &"x".repeat(100)] {
            assert!(PersonName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "  ", "a\nb", "a\u{202e}b", "a\u{0}", "\u{200b}", &"x".repeat(101), &"x".repeat(1_000_000)] {
            assert!(PersonName::parse(bad).is_err());
        }
        assert_eq!(PersonName::parse("Jose\u{301}").unwrap().expose(), "Jos\u{e9}");
    }

    #[test]
    fn a_sender_name_cannot_break_out_of_its_header() {
        assert!(DisplayName::parse("Dr. Lee & Sons, Family Medicine (East)").is_ok());
        for bad in ["a <x@example.com>", "a\"b", "a\r\nBcc: x", "a;b"] {
            assert!(DisplayName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reason_is_one_visible_line() {
        for good in ["Ticket 4711: <no mail>", " x ", &"x".repeat(200)] {
            assert!(AccessReason::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "  ", "a\nb", "a\u{202e}b", &"x".repeat(201)] {
            assert!(AccessReason::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_phone_number_has_only_permitted_characters_and_enough_digits() {
        assert!(Phone::parse("+1 (555) 010-0199").is_ok());
        for bad in ["", "12", "call me", "555-0100 <script>", &"5".repeat(31)] {
            assert!(Phone::parse(bad).is_err(), "{bad}");
        }
    }
}
