//! Random command sequences on one record keep every invariant that a single record can show.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use portal::{
    email::EmailAddress,
    ids::{AccountId, InvitationId, LinkId, MessageId},
    ledger::{AddressBook, AddressRefusal, EmailEntry, Refused},
    link::{LinkSecret, Token},
    panel::{DateField, StatusPanel},
    policy::{MAX_BIRTH_DATE_ATTEMPTS, MAX_NOTICES, MAX_SECRETS},
    practice::Practice,
    profile::Profile,
    record::{
        Account, Change, Choice, InvitationState, NextActionKind, PortalRecord,
        account::{Login, Registration},
        delivery::{ClaimRequest, MailEvent},
    },
    states::{Delivery, FailReason, RevokeReason},
    testing::samples,
    timeline::{ChangeContext, EventKind, EventName, Role, TimelineEvent},
};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Command {
    SaveProfile { address: Option<u8>, active: bool },
    Invite(Option<u8>),
    Reinvite(Option<u8>, bool),
    Revoke,
    Claim,
    Stamp { stale: bool },
    FailSending,
    Defer,
    Finalize,
    RecordEvent { attempts_ago: u32, delivery: Delivery },
    OptOut,
    OptIn,
    Register { mail: u8, right: bool },
    Decline { mail: u8 },
    Login { event: u8, minutes_ago: u16 },
    ChangeAccountEmail(u8),
    CloseAccount,
    ReopenAccount,
    Notify(NoticeAnswer),
    StopReminders,
    Wait { secs: u32 },
}

/// The mail service's answer to a notice.
#[derive(Clone, Copy, Debug)]
enum NoticeAnswer {
    Accepted,
    Refused,
    NoAnswer,
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let address = 0_u8..3;
    let delivery = prop_oneof![
        Just(Delivery::Accepted),
        Just(Delivery::Delayed),
        Just(Delivery::Delivered),
        Just(Delivery::Complained),
        Just(Delivery::Bounced),
        Just(Delivery::Rejected),
        Just(Delivery::Suppressed)
    ];
    let one = prop_oneof![
        1 => (prop::option::of(address.clone()), prop::bool::weighted(0.7))
            .prop_map(|(address, active)| Command::SaveProfile { address, active }),
        4 => prop::option::of(address.clone()).prop_map(Command::Invite),
        4 => (prop::option::of(address.clone()), any::<bool>()).prop_map(|(address, sweep)| Command::Reinvite(address, sweep)),
        1 => Just(Command::Revoke),
        8 => Just(Command::Claim),
        8 => prop::bool::weighted(0.2).prop_map(|stale| Command::Stamp { stale }),
        1 => Just(Command::FailSending),
        2 => Just(Command::Defer),
        2 => Just(Command::Finalize),
        4 => (0_u32..3, delivery).prop_map(|(attempts_ago, delivery)| Command::RecordEvent { attempts_ago, delivery }),
        1 => Just(Command::OptOut),
        2 => Just(Command::OptIn),
        3 => (any::<u8>(), prop::bool::weighted(0.3)).prop_map(|(mail, right)| Command::Register { mail, right }),
        1 => any::<u8>().prop_map(|mail| Command::Decline { mail }),
        3 => (0_u8..3, 0_u16..2_000).prop_map(|(event, minutes_ago)| Command::Login { event, minutes_ago }),
        4 => address.prop_map(Command::ChangeAccountEmail),
        1 => Just(Command::CloseAccount),
        2 => Just(Command::ReopenAccount),
        3 => prop_oneof![Just(NoticeAnswer::Accepted), Just(NoticeAnswer::Refused), Just(NoticeAnswer::NoAnswer)]
            .prop_map(Command::Notify),
        1 => Just(Command::StopReminders),
        6 => prop_oneof![0_u32..120, 0_u32..4_000, 0_u32..900_000].prop_map(|secs| Command::Wait { secs }),
    ];
    prop::collection::vec(one, 1..60)
}

/// One of a few addresses, so that sequences use the same address again.
fn email(index: u8) -> EmailAddress {
    samples::email(&format!("patient{index}@example.com"))
}

/// The invitation whose acceptance an event records.
fn stamped_invitation(event: &TimelineEvent) -> Option<&InvitationId> {
    if let EventKind::InvitationSent { invitation, .. } = &event.kind { Some(invitation) } else { None }
}

/// A mail that a sender may have handed over.
struct Mail {
    token: Token,
    to: EmailAddress,
    expires_at: DateTime<Utc>,
}

