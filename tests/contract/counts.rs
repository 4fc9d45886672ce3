//! Counts the calls of a DynamoDB client, and their units.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use portal_aws::aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeSerializationInterceptorContextMut, FinalizerInterceptorContextRef},
    },
    error::BoxError,
    operation::{
        batch_get_item::{BatchGetItemInput, BatchGetItemOutput},
        get_item::{GetItemInput, GetItemOutput},
        put_item::{PutItemInput, PutItemOutput},
        query::{QueryInput, QueryOutput},
        transact_write_items::{TransactWriteItemsInput, TransactWriteItemsOutput},
        update_item::{UpdateItemInput, UpdateItemOutput},
    },
    types::{ConsumedCapacity, ReturnConsumedCapacity, TransactWriteItem},
};

/// Counts the calls by name, and the units that DynamoDB reports, indexes included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<Mutex<Counted>>);

/// The counted calls and units.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counted {
    pub(crate) calls: BTreeMap<&'static str, u32>,
    /// The IAM actions that the calls need. A transaction needs those of its items.
    pub(crate) actions: BTreeSet<&'static str>,
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
}

impl Counts {
    /// The counts since the last call of this function.
    pub(crate) fn take(&self) -> Counted {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Counted {
    pub(crate) fn all(&self) -> u32 {
        self.calls.values().sum()
    }
}

/// The IAM actions that an item of a transaction needs.
fn actions_for(write: &TransactWriteItem) -> impl Iterator<Item = &'static str> {
    let action = |is_needed: bool, name| is_needed.then_some(name);
    [
        action(write.condition_check.is_some(), "ConditionCheckItem"),
        action(write.delete.is_some(), "DeleteItem"),
        action(write.put.is_some(), "PutItem"),
        action(write.update.is_some(), "UpdateItem"),
    ]
    .into_iter()
    .flatten()
}

impl Intercept for Counts {
    fn name(&self) -> &'static str {
        "counts"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input_mut();
        let total = Some(ReturnConsumedCapacity::Total);
        let mut counted = self.0.lock().unwrap();
        let name = if let Some(update) = input.downcast_mut::<UpdateItemInput>() {
            update.return_consumed_capacity = total;
            "UpdateItem"
        } else if let Some(put) = input.downcast_mut::<PutItemInput>() {
            put.return_consumed_capacity = total;
            "PutItem"
        } else if let Some(transaction) = input.downcast_mut::<TransactWriteItemsInput>() {
            transaction.return_consumed_capacity = total;
            counted.actions.extend(transaction.transact_items.iter().flatten().flat_map(actions_for));
            "TransactWriteItems"
        } else if let Some(query) = input.downcast_mut::<QueryInput>() {
            query.return_consumed_capacity = total;
            "Query"
        } else if let Some(get) = input.downcast_mut::<GetItemInput>() {
            get.return_consumed_capacity = total;
            "GetItem"
        } else if let Some(batch) = input.downcast_mut::<BatchGetItemInput>() {
            batch.return_consumed_capacity = total;
            "BatchGetItem"
        } else {
            "other"
        };
        if name != "TransactWriteItems" {
            counted.actions.insert(name);
        }
        *counted.calls.entry(name).or_default() += 1;
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Ok(output)) = context.output_or_error() else { return Ok(()) };
        let update = output.downcast_ref::<UpdateItemOutput>().and_then(UpdateItemOutput::consumed_capacity);
        let put = output.downcast_ref::<PutItemOutput>().and_then(PutItemOutput::consumed_capacity);
        let transaction = output.downcast_ref::<TransactWriteItemsOutput>();
        let transaction = transaction.into_iter().flat_map(TransactWriteItemsOutput::consumed_capacity);
        let get = output.downcast_ref::<GetItemOutput>().and_then(GetItemOutput::consumed_capacity);
        let query = output.downcast_ref::<QueryOutput>().and_then(QueryOutput::consumed_capacity);
        let batch = output.downcast_ref::<BatchGetItemOutput>();
        let batch = batch.into_iter().flat_map(BatchGetItemOutput::consumed_capacity);
        let units = |consumed: &ConsumedCapacity| consumed.capacity_units;
        let mut counted = self.0.lock().unwrap();
        counted.write_units += update.into_iter().chain(put).chain(transaction).filter_map(units).sum::<f64>();
        counted.read_units += get.into_iter().chain(query).chain(batch).filter_map(units).sum::<f64>();
        Ok(())
    }
}
