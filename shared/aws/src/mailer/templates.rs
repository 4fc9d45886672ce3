//! Invitation mails, as text and HTML, in English and Spanish.
//!
//! A mail contains the name of the practice and nothing about the patient, because it may reach a stranger. The subject
//! does not contain the name of the practice either: it can reveal a specialty, and subjects show on locked screens.

use askama::Template;
use chrono::{DateTime, Datelike as _, Utc};
use chrono_tz::Tz;
use portal::{ports::InvitationMail, profile::Language};

use crate::config::PortalUrl;

/// A rendered mail. There is no `Debug`, because the mail contains the secret link.
pub(super) struct Rendered {
    pub(super) subject: &'static str,
    pub(super) text: String,
    pub(super) html: String,
}

struct Content<'a> {
    language: Language,
    subject: &'static str,
    practice: &'a str,
    support_phone: &'a str,
    link: String,
    expires: String,
}

#[derive(Template)]
#[template(path = "invitation.txt")]
struct Text<'a> {
    mail: &'a Content<'a>,
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct Html<'a> {
    mail: &'a Content<'a>,
}

impl Content<'_> {
    fn render(&self) -> askama::Result<Rendered> {
        Ok(Rendered { subject: self.subject, text: Text { mail: self }.render()?, html: Html { mail: self }.render()? })
    }
}

/// Renders a mail. The token is in the fragment of the link. Browsers do not send fragments, so it does not get into
/// server logs or `Referer` headers, and a scanner that follows the link does not consume it.
pub(super) fn render(mail: &InvitationMail, portal: &PortalUrl) -> askama::Result<Rendered> {
    let settings = &mail.practice.settings;
    let content = Content {
        language: mail.language,
        subject: match mail.language {
            Language::English => "Your invitation to open an account",
            Language::Spanish => "Su invitación para abrir una cuenta",
        },
        practice: settings.name.as_str(),
        support_phone: settings.support_phone.as_str(),
        link: format!("{}/activate#{}", portal.as_str(), mail.token.to_text().expose()),
        expires: local_time(mail.expires_at, settings.time_zone, mail.language),
    };
    content.render()
}

/// An instant in the time zone of the practice, without seconds. A link does not expire before the stated time.
fn local_time(at: DateTime<Utc>, zone: Tz, language: Language) -> String {
    let (local, date) = (at.with_timezone(&zone), local_date(at, zone, language));
    // A zone without an abbreviation has its offset instead.
    let zone = local.format("%Z").to_string();
    let zone = if zone.starts_with(['+', '-']) { format!("UTC{zone}") } else { zone };
    match language {
        Language::English => format!("{date} at {} {zone}", local.format("%-I:%M %p")),
        Language::Spanish => {
            let (afternoon, _) = chrono::Timelike::hour12(&local);
            let half = if afternoon { "p.\u{a0}m." } else { "a.\u{a0}m." };
            format!("{date}, {} {half} {zone}", local.format("%-I:%M"))
        }
    }
}

/// The date of an instant in the time zone of the practice.
///
/// The Spanish names of days and months are listed here, because crates with such names would add those of hundreds of
/// languages to every binary.
pub(super) fn local_date(at: DateTime<Utc>, zone: Tz, language: Language) -> String {
    let local = at.with_timezone(&zone);
    match language {
        Language::English => local.format("%A, %B %-d, %Y").to_string(),
        Language::Spanish => {
            let (day, month) = (spanish_day(local.weekday()), spanish_month(local.month()));
            format!("{day} {} de {month} de {}", local.day(), local.year())
        }
    }
}

const fn spanish_day(day: chrono::Weekday) -> &'static str {
    use chrono::Weekday;
    match day {
        Weekday::Mon => "lunes",
        Weekday::Tue => "martes",
        Weekday::Wed => "miércoles",
        Weekday::Thu => "jueves",
        Weekday::Fri => "viernes",
        Weekday::Sat => "sábado",
        Weekday::Sun => "domingo",
    }
}

const fn spanish_month(month: u32) -> &'static str {
    match month {
        1 => "enero",
        2 => "febrero",
        3 => "marzo",
        4 => "abril",
        5 => "mayo",
        6 => "junio",
        7 => "julio",
        8 => "agosto",
        9 => "septiembre",
        10 => "octubre",
        11 => "noviembre",
        _ => "diciembre",
    }
}

#[cfg(test)]
#[path = "templates_tests.rs"]
mod tests;
