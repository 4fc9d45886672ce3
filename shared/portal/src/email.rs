//! Email addresses: what counts as one, when two are the same, and the fingerprint that stands for one in keys.
//!
//! Source of the rules: the email rule of the domain (an address belongs to at most one patient, in any practice).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use crate::redacted::Redacted;

/// Longest local part, in bytes (RFC 5321, 4.5.3.1.1).
const LOCAL_PART_MAX_BYTES: usize = 64;
/// Longest address, in bytes (RFC 5321, 4.5.3.1.3, less the angle brackets).
const ADDRESS_MAX_BYTES: usize = 254;

/// One mailbox: the form somebody typed, and the canonical form that decides identity.
///
/// Two addresses are equal if their canonical forms are. Dots and plus tags are *not* folded: they are other
/// mailboxes at most providers, and folding them would give one person's invitation to another.
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

/// The text is not an address we can mail to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable email address")]
pub struct InvalidEmail;

impl EmailAddress {
    /// Parses what somebody typed.
    ///
    /// # Errors
    /// [`InvalidEmail`] for anything but one plain mailbox at a dotted domain: display names, quoted local
    /// parts, domain literals, several addresses, and every invisible or direction-changing character are
    /// refused rather than repaired, because a repaired address is a guess about somebody's mailbox.
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

    /// The form that decides identity, and the one that mail is sent to.
    #[must_use]
    pub fn canonical(&self) -> &str {
        self.canonical.expose()
    }

    /// The form as typed, trimmed: what staff see again on screen.
    #[must_use]
    pub fn typed(&self) -> &str {
        self.typed.expose()
    }

    /// A form that lets its owner recognise the address and tells a stranger nothing: `j***@e***.com`.
    #[must_use]
    pub fn masked(&self) -> String {
        let (local, domain) = self.canonical().split_once('@').unwrap_or_default();
        let (name, top) = domain.rsplit_once('.').unwrap_or_default();
        let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
        format!("{}***@{}***.{top}", first(local), first(name))
    }
}

fn canonical_local_part(local: &str) -> Result<String, InvalidEmail> {
    // Lower-casing can undo normalisation (a capital I with a dot becomes two characters), hence twice.
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

/// RFC 5322 `atext` and the dot, and the letters and marks that RFC 6531 adds to it.
fn is_local_part_char(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
    } else {
        c.is_alphanumeric() || is_combining_mark(c)
    }
}

/// White space, controls, and every character that shows nothing or turns the reading direction: two addresses
/// that look alike must not differ.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_whitespace() || is_hidden(c)
}

/// Like [`is_invisible`], with spaces allowed: for names.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The deployment secret that keys every fingerprint. Losing it loses the uniqueness of all claims.
#[derive(Clone, Debug)]
pub struct Pepper(SecretString);

impl Pepper {
    /// Takes the secret. It should have at least 256 bits of entropy; the deployment generates it.
    #[must_use]
    pub const fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    /// What stands for this address in keys: keyed, so that a reader of keys cannot test guesses.
    #[must_use]
    pub fn fingerprint(&self, email: &EmailAddress) -> Fingerprint {
        Fingerprint(URL_SAFE_NO_PAD.encode(self.hmac(&[email.canonical().as_bytes()])))
    }

    /// A key for something else than fingerprints; another for each purpose.
    ///
    /// What a purpose becomes here begins with a NUL, which no canonical address has: so no key is ever some address's
    /// fingerprint, however the purpose is named. Whoever learns a derived key learns neither the pepper nor another
    /// purpose's key.
    #[must_use]
    pub fn key_for(&self, purpose: &'static str) -> Redacted<[u8; 32]> {
        Redacted::new(self.hmac(&[b"\0", purpose.as_bytes()]))
    }

    fn hmac(&self, parts: &[&[u8]]) -> [u8; 32] {
        // HMAC takes keys of any length, so this cannot fail; the fallback would still be keyed by nothing secret,
        // which is why it is unreachable by type rather than by luck.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes()) else {
            unreachable!("HMAC accepts keys of every length")
        };
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// `HMAC-SHA-256(pepper, canonical address)`, base64url: 43 characters that identify an address and reveal nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The text that keys use.
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
    fn case_and_unicode_twins_are_one_mailbox() {
        for twin in ["jose@example.com", " JOSE@Example.COM ", "Jose@EXAMPLE.com"] {
            assert_eq!(canonical(twin).unwrap(), "jose@example.com");
        }
        assert_eq!(canonical("jose\u{301}@example.com"), canonical("JOS\u{c9}@example.com"));
        assert_eq!(canonical("a@b\u{fc}cher.example").unwrap(), "a@xn--bcher-kva.example");
        assert_eq!(canonical("a@BU\u{308}CHER.example").unwrap(), "a@xn--bcher-kva.example");
    }

    #[test]
    fn dots_and_tags_are_other_mailboxes() {
        assert_ne!(canonical("jo.se@example.com"), canonical("jose@example.com"));
        assert_ne!(canonical("jose+portal@example.com"), canonical("jose@example.com"));
    }

    #[test]
    fn refuses_what_is_not_one_plain_mailbox() {
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
    fn holds_the_length_limits_of_smtp() {
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
    fn a_masked_address_tells_a_stranger_nothing() {
        assert_eq!(EmailAddress::parse("jose.nunez@mail.example.com").unwrap().masked(), "j***@m***.com");
    }

    #[test]
    fn fingerprints_follow_identity_and_the_pepper() {
        let (one, other) = (Pepper::new("one".into()), Pepper::new("other".into()));
        let (email, twin) =
            (EmailAddress::parse("a@example.com").unwrap(), EmailAddress::parse("A@Example.com").unwrap());
        assert_eq!(one.fingerprint(&email), one.fingerprint(&twin));
        assert_ne!(one.fingerprint(&email), other.fingerprint(&email));
        assert_eq!(one.fingerprint(&email).as_str().len(), 43);
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let (one, other) = (Pepper::new("one".into()), Pepper::new("other".into()));
        assert_eq!(one.key_for("cursors"), one.key_for("cursors"));
        assert_ne!(one.key_for("cursors"), one.key_for("cursors 2"));
        assert_ne!(one.key_for("cursors"), other.key_for("cursors"));
        let email = EmailAddress::parse("a@example.com").unwrap();
        let of_the_same_text = URL_SAFE_NO_PAD.encode(one.key_for("a@example.com").expose());
        assert_ne!(of_the_same_text, one.fingerprint(&email).as_str());
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
