//! The status panel against a table of cases: every value that the published reference names, by a patient's life.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    email::EmailAddress,
    ids::{AccountId, InvitationId, LinkId, MessageId},
    link::LinkSecret,
    panel::{DateField, InvitationStatus as State, StatusPanel},
    practice::Practice,
    profile::Profile,
    record::{Change, Delivery, FailReason, PortalRecord, account::Registration, delivery::ClaimRequest},
    refusal::{ChangeEmailRefusal, InviteRefusal, ReinviteRefusal},
    testing::samples,
    timeline::Role,
};

/// A patient's life, step by step. Every step is one of the record's own transitions.
struct Life {
    now: DateTime<Utc>,
    practice: Practice,
    record: PortalRecord,
}

impl Life {
    fn new() -> Self {
        let now = samples::noon();
        let act = samples::act(now, "r");
        let profile = samples::profile(Some("jose@example.com"));
        let record = PortalRecord::save_profile(None, samples::key("north", "p-1"), profile, act).unwrap().after;
        Self { now, practice: samples::practice("north"), record }
    }

    fn step(mut self, make: impl FnOnce(&PortalRecord, &Practice, portal::timeline::Act) -> Change) -> Self {
        self.record = make(&self.record, &self.practice, samples::act(self.now, "r")).after;
        self
    }

    fn wait(mut self, time: TimeDelta) -> Self {
        self.now += time;
        self
    }

    fn invited(self) -> Self {
        self.step(|record, practice, act| record.invite(practice, None, invitation("i-1"), act).unwrap())
    }

    fn reinvited(self, email: Option<&EmailAddress>) -> Self {
        self.step(|record, practice, act| record.reinvite(practice, email, invitation("i-2"), act).unwrap())
    }

    fn claimed(mut self) -> Self {
        let request = ClaimRequest {
            invitation: self.record.invitation.as_ref().unwrap().id.clone(),
            now: self.now,
            fresh_link: LinkId::parse("link").unwrap(),
            secret: LinkSecret::new([1; 32]).hash(),
            expires_at: self.practice.settings.link_days.expiry(self.now),
        };
        self.record = self.record.claim(&request).unwrap();
        self
    }

    fn sent(self) -> Self {
        self.claimed().step(|record, practice, act| {
            let current = record.invitation.as_ref().unwrap().id.clone();
            record.stamp(practice, &current, record.fence, MessageId::parse("m").unwrap(), act).unwrap()
        })
    }

    fn failed(self, reason: FailReason) -> Self {
        self.claimed().step(|record, _, act| record.fail_sending(record.fence, reason, act).unwrap())
    }

    fn delivery(self, news: Delivery) -> Self {
        self.step(|record, _, act| record.record_delivery(&record.invitation.as_ref().unwrap().id, news, act).unwrap())
    }

    fn registered(self) -> Self {
        let account = AccountId::parse("account").unwrap();
        self.step(|record, _, act| {
            let Registration::Registered(change) = record.register(samples::date_of_birth(), account, None, act) else {
                panic!("the date of birth is right")
            };
            *change
        })
    }

    fn logged_in(mut self) -> Self {
        self.record = self.record.track_login(&samples::login("event-1", self.now)).unwrap().unwrap();
        self
    }

    fn opted_out(self) -> Self {
        self.step(|record, _, act| record.opt_out(act).unwrap())
    }

    fn opted_in(self) -> Self {
        self.step(|record, _, act| record.opt_in(act).unwrap())
    }

    fn inactive(self) -> Self {
        self.step(|record, _, act| {
            let profile = Profile { active: false, ..record.profile.clone() };
            PortalRecord::save_profile(Some(record), record.key.clone(), profile, act).unwrap()
        })
    }

    fn panel(&self) -> StatusPanel {
        StatusPanel::from_record(&self.record, Some(&self.practice), Role::Staff, self.now)
    }
}

