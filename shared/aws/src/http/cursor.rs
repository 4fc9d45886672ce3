//! Cursors of the directory: places with which a client asks for the next page.
//!
//! A place contains words of a patient's name, and URLs are stored in browser histories and logs. Therefore a cursor is
//! encrypted, and is valid only for the practice and the query that it was made for
//! (`docs/adr/0010-directory-cursor.md`).

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, MAX_TAG_LEN, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portal::{directory::DirectoryPlace, email::Pepper, ids::PracticeId, scope::TenantScope, search::DirectoryQuery};

use super::problem::{Malformed, Problem};
use crate::store::keys::{directory_place, parse_directory_place};

/// The purpose of the derived key. A new format of cursors needs a new number; old cursors are then refused.
const PURPOSE: &str = "directory cursor 1";
/// The longest cursor, in characters: that of a name whose words have 32 and 64 characters of four bytes each.
const CURSOR_MAX_CHARS: usize = 700;

/// The sentence for an invalid cursor, or one of another search.
pub const MALFORMED_CURSOR: &str =
    "The cursor must be the next of an answer to the same search: leave it out to begin again.";

/// Makes and reads the cursors of searches.
#[derive(Clone, Debug)]
pub struct DirectoryCursors {
    pepper: Pepper,
}

impl DirectoryCursors {
    /// The key is derived from the pepper each time that a cursor is made or read. That takes microseconds, and most
    /// searches have one page.
    #[must_use]
    pub const fn new(pepper: Pepper) -> Self {
        Self { pepper }
    }

    /// Encrypts a place as a cursor for this practice and this query.
    ///
    /// # Errors
    /// [`Problem::Internal`] if the system has no random bytes for a nonce.
    pub fn seal(&self, scope: &TenantScope, query: &DirectoryQuery, place: &DirectoryPlace) -> Result<String, Problem> {
        let sealed = self.encrypt(&bound_to(scope.practice(), query), directory_place(place).into_bytes());
        Ok(URL_SAFE_NO_PAD.encode(sealed.map_err(|error| Problem::Internal(error.into()))?))
    }

    /// Decrypts the place of a cursor.
    ///
    /// # Errors
    /// [`Malformed::Query`] unless [`Self::seal`] made it for this practice and this query.
    pub fn open(&self, scope: &TenantScope, query: &DirectoryQuery, cursor: &str) -> Result<DirectoryPlace, Problem> {
        let place = self.decrypt(&bound_to(scope.practice(), query), cursor);
        Ok(place.ok_or(Malformed::Query(MALFORMED_CURSOR))?)
    }

    fn key(&self) -> Result<RandomizedNonceKey, Unspecified> {
        RandomizedNonceKey::new(&AES_256_GCM, self.pepper.key_for(PURPOSE).expose())
    }

    /// The nonce, the encrypted text and the tag.
    fn encrypt(&self, bound_to: &[u8], mut text: Vec<u8>) -> Result<Vec<u8>, Unspecified> {
        let nonce = self.key()?.seal_in_place_append_tag(Aad::from(bound_to), &mut text)?;
        Ok([nonce.as_ref().as_slice(), &text].concat())
    }

    fn decrypt(&self, bound_to: &[u8], cursor: &str) -> Option<DirectoryPlace> {
        // Checked before decoding, so that a huge cursor costs nothing.
        let bounded = (NONCE_LEN + MAX_TAG_LEN..=CURSOR_MAX_CHARS).contains(&cursor.len());
        let mut sealed = URL_SAFE_NO_PAD.decode(Some(cursor).filter(|_| bounded)?).ok()?;
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.key().ok()?.open_in_place(nonce, Aad::from(bound_to), text).ok()?;
        parse_directory_place(std::str::from_utf8(text).ok()?)
    }
}

