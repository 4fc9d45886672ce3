//! A conditional update of single attributes of a record, without a transaction.

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use portal::{ids::RecordKey, ports::StoreError};

use super::{
    DynamoStore, Item,
    errors::CallError,
    expression::{names, values},
    keys, retry,
};

/// The outcome of a conditional update.
pub(super) enum UpdateOutcome {
    /// Written, with the new item if requested.
    Written(Option<Item>),
    /// Not written, with the stored item if there is one.
    ConditionFailed(Option<Item>),
}

/// A conditional update of a record.
pub(super) struct Update<'a, const N: usize> {
    pub(super) key: &'a RecordKey,
    pub(super) change: &'a str,
    pub(super) condition: &'a str,
    pub(super) values: [(&'static str, AttributeValue); N],
    pub(super) return_values: ReturnValue,
}

impl<P> DynamoStore<P> {
    /// Makes the update, with retries.
    pub(super) async fn update<const N: usize>(&self, update: Update<'_, N>) -> Result<UpdateOutcome, StoreError> {
        let expressions = [update.change, update.condition];
        let (names, values) = (names(&expressions), values(&expressions, update.values));
        retry::with_retries(|| async {
            let sent = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(keys::record(update.key).to_item()))
                .update_expression(update.change)
                .condition_expression(update.condition)
                .set_expression_attribute_names(Some(names.clone()))
                .set_expression_attribute_values(Some(values.clone()))
                .return_values(update.return_values.clone())
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            match sent {
                Ok(answer) => Ok(UpdateOutcome::Written(answer.attributes)),
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                        Ok(UpdateOutcome::ConditionFailed(failed.item.clone()))
                    }
                    _ => Err(CallError::from_sdk(error)),
                },
            }
        })
        .await
    }
}
