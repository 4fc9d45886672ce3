//! The status panel in a table of cases: every value that the published reference names.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    email::EmailAddress,
    ids::{AccountId, InvitationId, LinkId, MessageId},
    link::LinkSecret,
    panel::{DateField, InvitationStatus as State, StatusPanel},
    practice::Practice,
    profile::Profile,
    record::guards::Recipient,
    record::{Change, PortalRecord, account::Registration, delivery::ClaimRequest},
    refusal::{ChangeEmailRefusal, InviteRefusal, ReinviteRefusal},
    states::{Delivery, FailReason},
    testing::samples,
    timeline::Role,
};

/// A sequence of transitions of one record.
struct Scenario {
    now: DateTime<Utc>,
    practice: Practice,
    record: PortalRecord,
}

impl Scenario {
    fn new() -> Self {
        let now = samples::noon();
        let context = samples::staff_context(now, "r");
        let profile = samples::profile(Some("jose@example.com"));
        let record = PortalRecord::save_profile(None, samples::key("north", "p-1"), profile, context).unwrap().after;
        Self { now, practice: samples::practice("north"), record }
    }

    fn step(mut self, make: impl FnOnce(&PortalRecord, &Practice, portal::timeline::ChangeContext) -> Change) -> Self {
        self.record = make(&self.record, &self.practice, samples::staff_context(self.now, "r")).after;
        self
    }

    fn wait(mut self, time: TimeDelta) -> Self {
        self.now += time;
        self
    }

    fn invited(self) -> Self {
        self.step(|record, practice, context| {
            record.invite(practice, &Recipient::default(), invitation("i-1"), context).unwrap()
        })
    }

    fn reinvited(self, email: Option<&EmailAddress>) -> Self {
        self.step(|record, practice, context| {
            record.reinvite(practice, &email.into(), invitation("i-2"), context).unwrap()
        })
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
        self.claimed().step(|record, practice, context| {
            let current = record.invitation.as_ref().unwrap().id.clone();
            record.stamp(practice, &current, record.fence, MessageId::parse("m").unwrap(), context).unwrap()
        })
    }

    fn failed(self, reason: FailReason) -> Self {
        self.claimed().step(|record, _, context| record.fail_sending(record.fence, reason, context).unwrap())
    }

    fn delivery(self, delivery: Delivery) -> Self {
        self.step(|record, _, context| {
            record.record_delivery(&record.invitation.as_ref().unwrap().id, delivery, context).unwrap()
        })
    }

