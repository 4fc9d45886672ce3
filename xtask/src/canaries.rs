//! Canaries: recognisable values in place of personal data, and the search for them where personal data is not allowed.
//!
//! The process tests give every patient a name and addresses that contain [`WORD`], and the date of birth [`BORN`]. The
//! link tokens are read from the mailbox. [`search`] then reads everything that the system has stored, sent or logged, and
//! reports each canary that it finds. The attributes in which they are allowed are listed here.

use std::{collections::BTreeMap, fmt, fs};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use crate::{
    StackFile, aws,
    mailbox::{self, Mail},
};

/// The text that every name and every address contains, in any letter case.
pub const WORD: &str = "canary";
/// The date of birth of every patient.
pub const BORN: &str = "1980-02-29";

/// [`WORD`] in base64. Which one occurs depends on the number of bytes before it, modulo three.
const WORD_IN_BASE64: [&str; 3] = ["Y2FuYXJ5", "NhbmFye", "jYW5hcn"];
/// [`BORN`] in the formats of programs and of people.
const BORN_SPELLINGS: [&str; 3] = [BORN, "2/29/1980", "February 29, 1980"];

/// The attributes of a record that are personal data.
const PERSONAL_IN_RECORD: [&str; 7] =
    ["given", "family", "born", "email", "invitation_email", "account_email", "notices"];
/// The attributes of a directory row that are personal data. A search shows them.
const PERSONAL_IN_ROW: [&str; 3] = ["given", "family", "born"];
/// The attributes of a bulk job that are personal data: the last directory row that was processed.
const PERSONAL_IN_JOB: [&str; 1] = ["after"];

/// The log line of the local AWS about an accepted mail. It contains the recipient. SES has no such log.
const EMULATOR_MAIL_LINE: &str = " [ses-v2] SESv2 SendEmail: ";

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

/// A canary in a place where none is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The kind of canary.
    pub canary: Canary,
    /// The place where it was found.
    pub place: Place,
    /// The text around it.
    pub text: String,
}

/// A place that is searched for canaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of a function's log. Metrics are such lines too.
    FunctionLog,
    /// A line of the local AWS's log, which also contains the output of the functions.
    StackLog,
    /// A message in a queue.
    Message,
    /// The keys of an item, and the attributes that are not personal data.
    Item,
    /// A mail, without its recipient and its link token.
    Mail,
}

/// The result of a search.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of texts that were searched, by place.
    pub searched: BTreeMap<Place, usize>,
    /// The number of canaries in allowed places, by attribute, and the number of mailed link tokens.
    pub allowed: BTreeMap<&'static str, usize>,
    /// The canaries in places where none is allowed.
    pub leaks: Vec<Leak>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Canaries in allowed places: {:?}", self.allowed)?;
        write!(f, "Canaries elsewhere: {} in {:?}", self.leaks.len(), self.searched)?;
        self.leaks.iter().try_for_each(|Leak { canary, place, text }| write!(f, "\n  {canary:?} in {place:?}: {text}"))
    }
}

/// Searches a text for a canary with a fixed value: a name, an address or a date of birth.
#[must_use]
pub fn find(text: &str) -> Option<Canary> {
    let lower = text.to_ascii_lowercase();
    if lower.contains(WORD) || WORD_IN_BASE64.iter().any(|word| text.contains(word)) {
        return Some(Canary::Word);
    }
    BORN_SPELLINGS.iter().any(|born| text.contains(born)).then_some(Canary::Born)
}

