//! What an invitation's mail says, in text and HTML, English and Spanish.
//!
//! It names the practice and nothing of the patient: the mail may reach a stranger. The subject does not even name
//! the practice, whose name may tell a specialty, and shows on locked screens.

use askama::Template;
use chrono::{DateTime, Datelike as _, Utc};
use chrono_tz::Tz;
use portal::{ports::InvitationMail, profile::Language};

use crate::config::PortalUrl;

/// A mail as it goes out. It carries the secret link, hence no `Debug`.
pub(super) struct Rendered {
    pub(super) subject: &'static str,
    pub(super) text: String,
    pub(super) html: String,
}

struct Facts<'a> {
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
    mail: &'a Facts<'a>,
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct Html<'a> {
    mail: &'a Facts<'a>,
}

impl Facts<'_> {
    fn render(&self) -> askama::Result<Rendered> {
        Ok(Rendered { subject: self.subject, text: Text { mail: self }.render()?, html: Html { mail: self }.render()? })
    }
}

/// Renders a mail. The token goes into the link's fragment, which a browser sends to nobody: no server log and no
/// `Referer` carries it, and a scanner that follows the link uses nothing up.
pub(super) fn render(mail: &InvitationMail, portal: &PortalUrl) -> askama::Result<Rendered> {
    let settings = &mail.practice.settings;
    let facts = Facts {
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
    facts.render()
}

/// An instant as people in the practice's zone say it, seconds cut off: a link never dies before the time told.
fn local_time(at: DateTime<Utc>, zone: Tz, language: Language) -> String {
    let (local, date) = (at.with_timezone(&zone), local_date(at, zone, language));
    // Zones without a common abbreviation have their offset in its place.
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

/// The day of an instant as people in the practice's zone say it.
///
/// The names of days and months in Spanish are written out here. The crates that know them bring those of some
/// hundred languages into every binary.
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