    fn registered(self) -> Self {
        let account = AccountId::parse("account").unwrap();
        self.step(|record, _, context| {
            let Registration::Registered(change) = record.register(samples::date_of_birth(), account, None, context)
            else {
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
        self.step(|record, _, context| record.opt_out(context).unwrap())
    }

    fn opted_in(self) -> Self {
        self.step(|record, _, context| record.opt_in(context).unwrap())
    }

    fn inactive(self) -> Self {
        self.step(|record, _, context| {
            let profile = Profile { active: false, ..record.profile.clone() };
            PortalRecord::save_profile(Some(record), record.key.clone(), profile, context).unwrap()
        })
    }

    fn panel(&self) -> StatusPanel {
        StatusPanel::from_record(&self.record, Some(&self.practice), Role::Staff, self.now)
    }
}

fn invitation(id: &str) -> InvitationId {
    InvitationId::parse(id).unwrap()
}

/// A field's value as staff read it.
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
fn the_five_fields_have_the_values_of_the_reference() {
    let cases: Vec<(&str, Scenario, [&str; 5])> = vec![
        ("before any invitation", Scenario::new(), ["no", "-", "Pending", "Never", "Never"]),
        ("while the first mail is queued", Scenario::new().invited(), ["no", "Pending", "Pending", "Never", "Never"]),
        ("while it is being sent", Scenario::new().invited().claimed(), ["no", "Pending", "Pending", "Never", "Never"]),
        ("once it is sent", Scenario::new().invited().sent(), ["no", "2026-05-05", "Pending", "Never", "Never"]),
        (
            "a failed first send stays pending",
            Scenario::new().invited().failed(FailReason::Refused),
            ["no", "Pending", "Pending", "Never", "Never"],
        ),
        (
            "a failed first send, sent on the next day",
            Scenario::new().invited().failed(FailReason::Exhausted).wait(DAY).reinvited(None).sent(),
            ["no", "2026-05-06", "Pending", "Never", "2026-05-06"],
        ),
        (
            "a reinvite does not change the activation date",
            Scenario::new().invited().sent().wait(DAY).reinvited(None).sent(),
            ["no", "2026-05-05", "Pending", "Never", "2026-05-06"],
        ),
        (
            "only the latest reinvite shows",
            Scenario::new().invited().sent().wait(DAY).reinvited(None).sent().wait(DAY * 2).reinvited(None),
            ["no", "2026-05-05", "Pending", "Never", "2026-05-08"],
        ),
        (
            "registering is no login",
            Scenario::new().invited().sent().wait(DAY * 3).registered(),
            ["no", "2026-05-05", "2026-05-08", "Never", "Never"],
        ),
        (
            "a later login",
            Scenario::new().invited().sent().wait(DAY * 3).registered().wait(DAY * 4).logged_in(),
            ["no", "2026-05-05", "2026-05-08", "2026-05-12", "Never"],
        ),
        ("opted out before any invitation", Scenario::new().opted_out(), ["yes", "-", "Pending", "Never", "Never"]),
        (
            "opted out while the mail is queued: it is not sent",
            Scenario::new().invited().opted_out(),
            ["yes", "-", "Pending", "Never", "Never"],
        ),
        (
            "opted out after the mail was sent",
            Scenario::new().invited().sent().opted_out(),
            ["yes", "2026-05-05", "Pending", "Never", "Never"],
        ),
        (
            "opted out with an account",
            Scenario::new().invited().sent().wait(DAY).registered().opted_out(),
            ["yes", "2026-05-05", "2026-05-06", "Never", "Never"],
        ),
        ("opted in again", Scenario::new().opted_out().opted_in(), ["no", "-", "Pending", "Never", "Never"]),
        (
            "revoked before it was sent",
            Scenario::new().invited().step(|record, _, context| record.revoke(context).unwrap()),
            ["no", "-", "Pending", "Never", "Never"],
        ),
        (
            "revoked after it was sent",
            Scenario::new().invited().sent().step(|record, _, context| record.revoke(context).unwrap()),
            ["no", "2026-05-05", "Pending", "Never", "Never"],
        ),
    ];
    for (case, scenario, expected) in cases {
        let panel = scenario.panel();
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
fn the_sentence_has_the_state_and_the_next_step() {
    let sent = || Scenario::new().invited().sent();
    let elsewhere = samples::email("elsewhere@example.com");
    let cases: Vec<(Scenario, &str)> = vec![
        (Scenario::new(), "Not invited yet: invite the patient to open a portal account."),
        (Scenario::new().invited(), "The invitation is on its way to the mail service."),
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
            Scenario::new().invited().failed(FailReason::Refused),
            "The mail service refused the invitation: check the address and reinvite.",
        ),
        (
            Scenario::new().opted_out(),
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
            Scenario::new().inactive(),
            "The patient is inactive and cannot be invited: correct the Profile tab if that is wrong.",
        ),
        (
            sent().inactive(),
            "The patient is inactive and gets no reminders: take the invitation back if it is not to be used.",
        ),
        (
            Scenario::new().opted_out().inactive(),
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
    for (scenario, expected) in cases {
        assert_eq!(scenario.panel().sentence, expected);
    }
}

#[test]
fn an_invitation_expires_with_its_link_and_reinvite_is_the_next_step() {
    // The case, the scenario, and the expected panel: state, expiry, sentence, and whether reinvite is allowed.
    type Case = (&'static str, Scenario, State, Option<DateTime<Utc>>, &'static str, Result<(), ReinviteRefusal>);
    const LINK_ENDED: &str = "The link stopped working when the patient opted out: send a new one with reinvite.";
    const OPTED_OUT: &str =
        "Opted out on May 5, 2026: the patient does not want to receive access to health information.";
    const EXPIRED: &str = "The invitation expired on May 12, 2026: send a new link with reinvite.";
    const EXPIRED_AND_LAPSED: &str = "The invitation expired on May 12, 2026: send a new link with reinvite. The address is no longer reserved for this patient: if a practice has invited another person to it, the link does not register, and another address is needed.";
    const UNSENT: &str = "The invitation is on its way to the mail service.";
    const SENT: &str = "Invitation sent on May 5, 2026. Not registered yet.";
    let invited = || Scenario::new().invited();
    let sent = || invited().sent();
    let after_opt_out = || sent().opted_out();
    let (week, moment) = (DAY * 7, TimeDelta::milliseconds(1));
    let end = Some(samples::noon() + week);
    let opted_out = Err(ReinviteRefusal::OptedOut);
    let cases: Vec<Case> = vec![
        ("queued", invited().wait(week), State::Queued, None, UNSENT, Err(ReinviteRefusal::SendInProgress)),
        (
            "while being sent",
            invited().claimed().wait(week),
            State::Sending,
            None,
            UNSENT,
            Err(ReinviteRefusal::SendInProgress),
        ),
        ("just before the expiry", sent().wait(week - moment), State::Sent, end, SENT, Ok(())),
        ("at the expiry", sent().wait(week), State::Expired, end, EXPIRED, Ok(())),
        ("long after the expiry", sent().wait(week * 8), State::Expired, end, EXPIRED, Ok(())),
        ("after the address was reserved", sent().wait(week * 9), State::Expired, end, EXPIRED_AND_LAPSED, Ok(())),
        ("delivered", sent().delivery(Delivery::Delivered).wait(week), State::Expired, end, EXPIRED, Ok(())),
        ("delayed", sent().delivery(Delivery::Delayed).wait(week), State::Expired, end, EXPIRED, Ok(())),
        (
            "bounced",
            sent().delivery(Delivery::Bounced).wait(week),
            State::Expired,
            end,
            "The mailbox does not exist: ask for another address.",
            Err(ReinviteRefusal::AddressSuppressed),
        ),
        ("opted out", after_opt_out().wait(DAY), State::Sent, None, OPTED_OUT, opted_out.clone()),
        ("opted out and expired", after_opt_out().wait(week), State::Expired, None, OPTED_OUT, opted_out.clone()),
        (
            "opted out after the expiry",
            sent().wait(week).opted_out(),
            State::Expired,
            None,
            "Opted out on May 12, 2026: the patient does not want to receive access to health information.",
            opted_out,
        ),
        ("opted in again", after_opt_out().opted_in().wait(DAY), State::Sent, None, LINK_ENDED, Ok(())),
        ("opted in again and expired", after_opt_out().opted_in().wait(week), State::Expired, None, LINK_ENDED, Ok(())),
        (
            "a new link",
            sent().wait(week).reinvited(None).sent(),
            State::Sent,
            end.map(|end| end + week),
            "Invitation sent on May 12, 2026. Not registered yet.",
            Err(ReinviteRefusal::TooSoon { retry_after_secs: 60 }),
        ),
        (
            "a new link, queued",
            sent().wait(week).reinvited(None),
            State::Queued,
            None,
            UNSENT,
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
            invited().failed(FailReason::Exhausted).wait(week),
            State::Failed,
            None,
            "The invitation could not be sent: reinvite the patient.",
            Ok(()),
        ),
        (
            "revoked",
            sent().step(|record, _, context| record.revoke(context).unwrap()).wait(week),
            State::Revoked,
            None,
            "The invitation was taken back: invite the patient again when wanted.",
            Ok(()),
        ),
    ];
    for (case, scenario, state, expires_at, sentence, reinvite) in cases {
        let panel = scenario.panel();
        assert_eq!((panel.invitation.state, panel.invitation.expires_at), (state, expires_at), "{case}");
        assert_eq!(panel.sentence, sentence, "{case}");
        assert_eq!(panel.actions.reinvite, reinvite, "{case}");
    }
}

#[test]
fn dates_are_in_the_practices_time_zone() {
    // 03:30 UTC on May 6 is still the evening of May 5 in New York.
    let late = Scenario::new().wait(TimeDelta::hours(15) + TimeDelta::minutes(30));
    let panel = late.invited().sent().panel();
    assert_eq!(shown(panel.activated_on), "2026-05-05");
    let DateField::On { at, .. } = panel.activated_on else { panic!("not a date") };
    assert_eq!(at.to_rfc3339(), "2026-05-06T03:30:00+00:00");
}

#[test]
fn a_practice_that_has_not_activated_the_portal_may_invite_no_patient() {
    let mut scenario = Scenario::new();
    scenario.practice.portal_activated_at = None;
    assert_eq!(scenario.panel().actions.invite, Err(InviteRefusal::PortalNotActivated));
    assert_eq!(
        StatusPanel::from_record(&scenario.record, None, Role::Staff, scenario.now).actions.invite,
        Err(InviteRefusal::PortalNotActivated)
    );
}

#[test]
fn actions_contain_the_refusal_of_the_command() {
    let invited = Scenario::new().invited().panel().actions;
    assert_eq!(invited.invite, Err(InviteRefusal::AlreadyInvited));
    assert_eq!(invited.reinvite, Err(ReinviteRefusal::SendInProgress));
    assert_eq!(invited.revoke, Ok(()));

    let just_sent = Scenario::new().invited().sent();
    assert_eq!(just_sent.panel().actions.reinvite, Err(ReinviteRefusal::TooSoon { retry_after_secs: 60 }));
    let later = just_sent.wait(TimeDelta::seconds(60));
    assert_eq!(later.panel().actions.reinvite, Ok(()));
    assert_eq!(later.delivery(Delivery::Bounced).panel().actions.reinvite, Err(ReinviteRefusal::AddressSuppressed));

    let registered = Scenario::new().invited().sent().registered().panel().actions;
    assert_eq!(registered.invite, Err(InviteRefusal::AlreadyRegistered));
    assert_eq!(registered.reinvite, Err(ReinviteRefusal::AlreadyRegistered));
    assert_eq!(registered.change_email, Err(ChangeEmailRefusal::SupportOnly));

    let opted_out = Scenario::new().opted_out().panel().actions;
    assert_eq!(opted_out.invite, Err(InviteRefusal::OptedOut));
    assert_eq!(opted_out.opt_in, Ok(()));

    let inactive = Scenario::new().invited().sent().wait(DAY).inactive().panel().actions;
    assert_eq!(
        (inactive.invite, inactive.reinvite),
        (Err(InviteRefusal::PatientInactive), Err(ReinviteRefusal::PatientInactive))
    );
    assert_eq!((inactive.revoke, inactive.opt_out), (Ok(()), Ok(())), "revoke and opt-out stay allowed");
    let registered = Scenario::new().invited().sent().registered().inactive().panel().actions;
    assert_eq!(registered.invite, Err(InviteRefusal::AlreadyRegistered), "the profile is not the reason");
    let opted_out = Scenario::new().opted_out().inactive().panel().actions;
    assert_eq!(opted_out.invite, Err(InviteRefusal::PatientInactive), "an opt-in would not allow an invitation");
}

#[test]
fn at_most_five_mails_a_day() {
    let mut scenario = Scenario::new().invited().sent();
    for _ in 0..4 {
        scenario = scenario.wait(TimeDelta::minutes(1)).reinvited(None).sent();
    }
    let wait = TimeDelta::hours(24) - TimeDelta::minutes(4);
    let expected = ReinviteRefusal::TooSoon { retry_after_secs: u64::try_from(wait.num_seconds()).unwrap() };
    assert_eq!(scenario.panel().actions.reinvite, Err(expected));
    assert_eq!(scenario.wait(wait).panel().actions.reinvite, Ok(()));
}

#[test]
fn a_missing_address_or_date_of_birth_is_the_refusal() {
    let mut scenario = Scenario::new();
    scenario.record.profile.email = None;
    assert_eq!(scenario.panel().actions.invite, Err(InviteRefusal::EmailRequired));
    scenario.record.profile.date_of_birth = None;
    assert_eq!(scenario.panel().actions.invite, Err(InviteRefusal::DateOfBirthMissing));
}
