//! Sample mails for the tests of this module.

use portal::{
    email::EmailAddress,
    ids::{InvitationId, LinkId, PatientId, PracticeId, RecordKey},
    link::{LinkSecret, Token},
    ports::{InvitationMail, NoticeMail},
    practice::{LinkDays, Practice, PracticeSettings, ReminderPolicy},
    profile::Language,
    states::NoticeKind,
    text::{DisplayName, Phone},
};

use crate::config::PortalUrl;

pub(super) fn portal() -> PortalUrl {
    PortalUrl::parse("https://portal.example.com").unwrap()
}

pub(super) fn token() -> Token {
    Token { link: LinkId::parse("bGlua19pZF9vZl8xNg").unwrap(), secret: LinkSecret::new([0xa5; 32]) }
}

pub(super) fn token_text() -> String {
    token().to_text().expose().clone()
}

fn practice() -> Practice {
    let settings = PracticeSettings {
        name: DisplayName::parse("Oak Family Medicine & Sons").unwrap(),
        sender_name: DisplayName::parse("Oak Medicine").unwrap(),
        support_phone: Phone::parse("+1 (555) 010-0199").unwrap(),
        time_zone: chrono_tz::America::New_York,
        link_days: LinkDays::default(),
        reminders: ReminderPolicy::default(),
    };
    Practice { id: PracticeId::parse("oak").unwrap(), settings, portal_activated_at: None, version: 1 }
}

pub(super) fn notice(kind: NoticeKind, language: Language) -> NoticeMail {
    NoticeMail {
        kind,
        to: EmailAddress::parse("Jose.Patient@example.com").unwrap(),
        language,
        practice: practice(),
        // The day before in New York.
        happened_at: "2026-05-06T03:59:59Z".parse().unwrap(),
    }
}

pub(super) fn mail(language: Language) -> InvitationMail {
    InvitationMail {
        key: RecordKey { practice: PracticeId::parse("oak").unwrap(), patient: PatientId::parse("p-1001").unwrap() },
        to: EmailAddress::parse("Jose.Patient@example.com").unwrap(),
        language,
        practice: practice(),
        token: token(),
        expires_at: "2026-05-09T14:03:11Z".parse().unwrap(),
        invitation: InvitationId::parse("i-1").unwrap(),
        attempt: 2,
    }
}
