//! Email addresses: which texts are addresses, when two addresses are the same, and the fingerprint that replaces an
//! address in keys.
//!
//! Source of the rules: the email rule of the domain (an address belongs to at most one patient, in any practice).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use crate::redacted::Redacted;

/// Maximum length of the local part, in bytes (RFC 5321, 4.5.3.1.1).
const LOCAL_PART_MAX_BYTES: usize = 64;
/// Maximum length of an address, in bytes (RFC 5321, 4.5.3.1.3, less the angle brackets).
const ADDRESS_MAX_BYTES: usize = 254;

/// One mailbox: the address as typed, and the canonical form by which addresses are compared.
///
/// Two addresses are equal if their canonical forms are equal. Dots and plus tags are *not* removed: at most providers
/// they make a different mailbox, so an invitation could go to the wrong person.
#[derive(Clone, Debug)]
pub struct EmailAddress {
    typed: Redacted<String>,
    canonical: Redacted<String>,
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for EmailAddress {}

impl PartialOrd for EmailAddress {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EmailAddress {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.canonical.cmp(&other.canonical)
    }
}

/// The text is not an address that we can send mail to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable email address")]
pub struct InvalidEmail;

impl EmailAddress {
    /// Parses an address as typed by a user.
    ///
    /// # Errors
    /// [`InvalidEmail`] for anything but one plain mailbox at a domain with a dot: display names, quoted local parts,
    /// domain literals, several addresses, and invisible or direction-changing characters. Such input is refused and not
    /// corrected, because a corrected address may be another person's mailbox.
    pub fn parse(input: &str) -> Result<Self, InvalidEmail> {
        let typed = input.trim();
        if typed.len() > ADDRESS_MAX_BYTES || typed.chars().any(is_invisible) {
            return Err(InvalidEmail);
        }
        let (local, domain) = typed.split_once('@').ok_or(InvalidEmail)?;
        let local = canonical_local_part(local)?;
        let domain = canonical_domain(domain)?;
        let canonical = format!("{local}@{domain}");
        if canonical.len() > ADDRESS_MAX_BYTES {
            return Err(InvalidEmail);
        }
        Ok(Self { typed: Redacted::new(typed.to_owned()), canonical: Redacted::new(canonical) })
    }

    /// The canonical form. Addresses are compared by it, and mail is sent to it.
    #[must_use]
    pub fn canonical(&self) -> &str {
        self.canonical.expose()
    }

    /// The address as typed, trimmed. The user interface shows this form.
    #[must_use]
    pub fn typed(&self) -> &str {
        self.typed.expose()
    }

    /// A form that the owner recognises and that reveals nothing to other people: `j***@e***.com`.
    #[must_use]
    pub fn masked(&self) -> String {
        let (local, domain) = self.canonical().split_once('@').unwrap_or_default();
        let (name, top) = domain.rsplit_once('.').unwrap_or_default();
        let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
        format!("{}***@{}***.{top}", first(local), first(name))
    }
}

fn canonical_local_part(local: &str) -> Result<String, InvalidEmail> {
    // Normalise twice, because lower-casing can undo normalisation: a capital I with a dot becomes two characters.
    let canonical: String = local.nfc().collect::<String>().to_lowercase().nfc().collect();
    let dots_separate_words = canonical.split('.').all(|word| !word.is_empty());
    let plain = canonical.chars().all(is_local_part_char);
    if dots_separate_words && plain && canonical.len() <= LOCAL_PART_MAX_BYTES {
        Ok(canonical)
    } else {
        Err(InvalidEmail)
    }
}

fn canonical_domain(domain: &str) -> Result<String, InvalidEmail> {
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| InvalidEmail)?;
    let (_, top) = ascii.rsplit_once('.').ok_or(InvalidEmail)?;
    // An all-digit last label is an IP address, not a domain (RFC 3696, 2).
    if top.chars().all(|c| c.is_ascii_digit()) { Err(InvalidEmail) } else { Ok(ascii.into_owned()) }
}

/// RFC 5322 `atext`, the dot, and the letters and marks that RFC 6531 adds.
fn is_local_part_char(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
    } else {
        c.is_alphanumeric() || is_combining_mark(c)
    }
}

/// White space, control characters, and characters that are invisible or change the reading direction. Two addresses that
/// look the same must be the same.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_whitespace() || is_hidden(c)
}

/// Like [`is_invisible`], but allows spaces. Used for names.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The deployment's secret that keys every fingerprint. If it is lost, addresses are no longer unique.
#[derive(Clone, Debug)]
pub struct Pepper(SecretString);

impl Pepper {
    /// Wraps the secret. The deployment generates it, with at least 256 bits of entropy.
    #[must_use]
    pub const fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    /// The fingerprint of this address. It is keyed, so that a person who reads the keys cannot test whether an address is
    /// among them.
    #[must_use]
    pub fn fingerprint(&self, email: &EmailAddress) -> Fingerprint {
        Fingerprint(URL_SAFE_NO_PAD.encode(self.hmac(&[email.canonical().as_bytes()])))
    }

    /// Derives a key for another purpose than fingerprints. Each purpose has its own key.
    ///
    /// The input starts with a NUL byte, which no canonical address contains. So no derived key is the fingerprint of an
    /// address, whatever the purpose is called. A derived key reveals neither the pepper nor the key of another purpose.
    #[must_use]
    pub fn key_for(&self, purpose: &'static str) -> Redacted<[u8; 32]> {
        Redacted::new(self.hmac(&[b"\0", purpose.as_bytes()]))
    }

