//! Finding the record of a mailed link.

use portal::{
    email::Pepper,
    ids::{LinkId, RecordKey},
    ports::{Consistency, LinkStore, Loaded, StoreError},
    record::PortalRecord,
};

use super::{
    DynamoStore,
    errors::corrupt,
    expression::{text, values},
    items::Unreadable,
    keys::{self, LINK_INDEX},
};

impl LinkStore for DynamoStore<Pepper> {
    async fn load_linked(&self, link: &LinkId) -> Result<Loaded, StoreError> {
        let Some(key) = self.find_linked(link).await? else {
            // This read finds nothing. It makes an unknown link take as long as a known one.
            let _nothing = self.get(&keys::absent_record(), true).await?;
            return Ok(Loaded { practice: None, record: None });
        };
        let loaded = self.load_both(&key, Consistency::Strong).await?;
        // The index is eventually consistent: the record may have lost the link.
        let has_link = |record: &PortalRecord| record.link.as_ref().is_some_and(|its| its.id == *link);
        Ok(if loaded.record.as_ref().is_some_and(has_link) { loaded } else { Loaded { practice: None, record: None } })
    }
}

impl DynamoStore<Pepper> {
    async fn find_linked(&self, link: &LinkId) -> Result<Option<RecordKey>, StoreError> {
        let condition = "#link_id = :link";
        let values = values(&[condition], [(":link", text(link.as_str()))]);
        let found = self.query_index(LINK_INDEX, condition, &values, None, 1).await?;
        let Some(item) = found.first() else { return Ok(None) };
        let partition = item.get(keys::PARTITION).and_then(|value| value.as_s().ok());
        let key = partition.and_then(|partition| keys::parse_record_partition(partition));
        key.map(Some).ok_or_else(|| corrupt(Unreadable::Attribute(keys::PARTITION)))
    }
}