/// The practice and the query that a cursor is valid for. A practice id contains no separator, so the text is unambiguous.
fn bound_to(practice: &PracticeId, query: &DirectoryQuery) -> Vec<u8> {
    format!("{practice}#{}", query.normalised().expose()).into_bytes()
}

#[cfg(test)]
mod tests {
    use portal::{
        directory::{NameEntry, rows},
        redacted::Redacted,
        testing::samples,
    };

    use super::*;

    fn cursors(pepper: &str) -> DirectoryCursors {
        DirectoryCursors::new(Pepper::new(pepper.into()))
    }

    fn query(text: &str) -> DirectoryQuery {
        DirectoryQuery::parse(text).unwrap()
    }

    fn place() -> DirectoryPlace {
        rows(&samples::patient_id("p-1001"), &samples::profile(None)).remove(0).place
    }

    #[test]
    fn a_cursor_gives_its_place_back_and_hides_it() {
        let (cursors, scope) = (cursors("pepper"), samples::scope("lake"));
        let sealed = cursors.seal(&scope, &query("nu"), &place()).unwrap();
        assert_eq!(cursors.open(&scope, &query("NÚ"), &sealed).unwrap(), place());
        let bytes = String::from_utf8_lossy(&URL_SAFE_NO_PAD.decode(&sealed).unwrap()).into_owned();
        assert!(!bytes.contains("nu") && !bytes.contains("p-1"), "{bytes}");
        // The same place has another cursor each time.
        assert_ne!(cursors.seal(&scope, &query("nu"), &place()).unwrap(), sealed);
    }

    #[test]
    fn a_cursor_is_valid_only_for_its_practice_its_query_and_its_pepper() {
        let (own, scope) = (cursors("pepper"), samples::scope("lake"));
        let sealed = own.seal(&scope, &query("nu"), &place()).unwrap();
        let code =
            |result: Result<DirectoryPlace, Problem>| result.map_err(|problem| problem.code().name()).unwrap_err();
        assert_eq!(code(own.open(&samples::scope("hill"), &query("nu"), &sealed)), "malformed");
        assert_eq!(code(own.open(&scope, &query("nun"), &sealed)), "malformed");
        assert_eq!(code(own.open(&scope, &query("nu jo"), &sealed)), "malformed");
        assert_eq!(code(own.open(&scope, &query("1980-02-29"), &sealed)), "malformed");
        assert_eq!(code(cursors("another").open(&scope, &query("nu"), &sealed)), "malformed");
    }

    #[test]
    fn a_changed_cursor_is_refused() {
        let (cursors, scope) = (cursors("pepper"), samples::scope("lake"));
        let sealed = cursors.seal(&scope, &query("nu"), &place()).unwrap();
        let refused = |text: &str| cursors.open(&scope, &query("nu"), text).is_err();
        for at in 0..sealed.len() {
            let other = if sealed.as_bytes()[at] == b'A' { "B" } else { "A" };
            assert!(refused(&format!("{}{other}{}", &sealed[..at], &sealed[at + 1..])), "character {at}");
            assert!(refused(&sealed[..at]), "cut off at {at}");
        }
        for text in [format!("{sealed}A"), format!("{sealed}="), sealed.to_lowercase(), "x".repeat(1_000_000)] {
            assert!(refused(&text));
        }
    }

    #[test]
    fn the_longest_place_has_a_cursor() {
        let words = |count| Redacted::new("\u{10428}".repeat(count));
        let entry = NameEntry { token: words(32), rest: words(64) };
        let longest = DirectoryPlace::Name { entry, patient: samples::patient_id(&"x".repeat(64)) };
        let (cursors, scope) = (cursors("pepper"), samples::scope("lake"));
        let sealed = cursors.seal(&scope, &query("nu"), &longest).unwrap();
        assert!(sealed.len() <= CURSOR_MAX_CHARS, "{}", sealed.len());
        assert_eq!(cursors.open(&scope, &query("nu"), &sealed).unwrap(), longest);
    }
}
