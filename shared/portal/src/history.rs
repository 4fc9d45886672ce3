//! Places in histories that are ordered by time: a practice's history, and the accesses to a patient.

use chrono::{DateTime, Utc};

use crate::{ids::RequestId, timeline::ChangeContext};

/// The place of an entry in a history. No two entries have the same place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryPlace {
    /// When it happened, in whole milliseconds.
    pub at: DateTime<Utc>,
    /// The request that it happened in.
    pub request: RequestId,
    /// The entry's number within the request.
    pub number: u8,
}

impl HistoryPlace {
    /// The number of digits of an instant, enough until the year 2286.
    const MILLIS_DIGITS: usize = 13;

    /// The place of an entry with this context and number.
    #[must_use]
    pub fn from_context(context: &ChangeContext, number: u8) -> Self {
        Self { at: context.at, request: context.request.clone(), number }
    }

    /// The place as text. Texts sort like places, because no request id contains the separator or a character that sorts
    /// before it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { at, request, number } = self;
        format!("{:0width$}#{request}#{number}", at.timestamp_millis(), width = Self::MILLIS_DIGITS)
    }

    /// Parses [`Self::to_text`], and no other form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (at, rest) = text.split_once('#')?;
        let (request, number) = rest.split_once('#')?;
        let place = Self {
            at: DateTime::from_timestamp_millis(at.parse().ok()?)?,
            request: RequestId::parse(request).ok()?,
            number: number.parse().ok()?,
        };
        (place.to_text() == text).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::samples;

    fn place(at: &str, request: &str, number: u8) -> HistoryPlace {
        HistoryPlace { at: samples::at(at), request: samples::request_id(request), number }
    }

    #[test]
    fn texts_sort_like_places_and_can_be_parsed_back() {
        let mut places = vec![
            place("2026-05-05T12:00:00.001Z", "a", 0),
            place("2026-05-05T12:00:00Z", "a=", 0),
            place("2026-05-05T12:00:00Z", "a+b", 0),
            place("2026-05-05T12:00:00Z", "a", 2),
            place("2026-05-05T12:00:00Z", "a", 0),
            place("1999-05-05T12:00:00Z", "z", 0),
        ];
        places.sort();
        let texts: Vec<String> = places.iter().map(HistoryPlace::to_text).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        let parsed: Vec<_> = texts.iter().filter_map(|text| HistoryPlace::parse(text)).collect();
        assert_eq!(parsed, places);
    }

    #[test]
    fn each_place_has_one_text() {
        assert!(HistoryPlace::parse("1777982400000#a#0").is_some());
        for text in [
            "",
            "1777982400000",
            "1777982400000#a",
            "1#a#0",
            "1777982400000#a#00",
            "1777982400000#a#256",
            "1777982400000#a b#0",
            "+777982400000#a#0",
            "1777982400000##0",
        ] {
            assert_eq!(HistoryPlace::parse(text), None, "{text}");
        }
    }
}