/// One record, its addresses, its events, and all mails that a sender may have handed over.
struct World {
    now: DateTime<Utc>,
    practice: Practice,
    record: PortalRecord,
    addresses: AddressBook,
    events: Vec<TimelineEvent>,
    /// The number of notices that the changes had to add.
    notices_added: usize,
    mails: Vec<Mail>,
    serial: u32,
}

impl World {
    fn new() -> Self {
        let now = samples::noon();
        let practice = samples::practice("north");
        let context = samples::staff_context(now, "r-0");
        let created =
            PortalRecord::save_profile(None, samples::key("north", "p-1"), samples::profile(None), context).unwrap();
        let mut world = Self {
            now,
            practice,
            record: created.after.clone(),
            addresses: AddressBook::default(),
            events: Vec::new(),
            notices_added: 0,
            mails: Vec::new(),
            serial: 0,
        };
        world.commit(created);
        world
    }

    fn context(&self, role: Role) -> ChangeContext {
        samples::context_as(role, self.now, "r-1")
    }

    fn next_serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    fn commit(&mut self, change: Change) {
        if let Some(before) = &change.before {
            assert_eq!(change.after.version, before.version + 1, "a change raises the version by one");
            assert!(change.after.fence >= before.fence);
        }
        assert_eq!(change.event.version, change.after.version, "a change adds one event of that version");
        match self.addresses.after(&change) {
            Ok(after) => self.addresses = after,
            // The store refuses it.
            Err(Refused { refusal, .. }) => {
                assert!(!matches!(refusal, AddressRefusal::InUse { .. }), "there is no other patient");
                return;
            }
        }
        self.notices_added += match change.event.kind.name() {
            EventName::AccountEmailChanged => 2,
            EventName::AccountClosed | EventName::AccountReopened => {
                let account = change.after.claimed_email();
                1 + usize::from(change.after.profile.email.as_ref().is_some_and(|profile| Some(profile) != account))
            }
            EventName::ProfileSaved
            | EventName::Invited
            | EventName::Reinvited
            | EventName::InvitationSent
            | EventName::InvitationFailed
            | EventName::InvitationRevoked
            | EventName::DeliveryChanged
            | EventName::DateOfBirthChecked
            | EventName::Registered
            | EventName::OptedOut
            | EventName::OptedIn
            | EventName::NoticeSent
            | EventName::NoticeFailed
            | EventName::RemindersStopped => 0,
        };
        self.events.push(change.event);
        self.record = change.after;
    }

    fn commit_if(&mut self, change: Option<Change>) {
        if let Some(change) = change {
            self.commit(change);
        }
    }

