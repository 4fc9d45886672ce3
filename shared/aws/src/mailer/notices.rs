//! Notice mails, as text and HTML, in English and Spanish.
//!
//! A notice says what was changed: the address of an account, or that it was closed or opened again. It says when, and
//! which number to call. It contains nothing about the patient. It does not contain the other address, which may be hidden from the reader of this mailbox.
//! It has no link, because "your account was changed, click here" is what phishing mails say.

use askama::Template;
use portal::{ports::NoticeMail, profile::Language, states::NoticeKind};

use super::templates::{Rendered, local_date};

struct Content<'a> {
    kind: NoticeKind,
    language: Language,
    subject: &'static str,
    practice: &'a str,
    support_phone: &'a str,
    date: String,
}

#[derive(Template)]
#[template(path = "notice.txt")]
struct Text<'a> {
    mail: &'a Content<'a>,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Html<'a> {
    mail: &'a Content<'a>,
}

impl Content<'_> {
    fn render(&self) -> askama::Result<Rendered> {
        Ok(Rendered { subject: self.subject, text: Text { mail: self }.render()?, html: Html { mail: self }.render()? })
    }
}

/// Renders a notice. As in an invitation, the subject does not contain the name of the practice.
pub(super) fn render(mail: &NoticeMail) -> askama::Result<Rendered> {
    let settings = &mail.practice.settings;
    let content = Content {
        kind: mail.kind,
        language: mail.language,
        subject: match mail.language {
            Language::English => "A change to your account",
            Language::Spanish => "Un cambio en su cuenta",
        },
        practice: settings.name.as_str(),
        support_phone: settings.support_phone.as_str(),
        date: local_date(mail.happened_at, settings.time_zone, mail.language),
    };
    content.render()
}

#[cfg(test)]
#[path = "notices_tests.rs"]
mod tests;
