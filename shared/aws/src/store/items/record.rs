//! The portal record. It is flat, so that a claim on a mail is one update of single attributes.

use chrono::{DateTime, NaiveDate, Utc};
use portal::{
    email::EmailAddress,
    idempotency::RememberedRequest,
    ids::{AccountId, EventId, InvitationId, LinkId, MessageId, Subject},
    link::{Link, LiveSecret},
    ports::StoreError,
    profile::Profile,
    record::{
        Account, Choice, Invitation, InvitationState, NextAction, Notice, PortalRecord, Receipt, SuppressedAddress,
        account::Login,
    },
    redacted::Redacted,
    states::Delivery,
    text::PersonName,
    timeline::Actor,
};
use serde::{Deserialize, Serialize};

use super::{
    Item, Millis, Unreadable, corrupt, named, need,
    packed::{PackedDigest, PackedRequest, PackedSecret},
    parsed,
};
use crate::store::keys;

/// The attributes of a record. The states determine which of them are present.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct RecordItem {
    #[serde(rename = "PK", skip_serializing)]
    partition: String,
    version: u64,
    fence: u64,

    given: String,
    family: String,
    born: Option<NaiveDate>,
    email: Option<String>,
    language: String,
    /// Present only if true.
    inactive: Option<bool>,

    opted_out_at: Option<Millis>,
    opted_out_role: Option<String>,
    opted_out_by: Option<String>,

    invitation_id: Option<String>,
    invitation_email: Option<String>,
    invitation_state: Option<String>,
    queued_at: Option<Millis>,
    attempt: Option<u32>,
    tries_left: Option<u8>,
    reschedules: Option<u32>,
    reminders_sent: Option<u8>,
    lease_until: Option<Millis>,
    expires_at: Option<Millis>,
    sent_at: Option<Millis>,
    message_id: Option<String>,
    delivery: Option<String>,
    ended_at: Option<Millis>,
    reason: Option<String>,

    account_state: Option<String>,
    account_id: Option<String>,
    account_email: Option<String>,
    registered_at: Option<Millis>,
    login_at: Option<Millis>,
    login_event: Option<String>,

    link_id: Option<String>,
    link_secrets: Option<Vec<PackedSecret>>,
    guesses: Option<u8>,

    first_sent_at: Option<Millis>,
    reinvited_at: Option<Millis>,
    claimed_at: Option<Millis>,
    staff_mails: Option<Vec<Millis>>,
    holder_mails: Option<Vec<Millis>>,
    birth_dates: Option<Vec<Millis>>,
    suppressed: Option<Vec<SuppressedItem>>,
    requests: Option<Vec<PackedRequest>>,
    reminders_stopped: Option<bool>,
    notices: Option<Vec<NoticeItem>>,

    next_action: Option<String>,
    due_shard: Option<String>,
    due_at: Option<Millis>,
}

/// A notice in the record.
#[derive(Serialize, Deserialize)]
struct NoticeItem {
    kind: String,
    to: String,
    at: Millis,
}

/// A suppressed address in the record.
#[derive(Serialize, Deserialize)]
struct SuppressedItem {
    fingerprint: PackedDigest,
    reason: String,
}

impl SuppressedItem {
    fn from_address(SuppressedAddress { fingerprint, reason }: &SuppressedAddress) -> Self {
        Self { fingerprint: PackedDigest::from(*fingerprint), reason: reason.name().to_owned() }
    }

    fn address(&self) -> Result<SuppressedAddress, Unreadable> {
        Ok(SuppressedAddress { fingerprint: self.fingerprint.bytes(), reason: named(&self.reason, "suppressed")? })
    }
}

/// The times as an attribute, which is absent if there are none.
fn some_instants(times: &[DateTime<Utc>]) -> Option<Vec<Millis>> {
    (!times.is_empty()).then(|| times.iter().copied().map(Millis).collect())
}

/// The inverse of [`some_instants`].
fn instants(times: Option<&Vec<Millis>>) -> Vec<DateTime<Utc>> {
    times.into_iter().flatten().copied().map(Into::into).collect()
}

