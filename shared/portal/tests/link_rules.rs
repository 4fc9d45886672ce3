//! Which mailed links work, by what happened since they were mailed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    email::EmailAddress,
    link::Token,
    panel::StatusPanel,
    policy::{MOST_GUESSES, MOST_SECRETS},
    record::{InvitationState, PortalRecord, RevokeReason, account::Registration},
    refusal::LinkRefusal,
    testing::samples,
    timeline::Role,
};

struct Mailed {
    now: DateTime<Utc>,
    record: PortalRecord,
    tokens: Vec<Token>,
}

impl Mailed {
    fn once() -> Self {
        let created = samples::new_patient(&samples::key("north", "p-1"), samples::profile(Some("jose@example.com")));
        let act = samples::act(samples::noon(), "r");
        let queued =
            created.after.invite(&samples::practice("north"), None, samples::invitation_id("i-1"), act).unwrap().after;
        Self { now: samples::noon(), record: queued, tokens: Vec::new() }.mail()
    }

    fn mail(mut self) -> Self {
        let seed = u8::try_from(self.tokens.len()).unwrap() + 1;
        let id = self.record.invitation.as_ref().unwrap().id.clone();
        self.record = self.record.claim(&samples::claim_request(&id, self.now, seed)).unwrap();
        let link = self.record.link.as_ref().unwrap().id.clone();
        self.tokens.push(Token { link, secret: samples::secret(seed) });
        let act = samples::act_of(Role::Sender, self.now, "r");
        let practice = samples::practice("north");
        self.record =
            self.record.stamp(&practice, &id, self.record.fence, samples::message_id(seed.into()), act).unwrap().after;
        self
    }

    fn reinvite(mut self, email: Option<&EmailAddress>) -> Self {
        self.now += TimeDelta::days(1);
        let act = samples::act(self.now, "r");
        self.record =
            self.record.reinvite(&samples::practice("north"), email, samples::invitation_id("i-2"), act).unwrap().after;
        self
    }

    fn usable(&self) -> Vec<bool> {
        self.tokens.iter().map(|token| self.record.usable_link(token, self.now).is_ok()).collect()
    }
}

#[test]
fn a_reinvite_to_the_same_address_keeps_earlier_links() {
    let reinvited = Mailed::once().reinvite(None);
    assert_eq!(reinvited.usable(), [true], "also while the new mail is under way");
    assert_eq!(reinvited.mail().usable(), [true, true]);
}

#[test]
fn a_reinvite_to_another_address_kills_earlier_links_at_once() {
    let other = samples::email("other@example.com");
    let reinvited = Mailed::once().reinvite(Some(&other));
    assert_eq!(reinvited.usable(), [false]);
    let mailed = reinvited.mail();
    assert_eq!(mailed.usable(), [false, true]);
    assert_eq!(
        mailed.reinvite(Some(&samples::email("jose@example.com"))).usable(),
        [false, false],
        "and going back revives none"
    );
}

#[test]
fn each_link_has_its_own_expiry() {
    let mut mailed = Mailed::once().reinvite(None).mail();
    mailed.now = samples::noon() + TimeDelta::days(7);
    assert_eq!(mailed.usable(), [false, true]);
    mailed.now += TimeDelta::days(1);
    assert_eq!(mailed.usable(), [false, false]);
}

#[test]
fn opting_out_kills_links_for_good() {
    let mut mailed = Mailed::once();
    let act = || samples::act(samples::noon(), "r");
    mailed.record = mailed.record.opt_out(act()).unwrap().after;
    assert_eq!(mailed.usable(), [false]);
    mailed.record = mailed.record.opt_in(act()).unwrap().after;
    assert_eq!(mailed.usable(), [false], "the patient's word was that nobody gets access with what is out there");
}

#[test]
fn at_most_five_dates_of_birth_are_compared_even_if_a_comparison_never_came_back() {
    let mut mailed = Mailed::once();
    let act = || samples::act_of(Role::Patient, samples::noon(), "r");
    for guesses in 1..=MOST_GUESSES {
        mailed.record = mailed.record.count_guess(&mailed.tokens[0], act()).unwrap().after;
        assert_eq!(mailed.record.link.as_ref().unwrap().guesses, guesses);
    }
    assert_eq!(mailed.record.count_guess(&mailed.tokens[0], act()).unwrap_err(), LinkRefusal::LinkNotUsable);
    let wrong = samples::date_of_birth().succ_opt().unwrap();
    let Registration::Locked(locked) = mailed.record.register(wrong, samples::account_id("a"), None, act()) else {
        panic!("locked")
    };
    let state = &locked.after.invitation.as_ref().unwrap().state;
    assert!(matches!(state, InvitationState::Revoked { reason: RevokeReason::Locked, receipt: Some(_), .. }));
    assert_eq!(locked.after.claimed_email(), None);
}

#[test]
fn a_link_whose_guesses_are_used_up_is_not_mailed_again() {
    let mut mailed = Mailed::once();
    for _ in 1..=MOST_GUESSES {
        // Each comparison's outcome is lost, so nobody writes down that the link is locked.
        let act = samples::act_of(Role::Patient, samples::noon(), "r");
        mailed.record = mailed.record.count_guess(&mailed.tokens[0], act).unwrap().after;
    }
    assert!(!mailed.record.may_be_reminded(&samples::settings().reminders), "no reminder by itself");
    let panel = StatusPanel::from_record(&mailed.record, None, Role::Staff, samples::noon());
    assert_eq!(
        panel.sentence,
        "The link takes no more dates of birth: check the patient's date of birth and reinvite."
    );
    let reinvited = mailed.reinvite(None).mail();
    assert_eq!(reinvited.usable(), [false, true], "staff give a link that works");
}

#[test]
fn a_new_mail_to_the_same_address_gives_no_new_guesses() {
    let mut mailed = Mailed::once();
    let act = || samples::act_of(Role::Patient, samples::noon(), "r");
    mailed.record = mailed.record.count_guess(&mailed.tokens[0], act()).unwrap().after;
    assert_eq!(mailed.reinvite(None).mail().record.link.unwrap().guesses, 1);
}

#[test]
fn a_link_keeps_a_bounded_number_of_secrets() {
    let mut mailed = Mailed::once();
    for _ in 0..2 * MOST_SECRETS {
        mailed = mailed.reinvite(None).mail();
        // All within one link's life.
        mailed.now -= TimeDelta::days(1);
        mailed.record.recent_reinvites.clear();
        mailed.record.invitation.as_mut().unwrap().queued_at -= TimeDelta::days(1);
    }
    assert!(mailed.record.link.as_ref().unwrap().secrets.len() <= MOST_SECRETS);
    assert_eq!(mailed.usable().last(), Some(&true), "the newest is never the one that is dropped");
}
