//! What a DynamoDB client is made to do: calls, and the units that they cost.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use portal_aws::aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeSerializationInterceptorContextMut, FinalizerInterceptorContextRef},
    },
    error::BoxError,
    operation::{
        get_item::GetItemInput,
        query::QueryInput,
        transact_write_items::{TransactWriteItemsInput, TransactWriteItemsOutput},
        update_item::{UpdateItemInput, UpdateItemOutput},
    },
    types::ReturnConsumedCapacity,
};

/// Counts the calls by their name, and has DynamoDB say how many write units they took, indexes included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<Mutex<Counted>>);

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counted {
    pub(crate) calls: BTreeMap<&'static str, u32>,
    pub(crate) write_units: f64,
}

impl Counts {
    /// What was counted since it was last asked.
    pub(crate) fn take(&self) -> Counted {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Counted {
    pub(crate) fn all(&self) -> u32 {
        self.calls.values().sum()
    }
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
        let name = if let Some(update) = input.downcast_mut::<UpdateItemInput>() {
            update.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
            "UpdateItem"
        } else if let Some(transaction) = input.downcast_mut::<TransactWriteItemsInput>() {
            transaction.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
            "TransactWriteItems"
        } else if input.downcast_ref::<QueryInput>().is_some() {
            "Query"
        } else if input.downcast_ref::<GetItemInput>().is_some() {
            "GetItem"
        } else {
            "other"
        };
        *self.0.lock().unwrap().calls.entry(name).or_default() += 1;
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Ok(output)) = context.output_or_error() else { return Ok(()) };
        let update =
            output.downcast_ref::<UpdateItemOutput>().into_iter().filter_map(|update| update.consumed_capacity());
        let transaction = output.downcast_ref::<TransactWriteItemsOutput>();
        let transaction = transaction.into_iter().flat_map(TransactWriteItemsOutput::consumed_capacity);
        let units: f64 = update.chain(transaction).filter_map(|consumed| consumed.capacity_units).sum();
        self.0.lock().unwrap().write_units += units;
        Ok(())
    }
}
