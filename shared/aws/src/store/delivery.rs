//! Claims on mails and the index of due entries. Each write is one conditional update.

use std::{sync::PoisonError, time::Duration};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use chrono::{DateTime, Utc};
use portal::{
    email::Pepper,
    ids::{InvitationId, PracticeId, RecordKey},
    link::LiveSecret,
    policy::{SEND_GRACE, SEND_LEASE},
    ports::{ClaimOutcome, DeliveryStore, DueEntry, DueShard, StoreError},
    practice::Practice,
    record::{
        NextActionKind, PortalRecord,
        delivery::{ClaimRequest, Unclaimable},
    },
};

use super::{
    DynamoStore, Item,
    errors::corrupt,
    expression::{millis, number, text, values},
    items::{self, SCHEMA, Unreadable, packed::secret_attribute},
    keys::{self, DUE_ATTRIBUTES, DUE_INDEX},
    update::{Update, UpdateOutcome},
};
use crate::clock;

/// How long the sender uses cached settings of a practice.
const PRACTICE_CACHE_LIFETIME: Duration = Duration::from_mins(1);
/// The size limit of the cache. A full cache is emptied.
const MAX_CACHED_PRACTICES: usize = 1_000;

/// [`PortalRecord::claimable`], as far as a condition can express it.
pub(super) const CLAIMABLE: &str = "#schema <= :schema AND #invitation_id = :invitation AND attribute_not_exists(#opted_out_at) \
     AND attribute_not_exists(#account_state) AND #tries_left > :none \
     AND (#invitation_state = :queued OR (#invitation_state = :sending AND #lease_until <= :lease_over))";
/// [`PortalRecord::claim`] as an update.
pub(super) const CLAIM: &str = "SET #invitation_state = :sending, #lease_until = :lease_until, #expires_at = :expires_at, \
     #attempt = #attempt + :one, #tries_left = #tries_left - :one, #fence = #fence + :one, \
     #link_id = if_not_exists(#link_id, :fresh_link), #guesses = if_not_exists(#guesses, :none), \
     #link_secrets = list_append(if_not_exists(#link_secrets, :no_secrets), :secrets), \
     #next_action = :deliver, #due_shard = :shard, #due_at = :due_at";

/// The update that gives a claimed mail back. The secret of the claim, the last one, is removed as well.
pub(super) const DEFER: &str = "SET #fence = :fence, #invitation_state = :queued, #tries_left = :tries_left, \
     #next_action = :next_action, #due_shard = :shard, #due_at = :due_at \
     REMOVE #lease_until, #expires_at, #link_secrets";
/// The condition of [`DEFER`]. Without a link, the patient has opted out meanwhile. The lease expires and the invitation is
/// finalized.
pub(super) const DEFERRABLE: &str = "#fence = :held AND #invitation_state = :sending AND attribute_exists(#link_id)";

/// The update that moves a due entry.
pub(super) const RESCHEDULE: &str = "SET #due_at = :next, #reschedules = #reschedules + :one";
/// The update that removes a due entry.
pub(super) const UNSCHEDULE: &str = "REMOVE #next_action, #due_shard, #due_at";
/// The condition that a due entry still agrees with its record.
pub(super) const ENTRY_IS_CURRENT: &str = "#invitation_id = :invitation AND #next_action = :kind AND #due_at = :at";

impl<P> DynamoStore<P> {
    fn cached_practice(&self, practice: &PracticeId) -> Option<Practice> {
        let practices = self.practices.lock().unwrap_or_else(PoisonError::into_inner);
        practices
            .get(practice)
            .filter(|(read_at, _)| read_at.elapsed() < PRACTICE_CACHE_LIFETIME)
            .map(|(_, practice)| practice.clone())
    }

    fn cache_practice(&self, practice: &Practice) {
        let mut practices = self.practices.lock().unwrap_or_else(PoisonError::into_inner);
        if practices.len() >= MAX_CACHED_PRACTICES {
            practices.clear();
        }
        practices.insert(practice.id.clone(), (clock::monotonic(), practice.clone()));
    }
}

impl DeliveryStore for DynamoStore<Pepper> {
    async fn claim(&self, key: &RecordKey, request: &ClaimRequest) -> Result<ClaimOutcome, StoreError> {
        let ClaimRequest { invitation, now, fresh_link, secret, expires_at } = request;
        let live = LiveSecret { hash: *secret, expires_at: *expires_at };
        let values = [
            (":schema", number(SCHEMA)),
            (":invitation", text(invitation.as_str())),
            (":none", number(0)),
            (":one", number(1)),
            (":queued", text("queued")),
            (":sending", text("sending")),
            (":lease_over", millis(*now - SEND_GRACE)),
            (":lease_until", millis(*now + SEND_LEASE)),
            (":expires_at", millis(*expires_at)),
            (":fresh_link", text(fresh_link.as_str())),
            (":no_secrets", AttributeValue::L(Vec::new())),
            (":secrets", AttributeValue::L(vec![secret_attribute(&live)])),
            (":deliver", text(NextActionKind::Deliver.into())),
            (":shard", text(&keys::due_shard(keys::shard_of(key)))),
            (":due_at", millis(*now + SEND_LEASE + SEND_GRACE)),
        ];
        let updated = self
            .update(Update { key, change: CLAIM, condition: CLAIMABLE, values, return_values: ReturnValue::AllNew })
            .await?;
        match updated {
            UpdateOutcome::Written(item) => {
                Ok(ClaimOutcome::Claimed(Box::new(items::record::decode(item.unwrap_or_default())?)))
            }
            UpdateOutcome::ConditionFailed(None) => Ok(ClaimOutcome::Refused(Unclaimable::Done)),
            UpdateOutcome::ConditionFailed(Some(item)) => {
                let record = items::record::decode(item)?;
                // The first attempt made this claim and its answer was lost.
                if record.claimed_by(request) {
                    return Ok(ClaimOutcome::Claimed(Box::new(record)));
                }
                // If the rules allow what the condition refused, the two disagree. Waiting is safe.
                Ok(ClaimOutcome::Refused(record.claimable(invitation, *now).err().unwrap_or(Unclaimable::Held)))
            }
        }
    }