    fn hmac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes()) else {
            unreachable!("HMAC accepts keys of every length")
        };
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// `HMAC-SHA-256(pepper, canonical address)` in base64url: 43 characters that identify an address and do not reveal it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint's text, as used in keys.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::{EmailAddress, InvalidEmail, Pepper};

    fn canonical(input: &str) -> Result<String, InvalidEmail> {
        EmailAddress::parse(input).map(|email| email.canonical().to_owned())
    }

    #[test]
    fn spellings_that_differ_in_case_or_unicode_form_are_one_mailbox() {
        for spelling in ["jose@example.com", " JOSE@Example.COM ", "Jose@EXAMPLE.com"] {
            assert_eq!(canonical(spelling).unwrap(), "jose@example.com");
        }
        assert_eq!(canonical("jose\u{301}@example.com"), canonical("JOS\u{c9}@example.com"));
        assert_eq!(canonical("a@b\u{fc}cher.example").unwrap(), "a@xn--bcher-kva.example");
        assert_eq!(canonical("a@BU\u{308}CHER.example").unwrap(), "a@xn--bcher-kva.example");
    }

    #[test]
    fn dots_and_plus_tags_make_another_mailbox() {
        assert_ne!(canonical("jo.se@example.com"), canonical("jose@example.com"));
        assert_ne!(canonical("jose+portal@example.com"), canonical("jose@example.com"));
    }

    #[test]
    fn a_text_that_is_not_one_plain_mailbox_is_refused() {
        for bad in [
            "",
            " ",
            "@",
            "jose",
            "jose@",
            "@example.com",
            "a@b@example.com",
            "jose@localhost",
            "jose@example.",
            "jose@.com",
            "Jose <jose@example.com>",
            "\"jose\"@example.com",
            "jose@[127.0.0.1]",
            "jose@127.0.0.1",
            "a@x.com,b@x.com",
            "a@x.com;b@x.com",
            "jose@exam ple.com",
            "jo se@example.com",
            ".jose@example.com",
            "jose.@example.com",
            "jo..se@example.com",
            "jose@-example.com",
            "jose@exa_mple.com",
            "jose\r\nBcc: x@example.com",
            "jose@example.com\u{0}a",
            "jo\u{200b}se@example.com",
            "jo\u{202e}se@example.com",
            "jose@exam\u{200d}ple.com",
            "jo\u{ad}se@example.com",
            "jo\u{fe0f}se@example.com",
            "jose@example.com\u{2066}x",
            "jose\u{1f600}@example.com",
            "jose@example..com",
        ] {
            assert_eq!(canonical(bad), Err(InvalidEmail), "{bad:?}");
        }
    }

    #[test]
    fn the_length_limits_of_smtp_apply() {
        let local = "a".repeat(64);
        assert!(canonical(&format!("{local}@example.com")).is_ok());
        assert!(canonical(&format!("a{local}@example.com")).is_err());
        let label = "b".repeat(63);
        let longest = format!("{local}@{label}.{label}.{}", "c".repeat(61));
        assert_eq!(longest.len(), 254);
        assert!(canonical(&longest).is_ok());
        assert!(canonical(&format!("{longest}c")).is_err());
        assert!(canonical(&"x".repeat(1_000_000)).is_err());
    }

    #[test]
    fn a_masked_address_shows_only_first_letters_and_the_top_level_domain() {
        assert_eq!(EmailAddress::parse("jose.nunez@mail.example.com").unwrap().masked(), "j***@m***.com");
    }

    #[test]
    fn a_fingerprint_depends_on_the_canonical_address_and_the_pepper() {
        let (one, other) = (Pepper::new("one".into()), Pepper::new("other".into()));
        let (email, other_spelling) =
            (EmailAddress::parse("a@example.com").unwrap(), EmailAddress::parse("A@Example.com").unwrap());
        assert_eq!(one.fingerprint(&email), one.fingerprint(&other_spelling));
        assert_ne!(one.fingerprint(&email), other.fingerprint(&email));
        assert_eq!(one.fingerprint(&email).as_str().len(), 43);
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let (one, other) = (Pepper::new("one".into()), Pepper::new("other".into()));
        assert_eq!(one.key_for("cursors"), one.key_for("cursors"));
        assert_ne!(one.key_for("cursors"), one.key_for("cursors 2"));
        assert_ne!(one.key_for("cursors"), other.key_for("cursors"));
        let email = EmailAddress::parse("a@example.com").unwrap();
        let derived_key = URL_SAFE_NO_PAD.encode(one.key_for("a@example.com").expose());
        assert_ne!(derived_key, one.fingerprint(&email).as_str());
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(input in "\\PC{0,40}@?\\PC{0,40}") {
            if let Ok(email) = EmailAddress::parse(&input) {
                let again = EmailAddress::parse(email.canonical()).unwrap();
                prop_assert_eq!(again.canonical(), email.canonical());
                prop_assert!(email.canonical().len() <= 254);
                prop_assert_eq!(email.canonical().matches('@').count(), 1);
            }
        }

        #[test]
        fn plausible_addresses_are_accepted(local in "[a-z0-9]{1,10}([.+_-][a-z0-9]{1,10}){0,2}", domain in "[a-z]{1,10}(-[a-z]{1,5})?\\.[a-z]{2,6}") {
            let address = format!("{local}@{domain}");
            prop_assert!(EmailAddress::parse(&address).is_ok());
        }
    }
}
