//! The conditional update of an address item that belongs to a change.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, Update};
use portal::{
    ids::RecordKey,
    ledger::{ClaimMove, EmailMove, MAX_LISTED_PROFILES, ProfileMove},
    ports::StoreError,
};

use super::{
    errors::corrupt,
    expression::{names, number, text, values},
    items::SCHEMA,
    keys::{self, Key},
};

/// The update of an address item. The conditions are those of [`portal::ledger::EmailEntry::apply`].
///
/// A full list of profiles is marked as shared instead of extended. One update cannot choose between the two, so the
/// first attempt extends the list and, if that fails, the second has `list_full` set.
pub(super) fn update(
    table: &str,
    key: &Key,
    email: &EmailMove<'_>,
    patient: &RecordKey,
    list_full: bool,
) -> Result<Update, StoreError> {
    let mut set = vec!["#schema = :schema"];
    let mut others = Vec::new();
    // A newer schema may have conditions that this version does not know.
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
        ProfileMove::Add if list_full => set.push("#shared = :yes"),
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
        (":most", number(MAX_LISTED_PROFILES)),
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