    async fn defer(&self, record: &PortalRecord) -> Result<bool, StoreError> {
        let (Some(invitation), Some(link), Some(next)) = (&record.invitation, &record.link, record.next_action) else {
            return Ok(false);
        };
        let change = format!("{DEFER}[{}]", link.secrets.len());
        let values = [
            (":fence", number(record.fence)),
            (":held", number(record.fence.saturating_sub(1))),
            (":queued", text("queued")),
            (":sending", text("sending")),
            (":tries_left", number(invitation.tries_left)),
            (":next_action", text(next.kind.into())),
            (":shard", text(&keys::due_shard(keys::shard_of(&record.key)))),
            (":due_at", millis(next.at)),
        ];
        let updated = self
            .update(Update {
                key: &record.key,
                change: &change,
                condition: DEFERRABLE,
                values,
                return_values: ReturnValue::None,
            })
            .await?;
        Ok(matches!(updated, UpdateOutcome::Written(_)))
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<PortalRecord>, StoreError> {
        self.get(&keys::record(key), true).await?.map(items::record::decode).transpose()
    }

    async fn practice_by_id(&self, practice: &PracticeId) -> Result<Option<Practice>, StoreError> {
        if let Some(practice) = self.cached_practice(practice) {
            return Ok(Some(practice));
        }
        let read = self.get(&keys::practice(practice), false).await?.map(items::practice::decode).transpose()?;
        if let Some(practice) = &read {
            self.cache_practice(practice);
        }
        Ok(read)
    }

    async fn due(
        &self,
        shard: DueShard,
        after: Option<&DueEntry>,
        until: DateTime<Utc>,
        limit: u16,
    ) -> Result<Vec<DueEntry>, StoreError> {
        let condition = "#due_shard = :shard AND #due_at <= :until";
        let values = values(&[condition], [(":shard", text(&keys::due_shard(shard))), (":until", millis(until))]);
        let after = after.map(|entry| index_key(shard, entry));
        let items = self.query_index(DUE_INDEX, condition, &values, after.as_ref(), limit).await?;
        items.iter().map(|item| due_entry(item).map_err(corrupt)).collect()
    }

    async fn reschedule(&self, entry: &DueEntry, next: DateTime<Utc>) -> Result<bool, StoreError> {
        let [invitation, kind, at] = current_entry_values(entry);
        let values = [invitation, kind, at, (":next", millis(next)), (":one", number(1))];
        self.update_entry(entry, RESCHEDULE, values).await
    }

    async fn unschedule(&self, entry: &DueEntry) -> Result<bool, StoreError> {
        self.update_entry(entry, UNSCHEDULE, current_entry_values(entry)).await
    }
}

impl<P> DynamoStore<P> {
    /// Changes a due entry if it is current. Returns whether it was.
    async fn update_entry<const N: usize>(
        &self,
        entry: &DueEntry,
        change: &str,
        values: [(&'static str, AttributeValue); N],
    ) -> Result<bool, StoreError> {
        let update =
            Update { key: &entry.key, change, condition: ENTRY_IS_CURRENT, values, return_values: ReturnValue::None };
        Ok(matches!(self.update(update).await?, UpdateOutcome::Written(_)))
    }
}

/// The values of [`ENTRY_IS_CURRENT`].
fn current_entry_values(entry: &DueEntry) -> [(&'static str, AttributeValue); 3] {
    [(":invitation", text(entry.invitation.as_str())), (":kind", text(entry.kind.into())), (":at", millis(entry.at))]
}

/// The key of an entry in the index. The entry need not exist any more.
fn index_key(shard: DueShard, entry: &DueEntry) -> Item {
    let mut place = keys::record(&entry.key).to_item();
    place.insert("due_shard".to_owned(), text(&keys::due_shard(shard)));
    place.insert("due_at".to_owned(), millis(entry.at));
    place
}

/// Reads a row of the index. Beside the keys, it has [`DUE_ATTRIBUTES`] and nothing else.
fn due_entry(item: &Item) -> Result<DueEntry, Unreadable> {
    let text = |name| item.get(name).and_then(|value| value.as_s().ok()).ok_or(Unreadable::Attribute(name));
    let digits = |name| item.get(name).and_then(|value| value.as_n().ok()).ok_or(Unreadable::Attribute(name));
    let instant =
        |name| digits(name)?.parse().ok().and_then(DateTime::from_timestamp_millis).ok_or(Unreadable::Attribute(name));
    let [invitation_id, next_action, queued_at, reschedules] = DUE_ATTRIBUTES;
    Ok(DueEntry {
        key: keys::parse_record_partition(text(keys::PARTITION)?).ok_or(Unreadable::Attribute(keys::PARTITION))?,
        kind: items::named(text(next_action)?, next_action)?,
        at: instant("due_at")?,
        invitation: InvitationId::parse(text(invitation_id)?).map_err(|_| Unreadable::Attribute(invitation_id))?,
        queued_at: instant(queued_at)?,
        reschedules: digits(reschedules)?.parse().map_err(|_| Unreadable::Attribute(reschedules))?,
    })
}
