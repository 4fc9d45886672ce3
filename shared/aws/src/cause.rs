//! The causes of failures as they may be logged.
//!
//! The first two errors of an AWS error chain name the problem, such as a timeout or a missing permission. The rest can
//! quote the request and is not logged. The cause of an unreadable item is not logged either, because it can quote the
//! item.

use std::error::Error;

use portal::ports::{PortError, QueueError, StoreError};

/// The cause of a store error.
#[must_use]
pub fn from_store(error: &StoreError) -> String {
    match error {
        StoreError::Unavailable(source) => two_levels(source.as_ref()),
        StoreError::Busy | StoreError::Corrupt(_) => error.to_string(),
    }
}

/// The cause of a queue error.
#[must_use]
pub fn from_queue(QueueError(source): &QueueError) -> String {
    two_levels(source.as_ref())
}

/// The cause of an error of either port.
#[must_use]
pub fn from_port(error: &PortError) -> String {
    match error {
        PortError::Store(error) => from_store(error),
        PortError::Queue(error) => from_queue(error),
    }
}

fn two_levels(error: &(dyn Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Level(&'static str, #[source] Option<Box<Level>>);

    #[test]
    fn a_cause_has_two_levels_and_quotes_no_unreadable_item() {
        let message = Level("the request said jose@example.com", None);
        let code = Level("unhandled error (AccessDenied)", Some(Box::new(message)));
        let unavailable = StoreError::Unavailable(Level("service error", Some(Box::new(code))).into());
        assert_eq!(from_store(&unavailable), "service error: unhandled error (AccessDenied)");
        assert_eq!(from_store(&StoreError::Corrupt("found jose@example.com".into())), "an item cannot be read");
        assert_eq!(from_port(&QueueError("no answer".into()).into()), "no answer");
        assert_eq!(from_port(&StoreError::Busy.into()), "the store is busy");
    }
}
