//! What a notice says, in text and HTML, English and Spanish.
//!
//! It tells that an account's address was changed, when, by whom and whom to call, and nothing of the patient. It does
//! not name the other address: whoever reads the one mailbox may be the very person whom the other is hidden from. It has
//! no link: a mail that says "your account was changed, click here" is what thieves send.

use askama::Template;
use portal::{ports::NoticeMail, profile::Language, record::notices::NoticeKind};

use super::templates::{Rendered, local_date};

struct Facts<'a> {
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
    mail: &'a Facts<'a>,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct Html<'a> {
    mail: &'a Facts<'a>,
}

impl Facts<'_> {
    fn render(&self) -> askama::Result<Rendered> {
        Ok(Rendered { subject: self.subject, text: Text { mail: self }.render()?, html: Html { mail: self }.render()? })
    }
}

/// Renders a notice. As in an invitation, the subject does not even name the practice.
pub(super) fn render(mail: &NoticeMail) -> askama::Result<Rendered> {
    let settings = &mail.practice.settings;
    let facts = Facts {
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
    facts.render()
}

#[cfg(test)]
#[path = "notices_tests.rs"]
mod tests;
