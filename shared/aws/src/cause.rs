//! What the log may say about the cause of a failure.
//!
//! AWS names what is wrong (a permission, a timeout) in the first two errors of the chain; its message, further down,
//! can quote the request. What could not be read is not named at all: such errors quote the text that they stumbled
//! over.

use std::error::Error;

use portal::ports::{PortError, QueueError, StoreError};

/// Why the store did not do it.
#[must_use]
pub fn of_store(error: &StoreError) -> String {
    match error {
        StoreError::Unavailable(source) => two_levels(source.as_ref()),
        StoreError::Busy | StoreError::Corrupt(_) => error.to_string(),
    }
}

/// Why the queue did not do it.
#[must_use]
pub fn of_queue(QueueError(source): &QueueError) -> String {
    two_levels(source.as_ref())
}

/// Why either did not.
#[must_use]
pub fn of_port(error: &PortError) -> String {
    match error {
        PortError::Store(error) => of_store(error),
        PortError::Queue(error) => of_queue(error),
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
    fn a_cause_has_two_levels_and_quotes_nothing_that_could_not_be_read() {
        let message = Level("the request said jose@example.com", None);
        let code = Level("unhandled error (AccessDenied)", Some(Box::new(message)));
        let unavailable = StoreError::Unavailable(Level("service error", Some(Box::new(code))).into());
        assert_eq!(of_store(&unavailable), "service error: unhandled error (AccessDenied)");
        assert_eq!(of_store(&StoreError::Corrupt("found jose@example.com".into())), "an item cannot be read");
        assert_eq!(of_port(&QueueError("no answer".into()).into()), "no answer");
        assert_eq!(of_port(&StoreError::Busy.into()), "the store is busy");
    }
}