fn invitation(id: &str) -> InvitationId {
    InvitationId::parse(id).unwrap()
}

/// A value as staff read it.
fn shown(value: DateField) -> String {
    match value {
        DateField::Nothing => "-".to_owned(),
        DateField::Pending => "Pending".to_owned(),
        DateField::Never => "Never".to_owned(),
        DateField::On { date, .. } => date.to_string(),
    }
}

const DAY: TimeDelta = TimeDelta::days(1);

#[test]
fn the_five_fields_show_what_the_reference_names() {
    let cases: Vec<(&str, Life, [&str; 5])> = vec![
        ("before any invitation", Life::new(), ["no", "-", "Pending", "Never", "Never"]),
        ("while the first mail is queued", Life::new().invited(), ["no", "Pending", "Pending", "Never", "Never"]),
        ("while it is handed over", Life::new().invited().claimed(), ["no", "Pending", "Pending", "Never", "Never"]),
        ("once it is sent", Life::new().invited().sent(), ["no", "2026-05-05", "Pending", "Never", "Never"]),
        (
            "a failed first send stays pending",
            Life::new().invited().failed(FailReason::Refused),
            ["no", "Pending", "Pending", "Never", "Never"],
        ),
        (
            "a failed first send, sent on the next day",
            Life::new().invited().failed(FailReason::Exhausted).wait(DAY).reinvited(None).sent(),
            ["no", "2026-05-06", "Pending", "Never", "2026-05-06"],
        ),
        (
            "a reinvite does not move the activation date",
            Life::new().invited().sent().wait(DAY).reinvited(None).sent(),
            ["no", "2026-05-05", "Pending", "Never", "2026-05-06"],
        ),
        (
            "only the latest reinvite shows",
            Life::new().invited().sent().wait(DAY).reinvited(None).sent().wait(DAY * 2).reinvited(None),
            ["no", "2026-05-05", "Pending", "Never", "2026-05-08"],
        ),
        (
            "registering is the first login",
            Life::new().invited().sent().wait(DAY * 3).registered(),
            ["no", "2026-05-05", "2026-05-08", "2026-05-08", "Never"],
        ),
        (
            "a later login",
            Life::new().invited().sent().wait(DAY * 3).registered().wait(DAY * 4).logged_in(),
            ["no", "2026-05-05", "2026-05-08", "2026-05-12", "Never"],
        ),
        ("opted out before any invitation", Life::new().opted_out(), ["yes", "-", "Pending", "Never", "Never"]),
        (
            "opted out while the mail is queued: it is not sent",
            Life::new().invited().opted_out(),
            ["yes", "-", "Pending", "Never", "Never"],
        ),
        (
            "opted out after the mail was sent",
            Life::new().invited().sent().opted_out(),
            ["yes", "2026-05-05", "Pending", "Never", "Never"],
        ),
        (
            "opted out with an account",
            Life::new().invited().sent().wait(DAY).registered().opted_out(),
            ["yes", "2026-05-05", "2026-05-06", "2026-05-06", "Never"],
        ),
        ("opted in again", Life::new().opted_out().opted_in(), ["no", "-", "Pending", "Never", "Never"]),
        (
            "taken back before it was sent",
            Life::new().invited().step(|record, _, act| record.revoke(act).unwrap()),
            ["no", "-", "Pending", "Never", "Never"],
        ),
        (
            "taken back after it was sent",
            Life::new().invited().sent().step(|record, _, act| record.revoke(act).unwrap()),
            ["no", "2026-05-05", "Pending", "Never", "Never"],
        ),
    ];
    for (case, life, expected) in cases {
        let panel = life.panel();
        let opted_out = if panel.opted_out { "yes" } else { "no" }.to_owned();
        let fields = [
            opted_out,
            shown(panel.activated_on),
            shown(panel.registered_on),
            shown(panel.last_login_on),
            shown(panel.last_reinvited_on),
        ];
        assert_eq!(fields, expected, "{case}");
    }
}

