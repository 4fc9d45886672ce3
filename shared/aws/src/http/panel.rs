//! The status panel in JSON. The names belong to the API, their meaning to the domain.

#[cfg(feature = "describe")]
use portal::ids::PatientId;
use portal::{
    email::EmailAddress,
    panel::{AccountView, Actions, DateField, InvitationReason, InvitationStatus, InvitationView, StatusPanel},
    refusal::{Refusal, RefusalCode, RefusalDetail},
    states::{AccountFacet, Delivery},
};
use serde::Serialize;

use super::value::{Day, Instant, Name};

/// The status panel of a patient. Its `version` is that of the patient's record, which the profile shares.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "PatientStatus"))]
#[serde(rename_all = "camelCase")]
pub struct StatusJson<'panel> {
    #[cfg_attr(feature = "describe", schemars(with = "PatientId"))]
    patient_id: &'panel str,
    panel: PanelJson,
    /// The state and the next step in plain words, to be shown as it is.
    sentence: &'panel str,
    invitation: InvitationJson<'panel>,
    account: AccountJson<'panel>,
    actions: ActionsJson,
    /// Raised by one with every change. The `ETag`, without its quotes.
    version: u64,
}

/// The five fields of the panel.
///
/// `activatedOn` is the day on which the first invitation's mail was sent, which never changes; it is pending while that
/// mail waits or could not be sent, and none before any invitation. `registeredOn` is the day on which the patient opened
/// the account. `lastLoginOn` is the day of the last login that was reported; registering is no login. `lastReinvitedOn` is the
/// day of the last repeated invitation, reminders included.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "PatientPanel"))]
#[serde(rename_all = "camelCase")]
struct PanelJson {
    /// Whether the patient does not want to receive access to health information.
    opted_out: bool,
    activated_on: PanelDateJson,
    registered_on: PanelDateJson,
    last_login_on: PanelDateJson,
    last_reinvited_on: PanelDateJson,
}

/// A date of the panel, or the word that is shown instead.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "PanelDate"))]
struct PanelDateJson {
    status: Name<PanelDateStatus>,
    /// The instant. Only with the status `date`.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Instant>,
    /// The date of `at` in the practice's time zone, which is what to show. Only with the status `date`.
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<Day>,
}

/// The value of a date field.
#[derive(Clone, Copy, strum::EnumIter, strum::IntoStaticStr)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
#[strum(serialize_all = "snake_case")]
enum PanelDateStatus {
    /// No invitation was sent or waits to be sent, so there is no date.
    None,
    /// It is not done yet.
    Pending,
    /// It never happened.
    Never,
    /// It happened on `date`.
    Date,
}

#[cfg(feature = "describe")]
portal::named!(PanelDateStatus);

/// The current invitation.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "PatientInvitation"))]
#[serde(rename_all = "camelCase")]
struct InvitationJson<'panel> {
    state: Name<InvitationStatus>,
    /// Where it goes, or went. Only if there was an invitation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "Option<EmailAddress>"))]
    email: Option<&'panel str>,
    /// What is known of a mail that the mail service took. Only with the states `sent` and `expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<Name<Delivery>>,
    /// When the newest link stops working. Absent after the patient has opted out, which ends every link.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Instant>,
    /// Why it failed or was revoked. Only with the states `failed` and `revoked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Name<InvitationReason>>,
}

/// The patient's login.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "PatientAccount"))]
struct AccountJson<'panel> {
    state: Name<AccountFacet>,
    /// The address that the patient logs in with. Only Customer Care can change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "describe", schemars(with = "Option<EmailAddress>"))]
    email: Option<&'panel str>,
}

/// For each command whether the caller may give it now.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "PatientActions"))]
#[serde(rename_all = "camelCase")]
struct ActionsJson {
    invite: ActionJson,
    reinvite: ActionJson,
    revoke: ActionJson,
    opt_out: ActionJson,
    opt_in: ActionJson,
    change_email: ActionJson,
    close: ActionJson,
    reopen: ActionJson,
}

/// Whether a command is allowed now and, if not, why not.
#[derive(Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema), schemars(rename = "ActionDecision"))]
#[serde(rename_all = "camelCase")]
struct ActionJson {
    allowed: bool,
    /// The code that the command would be refused with. Only if it is not allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Name<RefusalCode>>,
    /// Why not, and what to do next; to be shown as it is. Only if it is not allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    sentence: Option<&'static str>,
    /// Whole seconds until the command may succeed. Only with the code `too_soon`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// Whether the command is allowed with an address in its body. Only with the code `email_required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    email_accepted: Option<bool>,
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

impl From<DateField> for PanelDateJson {
    fn from(field: DateField) -> Self {
        let word = |status| Self { status: Name(status), at: None, date: None };
        match field {
            DateField::Nothing => word(PanelDateStatus::None),
            DateField::Pending => word(PanelDateStatus::Pending),
            DateField::Never => word(PanelDateStatus::Never),
            DateField::On { at, date } => {
                Self { at: Some(Instant(at)), date: Some(Day(date)), ..word(PanelDateStatus::Date) }
            }
        }
    }
}

impl<'panel> From<&'panel InvitationView> for InvitationJson<'panel> {
    fn from(invitation: &'panel InvitationView) -> Self {
        Self {
            state: Name(invitation.state),
            email: invitation.email.as_ref().map(EmailAddress::typed),
            delivery: invitation.delivery.map(Name),
            expires_at: invitation.expires_at.map(Instant),
            reason: invitation.reason.map(Name),
        }
    }
}

impl<'panel> From<&'panel AccountView> for AccountJson<'panel> {
    fn from(account: &'panel AccountView) -> Self {
        Self { state: Name(account.state), email: account.email.as_ref().map(EmailAddress::typed) }
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
            close: (&actions.close).into(),
            reopen: (&actions.reopen).into(),
        }
    }
}

impl<R: Refusal> From<&Result<(), R>> for ActionJson {
    fn from(decision: &Result<(), R>) -> Self {
        let refusal = decision.as_ref().err();
        let code = refusal.map(R::code);
        Self {
            allowed: refusal.is_none(),
            code: code.map(Name),
            sentence: code.map(|code| code.words().sentence),
            retry_after: match refusal.map(R::detail) {
                Some(RefusalDetail::RetryAfterSecs(seconds)) => Some(seconds),
                Some(RefusalDetail::None | RefusalDetail::Holder(_)) | None => None,
            },
            email_accepted: code.filter(|code| *code == RefusalCode::EmailRequired).map(|_| true),
        }
    }
}