    fn run(&mut self, command: Command) {
        let panel = StatusPanel::from_record(&self.record, Some(&self.practice), Role::Staff, self.now);
        let serial = self.next_serial();
        let id = InvitationId::parse(&format!("i-{serial}")).unwrap();
        let staff = self.context(Role::Staff);
        match command {
            Command::SaveProfile { address, active } => {
                let profile = Profile { email: address.map(email), active, ..samples::profile(None) };
                let key = self.record.key.clone();
                self.commit_if(PortalRecord::save_profile(Some(&self.record), key, profile, staff));
            }
            Command::Invite(address) => {
                let email = address.map(email);
                let change = self.record.invite(&self.practice, &email.as_ref().into(), id, staff);
                if email.is_none() {
                    assert_eq!(panel.actions.invite, change.clone().map(drop));
                }
                self.commit_if(change.ok());
            }
            Command::Reinvite(address, sweep) => {
                let email = address.map(email);
                let context = if sweep { self.context(Role::Sweep) } else { staff };
                let change = self.record.reinvite(&self.practice, &email.as_ref().into(), id, context);
                if email.is_none() && !sweep {
                    assert_eq!(panel.actions.reinvite, change.clone().map(drop));
                }
                self.commit_if(change.ok());
            }
            Command::Revoke => {
                let change = self.record.revoke(staff);
                assert_eq!(panel.actions.revoke, change.clone().map(drop));
                self.commit_if(change.ok());
            }
            Command::OptOut => {
                let change = self.record.opt_out(staff);
                assert_eq!(panel.actions.opt_out, change.clone().map(drop));
                self.commit_if(change.ok());
            }
            Command::OptIn => {
                let change = self.record.opt_in(staff);
                assert_eq!(panel.actions.opt_in, change.clone().map(drop));
                self.commit_if(change.ok());
            }
            Command::ChangeAccountEmail(address) => {
                assert_eq!(
                    panel.actions.change_email,
                    self.record.change_account_email(&email(address), staff).map(drop),
                    "the panel offers exactly the accepted command"
                );
                let offered = self.record.may_change_email(Role::Support);
                let change = self.record.change_account_email(&email(address), self.context(Role::Support));
                let is_open = matches!(self.record.account, Account::Active { .. });
                if is_open && self.record.claimed_email() == Some(&email(address)) {
                    assert_eq!(change, Ok(None), "the same address is no change");
                } else {
                    assert_eq!(change.clone().map(drop), offered, "the guard and the command agree");
                }
                self.commit_if(change.ok().flatten());
            }
            Command::CloseAccount => self.close_account(&panel),
            Command::ReopenAccount => self.reopen_account(&panel),
            Command::Notify(answer) => self.notify(serial, answer),
            Command::Claim => self.claim(serial),
            Command::Stamp { stale } => self.stamp(serial, stale),
            Command::FailSending => {
                let fence = self.record.fence;
                self.commit_if(self.record.fail_sending(fence, FailReason::Refused, self.context(Role::Sender)));
            }
            Command::Defer => {
                if let Some(after) = self.record.defer(self.record.fence, self.now + TimeDelta::minutes(1)) {
                    assert_eq!(after.version, self.record.version, "giving a claim back is no change");
                    self.mails.pop();
                    self.record = after;
                }
            }
            Command::Finalize => {
                let current = self.record.invitation.as_ref().map(|invitation| invitation.id.clone());
                self.commit_if(current.and_then(|current| self.record.finalize(&current, self.context(Role::Sender))));
            }
            Command::RecordEvent { attempts_ago, delivery } => self.record_event(serial, attempts_ago, delivery),
            Command::Register { mail, right } => self.register(mail, right),
            Command::Decline { mail } => {
                let Some(mail) = self.mails.get(usize::from(mail) % self.mails.len().max(1)) else { return };
                let change = self.record.decline(&mail.token, RevokeReason::Declined, self.context(Role::Patient));
                self.commit_if(change.ok());
            }
            Command::Login { event, minutes_ago } => {
                let at = self.now - TimeDelta::minutes(minutes_ago.into());
                self.log_in(&samples::login(&format!("event-{event}"), at));
            }
            Command::StopReminders => self.commit_if(self.record.stop_reminders(self.context(Role::Patient))),
            Command::Wait { secs } => self.now += TimeDelta::seconds(secs.into()),
        }
    }

    fn close_account(&mut self, panel: &StatusPanel) {
        let change = self.record.close_account(samples::close_reason(), self.context(Role::Staff));
        assert_eq!(panel.actions.close, change.clone().map(drop));
        self.commit_if(change.ok());
    }

    fn reopen_account(&mut self, panel: &StatusPanel) {
        assert_eq!(panel.actions.reopen, self.record.reopen_account(self.context(Role::Staff)).map(drop));
        let change = self.record.reopen_account(self.context(Role::Support));
        assert_eq!(self.record.may_reopen(Role::Support), change.clone().map(drop));
        self.commit_if(change.ok());
    }

    fn notify(&mut self, serial: u32, answer: NoticeAnswer) {
        let Some(until) = self.record.notice_claim_end(self.now) else { return };
        let claimed = self.record.rescheduled(until).unwrap();
        assert_eq!((claimed.version, claimed.fence), (self.record.version, self.record.fence), "a claim is no change");
        assert_eq!(claimed.notice_claim_end(self.now), None, "claimed notices cannot be claimed again");
        self.record = claimed;
        let context = self.context(Role::Sender);
        let notice = self.record.notices.first().unwrap().clone();
        let message = MessageId::parse(&format!("n-{serial}")).unwrap();
        let change = match answer {
            NoticeAnswer::Accepted => self.record.notice_sent(&notice, message, context),
            NoticeAnswer::Refused => self.record.notice_failed(&notice, FailReason::Refused, context),
            NoticeAnswer::NoAnswer if notice.is_overdue(self.now) => {
                self.record.notice_failed(&notice, FailReason::Exhausted, context)
            }
            NoticeAnswer::NoAnswer => None,
        };
        self.commit_if(change);
    }

    /// The number of events of this kind.
    fn count(&self, kind: EventName) -> usize {
        self.events.iter().filter(|event| event.kind.name() == kind).count()
    }

    fn check_notices(&self) {
        let (record, notices) = (&self.record, &self.record.notices);
        let to_notify = record.next_action.is_some_and(|next| next.kind == NextActionKind::Notify);
        assert_eq!(!notices.is_empty(), to_notify, "the next action is to notify exactly if there are notices");
        assert!(notices.len() <= MAX_NOTICES && notices.is_sorted_by_key(|notice| notice.at));
        assert!(notices.is_empty() || record.account != Account::None);
        let finished = self.count(EventName::NoticeSent) + self.count(EventName::NoticeFailed);
        assert_eq!(
            self.notices_added,
            finished + notices.len(),
            "each change of the account adds its notices, and each is finished once"
        );
    }