/// Encodes the item.
pub(in crate::store) fn encode(record: &PortalRecord) -> Result<Item, StoreError> {
    let PortalRecord {
        key,
        version,
        fence,
        profile,
        choice,
        invitation,
        account,
        link,
        first_sent_at,
        last_reinvited_at,
        claimed_since,
        staff_mails,
        holder_mails,
        recent_birth_date_attempts,
        suppressed,
        recent_requests,
        reminders_stopped,
        notices,
        next_action,
    } = record;
    let mut item = RecordItem {
        version: *version,
        fence: *fence,
        first_sent_at: first_sent_at.map(Millis),
        reinvited_at: last_reinvited_at.map(Millis),
        claimed_at: claimed_since.map(Millis),
        staff_mails: some_instants(staff_mails),
        holder_mails: some_instants(holder_mails),
        birth_dates: some_instants(recent_birth_date_attempts),
        suppressed: (!suppressed.is_empty()).then(|| suppressed.iter().map(SuppressedItem::from_address).collect()),
        requests: (!recent_requests.is_empty()).then(|| recent_requests.iter().map(PackedRequest::from).collect()),
        reminders_stopped: reminders_stopped.then_some(true),
        notices: (!notices.is_empty()).then(|| notices.iter().map(NoticeItem::from_notice).collect()),
        ..RecordItem::default()
    };
    item.put_profile(profile);
    item.put_choice(choice);
    if let Some(invitation) = invitation {
        item.put_invitation(invitation);
    }
    item.put_account(account);
    if let Some(Link { id, secrets, birth_date_attempts }) = link {
        item.link_id = Some(id.as_str().to_owned());
        item.link_secrets = Some(secrets.iter().map(PackedSecret::from).collect());
        item.guesses = Some(*birth_date_attempts);
    }
    if let Some(NextAction { kind, at }) = next_action {
        item.next_action = Some(<&str>::from(*kind).to_owned());
        item.due_shard = Some(keys::due_shard(keys::shard_of(key)));
        item.due_at = Some(Millis(*at));
    }
    super::encode(&keys::record(key), &item)
}

/// Decodes the item.
pub(in crate::store) fn decode(item: Item) -> Result<PortalRecord, StoreError> {
    super::decode(item).and_then(RecordItem::into_record).map_err(corrupt)
}

impl NoticeItem {
    fn from_notice(Notice { kind, to, at }: &Notice) -> Self {
        Self { kind: kind.name().to_owned(), to: to.typed().to_owned(), at: Millis(*at) }
    }

    fn notice(&self) -> Result<Notice, Unreadable> {
        Ok(Notice { kind: named(&self.kind, "notices")?, to: address(Some(&self.to), "notices")?, at: self.at.into() })
    }
}

impl RecordItem {
    fn put_profile(&mut self, profile: &Profile) {
        let Profile { given_name, family_name, date_of_birth, email, language, active } = profile;
        given_name.expose().clone_into(&mut self.given);
        family_name.expose().clone_into(&mut self.family);
        self.born = date_of_birth.map(|born| *born.expose());
        self.email = email.as_ref().map(|email| email.typed().to_owned());
        language.tag().clone_into(&mut self.language);
        self.inactive = (!active).then_some(true);
    }

    fn put_choice(&mut self, choice: &Choice) {
        if let Choice::OptedOut { at, by: Actor { role, subject } } = choice {
            self.opted_out_at = Some(Millis(*at));
            self.opted_out_role = Some(role.name().to_owned());
            self.opted_out_by = subject.as_ref().map(|subject| subject.as_str().to_owned());
        }
    }

    fn put_invitation(&mut self, invitation: &Invitation) {
        let Invitation { id, email, queued_at, attempt, tries_left, reschedules, reminders_sent, state } = invitation;
        self.invitation_id = Some(id.as_str().to_owned());
        self.invitation_email = Some(email.typed().to_owned());
        self.invitation_state = Some(<&str>::from(state.facet()).to_owned());
        self.queued_at = Some(Millis(*queued_at));
        self.attempt = Some(*attempt);
        self.tries_left = Some(*tries_left);
        self.reschedules = Some(*reschedules);
        self.reminders_sent = Some(*reminders_sent);
        match state {
            InvitationState::Queued => {}
            InvitationState::Sending { lease_until, expires_at } => {
                self.lease_until = Some(Millis(*lease_until));
                self.expires_at = Some(Millis(*expires_at));
            }
            InvitationState::Sent { receipt, delivery, expires_at } => {
                self.put_receipt(Some(receipt));
                self.delivery = Some(delivery.name().to_owned());
                self.expires_at = Some(Millis(*expires_at));
            }
            InvitationState::Failed { reason, at } => {
                self.reason = Some(reason.name().to_owned());
                self.ended_at = Some(Millis(*at));
            }
            InvitationState::Revoked { reason, at, receipt } => {
                self.reason = Some(reason.name().to_owned());
                self.ended_at = Some(Millis(*at));
                self.put_receipt(receipt.as_ref());
            }
            InvitationState::Consumed { at, receipt } => {
                self.ended_at = Some(Millis(*at));
                self.put_receipt(receipt.as_ref());
            }
        }
    }

