//! Pages of a patient's timeline and of a practice's directory. A page is one query.

use portal::{
    directory::{DirectoryPlace, DirectoryRow},
    ids::PatientId,
    ports::{DirectoryStore, StoreError, TimelineReader},
    scope::TenantScope,
    search::DirectoryQuery,
    timeline::{TimelineEvent, TimelinePlace},
};

use super::{
    DynamoStore, Item,
    expression::{text, values},
    items,
    keys::{self, EVENTS, Key},
};

/// A page of items of one partition.
pub(super) struct Page {
    pub(super) partition: String,
    /// The prefix of their sort keys.
    pub(super) prefix: String,
    pub(super) order: Order,
    /// The key before the first item, in this order. The key need not exist.
    pub(super) after: Option<Key>,
    pub(super) limit: u16,
}

/// The order of the sort keys.
pub(super) enum Order {
    Ascending,
    Descending,
}

impl<P> DynamoStore<P> {
    /// Reads a page consistently.
    pub(super) async fn page(&self, page: Page) -> Result<Vec<Item>, StoreError> {
        let condition = "#PK = :partition AND begins_with(#SK, :prefix)";
        let values = values(&[condition], [(":partition", text(&page.partition)), (":prefix", text(&page.prefix))]);
        let after = page.after.as_ref().map(Key::to_item);
        let ascending = matches!(page.order, Order::Ascending);
        self.query(condition, &values, page.limit, |query| {
            // A saved patient is found at once, and not under an old name.
            query.consistent_read(true).scan_index_forward(ascending).set_exclusive_start_key(after.clone())
        })
        .await
    }
}

impl<P: Sync> TimelineReader for DynamoStore<P> {
    async fn events(
        &self,
        scope: &TenantScope,
        patient: &PatientId,
        before: Option<TimelinePlace>,
        limit: u16,
    ) -> Result<Vec<TimelineEvent>, StoreError> {
        let key = scope.record(patient);
        let page = Page {
            partition: keys::record_partition(&key),
            prefix: EVENTS.to_owned(),
            order: Order::Descending,
            after: before.map(|place| keys::event(&key, place.version())),
            limit,
        };
        self.page(page).await?.into_iter().map(items::event::decode).collect()
    }
}

impl<P: Sync> DirectoryStore for DynamoStore<P> {
    async fn search(
        &self,
        scope: &TenantScope,
        query: &DirectoryQuery,
        after: Option<&DirectoryPlace>,
        limit: u16,
    ) -> Result<Vec<DirectoryRow>, StoreError> {
        let practice = scope.practice();
        let page = Page {
            partition: keys::directory_partition(practice),
            prefix: keys::directory_prefix(query),
            order: Order::Ascending,
            after: after.map(|place| keys::directory(practice, place)),
            limit,
        };
        self.page(page).await?.into_iter().map(items::directory::decode).collect()
    }
}
