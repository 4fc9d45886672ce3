//! Which mailed links work, depending on what has happened since.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    email::EmailAddress,
    link::Token,
    panel::StatusPanel,
    policy::{MAX_BIRTH_DATE_ATTEMPTS, MAX_SECRETS},
    record::guards::Recipient,
    record::{InvitationState, PortalRecord, account::Registration},
    refusal::RegisterRefusal,
    states::RevokeReason,
    testing::samples,
    timeline::Role,
};

/// A record and the tokens that were mailed for it.
struct MailedRecord {
    now: DateTime<Utc>,
    record: PortalRecord,
    tokens: Vec<Token>,
}

impl MailedRecord {
    fn new() -> Self {
        let created = samples::new_patient(&samples::key("north", "p-1"), samples::profile(Some("jose@example.com")));
        let context = samples::staff_context(samples::noon(), "r");
        let queued = created
            .after
            .invite(&samples::practice("north"), &Recipient::default(), samples::invitation_id("i-1"), context)
            .unwrap()
            .after;
        Self { now: samples::noon(), record: queued, tokens: Vec::new() }.mail()
    }

    fn mail(mut self) -> Self {
        let seed = u8::try_from(self.tokens.len()).unwrap() + 1;
        let id = self.record.invitation.as_ref().unwrap().id.clone();
        self.record = self.record.claim(&samples::claim_request(&id, self.now, seed)).unwrap();
        let link = self.record.link.as_ref().unwrap().id.clone();
        self.tokens.push(Token { link, secret: samples::secret(seed) });
        let context = samples::context_as(Role::Sender, self.now, "r");
        let practice = samples::practice("north");
        self.record = self
            .record
            .stamp(&practice, &id, self.record.fence, samples::message_id(seed.into()), context)
            .unwrap()
            .after;
        self
    }

    fn reinvite(mut self, email: Option<&EmailAddress>) -> Self {
        self.now += TimeDelta::days(1);
        let context = samples::staff_context(self.now, "r");
        self.record = self
            .record
            .reinvite(&samples::practice("north"), &email.into(), samples::invitation_id("i-2"), context)
            .unwrap()
            .after;
        self
    }

    fn usable(&self) -> Vec<bool> {
        self.tokens.iter().map(|token| self.record.usable_link(token, self.now).is_ok()).collect()
    }
}

#[test]
fn a_reinvite_to_the_same_address_keeps_earlier_links() {
    let reinvited = MailedRecord::new().reinvite(None);
    assert_eq!(reinvited.usable(), [true], "also while the new mail is queued");
    assert_eq!(reinvited.mail().usable(), [true, true]);
}

#[test]
fn a_reinvite_to_another_address_ends_earlier_links_at_once() {
    let other = samples::email("other@example.com");
    let reinvited = MailedRecord::new().reinvite(Some(&other));
    assert_eq!(reinvited.usable(), [false]);
    let mailed = reinvited.mail();
    assert_eq!(mailed.usable(), [false, true]);
    assert_eq!(
        mailed.reinvite(Some(&samples::email("jose@example.com"))).usable(),
        [false, false],
        "earlier links do not work again after a return to the first address"
    );
}

#[test]
fn each_link_has_its_own_expiry() {
    let mut mailed = MailedRecord::new().reinvite(None).mail();
    mailed.now = samples::noon() + TimeDelta::days(7);
    assert_eq!(mailed.usable(), [false, true]);
    mailed.now += TimeDelta::days(1);
    assert_eq!(mailed.usable(), [false, false]);
}

#[test]
fn opting_out_ends_links_permanently() {
    let mut mailed = MailedRecord::new();
    let context = || samples::staff_context(samples::noon(), "r");
    mailed.record = mailed.record.opt_out(context()).unwrap().after;
    assert_eq!(mailed.usable(), [false]);
    mailed.record = mailed.record.opt_in(context()).unwrap().after;
    assert_eq!(mailed.usable(), [false], "opting in does not restore links");
}

#[test]
fn at_most_five_dates_of_birth_are_compared_even_if_an_outcome_is_lost() {
    let mut mailed = MailedRecord::new();
    let context = || samples::context_as(Role::Patient, samples::noon(), "r");
    for birth_date_attempts in 1..=MAX_BIRTH_DATE_ATTEMPTS {
        mailed.record = mailed.record.count_birth_date_attempt(&mailed.tokens[0], context()).unwrap().after;
        assert_eq!(mailed.record.link.as_ref().unwrap().birth_date_attempts, birth_date_attempts);
    }
    assert_eq!(
        mailed.record.count_birth_date_attempt(&mailed.tokens[0], context()).unwrap_err(),
        RegisterRefusal::LinkNotUsable
    );
    let wrong = samples::date_of_birth().succ_opt().unwrap();
    let Registration::Locked(locked) = mailed.record.register(wrong, samples::account_id("a"), None, context()) else {
        panic!("locked")
    };
    let state = &locked.after.invitation.as_ref().unwrap().state;
    assert!(matches!(state, InvitationState::Revoked { reason: RevokeReason::Locked, receipt: Some(_), .. }));
    assert_eq!(locked.after.claimed_email(), None);
}

#[test]
fn a_link_without_attempts_left_is_not_mailed_again() {
    let mut mailed = MailedRecord::new();
    for _ in 1..=MAX_BIRTH_DATE_ATTEMPTS {
        // Each comparison's outcome is lost, so the lock is not recorded.
        let context = samples::context_as(Role::Patient, samples::noon(), "r");
        mailed.record = mailed.record.count_birth_date_attempt(&mailed.tokens[0], context).unwrap().after;
    }
    assert!(!mailed.record.may_be_reminded(&samples::settings().reminders), "no reminder is sent");
    let panel = StatusPanel::from_record(&mailed.record, None, Role::Staff, samples::noon());
    assert_eq!(
        panel.sentence,
        "The link takes no more dates of birth: check the patient's date of birth and reinvite."
    );
    let reinvited = mailed.reinvite(None).mail();
    assert_eq!(reinvited.usable(), [false, true], "a reinvite gives a new link that works");
}

#[test]
fn a_new_mail_to_the_same_address_gives_no_new_attempts() {
    let mut mailed = MailedRecord::new();
    let context = || samples::context_as(Role::Patient, samples::noon(), "r");
    mailed.record = mailed.record.count_birth_date_attempt(&mailed.tokens[0], context()).unwrap().after;
    assert_eq!(mailed.reinvite(None).mail().record.link.unwrap().birth_date_attempts, 1);
}

#[test]
fn a_link_has_a_bounded_number_of_secrets() {
    let mut mailed = MailedRecord::new();
    for _ in 0..2 * MAX_SECRETS {
        mailed = mailed.reinvite(None).mail();
        // Stay within the lifetime of one link.
        mailed.now -= TimeDelta::days(1);
        mailed.record.staff_mails.clear();
        mailed.record.invitation.as_mut().unwrap().queued_at -= TimeDelta::days(1);
    }
    assert!(mailed.record.link.as_ref().unwrap().secrets.len() <= MAX_SECRETS);
    assert_eq!(mailed.usable().last(), Some(&true), "the newest secret is never removed");
}
