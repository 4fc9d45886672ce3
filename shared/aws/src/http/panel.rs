//! The status panel in JSON. The names are the API's; what they mean is the domain's.

use portal::{
    email::EmailAddress,
    panel::{AccountView, Actions, DateField, InvitationReason, InvitationView, StatusPanel},
    record::Delivery,
    refusal::{Refusal, RefusalDetail},
};
use serde::Serialize;

use super::respond::{date, instant};

/// The answer of a read of the status, and of every command.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusJson<'panel> {
    patient_id: &'panel str,
    panel: PanelJson,
    sentence: &'panel str,
    invitation: InvitationJson<'panel>,
    account: AccountJson<'panel>,
    actions: ActionsJson,
    version: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PanelJson {
    opted_out: bool,
    activated_on: DateFieldJson,
    registered_on: DateFieldJson,
    last_login_on: DateFieldJson,
    last_reinvited_on: DateFieldJson,
}

#[derive(Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum DateFieldJson {
    None,
    Pending,
    Never,
    Date { at: String, date: String },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InvitationJson<'panel> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'panel str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct AccountJson<'panel> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'panel str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActionsJson {
    invite: ActionJson,
    reinvite: ActionJson,
    revoke: ActionJson,
    opt_out: ActionJson,
    opt_in: ActionJson,
    change_email: ActionJson,
}

#[derive(Serialize)]
struct ActionJson {
    allowed: bool,
    #[serde(flatten)]
    why_not: Option<WhyNotJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WhyNotJson {
    code: &'static str,
    sentence: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl<'panel> StatusJson<'panel> {
    pub(super) fn from_panel(panel: &'panel StatusPanel) -> Self {
        Self {
            patient_id: panel.patient.as_str(),
            panel: PanelJson {
                opted_out: panel.opted_out,
                activated_on: panel.activated_on.into(),
                registered_on: panel.registered_on.into(),
                last_login_on: panel.last_login_on.into(),
                last_reinvited_on: panel.last_reinvited_on.into(),
            },
            sentence: &panel.sentence,
            invitation: (&panel.invitation).into(),
            account: (&panel.account).into(),
            actions: (&panel.actions).into(),
            version: panel.version,
        }
    }
}

impl From<DateField> for DateFieldJson {
    fn from(field: DateField) -> Self {
        match field {
            DateField::Nothing => Self::None,
            DateField::Pending => Self::Pending,
            DateField::Never => Self::Never,
            DateField::On { at, date: day } => Self::Date { at: instant(at), date: date(day) },
        }
    }
}

impl<'panel> From<&'panel InvitationView> for InvitationJson<'panel> {
    fn from(invitation: &'panel InvitationView) -> Self {
        Self {
            state: invitation.state.into(),
            email: invitation.email.as_ref().map(EmailAddress::typed),
            delivery: invitation.delivery.map(Delivery::name),
            expires_at: invitation.expires_at.map(instant),
            reason: invitation.reason.map(InvitationReason::name),
        }
    }
}

impl<'panel> From<&'panel AccountView> for AccountJson<'panel> {
    fn from(account: &'panel AccountView) -> Self {
        Self { state: account.state.into(), email: account.email.as_ref().map(EmailAddress::typed) }
    }
}

impl From<&Actions> for ActionsJson {
    fn from(actions: &Actions) -> Self {
        Self {
            invite: (&actions.invite).into(),
            reinvite: (&actions.reinvite).into(),
            revoke: (&actions.revoke).into(),
            opt_out: (&actions.opt_out).into(),
            opt_in: (&actions.opt_in).into(),
            change_email: (&actions.change_email).into(),
        }
    }
}

impl<R: Refusal> From<&Result<(), R>> for ActionJson {
    fn from(decision: &Result<(), R>) -> Self {
        let why_not = |refusal: &R| WhyNotJson {
            code: refusal.code().name(),
            sentence: refusal.code().words().sentence,
            retry_after: match refusal.detail() {
                RefusalDetail::RetryAfterSecs(seconds) => Some(seconds),
                RefusalDetail::None | RefusalDetail::Holder(_) => None,
            },
        };
        Self { allowed: decision.is_ok(), why_not: decision.as_ref().err().map(why_not) }
    }
}