#[test]
fn the_sentence_says_the_state_and_the_next_step() {
    let sent = || Life::new().invited().sent();
    let elsewhere = samples::email("elsewhere@example.com");
    let cases: Vec<(Life, &str)> = vec![
        (Life::new(), "Not invited yet: invite the patient to open a portal account."),
        (Life::new().invited(), "The invitation is on its way to the mail service."),
        (sent(), "Invitation sent on May 5, 2026. Not registered yet."),
        (sent().delivery(Delivery::Delivered), "Invitation sent on May 5, 2026. Not registered yet."),
        (sent().delivery(Delivery::Delayed), "The mailbox does not take the mail yet: the mail service keeps trying."),
        (sent().delivery(Delivery::Bounced), "The mailbox does not exist: ask for another address."),
        (
            sent().delivery(Delivery::Complained),
            "The recipient reported the mail as unwanted: ask for another address.",
        ),
        (sent().delivery(Delivery::Rejected), "The mail service rejected the mail: ask for another address."),
        (
            sent().delivery(Delivery::Suppressed),
            "Mail to this address bounced or was reported as unwanted before: ask for another address.",
        ),
        (sent().wait(DAY * 7), "The invitation expired on May 12, 2026: send a new link with reinvite."),
        (sent().delivery(Delivery::Bounced).wait(DAY * 7), "The mailbox does not exist: ask for another address."),
        (
            Life::new().invited().failed(FailReason::Refused),
            "The mail service refused the invitation: check the address and reinvite.",
        ),
        (
            Life::new().opted_out(),
            "Opted out on May 5, 2026: the patient does not want to receive access to health information.",
        ),
        (
            sent().opted_out().opted_in(),
            "The link stopped working when the patient opted out: send a new one with reinvite.",
        ),
        (
            sent().opted_out().opted_in().wait(DAY).reinvited(None).sent(),
            "Invitation sent on May 6, 2026. Not registered yet.",
        ),
        (sent().wait(DAY).registered(), "Registered on May 6, 2026."),
        (
            sent().wait(DAY).registered().opted_out(),
            "Registered on May 6, 2026. Opted out on May 6, 2026: no reminders are sent.",
        ),
        (
            Life::new().inactive(),
            "The patient is inactive and cannot be invited: correct the Profile tab if that is wrong.",
        ),
        (
            sent().inactive(),
            "The patient is inactive and gets no reminders: take the invitation back if it is not to be used.",
        ),
        (
            Life::new().opted_out().inactive(),
            "Opted out on May 5, 2026: the patient does not want to receive access to health information.",
        ),
        (
            sent().wait(DAY).registered().inactive(),
            "Registered on May 6, 2026. The patient is inactive, and the account stays open.",
        ),
        (
            sent().wait(DAY).reinvited(Some(&elsewhere)).sent(),
            "Invitation sent on May 6, 2026. Not registered yet. It went to another address than the one on the Profile tab.",
        ),
    ];
    for (life, expected) in cases {
        assert_eq!(life.panel().sentence, expected);
    }
}

