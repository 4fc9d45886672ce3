//! What a change does to the item of one address, and on which conditions.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, Update};
use portal::{
    ids::RecordKey,
    ledger::{ClaimMove, EmailMove, MOST_HOLDERS, ProfileMove},
    ports::StoreError,
};

use super::{
    errors::corrupt,
    expression::{names, number, text, values},
    items::SCHEMA,
    keys::{self, Key},
};

/// The update of an address's item. The conditions are those of [`portal::ledger::EmailEntry::after`].
///
/// `crowded` says that the list of profiles is full: DynamoDB cannot choose between adding to it and noting that the
/// address is shared, so the first try adds, and a second one notes.
pub(super) fn update(
    table: &str,
    key: &Key,
    email: &EmailMove<'_>,
    patient: &RecordKey,
    crowded: bool,
) -> Result<Update, StoreError> {
    let mut set = vec!["#schema = :schema"];
    let mut others = Vec::new();
    // A newer version may know of a reason to refuse that this one does not.
    let mut conditions = vec!["(attribute_not_exists(#schema) OR #schema <= :schema)"];
    match email.claim {
        ClaimMove::Keep => {}
        ClaimMove::Take => {
            set.push("#owner = :me");
            conditions.push("(attribute_not_exists(#owner) OR #owner = :me)");
            conditions.push("(attribute_not_exists(#profiles) OR #profiles = :mine)");
            conditions.push("attribute_not_exists(#shared)");
        }
        ClaimMove::Release => {
            others.push("REMOVE #owner");
            conditions.push("#owner = :me");
        }
    }
    match email.profile {
        ProfileMove::Keep => {}
        ProfileMove::Add if crowded => set.push("#shared = :yes"),
        ProfileMove::Add => {
            others.push("ADD #profiles :mine");
            conditions.push("(attribute_not_exists(#profiles) OR size(#profiles) < :most)");
        }
        ProfileMove::Remove => others.push("DELETE #profiles :mine"),
    }
    let update = format!("SET {} {}", set.join(", "), others.join(" "));
    let condition = conditions.join(" AND ");
    let me = keys::holder(patient);
    let all = [
        (":schema", number(SCHEMA)),
        (":me", text(&me)),
        (":mine", AttributeValue::Ss(vec![me])),
        (":most", number(MOST_HOLDERS)),
        (":yes", AttributeValue::Bool(true)),
    ];
    Update::builder()
        .table_name(table)
        .set_key(Some(key.to_item()))
        .set_expression_attribute_names(Some(names(&[&update, &condition])))
        .set_expression_attribute_values(Some(values(&[&update, &condition], all)))
        .update_expression(update)
        .condition_expression(condition)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .map_err(corrupt)
}
