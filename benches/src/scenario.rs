//! The scenarios: for each function its sample event, changed for one patient after the other, and the answer that it must
//! give.

use anyhow::{Context as _, Result, bail, ensure};
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use crate::{
    aws::{Counts, Mail},
    lambda::now_millis,
};

/// The stage that patients have reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// There is no practice.
    Nothing,
    /// There is a practice.
    Practice,
    /// Their profiles are saved.
    Saved,
    /// They are invited.
    Invited,
    /// Their mails are sent.
    Sent,
    /// They have accounts.
    Registered,
}

/// One patient, with the message and the mail about them.
#[derive(Clone, Debug)]
pub struct Patient {
    /// The id.
    pub id: String,
    /// The email address.
    pub email: String,
    /// The queue message about the patient, after the invitation.
    pub message: Option<String>,
    /// The mail to the patient, after it was sent.
    pub mail: Option<Mail>,
}

/// The expected answer.
enum Expected {
    /// The status, and members of the body.
    Http(u16, &'static [(&'static str, &'static str)]),
    /// The whole answer.
    Exactly(&'static str),
}

/// The scenario of one function.
pub struct Scenario {
    /// The function's name.
    pub function: &'static str,
    /// The stage that its patients must have reached.
    pub stage: Stage,
    /// Another function that must have processed each patient before, if any.
    pub after: Option<&'static str>,
    /// The number of patients of one event.
    pub patients_each: usize,
    /// The same for counting instructions. More patients would take minutes under valgrind and show nothing new.
    pub patients_each_counted: usize,
    /// Minutes that pass before the first event of a patient, and before each further one.
    pub minutes_before: i64,
    sample: &'static str,
    edit: fn(&mut Value, &Patient) -> Result<()>,
    expected: Expected,
    /// The calls to AWS that an event needs at least.
    needed: &'static [(&'static str, u64)],
}