#[test]
fn an_invitation_expires_where_its_link_does_and_reinvite_is_the_next_step() {
    // The case, the life, and what the panel says: state, expiry, sentence, and whether reinvite is offered.
    type Case = (&'static str, Life, State, Option<DateTime<Utc>>, &'static str, Result<(), ReinviteRefusal>);
    const DEAD: &str = "The link stopped working when the patient opted out: send a new one with reinvite.";
    const OUT: &str = "Opted out on May 5, 2026: the patient does not want to receive access to health information.";
    const EXPIRED: &str = "The invitation expired on May 12, 2026: send a new link with reinvite.";
    const SENT: &str = "Invitation sent on May 5, 2026. Not registered yet.";
    let sent = || Life::new().invited().sent();
    let out = || sent().opted_out();
    let (week, moment) = (DAY * 7, TimeDelta::milliseconds(1));
    let end = Some(samples::noon() + week);
    let opted_out = Err(ReinviteRefusal::OptedOut);
    let cases: Vec<Case> = vec![
        (
            "queued",
            Life::new().invited().wait(week),
            State::Queued,
            None,
            "The invitation is on its way to the mail service.",
            Err(ReinviteRefusal::SendInProgress),
        ),
        (
            "while handed over",
            Life::new().invited().claimed().wait(week),
            State::Sending,
            None,
            "The invitation is on its way to the mail service.",
            Err(ReinviteRefusal::SendInProgress),
        ),
        ("a moment before", sent().wait(week - moment), State::Sent, end, SENT, Ok(())),
        ("on the instant", sent().wait(week), State::Expired, end, EXPIRED, Ok(())),
        ("long after", sent().wait(week * 9), State::Expired, end, EXPIRED, Ok(())),
        ("delivered", sent().delivery(Delivery::Delivered).wait(week), State::Expired, end, EXPIRED, Ok(())),
        ("still under way", sent().delivery(Delivery::Delayed).wait(week), State::Expired, end, EXPIRED, Ok(())),
        (
            "bounced",
            sent().delivery(Delivery::Bounced).wait(week),
            State::Expired,
            end,
            "The mailbox does not exist: ask for another address.",
            Err(ReinviteRefusal::AddressSuppressed),
        ),
        ("opted out", out().wait(DAY), State::Sent, None, OUT, opted_out.clone()),
        ("opted out and over", out().wait(week), State::Expired, None, OUT, opted_out.clone()),
        (
            "opted out when it was over",
            sent().wait(week).opted_out(),
            State::Expired,
            None,
            "Opted out on May 12, 2026: the patient does not want to receive access to health information.",
            opted_out,
        ),
        ("opted in again", out().opted_in().wait(DAY), State::Sent, None, DEAD, Ok(())),
        ("opted in again and over", out().opted_in().wait(week), State::Expired, None, DEAD, Ok(())),
        (
            "a new link",
            sent().wait(week).reinvited(None).sent(),
            State::Sent,
            end.map(|end| end + week),
            "Invitation sent on May 12, 2026. Not registered yet.",
            Err(ReinviteRefusal::TooSoon { retry_after_secs: 60 }),
        ),
        (
            "a new link on its way",
            sent().wait(week).reinvited(None),
            State::Queued,
            None,
            "The invitation is on its way to the mail service.",
            Err(ReinviteRefusal::SendInProgress),
        ),
        (
            "used",
            sent().registered().wait(week),
            State::Consumed,
            None,
            "Registered on May 5, 2026.",
            Err(ReinviteRefusal::AlreadyRegistered),
        ),
        (
            "failed",
            Life::new().invited().failed(FailReason::Exhausted).wait(week),
            State::Failed,
            None,
            "The invitation could not be sent: reinvite the patient.",
            Ok(()),
        ),
        (
            "taken back",
            sent().step(|record, _, act| record.revoke(act).unwrap()).wait(week),
            State::Revoked,
            None,
            "The invitation was taken back: invite the patient again when wanted.",
            Ok(()),
        ),
    ];
    for (case, life, state, expires_at, sentence, reinvite) in cases {
        let panel = life.panel();
        assert_eq!((panel.invitation.state, panel.invitation.expires_at), (state, expires_at), "{case}");
        assert_eq!(panel.sentence, sentence, "{case}");
        assert_eq!(panel.actions.reinvite, reinvite, "{case}");
    }
}

#[test]
fn dates_are_those_of_the_practices_own_zone() {
    // 03:30 UTC on May 6 is still the evening of May 5 in New York.
    let late = Life::new().wait(TimeDelta::hours(15) + TimeDelta::minutes(30));
    let panel = late.invited().sent().panel();
    assert_eq!(shown(panel.activated_on), "2026-05-05");
    let DateField::On { at, .. } = panel.activated_on else { panic!("a date") };
    assert_eq!(at.to_rfc3339(), "2026-05-06T03:30:00+00:00");
}

