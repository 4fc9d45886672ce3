//! Canaries: recognisable values in place of personal data, and the search for them where personal data must not be.
//!
//! The process tests give every patient a name and addresses with [`WORD`] in them, and the date of birth [`BORN`]. The
//! tokens that open accounts are known from the mailbox. [`look`] then reads everything that the system left behind, and
//! reports where one of them occurs. The attributes where they belong are listed here, and are not searched.

use std::{collections::BTreeMap, fmt, fs};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use crate::{
    StackFile, aws,
    mailbox::{self, Mail},
};

/// Every name and every address contains this, in any letter case.
pub const WORD: &str = "canary";
/// The date of birth of every patient.
pub const BORN: &str = "1980-02-29";

/// [`WORD`] in base64, by the number of bytes before it modulo three.
const WORD_IN_BASE64: [&str; 3] = ["Y2FuYXJ5", "NhbmFye", "jYW5hcn"];
/// [`BORN`] as programs and as people write it.
const BORN_SPELLINGS: [&str; 3] = [BORN, "2/29/1980", "February 29, 1980"];

/// The attributes of a record that are personal.
const PERSONAL_OF_RECORD: [&str; 7] =
    ["given", "family", "born", "email", "invitation_email", "account_email", "notices"];
/// The attributes of a directory row that are personal: what a search shows.
const PERSONAL_OF_ROW: [&str; 3] = ["given", "family", "born"];
/// The attributes of a bulk job that are personal: the directory row that it has reached.
const PERSONAL_OF_JOB: [&str; 1] = ["after"];

/// The local AWS's own log line about an accepted mail, which names the addressee. SES has no such log.
const MAIL_OF_STAND_IN: &str = " [ses-v2] SESv2 SendEmail: ";

/// A kind of canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// A name or an address.
    Word,
    /// A date of birth.
    Born,
    /// The secret half of a token that opens an account.
    Token,
    /// A token of the identity provider.
    AccessToken,
}

/// A canary in a place where none may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// What it is.
    pub canary: Canary,
    /// Where it was found.
    pub place: Place,
    /// The text around it.
    pub text: String,
}

/// A place that is searched for canaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of a function's log, metrics among them.
    FunctionLog,
    /// A line of the local AWS's log, where functions write too.
    StackLog,
    /// A message in a queue.
    Message,
    /// The keys of an item, and its other attributes that are not personal.
    Item,
    /// A mail, without its addressee and its token.
    Mail,
}

/// What was searched, and what was found.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of each that were searched.
    pub looked_at: BTreeMap<Place, usize>,
    /// The number of canaries where they belong, by attribute; and the number of mailed tokens.
    pub at_home: BTreeMap<&'static str, usize>,
    /// The canaries where they must not be.
    pub leaks: Vec<Leak>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Canaries where they belong: {:?}", self.at_home)?;
        write!(f, "Canaries elsewhere: {} in {:?}", self.leaks.len(), self.looked_at)?;
        self.leaks.iter().try_for_each(|Leak { canary, place, text }| write!(f, "\n  {canary:?} in {place:?}: {text}"))
    }
}

/// Searches for a canary whose value is known beforehand.
#[must_use]
pub fn heard(text: &str) -> Option<Canary> {
    let lower = text.to_ascii_lowercase();
    if lower.contains(WORD) || WORD_IN_BASE64.iter().any(|word| text.contains(word)) {
        return Some(Canary::Word);
    }
    BORN_SPELLINGS.iter().any(|born| text.contains(born)).then_some(Canary::Born)
}

/// Reads everything that the system left behind.
///
/// # Errors
///
/// If something cannot be read. Leaks are not an error.
pub fn look(stack: &StackFile) -> Result<Report> {
    let mails = mailbox::read(&stack.mailbox_url)?;
    let mut search = Search::new(&stack.tokens.staff, &mails);
    for line in aws::log_lines(stack)? {
        search.read(Place::FunctionLog, &line);
    }
    let log = fs::read_to_string(&stack.log).with_context(|| format!("{} is not there", stack.log.display()))?;
    for line in log.lines().filter(|line| !line.contains(MAIL_OF_STAND_IN)) {
        search.read(Place::StackLog, line);
    }
    for message in aws::messages(stack)? {
        search.read(Place::Message, &message.to_string());
    }
    for item in aws::items(stack)? {
        search.read_item(item.as_object().cloned().unwrap_or_default());
    }
    for mail in &mails {
        search.read_mail(mail);
    }
    Ok(search.report)
}

