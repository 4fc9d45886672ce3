//! The attributes that single updates name, by the function that makes them. In `infra/template.yaml`, the role of the function
//! may update no others.

use std::collections::BTreeSet;

use super::{
    delivery::{CLAIM, CLAIMABLE, DEFER, DEFERRABLE, ENTRY_IS_CURRENT, RESCHEDULE, UNSCHEDULE},
    expression::names,
    keys::{PARTITION, SORT},
    logins::{LOGIN, LOGIN_IS_NEW},
};

/// The sender: a claim of a mail and its deferral, and a due entry with notices that is moved.
#[must_use]
pub fn named_by_sender() -> BTreeSet<String> {
    named_by(&[CLAIM, CLAIMABLE, DEFER, DEFERRABLE, RESCHEDULE, ENTRY_IS_CURRENT])
}

/// The sweep: a due entry that is moved or removed.
#[must_use]
pub fn named_by_sweep() -> BTreeSet<String> {
    named_by(&[RESCHEDULE, UNSCHEDULE, ENTRY_IS_CURRENT])
}

/// The function `track-login`.
#[must_use]
pub fn named_by_track_login() -> BTreeSet<String> {
    named_by(&[LOGIN, LOGIN_IS_NEW])
}

/// Those of the key, and those in the expressions, of updates and conditions alike.
fn named_by(expressions: &[&str]) -> BTreeSet<String> {
    let key = [PARTITION, SORT].map(str::to_owned);
    names(expressions).into_values().chain(key).collect()
}
