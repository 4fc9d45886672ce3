//! One conditional update of a record: how leases are taken and facts are noted without a transaction.

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use portal::{ids::RecordKey, ports::StoreError};

use super::{
    DynamoStore, Item,
    errors::Trouble,
    expression::{names, values},
    keys, retry,
};

/// What came of a conditional update.
pub(super) enum Updated {
    /// Written; the item as it is now, if asked for.
    Yes(Option<Item>),
    /// The condition did not hold; the item as it is, if there is one.
    No(Option<Item>),
}

/// One conditional update of a record.
pub(super) struct Update<'a, const N: usize> {
    pub(super) key: &'a RecordKey,
    pub(super) change: &'a str,
    pub(super) condition: &'a str,
    pub(super) values: [(&'static str, AttributeValue); N],
    pub(super) answer: ReturnValue,
}

impl<P> DynamoStore<P> {
    /// Makes the update, as often as passing troubles ask for.
    pub(super) async fn update<const N: usize>(&self, update: Update<'_, N>) -> Result<Updated, StoreError> {
        let expressions = [update.change, update.condition];
        let (names, values) = (names(&expressions), values(&expressions, update.values));
        retry::patiently(|| async {
            let sent = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(keys::record(update.key).to_item()))
                .update_expression(update.change)
                .condition_expression(update.condition)
                .set_expression_attribute_names(Some(names.clone()))
                .set_expression_attribute_values(Some(values.clone()))
                .return_values(update.answer.clone())
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            match sent {
                Ok(answer) => Ok(Updated::Yes(answer.attributes)),
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                        Ok(Updated::No(failed.item.clone()))
                    }
                    _ => Err(Trouble::of(error)),
                },
            }
        })
        .await
    }
}