    fn claim(&mut self, serial: u32) {
        let Some(invitation) = self.record.invitation.clone() else { return };
        let secret = LinkSecret::new([u8::try_from(serial).unwrap(); 32]);
        let expires_at = self.practice.settings.link_days.expiry(self.now);
        let fresh_link = LinkId::parse(&format!("link-{serial}")).unwrap();
        let request = ClaimRequest {
            invitation: invitation.id.clone(),
            now: self.now,
            fresh_link,
            secret: secret.hash(),
            expires_at,
        };
        let Ok(after) = self.record.claim(&request) else { return };

        assert_eq!(self.record.choice, Choice::In, "no mail is claimed after an opt-out");
        assert_eq!(self.record.account, Account::None, "no mail is claimed after a registration");
        let free = match invitation.state {
            InvitationState::Queued => true,
            InvitationState::Sending { lease_until, .. } => lease_until < self.now,
            InvitationState::Sent { .. }
            | InvitationState::Failed { .. }
            | InvitationState::Revoked { .. }
            | InvitationState::Consumed { .. } => false,
        };
        assert!(free, "no mail is claimed after a revocation, or while another sender has the lease");
        assert_eq!(after.version, self.record.version, "a claim is a lease, not a change");
        assert_eq!(after.fence, self.record.fence + 1);
        self.mails.push(Mail {
            token: Token { link: after.link.as_ref().unwrap().id.clone(), secret },
            to: invitation.email,
            expires_at,
        });
        self.record = after;
    }

    fn stamp(&mut self, serial: u32, stale: bool) {
        let Some(invitation) = self.record.invitation.clone() else { return };
        let fence = self.record.fence - u64::from(stale && self.record.fence > 0);
        let message = MessageId::parse(&format!("m-{serial}")).unwrap();
        let change = self.record.stamp(&self.practice, &invitation.id, fence, message, self.context(Role::Sender));
        if stale && self.record.fence > 0 {
            assert_eq!(change, None, "a sender with an old fence writes nothing");
        }
        // No mail is handed over without a claim.
        if invitation.attempt > 0 {
            self.commit_if(change);
        }
    }

    fn log_in(&mut self, login: &Login) {
        let Ok(recorded) = self.record.track_login(login) else { return };
        let after = recorded.unwrap_or_else(|| self.record.clone());
        assert_eq!(after.version, self.record.version, "a login is no change of the record");
        assert_eq!(after.fence, self.record.fence);
        if after != self.record {
            assert!(after.last_login().map(|login| login.at) > self.record.last_login().map(|login| login.at));
            assert_eq!(after.last_login(), Some(login));
            let repeated = Login { at: login.at + TimeDelta::hours(1), ..login.clone() };
            assert_eq!(
                after.track_login(&repeated),
                Ok(None),
                "a repeated report changes nothing, even with another time"
            );
        }
        self.record = after;
    }

    fn record_event(&mut self, serial: u32, attempts_ago: u32, delivery: Delivery) {
        let Some(invitation) = self.record.invitation.clone() else { return };
        let event = MailEvent {
            key: self.record.key.clone(),
            invitation: invitation.id,
            attempt: invitation.attempt.saturating_sub(attempts_ago),
            message: MessageId::parse(&format!("m-{serial}")).unwrap(),
            delivery,
        };
        let context = self.context(Role::MailService);
        while let Some(change) = self.record.record_event(&self.practice, &event, context.clone()) {
            assert!(event.attempt > 0, "an event about a mail without a claim changes nothing");
            self.commit(change);
        }
    }

    fn register(&mut self, mail: u8, right: bool) {
        let Some(mail) = self.mails.get(usize::from(mail) % self.mails.len().max(1)) else { return };
        let Ok(counted) = self.record.count_birth_date_attempt(&mail.token, self.context(Role::Patient)) else {
            return;
        };
        self.commit(counted);
        assert!(self.record.link.as_ref().unwrap().birth_date_attempts <= MAX_BIRTH_DATE_ATTEMPTS);
        let date_of_birth = if right { samples::date_of_birth() } else { samples::date_of_birth().succ_opt().unwrap() };
        let account = AccountId::parse("account-1").unwrap();
        match self.record.register(date_of_birth, account, None, self.context(Role::Patient)) {
            Registration::Registered(change) => {
                assert!(right);
                self.commit(*change);
            }
            Registration::Locked(change) => {
                assert!(!right);
                self.commit(*change);
            }
            Registration::Mismatch => assert!(!right),
            Registration::NotUsable => panic!("the link was usable a moment ago"),
        }
    }

