//! The keyed commands that a record remembers, so that a repeated request is not executed again.

use chrono::{DateTime, Utc};

use super::{Change, PortalRecord};
use crate::{
    idempotency::{KeyReused, KeyedRequest, RememberedRequest},
    policy::{IDEMPOTENCY_WINDOW, MAX_REMEMBERED_REQUESTS},
};

impl PortalRecord {
    /// Finds the earlier execution of this request within [`IDEMPOTENCY_WINDOW`].
    ///
    /// # Errors
    /// [`KeyReused`] if its key was used for another request.
    pub fn find_request(
        &self,
        request: &KeyedRequest,
        now: DateTime<Utc>,
    ) -> Result<Option<&RememberedRequest>, KeyReused> {
        let known = |past: &&RememberedRequest| past.request.key == request.key && past.at + IDEMPOTENCY_WINDOW > now;
        match self.recent_requests.iter().find(known) {
            Some(past) if past.request.content != request.content => Err(KeyReused),
            found => Ok(found),
        }
    }
}

impl Change {
    /// The change, with this request remembered in the record. At most [`MAX_REMEMBERED_REQUESTS`] are kept; the oldest is
    /// removed first.
    #[must_use]
    pub fn with_remembered_request(mut self, request: Option<&KeyedRequest>) -> Self {
        let Some(request) = request else { return self };
        let (at, version) = (self.event.context.at, self.after.version);
        let remembered = &mut self.after.recent_requests;
        remembered.retain(|past| past.at + IDEMPOTENCY_WINDOW > at && past.request.key != request.key);
        remembered.drain(..(remembered.len() + 1).saturating_sub(MAX_REMEMBERED_REQUESTS));
        remembered.push(RememberedRequest { request: *request, at, version });
        self
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::testing::samples;

    fn change_at(record: &PortalRecord, at: DateTime<Utc>) -> Change {
        let context = samples::staff_context(at, "request");
        if record.may_opt_out().is_ok() { record.opt_out(context).unwrap() } else { record.opt_in(context).unwrap() }
    }

    fn patient() -> PortalRecord {
        samples::new_patient(&samples::key("lakeside", "p-1"), samples::profile(None)).after
    }

    #[test]
    fn a_key_belongs_to_one_command_and_one_content() {
        let request = KeyedRequest::new("opt-out", "k", b"{}");
        let record = change_at(&patient(), samples::noon()).with_remembered_request(Some(&request)).after;
        let find = |command, key, content| {
            let request = KeyedRequest::new(command, key, content);
            record.find_request(&request, samples::noon()).map(|past| past.map(|past| past.version))
        };
        assert_eq!(find("opt-out", "k", b"{}"), Ok(Some(2)));
        assert_eq!(find("opt-out", "k", b""), Err(KeyReused));
        assert_eq!(find("opt-out", "K", b"{}"), Ok(None));
        assert_eq!(find("opt-in", "k", b"{}"), Ok(None));
        assert_eq!(find("opt-out\nk", "", b"{}"), Ok(None));
    }

    #[test]
    fn a_key_is_remembered_for_a_day() {
        let request = KeyedRequest::new("opt-out", "k", b"");
        let record = change_at(&patient(), samples::noon()).with_remembered_request(Some(&request)).after;
        let last = samples::noon() + IDEMPOTENCY_WINDOW - TimeDelta::milliseconds(1);
        assert!(record.find_request(&request, last).unwrap().is_some());
        assert_eq!(record.find_request(&request, last + TimeDelta::milliseconds(1)), Ok(None));
        let other = KeyedRequest::new("opt-out", "k", b"other");
        let later = samples::noon() + IDEMPOTENCY_WINDOW;
        let again = change_at(&record, later).with_remembered_request(Some(&other)).after;
        assert_eq!(again.recent_requests, [RememberedRequest { request: other, at: later, version: 3 }]);
    }

    #[test]
    fn the_oldest_remembered_request_is_removed_first() {
        let request = |number: usize| KeyedRequest::new("opt", &number.to_string(), b"");
        let record = (0..=MAX_REMEMBERED_REQUESTS).fold(patient(), |record, number| {
            change_at(&record, samples::noon()).with_remembered_request(Some(&request(number))).after
        });
        assert_eq!(record.recent_requests.len(), MAX_REMEMBERED_REQUESTS);
        assert_eq!(record.find_request(&request(0), samples::noon()), Ok(None));
        assert!(record.find_request(&request(1), samples::noon()).unwrap().is_some());
    }

    #[test]
    fn a_change_without_a_key_keeps_the_remembered_requests() {
        let request = KeyedRequest::new("opt-out", "k", b"");
        let record = change_at(&patient(), samples::noon()).with_remembered_request(Some(&request)).after;
        assert_eq!(change_at(&record, samples::noon()).with_remembered_request(None).after.recent_requests.len(), 1);
    }
}