    fn put_receipt(&mut self, receipt: Option<&Receipt>) {
        self.sent_at = receipt.map(|receipt| Millis(receipt.at));
        self.message_id = receipt.map(|receipt| receipt.message.as_str().to_owned());
    }

    fn put_account(&mut self, account: &Account) {
        let (state, id, email, registered_at, last_login) = match account {
            Account::None => return,
            Account::Active { id, email, registered_at, last_login } => {
                ("active", id, email, registered_at, last_login)
            }
            Account::Deactivated { id, email, registered_at, last_login } => {
                ("deactivated", id, email, registered_at, last_login)
            }
        };
        self.account_state = Some(state.to_owned());
        self.account_id = Some(id.as_str().to_owned());
        self.account_email = Some(email.typed().to_owned());
        self.registered_at = Some(Millis(*registered_at));
        self.login_at = last_login.as_ref().map(|login| Millis(login.at));
        self.login_event = last_login.as_ref().map(|login| login.event.as_str().to_owned());
    }

    fn into_record(self) -> Result<PortalRecord, Unreadable> {
        let next_action = self.next_action()?;
        Ok(PortalRecord {
            key: need(keys::parse_record_partition(&self.partition), keys::PARTITION)?,
            version: self.version,
            fence: self.fence,
            profile: self.profile()?,
            choice: self.choice()?,
            invitation: self.invitation()?,
            account: self.account()?,
            link: self.link()?,
            first_sent_at: self.first_sent_at.map(Into::into),
            last_reinvited_at: self.reinvited_at.map(Into::into),
            claimed_since: self.claimed_at.map(Into::into),
            staff_mails: instants(self.staff_mails.as_ref()),
            holder_mails: instants(self.holder_mails.as_ref()),
            recent_birth_date_attempts: instants(self.birth_dates.as_ref()),
            suppressed: self.suppressed.iter().flatten().map(SuppressedItem::address).collect::<Result<_, _>>()?,
            recent_requests: self.recent_requests()?,
            reminders_stopped: self.reminders_stopped.unwrap_or_default(),
            notices: self.notices.iter().flatten().map(NoticeItem::notice).collect::<Result<_, _>>()?,
            next_action,
        })
    }

    fn profile(&self) -> Result<Profile, Unreadable> {
        Ok(Profile {
            given_name: parsed(PersonName::parse(&self.given), "given")?,
            family_name: parsed(PersonName::parse(&self.family), "family")?,
            date_of_birth: self.born.map(Redacted::new),
            email: self.email.as_deref().map(|email| address(Some(email), "email")).transpose()?,
            language: named(&self.language, "language")?,
            active: !self.inactive.unwrap_or_default(),
        })
    }

    fn choice(&self) -> Result<Choice, Unreadable> {
        let Some(at) = self.opted_out_at else { return Ok(Choice::In) };
        let role = named(need(self.opted_out_role.as_deref(), "opted_out_role")?, "opted_out_role")?;
        let subject = self.opted_out_by.as_deref().map(|by| parsed(Subject::parse(by), "opted_out_by")).transpose()?;
        Ok(Choice::OptedOut { at: at.into(), by: Actor { role, subject } })
    }

    fn invitation(&self) -> Result<Option<Invitation>, Unreadable> {
        let Some(id) = self.invitation_id.as_deref() else { return Ok(None) };
        Ok(Some(Invitation {
            id: parsed(InvitationId::parse(id), "invitation_id")?,
            email: address(self.invitation_email.as_deref(), "invitation_email")?,
            queued_at: need(self.queued_at, "queued_at")?.into(),
            attempt: need(self.attempt, "attempt")?,
            tries_left: need(self.tries_left, "tries_left")?,
            reschedules: need(self.reschedules, "reschedules")?,
            reminders_sent: need(self.reminders_sent, "reminders_sent")?,
            state: self.invitation_state()?,
        }))
    }