struct Search {
    /// The secret halves of the tokens that were mailed.
    secrets: Vec<String>,
    /// The common beginning of the identity provider's tokens, which one key signs.
    access_token: String,
    report: Report,
}

impl Search {
    /// `access_token` is any token that the identity provider has signed.
    fn new(access_token: &str, mails: &[Mail]) -> Self {
        let secrets: Vec<String> = mails.iter().filter_map(token).map(|token| secret(token).to_owned()).collect();
        let access_token = access_token.split('.').next().unwrap_or_default().to_owned();
        let report = Report { at_home: BTreeMap::from([("tokens", secrets.len())]), ..Report::default() };
        Self { secrets, access_token, report }
    }

    fn find(&self, text: &str) -> Option<Canary> {
        let opens = || self.secrets.iter().any(|secret| text.contains(secret)).then_some(Canary::Token);
        heard(text).or_else(opens).or_else(|| text.contains(&self.access_token).then_some(Canary::AccessToken))
    }

    fn read(&mut self, place: Place, text: &str) {
        *self.report.looked_at.entry(place).or_default() += 1;
        if let Some(canary) = self.find(text) {
            self.report.leaks.push(Leak { canary, place, text: text.to_owned() });
        }
    }

    /// Removes an item's personal attributes, and searches the rest.
    fn read_item(&mut self, mut item: Map<String, Value>) {
        let text = |name: &str| item.get(name).and_then(|key| key.get("S")?.as_str()).unwrap_or_default();
        let row = text("PK").ends_with("#DIRECTORY");
        let personal = match text("SK") {
            "PORTAL" => PERSONAL_OF_RECORD.as_slice(),
            "JOB" => &PERSONAL_OF_JOB,
            _ if row => &PERSONAL_OF_ROW,
            _ => &[],
        };
        for name in personal {
            let value = item.remove(*name).unwrap_or_default().to_string();
            *self.report.at_home.entry(name).or_default() += usize::from(self.find(&value).is_some());
        }
        // A directory row has the words of a name, or a date of birth, in its key, and nothing else.
        if row {
            let key = item.get("SK").map(Value::to_string).unwrap_or_default();
            if matches!(self.find(&key), Some(Canary::Word | Canary::Born)) && !key.contains('@') {
                *self.report.at_home.entry("directory keys").or_default() += 1;
                item.remove("SK");
            }
        }
        self.read(Place::Item, &Value::Object(item).to_string());
    }

    fn read_mail(&mut self, mail: &Mail) {
        let text = format!("{} {} {} {}", mail.from, mail.subject, mail.text, mail.html.as_deref().unwrap_or_default());
        let token = token(mail).unwrap_or("no token");
        self.read(Place::Mail, &text.replace(token, ""));
    }
}

/// The token of a mail's link.
fn token(mail: &Mail) -> Option<&str> {
    mail.activation_link()?.split_once('#').map(|(_, token)| token)
}

