//! What is read in pages: a patient's history, a practice's directory, a bulk job's slices. One query a page.

use portal::{
    directory::{DirectoryPlace, DirectoryRow},
    ids::PatientId,
    ports::{DirectoryStore, StoreError, TimelineReader},
    scope::TenantScope,
    search::DirectoryQuery,
    timeline::{HistoryPlace, TimelineEvent},
};

use super::{
    DynamoStore, Item,
    expression::{text, values},
    items,
    keys::{self, EVENTS, Key},
};

/// Items of one partition.
pub(super) struct Page {
    pub(super) partition: String,
    /// What their sort keys begin with.
    pub(super) beginning: String,
    pub(super) order: Order,
    /// The key that they come after, in this order. It need not be any item's.
    pub(super) after: Option<Key>,
    pub(super) limit: u16,
}

pub(super) enum Order {
    /// As the sort keys are.
    Rising,
    /// The other way round.
    Falling,
}

impl<P> DynamoStore<P> {
    /// The items of a page, as last written.
    pub(super) async fn page(&self, page: Page) -> Result<Vec<Item>, StoreError> {
        let condition = "#PK = :partition AND begins_with(#SK, :beginning)";
        let values =
            values(&[condition], [(":partition", text(&page.partition)), (":beginning", text(&page.beginning))]);
        let after = page.after.as_ref().map(Key::to_item);
        let rising = matches!(page.order, Order::Rising);
        self.query(condition, &values, page.limit, |query| {
            // What was saved is found at once, and what was renamed is not found any more.
            query.consistent_read(true).scan_index_forward(rising).set_exclusive_start_key(after.clone())
        })
        .await
    }
}

impl<P: Sync> TimelineReader for DynamoStore<P> {
    async fn events(
        &self,
        scope: &TenantScope,
        patient: &PatientId,
        before: Option<HistoryPlace>,
        limit: u16,
    ) -> Result<Vec<TimelineEvent>, StoreError> {
        let key = scope.record(patient);
        let page = Page {
            partition: keys::record_partition(&key),
            beginning: EVENTS.to_owned(),
            order: Order::Falling,
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
            beginning: keys::directory_beginning(query),
            order: Order::Rising,
            after: after.map(|place| keys::directory(practice, place)),
            limit,
        };
        self.page(page).await?.into_iter().map(items::directory::decode).collect()
    }
}