    fn invitation_state(&self) -> Result<InvitationState, Unreadable> {
        let expires_at = || need(self.expires_at, "expires_at").map(Into::into);
        let ended_at = || need(self.ended_at, "ended_at").map(Into::into);
        match need(self.invitation_state.as_deref(), "invitation_state")? {
            "queued" => Ok(InvitationState::Queued),
            "sending" => Ok(InvitationState::Sending {
                lease_until: need(self.lease_until, "lease_until")?.into(),
                expires_at: expires_at()?,
            }),
            "sent" => Ok(InvitationState::Sent {
                receipt: need(self.receipt()?, "sent_at")?,
                delivery: self.delivery()?,
                expires_at: expires_at()?,
            }),
            "failed" => Ok(InvitationState::Failed { reason: named(self.reason()?, "reason")?, at: ended_at()? }),
            "revoked" => Ok(InvitationState::Revoked {
                reason: named(self.reason()?, "reason")?,
                at: ended_at()?,
                receipt: self.receipt()?,
            }),
            "consumed" => Ok(InvitationState::Consumed { at: ended_at()?, receipt: self.receipt()? }),
            _ => Err(Unreadable::Attribute("invitation_state")),
        }
    }

    fn reason(&self) -> Result<&str, Unreadable> {
        need(self.reason.as_deref(), "reason")
    }

    fn receipt(&self) -> Result<Option<Receipt>, Unreadable> {
        let Some(at) = self.sent_at else { return Ok(None) };
        let message = parsed(MessageId::parse(need(self.message_id.as_deref(), "message_id")?), "message_id")?;
        Ok(Some(Receipt { at: at.into(), message }))
    }

    fn delivery(&self) -> Result<Delivery, Unreadable> {
        named(need(self.delivery.as_deref(), "delivery")?, "delivery")
    }

    fn account(&self) -> Result<Account, Unreadable> {
        let Some(state) = self.account_state.as_deref() else { return Ok(Account::None) };
        let id = parsed(AccountId::parse(need(self.account_id.as_deref(), "account_id")?), "account_id")?;
        let email = address(self.account_email.as_deref(), "account_email")?;
        let registered_at = need(self.registered_at, "registered_at")?.into();
        let last_login = self.last_login()?;
        match state {
            "active" => Ok(Account::Active { id, email, registered_at, last_login }),
            "deactivated" => Ok(Account::Deactivated { id, email, registered_at, last_login }),
            _ => Err(Unreadable::Attribute("account_state")),
        }
    }

    /// Earlier versions wrote the time of the registration as `login_at`, without an event. That is no login.
    fn last_login(&self) -> Result<Option<Login>, Unreadable> {
        let Some(event) = self.login_event.as_deref() else { return Ok(None) };
        let at = need(self.login_at, "login_at")?.into();
        Ok(Some(Login { event: parsed(EventId::parse(event), "login_event")?, at }))
    }

    fn link(&self) -> Result<Option<Link>, Unreadable> {
        let Some(id) = self.link_id.as_deref() else { return Ok(None) };
        let secrets = need(self.link_secrets.as_ref(), "link_secrets")?;
        Ok(Some(Link {
            id: parsed(LinkId::parse(id), "link_id")?,
            secrets: secrets.iter().map(LiveSecret::try_from).collect::<Result<_, _>>()?,
            birth_date_attempts: need(self.guesses, "guesses")?,
        }))
    }

    fn recent_requests(&self) -> Result<Vec<RememberedRequest>, Unreadable> {
        self.requests.iter().flatten().map(RememberedRequest::try_from).collect()
    }

    fn next_action(&self) -> Result<Option<NextAction>, Unreadable> {
        let Some(name) = self.next_action.as_deref() else { return Ok(None) };
        Ok(Some(NextAction { kind: named(name, "next_action")?, at: need(self.due_at, "due_at")?.into() }))
    }
}

fn address(typed: Option<&str>, name: &'static str) -> Result<EmailAddress, Unreadable> {
    parsed(EmailAddress::parse(need(typed, name)?), name)
}
