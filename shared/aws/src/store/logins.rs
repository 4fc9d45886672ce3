//! Recording logins: a read of the address item, then one conditional update of the record.

use aws_sdk_dynamodb::types::ReturnValue;
use portal::{
    email::{EmailAddress, Pepper},
    ports::{LoginOutcome, LoginStore, StoreError},
    record::account::Login,
    refusal::LoginRefusal,
};

use super::{
    DynamoStore,
    expression::{millis, number, text},
    items::{self, SCHEMA},
    update::{Update, UpdateOutcome},
};

/// The update of a login.
pub(super) const LOGIN: &str = "SET #login_at = :login_at, #login_event = :login_event";
/// [`PortalRecord::track_login`](portal::record::PortalRecord::track_login) as the condition of [`LOGIN`]. `login_event` is
/// absent until the first login. `login_at` without it is the time of a registration, which earlier versions wrote.
pub(super) const LOGIN_IS_NEW: &str = "#schema <= :schema AND #account_state = :active AND #registered_at <= :login_at \
     AND (attribute_not_exists(#login_event) OR (#login_at < :login_at AND #login_event <> :login_event))";

impl LoginStore for DynamoStore<Pepper> {
    async fn record_login(&self, email: &EmailAddress, login: &Login) -> Result<LoginOutcome, StoreError> {
        let Some(item) = self.get(&self.claim_key(email), true).await? else { return Ok(LoginOutcome::NoAccount) };
        let (entry, _) = items::email::decode(item)?;
        let Some(owner) = entry.owner else { return Ok(LoginOutcome::NoAccount) };
        let values = [
            (":schema", number(SCHEMA)),
            (":active", text("active")),
            (":login_at", millis(login.at)),
            (":login_event", text(login.event.as_str())),
        ];
        let updated = self
            .update(Update {
                key: &owner,
                change: LOGIN,
                condition: LOGIN_IS_NEW,
                values,
                return_values: ReturnValue::None,
            })
            .await?;
        match updated {
            UpdateOutcome::Written(_) => Ok(LoginOutcome::Recorded),
            UpdateOutcome::ConditionFailed(None) => Ok(LoginOutcome::NoAccount),
            UpdateOutcome::ConditionFailed(Some(item)) => match items::record::decode(item)?.track_login(login) {
                Ok(_) => Ok(LoginOutcome::Known),
                Err(LoginRefusal::NotRegistered) => Ok(LoginOutcome::NoAccount),
            },
        }
    }
}