/// The scenarios of all functions.
pub static SCENARIOS: [Scenario; 15] = [
    Scenario {
        expected: Expected::Http(200, &[("/invitation/state", "sent"), ("/panel/activatedOn/status", "date")]),
        needed: &[("BatchGetItem", 1)],
        ..scenario("status", "status/read.json", Stage::Sent)
    },
    Scenario {
        expected: Expected::Http(202, &[("/invitation/state", "queued")]),
        needed: &[("TransactWriteItems", 1), ("SendMessage", 1)],
        ..scenario("invite", "invite/profile-email.json", Stage::Saved)
    },
    Scenario {
        expected: Expected::Http(202, &[("/invitation/state", "queued"), ("/panel/lastReinvitedOn/status", "date")]),
        needed: &[("TransactWriteItems", 1), ("SendMessage", 1)],
        minutes_before: 2,
        ..scenario("reinvite", "reinvite/same-email.json", Stage::Sent)
    },
    Scenario {
        edit: set_message,
        expected: Expected::Exactly(r#"{"batchItemFailures":[]}"#),
        needed: &[("SendEmail", 1), ("TransactWriteItems", 1)],
        ..scenario("sender", "sender/one-invitation.json", Stage::Invited)
    },
    Scenario {
        edit: |_, _| Ok(()),
        expected: Expected::Exactly("null"),
        needed: &[("UpdateItem", SWEPT), ("SendMessageBatch", SWEPT / 10)],
        patients_each: 100,
        patients_each_counted: 10,
        // Longer than the delay after which the sweep queues a mail again.
        minutes_before: 20,
        ..scenario("sweep", "sweep/scheduled.json", Stage::Invited)
    },
    Scenario {
        edit: set_mail_event,
        expected: Expected::Exactly("null"),
        needed: &[("TransactWriteItems", 1)],
        ..scenario("mail-events", "mail-events/delivery.json", Stage::Sent)
    },
    Scenario {
        edit: set_token,
        expected: Expected::Http(201, &[]),
        needed: &[("TransactWriteItems", 2)],
        ..scenario("register", "register/register.json", Stage::Sent)
    },
    Scenario {
        edit: set_login,
        expected: Expected::Http(204, &[]),
        needed: &[("UpdateItem", 1)],
        ..scenario("track-login", "track-login/track-login.json", Stage::Registered)
    },
    Scenario {
        edit: |event, patient| {
            set_patient(event, patient)?;
            set_body(event, [("email", &format!("new-{}", patient.email))])
        },
        expected: Expected::Http(200, &[("/account/state", "active")]),
        needed: &[("TransactWriteItems", 1), ("SendMessage", 1)],
        ..scenario("change-email", "change-email/change.json", Stage::Registered)
    },
    Scenario {
        expected: Expected::Http(200, &[("/actions/invite/code", "opted_out")]),
        needed: &[("TransactWriteItems", 1)],
        ..scenario("opt-out", "opt-out/opt-out.json", Stage::Sent)
    },
    Scenario {
        edit: |event, patient| set(event, "/body", json!({ "patientIds": [patient.id] }).to_string()),
        expected: Expected::Http(202, &[("/state", "queued")]),
        needed: &[("TransactWriteItems", 1), ("SendMessage", 1)],
        ..scenario("bulk", "bulk/begin.json", Stage::Saved)
    },
    Scenario {
        after: Some("bulk"),
        edit: set_message,
        expected: Expected::Exactly(r#"{"batchItemFailures":[]}"#),
        needed: &[("PutItem", 1), ("TransactWriteItems", 2), ("SendMessage", 1)],
        ..scenario("bulk-runner", "bulk-runner/one-job.json", Stage::Saved)
    },
    Scenario {
        edit: |event, patient| {
            set_patient(event, patient)?;
            set_body(event, [("email", &patient.email)])
        },
        expected: Expected::Http(201, &[("/familyName", "N\u{fa}\u{f1}ez")]),
        needed: &[("TransactWriteItems", 1)],
        ..scenario("patients", "patients/save.json", Stage::Practice)
    },
    Scenario {
        edit: |_, _| Ok(()),
        expected: Expected::Http(200, &[("/practiceId", "lakeside")]),
        needed: &[("PutItem", 1)],
        ..scenario("practice", "practice/save.json", Stage::Nothing)
    },
    Scenario {
        edit: |_, _| Ok(()),
        expected: Expected::Http(404, &[("/code", "not_found")]),
        ..scenario("unrouted", "unrouted/no-such-path.json", Stage::Nothing)
    },
];

/// The number of lost mails that each sweep finds.
const SWEPT: u64 = 100;

const fn scenario(function: &'static str, sample: &'static str, stage: Stage) -> Scenario {
    Scenario {
        function,
        stage,
        after: None,
        patients_each: 1,
        patients_each_counted: 1,
        minutes_before: 0,
        sample,
        edit: set_patient,
        expected: Expected::Exactly(""),
        needed: &[],
    }
}

/// The scenario of a function.
///
/// # Errors
/// If there is none.
pub fn find(function: &str) -> Result<&'static Scenario> {
    let found = SCENARIOS.iter().find(|scenario| scenario.function == function);
    found.with_context(|| format!("there is no scenario for the function {function}"))
}

impl Scenario {
    /// The event number `number` of a program, about this patient.
    ///
    /// # Errors
    /// If the sample cannot be read, or the patient has not reached the needed stage.
    pub fn event(&self, samples: &std::path::Path, patient: &Patient, number: usize) -> Result<Value> {
        let sample = samples.join(self.sample);
        let text = std::fs::read(&sample).with_context(|| format!("{} cannot be read", sample.display()))?;
        let mut event: Value = serde_json::from_slice(&text)?;
        (self.edit)(&mut event, patient).with_context(|| format!("the event of {}", self.function))?;
        if event.get("requestContext").is_some() {
            set(&mut event, "/requestContext/requestId", format!("JKJ{number:011x}A="))?;
        }
        Ok(event)
    }

    /// Checks an answer.
    ///
    /// # Errors
    /// If it is not the expected one.
    pub fn check(&self, answer: &Value) -> Result<()> {
        match &self.expected {
            Expected::Exactly(expected) => {
                let expected: Value = serde_json::from_str(expected)?;
                ensure!(*answer == expected, "{} answered {answer} instead of {expected}", self.function);
            }
            Expected::Http(status, members) => {
                ensure!(answer["statusCode"] == *status, "{} answered {answer} instead of a {status}", self.function);
                let body: Value = match answer["body"].as_str() {
                    Some("") | None => Value::Null,
                    Some(body) => serde_json::from_str(body).context("the body is not JSON")?,
                };
                for (pointer, expected) in *members {
                    if body.pointer(pointer).and_then(Value::as_str) != Some(expected) {
                        bail!("{} answered {body}, where {pointer} is not {expected}", self.function);
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks that the calls to AWS for this number of events include those that they need.
    ///
    /// # Errors
    /// If a call is missing, or the fake AWS does not have an operation.
    pub fn check_calls(&self, counts: &Counts, events: u64) -> Result<()> {
        for (operation, each) in self.needed {
            let calls = counts.calls.get(*operation).copied().unwrap_or_default();
            let (function, needed) = (self.function, each * events);
            ensure!(calls >= needed, "{function} made {calls} calls of {operation} instead of {needed}: {counts:?}");
        }
        for call in counts.calls.keys() {
            ensure!(
                call.chars().all(char::is_alphanumeric),
                "{} made a call that the fake AWS does not have: {call}",
                self.function
            );
        }
        Ok(())
    }
}

fn set_patient(event: &mut Value, patient: &Patient) -> Result<()> {
    let path = event.get("rawPath").and_then(Value::as_str).context("no path")?.replace("p-1001", &patient.id);
    set(event, "/rawPath", path.as_str())?;
    set(event, "/requestContext/http/path", path.as_str())?;
    set(event, "/pathParameters/patientId", patient.id.as_str())
}

/// Replaces a member of an event, which the sample must have.
fn set(event: &mut Value, pointer: &str, value: impl Into<Value>) -> Result<()> {
    *event.pointer_mut(pointer).with_context(|| format!("the sample has no {pointer}"))? = value.into();
    Ok(())
}

/// Replaces members of a JSON body.
fn set_body<const N: usize>(event: &mut Value, members: [(&str, &str); N]) -> Result<()> {
    let mut body: Value = serde_json::from_str(event.get("body").and_then(Value::as_str).context("no body")?)?;
    for (name, value) in members {
        set(&mut body, &format!("/{name}"), value)?;
    }
    set(event, "/body", body.to_string())
}

fn set_message(event: &mut Value, patient: &Patient) -> Result<()> {
    set(event, "/Records/0/body", patient.message.as_deref().context("not invited")?)
}

fn set_mail_event(event: &mut Value, patient: &Patient) -> Result<()> {
    let mail = patient.mail.as_ref().context("not mailed")?;
    set(event, "/detail/mail/messageId", mail.message_id.as_str())?;
    for (name, value) in &mail.tags {
        set(event, &format!("/detail/mail/tags/{name}"), json!([value]))?;
    }
    Ok(())
}

fn set_token(event: &mut Value, patient: &Patient) -> Result<()> {
    let mail = patient.mail.as_ref().context("not mailed")?;
    let (_, rest) = mail.text.split_once("/activate#").context("no link in the mail")?;
    set_body(event, [("token", rest.split(|c: char| !c.is_ascii_graphic()).next().unwrap_or_default())])
}

fn set_login(event: &mut Value, patient: &Patient) -> Result<()> {
    let now = DateTime::from_timestamp_millis(now_millis()).context("the clock is wrong")?;
    let now = now.to_rfc3339_opts(SecondsFormat::Millis, true);
    set_body(event, [("email", &patient.email), ("at", &now), ("eventId", &format!("login-{}", patient.id))])
}
