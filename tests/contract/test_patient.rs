//! A patient in the store under test. Each change is read back and compared.

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    email::EmailAddress,
    idempotency::KeyedRequest,
    ids::{InvitationId, RecordKey},
    ledger::AddressRefusal,
    link::Token,
    ports::{
        ChangeStore as _, ClaimOutcome, CommitOutcome, Consistency, DeliveryStore as _, PortalReader as _,
        TimelineReader as _,
    },
    practice::Practice,
    record::{
        Change, PortalRecord,
        delivery::{ClaimRequest, MailEvent, Unclaimable},
    },
    refusal::Refusal,
    scope::TenantScope,
    states::{Delivery, RevokeReason},
    testing::samples,
    timeline::{ChangeContext, Role},
};

use crate::backend::Backend;

pub(crate) struct TestPatient<'b, B> {
    pub(crate) backend: &'b B,
    pub(crate) scope: TenantScope,
    pub(crate) practice: Practice,
    pub(crate) key: RecordKey,
    pub(crate) now: DateTime<Utc>,
    pub(crate) record: PortalRecord,
    steps: u8,
}

impl<'b, B: Backend> TestPatient<'b, B> {
    /// A patient whose profile is saved, with this address or without one.
    pub(crate) async fn begin(backend: &'b B, practice: &str, patient: &str, address: Option<&str>) -> Self {
        let key = samples::key(practice, patient);
        let change = samples::new_patient(&key, samples::profile(address));
        let mut test_patient = Self {
            backend,
            scope: samples::scope(practice),
            practice: samples::practice(practice),
            key,
            now: samples::noon(),
            record: change.after.clone(),
            steps: 0,
        };
        test_patient.step(change).await;
        test_patient
    }

    pub(crate) fn context(&mut self, role: Role) -> ChangeContext {
        self.steps += 1;
        self.now += TimeDelta::hours(5);
        let request = format!("request-{}-{}", self.key.patient, self.steps);
        if role == Role::Staff {
            samples::staff_context(self.now, &request)
        } else {
            samples::context_as(role, self.now, &request)
        }
    }

    pub(crate) async fn try_commit(&self, change: &Change) -> CommitOutcome {
        self.backend.store().commit(change).await.unwrap()
    }

    /// Commits a change, and reads back the record and the event.
    pub(crate) async fn step(&mut self, change: Change) {
        assert_eq!(self.try_commit(&change).await, CommitOutcome::Committed);
        let newest = self.backend.store().events(&self.scope, &self.key.patient, None, 1).await.unwrap();
        assert_eq!(newest, [change.event]);
        self.record = change.after;
        self.is_stored().await;
    }

    /// Asserts that the store has exactly this record, and one event for each version.
    pub(crate) async fn is_stored(&self) {
        let stored = self.stored().await;
        assert_eq!(stored, self.record);
        assert_eq!(typed_emails(&stored), typed_emails(&self.record));
        assert_eq!(
            self.backend.store().load(&self.scope, &self.key.patient, Consistency::Strong).await.unwrap().record,
            Some(stored)
        );
        let events = self.backend.history(&self.key).await.len();
        assert_eq!(u64::try_from(events).unwrap(), self.record.version);
    }

    pub(crate) async fn stored(&self) -> PortalRecord {
        self.backend.store().record(&self.key).await.unwrap().unwrap()
    }

    pub(crate) fn invitation_id(&self) -> InvitationId {
        self.record.invitation.as_ref().unwrap().id.clone()
    }

    pub(crate) fn inviting(&mut self, address: Option<&str>) -> Change {
        let context = self.context(Role::Staff);
        let id = samples::invitation_id(&format!("invitation-{}-{}", self.key.patient, self.steps));
        self.record.invite(&self.practice, &address.map(samples::email).as_ref().into(), id, context).unwrap()
    }

    pub(crate) async fn invite(&mut self, address: Option<&str>) {
        let change = self.inviting(address);
        self.step(change).await;
    }

    pub(crate) fn reinviting(&mut self, address: Option<&str>, role: Role) -> Change {
        let context = self.context(role);
        let id = samples::invitation_id(&format!("invitation-{}-{}", self.key.patient, self.steps));
        self.record.reinvite(&self.practice, &address.map(samples::email).as_ref().into(), id, context).unwrap()
    }

    pub(crate) async fn reinvite(&mut self, address: Option<&str>) {
        let change = self.reinviting(address, Role::Staff);
        self.step(change).await;
    }

    pub(crate) async fn revoke(&mut self) {
        let context = self.context(Role::Staff);
        let change = self.record.revoke(context).unwrap();
        self.step(change).await;
    }

    pub(crate) fn claim_request(&mut self) -> ClaimRequest {
        self.steps += 1;
        samples::claim_request(&self.invitation_id(), self.now, self.steps)
    }

    /// Claims the mail, and checks that the store follows the rules.
    pub(crate) async fn claim(&mut self) -> ClaimRequest {
        let request = self.claim_request();
        let expected = self.record.claim(&request).unwrap();
        assert_eq!(self.try_claim(&request).await, ClaimOutcome::Claimed(Box::new(expected.clone())));
        self.record = expected;
        self.is_stored().await;
        request
    }

    pub(crate) async fn try_claim(&self, request: &ClaimRequest) -> ClaimOutcome {
        self.backend.store().claim(&self.key, request).await.unwrap()
    }