/// The secret half of a token; the other half is a link's id.
fn secret(token: &str) -> &str {
    token.split_once('.').map_or(token, |(_, secret)| secret)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    const SECRET: &str = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U";

    fn mail(text: &str) -> Mail {
        Mail {
            message_id: "m-1".to_owned(),
            from: "Northside <no-reply@example.com>".to_owned(),
            to: vec!["jo@canary.example.com".to_owned()],
            subject: "Your account".to_owned(),
            text: format!("{text}\nhttps://portal.example.com/activate#link-1.{SECRET}\n"),
            html: None,
            at: DateTime::UNIX_EPOCH,
        }
    }

    fn search() -> Search {
        Search::new("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", &[mail("Open it:")])
    }

    /// The canaries that were found where they must not be.
    fn leaks(read: impl FnOnce(&mut Search)) -> Vec<Canary> {
        let mut search = search();
        read(&mut search);
        search.report.leaks.into_iter().map(|leak| leak.canary).collect()
    }

    #[test]
    fn a_canary_is_found_however_it_is_written() {
        let encoded = ["", "a", "ab"].map(|before| STANDARD.encode(format!("{before}canary@example.com")));
        let written = ["Canary", "jo@x.CANARY.example.com", "canary%40example.com"].map(str::to_owned);
        for text in encoded.into_iter().chain(written) {
            assert_eq!(heard(&format!("a line with {text} in it")), Some(Canary::Word), "{text}");
        }
        for born in ["1980-02-29", "02/29/1980", "2/29/1980", "February 29, 1980"] {
            assert_eq!(heard(&format!("born on {born}")), Some(Canary::Born), "{born}");
        }
        assert_eq!(heard("2026-02-28 INFO p-1 invited"), None);
    }

    #[test]
    fn logs_queues_and_mails_may_have_no_canary() {
        for (text, canary) in [
            ("saved Canary", Canary::Word),
            ("born: Some(1980-02-29)", Canary::Born),
            (&format!("no such token: link-1.{SECRET}"), Canary::Token),
            ("Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln", Canary::AccessToken),
        ] {
            assert_eq!(leaks(|search| search.read(Place::FunctionLog, text)), [canary], "{text}");
        }
        assert_eq!(leaks(|search| search.read(Place::Message, "p-1 link-1 2026-02-29")), []);
        assert_eq!(leaks(|search| search.read_mail(&mail("Good day"))), []);
        assert_eq!(leaks(|search| search.read_mail(&mail("Good day, Canary"))), [Canary::Word]);
    }

    #[test]
    fn only_the_personal_attributes_of_an_item_may_have_canaries() {
        let record = json!({
            "PK": { "S": "PRACTICE#oak#PATIENT#p-1" }, "SK": { "S": "PORTAL" }, "given": { "S": "Canary" },
            "born": { "S": "1980-02-29" }, "email": { "S": "jo@canary.example.com" }, "link_id": { "S": "link-1" },
        });
        let row = json!({
            "PK": { "S": "PRACTICE#oak#DIRECTORY" }, "SK": { "S": "NAME#canary#jo#p-1" }, "given": { "S": "Canary" },
        });
        let job = json!({
            "PK": { "S": "PRACTICE#oak#JOB#j-1" }, "SK": { "S": "JOB" }, "after": { "S": "BORN#1980-02-29#p-1" },
        });
        let event = json!({ "PK": { "S": "PRACTICE#oak#PATIENT#p-1" }, "SK": { "S": "EVENT#0000000001" } });
        let mut search = search();
        for item in [&record, &row, &job, &event] {
            search.read_item(item.as_object().unwrap().clone());
        }
        assert_eq!(search.report.leaks, []);
        let homes = ["after", "born", "directory keys", "email", "given", "tokens"];
        assert_eq!(homes.map(|home| search.report.at_home[home]), [1, 1, 1, 1, 2, 1], "{homes:?}");

        for (item, attribute, value, canary) in [
            (&record, "PK", "PRACTICE#oak#PATIENT#canary", Canary::Word),
            (&record, "link_id", SECRET, Canary::Token),
            (&record, "reason", "Canary", Canary::Word),
            (&row, "SK", "NAME#jo@canary.example.com##p-1", Canary::Word),
            (&row, "PK", "PRACTICE#canary#DIRECTORY", Canary::Word),
            (&job, "by", "Canary", Canary::Word),
            (&event, "given", "Canary", Canary::Word),
            (&event, "before", "1980-02-29", Canary::Born),
        ] {
            let mut item = item.as_object().unwrap().clone();
            item.insert(attribute.to_owned(), json!({ "S": value }));
            assert_eq!(leaks(|search| search.read_item(item)), [canary], "{attribute} = {value}");
        }
    }
}