/// Searches logs, queues, items and mails of the stack for canaries.
///
/// # Errors
///
/// If something cannot be read. Leaks are not an error.
pub fn search(stack: &StackFile) -> Result<Report> {
    let mails = mailbox::read(&stack.mailbox_url)?;
    let mut search = Search::new(&stack.tokens.staff, &mails);
    for line in aws::log_lines(stack)? {
        search.read(Place::FunctionLog, &line);
    }
    let log = fs::read_to_string(&stack.log).with_context(|| format!("{} cannot be read", stack.log.display()))?;
    for line in log.lines().filter(|line| !line.contains(EMULATOR_MAIL_LINE)) {
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
    /// The common header of the identity provider's tokens. One key signs them all.
    access_token: String,
    report: Report,
}

impl Search {
    /// `access_token` is any token that the identity provider has signed.
    fn new(access_token: &str, mails: &[Mail]) -> Self {
        let secrets: Vec<String> = mails.iter().filter_map(token).map(|token| secret(token).to_owned()).collect();
        let access_token = access_token.split('.').next().unwrap_or_default().to_owned();
        let report = Report { allowed: BTreeMap::from([("tokens", secrets.len())]), ..Report::default() };
        Self { secrets, access_token, report }
    }

    fn find(&self, text: &str) -> Option<Canary> {
        let link_token = || self.secrets.iter().any(|secret| text.contains(secret)).then_some(Canary::Token);
        let access_token = || text.contains(&self.access_token).then_some(Canary::AccessToken);
        find(text).or_else(link_token).or_else(access_token)
    }

    fn read(&mut self, place: Place, text: &str) {
        *self.report.searched.entry(place).or_default() += 1;
        if let Some(canary) = self.find(text) {
            self.report.leaks.push(Leak { canary, place, text: text.to_owned() });
        }
    }

    /// Removes the personal attributes of an item, and searches the rest.
    fn read_item(&mut self, mut item: Map<String, Value>) {
        let text = |name: &str| item.get(name).and_then(|key| key.get("S")?.as_str()).unwrap_or_default();
        let row = text("PK").ends_with("#DIRECTORY");
        let personal = match text("SK") {
            "PORTAL" => PERSONAL_IN_RECORD.as_slice(),
            "JOB" => &PERSONAL_IN_JOB,
            _ if row => &PERSONAL_IN_ROW,
            _ => &[],
        };
        for name in personal {
            let value = item.remove(*name).unwrap_or_default().to_string();
            *self.report.allowed.entry(name).or_default() += usize::from(self.find(&value).is_some());
        }
        // The key of a directory row may contain the words of a name or a date of birth, but no address.
        if row {
            let key = item.get("SK").map(Value::to_string).unwrap_or_default();
            if matches!(self.find(&key), Some(Canary::Word | Canary::Born)) && !key.contains('@') {
                *self.report.allowed.entry("directory keys").or_default() += 1;
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

/// The secret half of a token. The other half is the link's id.
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

    /// The canaries that were found in places where none is allowed.
    fn leaks(read: impl FnOnce(&mut Search)) -> Vec<Canary> {
        let mut search = search();
        read(&mut search);
        search.report.leaks.into_iter().map(|leak| leak.canary).collect()
    }

    #[test]
    fn a_canary_is_found_in_every_spelling_and_encoding() {
        let encoded = ["", "a", "ab"].map(|before| STANDARD.encode(format!("{before}canary@example.com")));
        let written = ["Canary", "jo@x.CANARY.example.com", "canary%40example.com"].map(str::to_owned);
        for text in encoded.into_iter().chain(written) {
            assert_eq!(find(&format!("a line with {text} in it")), Some(Canary::Word), "{text}");
        }
        for born in ["1980-02-29", "02/29/1980", "2/29/1980", "February 29, 1980"] {
            assert_eq!(find(&format!("born on {born}")), Some(Canary::Born), "{born}");
        }
        assert_eq!(find("2026-02-28 INFO p-1 invited"), None);
    }

    #[test]
    fn a_canary_in_a_log_a_queue_or_a_mail_is_a_leak() {
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
    fn a_canary_in_an_item_is_allowed_in_personal_attributes_only() {
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
        let places = ["after", "born", "directory keys", "email", "given", "tokens"];
        assert_eq!(places.map(|place| search.report.allowed[place]), [1, 1, 1, 1, 2, 1], "{places:?}");

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