    /// Asserts that a claim is refused for the reason that the rules give, and changes nothing.
    pub(crate) async fn claim_is_refused(&mut self, why: Unclaimable) {
        let request = self.claim_request();
        assert_eq!(self.record.claim(&request), Err(why));
        assert_eq!(self.try_claim(&request).await, ClaimOutcome::Refused(why));
        self.is_stored().await;
    }

    pub(crate) async fn send(&mut self) {
        self.claim().await;
        self.stamp().await;
    }

    pub(crate) async fn stamp(&mut self) {
        let (context, message) = (self.context(Role::Sender), samples::message_id(usize::from(self.steps)));
        let change =
            self.record.stamp(&self.practice, &self.invitation_id(), self.record.fence, message, context).unwrap();
        self.step(change).await;
    }

    pub(crate) async fn delivered(&mut self, news: Delivery) {
        let context = self.context(Role::MailService);
        let change = self.record.record_delivery(&self.invitation_id(), news, context).unwrap();
        self.step(change).await;
    }

    /// Records an event of SES about the latest try: every change that follows from it, one after the other.
    pub(crate) async fn record_events(&mut self, delivery: Delivery) {
        let context = self.context(Role::MailService);
        let event = MailEvent {
            key: self.key.clone(),
            invitation: self.invitation_id(),
            attempt: self.record.invitation.as_ref().unwrap().attempt,
            message: samples::message_id(usize::from(self.steps)),
            delivery,
        };
        let first = self.record.record_event(&self.practice, &event, context.clone()).unwrap();
        self.step(first).await;
        while let Some(next) = self.record.record_event(&self.practice, &event, context.clone()) {
            self.step(next).await;
        }
    }

    pub(crate) async fn opt_out(&mut self, role: Role) {
        let context = self.context(role);
        let change = self.record.opt_out(context).unwrap();
        self.step(change).await;
    }

    pub(crate) async fn register(&mut self) {
        self.register_with(None).await;
    }

    /// Registers with a keyed request, which its client may repeat.
    pub(crate) async fn register_with(&mut self, keyed: Option<&KeyedRequest>) {
        let change = self.registering_with(keyed);
        self.step(change).await;
    }

    pub(crate) fn registering(&mut self) -> Change {
        self.registering_with(None)
    }

    fn registering_with(&mut self, keyed: Option<&KeyedRequest>) -> Change {
        use portal::record::account::Registration;
        let context = self.context(Role::Patient);
        let Registration::Registered(change) =
            self.record.register(samples::date_of_birth(), samples::account_id("account-1"), keyed, context)
        else {
            unreachable!("the date of birth is right")
        };
        *change
    }

    /// The holder of the link takes no invitation.
    pub(crate) async fn decline(&mut self, reason: RevokeReason) {
        let context = self.context(Role::Patient);
        let opens = |token: &Token| self.record.usable_link(token, context.at).is_ok();
        let token = (1..=self.steps).map(samples::token).find(opens).unwrap();
        let change = self.record.decline(&token, reason, context).unwrap();
        self.step(change).await;
    }

    /// A patient who has an account with this address. The address is in no profile.
    pub(crate) async fn with_account(backend: &'b B, practice: &str, patient: &str, address: &str) -> Self {
        let mut test_patient = Self::begin(backend, practice, patient, None).await;
        test_patient.invite(Some(address)).await;
        test_patient.send().await;
        test_patient.register().await;
        test_patient
    }

    pub(crate) fn changing_email(&mut self, address: &str) -> Change {
        let context = self.context(Role::Support);
        self.record.change_account_email(&samples::email(address), context).unwrap().unwrap()
    }

    pub(crate) async fn change_email(&mut self, address: &str) {
        let change = self.changing_email(address);
        self.step(change).await;
    }

    /// Asserts that a change is refused because another patient has the address, and changes nothing.
    pub(crate) async fn is_in_use(&self, change: &Change, holder: Option<&str>) {
        let expected = CommitOutcome::AddressRefused(AddressRefusal::InUse { holder: holder.map(samples::patient_id) });
        assert_eq!(self.try_commit(change).await, expected);
        self.is_stored().await;
    }

    pub(crate) async fn commit<R: Refusal>(
        &mut self,
        decide: impl FnOnce(&PortalRecord, ChangeContext) -> Result<Change, R>,
    ) {
        self.change(|record, context| decide(record, context).unwrap()).await;
    }

    pub(crate) async fn change(&mut self, decide: impl FnOnce(&PortalRecord, ChangeContext) -> Change) {
        let context = self.context(Role::Staff);
        let change = decide(&self.record, context);
        self.step(change).await;
    }
}

/// The addresses as typed. Two addresses are equal if their canonical forms are, but the typed form must be kept too.
fn typed_emails(record: &PortalRecord) -> Vec<Option<String>> {
    let typed = |email: Option<&EmailAddress>| email.map(|email| email.typed().to_owned());
    let invitation = record.invitation.as_ref().map(|invitation| &invitation.email);
    let notices = record.notices.iter().map(|notice| typed(Some(&notice.to)));
    [typed(record.profile.email.as_ref()), typed(invitation), typed(record.claimed_email())]
        .into_iter()
        .chain(notices)
        .collect()
}