    fn check(&self, before: &PortalRecord) {
        let record = &self.record;
        let is_own = |entry: &EmailEntry| entry.owner.as_ref() == Some(&record.key);
        let owned: Vec<_> = self
            .addresses
            .claims
            .iter()
            .filter(|(_, entry)| is_own(entry))
            .map(|(address, _)| address.canonical())
            .collect();
        let claimed: Vec<_> = record.claimed_email().map(EmailAddress::canonical).into_iter().collect();
        assert_eq!(owned, claimed, "the ledger and the record have the same claimed address");

        let invitation = record.invitation.as_ref();
        let to_deliver = record.next_action.is_some_and(|next| next.kind == NextActionKind::Deliver);
        let unsent =
            invitation.is_some_and(|it| matches!(it.state, InvitationState::Queued | InvitationState::Sending { .. }));
        assert_eq!(to_deliver, unsent, "the next action is to deliver exactly if a mail is queued or being sent");
        if record.next_action.is_some_and(|next| next.kind == NextActionKind::Remind) {
            assert!(matches!(invitation.unwrap().state, InvitationState::Sent { .. }) && record.choice == Choice::In);
            assert!(record.may_be_reminded(&self.practice.settings.reminders));
        }

        self.check_notices();
        let sent_events = self.count(EventName::InvitationSent);
        assert_eq!(record.first_sent_at.is_some(), sent_events > 0, "the date is set with the first accepted mail");
        let stamped: Vec<_> = self.events.iter().filter_map(stamped_invitation).collect();
        assert_eq!(stamped.iter().collect::<BTreeSet<_>>().len(), stamped.len(), "no invitation is stamped twice");
        if before.first_sent_at.is_some() {
            assert_eq!(record.first_sent_at, before.first_sent_at, "the date never changes");
        }
        assert!(self.events.iter().map(|event| event.version).eq(1..=record.version), "the timeline has no gap");

        if !before.profile.active {
            let id = |record: &PortalRecord| record.invitation.as_ref().map(|invitation| invitation.id.clone());
            assert_eq!(id(record), id(before), "an inactive patient is not invited by any role");
        }
        if let Some((one, next)) = before.invitation.as_ref().zip(invitation).filter(|(one, next)| one.id == next.id) {
            assert!(next.attempt >= one.attempt);
            if let (InvitationState::Sent { delivery: one, .. }, InvitationState::Sent { delivery: next, .. }) =
                (&one.state, &next.state)
            {
                assert!(next >= one, "the delivery rank never falls");
            }
        }
        if let (
            Account::Active { last_login: one, .. } | Account::Deactivated { last_login: one, .. },
            Account::Active { registered_at, last_login: next, .. }
            | Account::Deactivated { registered_at, last_login: next, .. },
        ) = (&before.account, &record.account)
        {
            let at = |login: &Option<Login>| login.as_ref().map(|login| login.at);
            assert!(at(next) >= at(one), "the login time never falls");
            assert_eq!(at(next) > at(one), next != one, "the event changes exactly if the time changes");
            assert!(at(next).is_none_or(|at| at >= *registered_at), "no login is older than the registration");
        }

        assert!(record.link.as_ref().is_none_or(
            |link| link.secrets.len() <= MAX_SECRETS && link.birth_date_attempts <= MAX_BIRTH_DATE_ATTEMPTS
        ));
        for mail in &self.mails {
            if record.usable_link(&mail.token, self.now).is_ok() {
                let invitation = invitation.expect("a link needs an invitation");
                assert_eq!(mail.to, invitation.email, "only links that were mailed to the current address work");
                assert!(self.now < mail.expires_at && record.account == Account::None && record.choice == Choice::In);
                assert!(!matches!(invitation.state, InvitationState::Revoked { .. }));
            }
        }

        let panel = StatusPanel::from_record(record, Some(&self.practice), Role::Staff, self.now);
        assert_eq!(matches!(panel.activated_on, DateField::On { .. }), record.first_sent_at.is_some());
        assert_eq!(matches!(panel.registered_on, DateField::On { .. }), record.account != Account::None);
        assert!(!panel.sentence.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn every_command_sequence_keeps_the_invariants(commands in commands()) {
        let mut world = World::new();
        for command in commands {
            let before = world.record.clone();
            world.run(command);
            world.check(&before);
        }
    }
}