#[test]
fn a_practice_that_has_not_activated_the_portal_may_invite_nobody() {
    let mut life = Life::new();
    life.practice.portal_activated_at = None;
    assert_eq!(life.panel().actions.invite, Err(InviteRefusal::PortalNotActivated));
    assert_eq!(
        StatusPanel::from_record(&life.record, None, Role::Staff, life.now).actions.invite,
        Err(InviteRefusal::PortalNotActivated)
    );
}

#[test]
fn actions_name_the_refusal_that_the_command_would_give() {
    let invited = Life::new().invited().panel().actions;
    assert_eq!(invited.invite, Err(InviteRefusal::AlreadyInvited));
    assert_eq!(invited.reinvite, Err(ReinviteRefusal::SendInProgress));
    assert_eq!(invited.revoke, Ok(()));

    let just_sent = Life::new().invited().sent();
    assert_eq!(just_sent.panel().actions.reinvite, Err(ReinviteRefusal::TooSoon { retry_after_secs: 60 }));
    let later = just_sent.wait(TimeDelta::seconds(60));
    assert_eq!(later.panel().actions.reinvite, Ok(()));
    assert_eq!(later.delivery(Delivery::Bounced).panel().actions.reinvite, Err(ReinviteRefusal::AddressSuppressed));

    let registered = Life::new().invited().sent().registered().panel().actions;
    assert_eq!(registered.invite, Err(InviteRefusal::AlreadyRegistered));
    assert_eq!(registered.reinvite, Err(ReinviteRefusal::AlreadyRegistered));
    assert_eq!(registered.change_email, Err(ChangeEmailRefusal::SupportOnly));

    let opted_out = Life::new().opted_out().panel().actions;
    assert_eq!(opted_out.invite, Err(InviteRefusal::OptedOut));
    assert_eq!(opted_out.opt_in, Ok(()));

    let inactive = Life::new().invited().sent().wait(DAY).inactive().panel().actions;
    assert_eq!(
        (inactive.invite, inactive.reinvite),
        (Err(InviteRefusal::PatientInactive), Err(ReinviteRefusal::PatientInactive))
    );
    assert_eq!((inactive.revoke, inactive.opt_out), (Ok(()), Ok(())), "what ends something stays possible");
    let registered = Life::new().invited().sent().registered().inactive().panel().actions;
    assert_eq!(registered.invite, Err(InviteRefusal::AlreadyRegistered), "no change of the profile would help");
    let opted_out = Life::new().opted_out().inactive().panel().actions;
    assert_eq!(opted_out.invite, Err(InviteRefusal::PatientInactive), "an opt-in would not help");
}

#[test]
fn at_most_five_reinvites_a_day() {
    let mut life = Life::new().invited().sent();
    for _ in 0..5 {
        life = life.wait(TimeDelta::minutes(1)).reinvited(None).sent();
    }
    let wait = TimeDelta::hours(24) - TimeDelta::minutes(4);
    let expected = ReinviteRefusal::TooSoon { retry_after_secs: u64::try_from(wait.num_seconds()).unwrap() };
    assert_eq!(life.panel().actions.reinvite, Err(expected));
    assert_eq!(life.wait(wait).panel().actions.reinvite, Ok(()));
}

#[test]
fn a_missing_address_or_date_of_birth_is_named() {
    let mut life = Life::new();
    life.record.profile.email = None;
    assert_eq!(life.panel().actions.invite, Err(InviteRefusal::EmailRequired));
    life.record.profile.date_of_birth = None;
    assert_eq!(life.panel().actions.invite, Err(InviteRefusal::DateOfBirthMissing));
}
