//! The stores under test, with what the cases need besides the ports.

use std::sync::Arc;

use portal::{
    ids::RecordKey,
    ports::{
        AccessLogReader, BulkRunStore, DeliveryStore, DirectoryStore, LinkStore, LoginStore, PortalStore,
        PracticeHistory, PracticeStore, SupportStore,
    },
    testing::MemoryStore,
};

/// A store under test.
pub(crate) trait Backend {
    type Store: PortalStore
        + PracticeStore
        + DeliveryStore
        + LinkStore
        + LoginStore
        + SupportStore
        + AccessLogReader
        + PracticeHistory
        + DirectoryStore
        + BulkRunStore
        + Send
        + Sync
        + 'static;

    fn store(&self) -> &Arc<Self::Store>;

    /// The stored events of a record, oldest first, in any form.
    async fn history(&self, key: &RecordKey) -> Vec<String>;
}

/// The in-memory store.
pub(crate) struct Memory(Arc<MemoryStore>);

#[expect(clippy::unused_async, reason = "the functions of other stores are async")]
impl Memory {
    pub(crate) async fn start(_: &str) -> Option<Self> {
        Some(Self(Arc::default()))
    }

    pub(crate) async fn end(self) {}
}

impl Backend for Memory {
    type Store = MemoryStore;

    fn store(&self) -> &Arc<MemoryStore> {
        &self.0
    }

    async fn history(&self, key: &RecordKey) -> Vec<String> {
        self.0.timeline(key).iter().map(|event| format!("{event:?}")).collect()
    }
}
