//! The parsers of the domain: addresses, links, searches, places.

use bolero::check;
use portal::{
    email::{EmailAddress, Pepper},
    link::Token,
    search::DirectoryQuery,
    testing::samples,
    timeline::TimelinePlace,
};
use portal_aws::http::DirectoryCursors;

use crate::{Edits, ITERATIONS, spliced};

/// Checks the properties of an address, if the text is one.
fn check_address(text: &str) {
    let Ok(email) = EmailAddress::parse(text) else { return };
    let again = EmailAddress::parse(email.canonical()).unwrap();
    assert_eq!(again.canonical(), email.canonical(), "a canonical form is its own canonical form");
    assert_eq!(EmailAddress::parse(email.typed()).unwrap().canonical(), email.canonical());
    let (local, domain) = email.canonical().rsplit_once('@').unwrap();
    assert!(!local.is_empty() && local.len() <= 64 && email.canonical().len() <= 254);
    assert!(domain.is_ascii() && domain.contains('.') && domain == domain.to_lowercase());
    for text in [email.canonical(), email.typed()] {
        assert!(!text.chars().any(char::is_control), "an address cannot break a header");
        assert!(!text.contains([',', ';', '<', '>', ' ']), "an address is not a list and has no name");
    }
    assert!(!email.masked().contains(email.canonical()));
}

#[test]
fn fuzz_email() {
    check!().with_iterations(ITERATIONS).for_each(|bytes: &[u8]| check_address(&String::from_utf8_lossy(bytes)));
}

#[test]
fn fuzz_email_like() {
    check!().with_iterations(ITERATIONS).with_type::<Edits>().for_each(|edits| {
        for sample in ["Jose.Nunez+a@Mail.Example.com", "джон@пример.example", "x@bücher.example"] {
            check_address(&String::from_utf8_lossy(&spliced(sample.as_bytes(), edits)));
        }
    });
}

#[test]
fn fuzz_token() {
    let good = samples::token(1);
    check!().with_iterations(ITERATIONS).with_type::<Edits>().for_each(|edits| {
        let text = spliced(good.to_text().expose().as_bytes(), edits);
        let Ok(text) = String::from_utf8(text) else { return };
        if let Some(token) = Token::parse(&text) {
            assert_eq!(token.to_text().expose(), &text, "a token has only one spelling");
        }
    });
}

#[test]
fn fuzz_search() {
    check!().with_iterations(ITERATIONS).for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let Ok(query) = DirectoryQuery::parse(&text) else { return };
        let normalised = query.normalised();
        let again = DirectoryQuery::parse(normalised.expose());
        assert_eq!(
            again.unwrap().normalised().expose(),
            normalised.expose(),
            "a normalised query is its own normalised form"
        );
    });
}

#[test]
fn fuzz_history_place() {
    check!().with_iterations(ITERATIONS).for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        if let Some(place) = TimelinePlace::parse(&text) {
            assert_eq!(place.version().to_string(), text);
        }
    });
}

#[test]
fn fuzz_cursor() {
    let cursors = DirectoryCursors::new(Pepper::new("a pepper for tests".into()));
    let (scope, query) = (samples::scope("lake"), DirectoryQuery::parse("nu").unwrap());
    let row = portal::directory::rows(&samples::patient_id("p-1"), &samples::profile(None)).remove(0);
    let good = cursors.seal(&scope, &query, &row.place).ok().unwrap();
    let cursors = std::panic::AssertUnwindSafe((cursors, scope, query));
    check!().with_iterations(ITERATIONS).with_type::<Edits>().for_each(|edits| {
        let text = spliced(good.as_bytes(), edits);
        let Ok(text) = String::from_utf8(text) else { return };
        let opened = cursors.0.0.open(&cursors.0.1, &cursors.0.2, &text);
        assert_eq!(opened.is_ok(), text == good, "only the sealed cursor can be opened");
    });
}
