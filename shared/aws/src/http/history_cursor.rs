//! Cursors of histories that are ordered by time. They contain a time and a request id, and no personal data.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portal::history::HistoryPlace;

use super::{
    problem::{Malformed, Problem},
    request::Request,
};

/// The problem's detail for a cursor that is no place in a history.
pub const MALFORMED_CURSOR: &str =
    "The cursor must be the next of an answer to the same request: leave it out to begin again.";

/// The cursor of the page before a place. It is encoded, because a request id may have characters with a meaning in a URL.
#[must_use]
pub fn cursor_before(place: &HistoryPlace) -> String {
    URL_SAFE_NO_PAD.encode(place.to_text())
}

/// Where the page of a history begins.
///
/// # Errors
/// [`Malformed::Query`]
pub fn place_from_cursor(request: &Request) -> Result<Option<HistoryPlace>, Problem> {
    let Some(cursor) = request.query("cursor") else { return Ok(None) };
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|text| String::from_utf8(text).ok());
    let place = text.and_then(|text| HistoryPlace::parse(&text));
    Ok(Some(place.ok_or(Malformed::Query(MALFORMED_CURSOR))?))
}
