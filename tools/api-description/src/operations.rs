//! The operations, with their parameters, bodies and answers.

use std::path::Path;

use anyhow::{Context as _, Result};
use chrono::DateTime;
use portal_aws::http::{
    Problem, cursor,
    fields::{Form, close_reason, describe as body, new_email, no_members, recipient},
    history_cursor,
    panel::StatusJson,
    problem::{Malformed, ProblemCode},
    routes::Operation,
    timeline::{self, TimelineJson},
    words::EdgeCode,
};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use crate::{
    errors::{Cause, Errors},
    examples,
    parameters::{Header, Parameter},
    schemas::Schemas,
    security,
};

/// The group of an operation in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::IntoStaticStr)]
enum Tag {
    Patients,
    Portal,
    Bulk,
    Practice,
    #[strum(serialize = "Customer Care")]
    CustomerCare,
    Logins,
    Link,
}

/// The tags, and what they are for.
pub fn tags() -> Value {
    use strum::IntoEnumIterator as _;
    Tag::iter()
        .map(|tag| {
            let about = match tag {
                Tag::Patients => "The profiles of the practice's patients.",
                Tag::Portal => "The portal status of a patient, and the commands that change it.",
                Tag::Bulk => "Inviting many patients with one request, and previewing the result.",
                Tag::Practice => "The practice's settings, the activation of its portal, and who the caller is.",
                Tag::CustomerCare => "For Customer Care only, which belongs to no practice.",
                Tag::Logins => "Reports of the portal itself. It is a machine and belongs to no practice.",
                Tag::Link => {
                    "For the page that the mailed link opens, `<portal>/activate#<token>`. The answer is the same for \
                     every link that does not work: unknown, expired, used, locked, revoked, or of a patient who has \
                     opted out."
                }
            };
            json!({ "name": <&str>::from(tag), "description": about })
        })
        .collect()
}

/// The body of a request.
struct Body {
    is_required: bool,
    media_type: &'static str,
    schema: Value,
    has_email: bool,
}

/// An answer to a request that succeeded.
struct Success {
    status: u16,
    about: &'static str,
    headers: &'static [Header],
    /// By media type: the schema, and the snapshots that are its examples.
    content: Vec<(&'static str, Value, &'static [&'static str])>,
}

/// The parts of an operation that the table of operations does not have.
struct Parts {
    tag: Tag,
    parameters: &'static [Parameter],
    /// The problems of malformed query parameters, by the names of the examples.
    malformed: Vec<(&'static str, Malformed)>,
    body: Option<Body>,
    successes: Vec<Success>,
    /// Codes of the edge that do not follow from the members above.
    other_codes: &'static [EdgeCode],
}

const JSON: &str = "application/json";
const COMMAND: &[Parameter] = &[Parameter::IfMatch, Parameter::IdempotencyKey];

fn required<T>(schemas: &mut Schemas, name: &str, read: impl FnOnce(Form) -> Result<T, Problem>) -> Body {
    let schema = schemas.body(|generator| body::schema(generator, name, read));
    let has_email = schemas.has_member(name, "email");
    Body { is_required: true, media_type: JSON, schema, has_email }
}

fn optional<T>(schemas: &mut Schemas, name: &str, read: impl FnOnce(Form) -> Result<T, Problem>) -> Body {
    Body { is_required: false, ..required(schemas, name, read) }
}

fn answer<T: JsonSchema>(
    schemas: &mut Schemas,
    status: u16,
    about: &'static str,
    headers: &'static [Header],
    snapshots: &'static [&'static str],
) -> Result<Success> {
    Ok(Success { status, about, headers, content: vec![(JSON, schemas.schema::<T>()?, snapshots)] })
}

const fn empty(about: &'static str) -> Success {
    Success { status: 204, about, headers: &[], content: Vec::new() }
}

const STATUS_EXAMPLES: &[&str] = &[
    "status/status__not_invited",
    "status/status__queued",
    "status/status__sent",
    "opt-out/opt_out__opted_out",
    "change-email/change_email__changed",
    "change-email/change_email__closed",
];

fn status(schemas: &mut Schemas, about: &'static str) -> Result<Success> {
    answer::<StatusJson<'_>>(schemas, 200, about, &[Header::ETag], STATUS_EXAMPLES)
}

fn queued(schemas: &mut Schemas, about: &'static str) -> Result<Success> {
    answer::<StatusJson<'_>>(schemas, 202, about, &[Header::ETag], &["status/status__queued"])
}

const ACCEPTED: &str = "The invitation is accepted; its mail waits to be handed to the mail service.";
const REPEATED: &str = "A repeated command (`Idempotency-Key`), whose mail does not wait any more.";
const INVITED_SINCE: &str = "A repeated command (`Idempotency-Key`), after which the patient has been invited.";

#[expect(clippy::too_many_lines, reason = "one arm for each operation")]
fn parts(operation: Operation, schemas: &mut Schemas) -> Result<Parts> {
    // The time for parsers of dates. No body is parsed here.
    let now = DateTime::UNIX_EPOCH;
    let plain =
        |tag, successes| Parts { tag, parameters: &[], malformed: Vec::new(), body: None, successes, other_codes: &[] };
    Ok(match operation {
        Operation::SavePatient => Parts {
            parameters: &[Parameter::IfMatchVersion, Parameter::IdempotencyKey],
            body: Some(required(schemas, "ProfileToSave", |form| patients::profile::read(form, now))),
            ..plain(
                Tag::Patients,
                vec![
                    profile(schemas, 200, "The patient existed; this is the profile now.")?,
                    profile(schemas, 201, "The patient is new.")?,
                ],
            )
        },
        Operation::ReadPatient => plain(Tag::Patients, vec![profile(schemas, 200, "The profile.")?]),
        Operation::SearchPatients => Parts {
            parameters: &[Parameter::PatientQuery, Parameter::Cursor],
            malformed: vec![
                ("query", Malformed::Query(patients::hits::TOO_SHORT)),
                ("query_date", Malformed::Query(patients::hits::NO_SUCH_DATE)),
                ("search_cursor", Malformed::Query(cursor::MALFORMED_CURSOR)),
            ],
            ..plain(
                Tag::Patients,
                vec![answer::<patients::hits::HitsJson<'_>>(
                    schemas,
                    200,
                    "The patients who were found, if any.",
                    &[],
                    &["patients/search__found", "patients/search__nobody"],
                )?],
            )
        },
        Operation::ReadStatus => plain(Tag::Portal, vec![status(schemas, "The status panel.")?]),
        Operation::ReadTimeline => Parts {
            parameters: &[Parameter::Cursor],
            malformed: vec![("timeline_cursor", Malformed::Query(timeline::MALFORMED_CURSOR))],
            ..plain(Tag::Portal, vec![timeline_page(schemas)?])
        },
        Operation::InvitePatient | Operation::ReinvitePatient => Parts {
            parameters: COMMAND,
            body: Some(optional(schemas, "Recipient", recipient)),
            ..plain(Tag::Portal, vec![status(schemas, REPEATED)?, queued(schemas, ACCEPTED)?])
        },
        Operation::RevokeInvitation => Parts {
            parameters: COMMAND,
            body: Some(optional(schemas, "NoMembers", no_members)),
            ..plain(Tag::Portal, vec![status(schemas, "The invitation is revoked.")?, queued(schemas, INVITED_SINCE)?])
        },
        Operation::OptOutPatient => Parts {
            parameters: COMMAND,
            body: Some(optional(schemas, "NoMembers", no_members)),
            ..plain(Tag::Portal, vec![status(schemas, "The patient has opted out.")?, queued(schemas, INVITED_SINCE)?])
        },
        Operation::OptInPatient => Parts {
            parameters: COMMAND,
            body: Some(optional(schemas, "NoMembers", no_members)),
            ..plain(
                Tag::Portal,
                vec![status(schemas, "The patient is no longer opted out.")?, queued(schemas, INVITED_SINCE)?],
            )
        },
        Operation::ChangeAccountEmail => Parts {
            parameters: COMMAND,
            body: Some(required(schemas, "NewEmail", new_email)),
            ..plain(Tag::CustomerCare, vec![status(schemas, "The account has the new address.")?])
        },
        Operation::LookUpPatient => Parts {
            body: Some(required(schemas, "Lookup", support::lookup::read)),
            ..plain(
                Tag::CustomerCare,
                vec![answer::<support::lookup::LookupJson<'_>>(
                    schemas,
                    200,
                    "The patient who was found, if any.",
                    &[],
                    &["support/support__found", "support/support__no_match"],
                )?],
            )
        },
        Operation::ReadStatusForSupport => Parts {
            parameters: &[Parameter::Reason],
            malformed: vec![("reason", Malformed::Query(support::MALFORMED_REASON))],
            ..plain(Tag::CustomerCare, vec![status(schemas, "The status panel.")?])
        },
        Operation::ReadTimelineForSupport => Parts {
            parameters: &[Parameter::Reason, Parameter::Cursor],
            malformed: vec![
                ("reason", Malformed::Query(support::MALFORMED_REASON)),
                ("timeline_cursor", Malformed::Query(timeline::MALFORMED_CURSOR)),
            ],
            ..plain(Tag::CustomerCare, vec![timeline_page(schemas)?])
        },
        Operation::ReadAccesses => Parts {
            parameters: &[Parameter::Cursor],
            malformed: vec![("history_cursor", Malformed::Query(history_cursor::MALFORMED_CURSOR))],
            ..plain(
                Tag::Portal,
                vec![answer::<status::accesses::AccessPageJson<'_>>(
                    schemas,
                    200,
                    "A page of the accesses.",
                    &[],
                    &["status/accesses__accesses"],
                )?],
            )
        },
        Operation::CloseAccount => Parts {
            parameters: COMMAND,
            body: Some(required(schemas, "CloseRequest", close_reason)),
            ..plain(Tag::Portal, vec![status(schemas, "The account is closed.")?])
        },
        Operation::CloseAccountForPractice => Parts {
            parameters: COMMAND,
            body: Some(required(schemas, "CloseRequest", close_reason)),
            ..plain(Tag::CustomerCare, vec![status(schemas, "The account is closed.")?])
        },
        Operation::ReopenAccount => Parts {
            parameters: COMMAND,
            body: Some(optional(schemas, "NoMembers", no_members)),
            ..plain(Tag::CustomerCare, vec![status(schemas, "The account is open again.")?])
        },
        Operation::BeginBulkJob => Parts {
            parameters: &[Parameter::IdempotencyKey],
            body: Some(required(schemas, "BulkRequest", bulk::audience::read)),
            ..plain(
                Tag::Bulk,
                vec![answer::<bulk::json::JobJson<'_>>(
                    schemas,
                    202,
                    "The new job, or the one that an earlier request with this key began.",
                    &[Header::Location],
                    &["bulk/bulk__accepted", "bulk/bulk__never_invited"],
                )?],
            )
        },
        Operation::ReadBulkJob => Parts {
            other_codes: &[EdgeCode::JobNotFound],
            ..plain(Tag::Bulk, vec![job(schemas, "The job as it is now.")?])
        },
        Operation::CancelBulkJob => Parts {
            body: Some(optional(schemas, "NoMembers", no_members)),
            other_codes: &[EdgeCode::JobNotFound],
            ..plain(Tag::Bulk, vec![job(schemas, "The job as it is now.")?])
        },
        Operation::ReadBulkResults => Parts {
            parameters: &[Parameter::Cursor],
            malformed: vec![("results_cursor", Malformed::Query(bulk::MALFORMED_CURSOR))],
            other_codes: &[EdgeCode::JobNotFound],
            ..plain(Tag::Bulk, vec![results(schemas)?])
        },
        Operation::ReadPractice => {
            Parts { other_codes: &[EdgeCode::PracticeNotSetUp], ..plain(Tag::Practice, vec![practice(schemas)?]) }
        }
        Operation::SavePractice => Parts {
            parameters: &[Parameter::IfMatchVersion],
            body: Some(required(schemas, "SettingsToSave", practice::settings::read)),
            ..plain(Tag::Practice, vec![practice(schemas)?])
        },
        Operation::ReadPracticeTimeline => Parts {
            parameters: &[Parameter::Cursor],
            malformed: vec![("history_cursor", Malformed::Query(history_cursor::MALFORMED_CURSOR))],
            ..plain(
                Tag::Practice,
                vec![answer::<practice::history::PracticeTimelineJson<'_>>(
                    schemas,
                    200,
                    "A page of the history.",
                    &[],
                    &["practice/practice__history"],
                )?],
            )
        },
        Operation::ReadMe => plain(
            Tag::Practice,
            vec![answer::<practice::me::MeJson<'_>>(
                schemas,
                200,
                "The caller.",
                &[],
                &["practice/practice__me", "practice/practice__me_without_practice"],
            )?],
        ),
        Operation::ReportLogin => Parts {
            body: Some(required(schemas, "PortalLogin", track_login::json::read_login)),
            ..plain(Tag::Logins, vec![empty("The login is recorded.")])
        },
        Operation::CheckLink => Parts {
            body: Some(required(schemas, "LinkToken", register::json::read_token)),
            ..plain(
                Tag::Link,
                vec![answer::<register::json::LinkJson<'_>>(
                    schemas,
                    200,
                    "Whether the link works and, if so, who invites whom.",
                    &[],
                    &["register/register__usable", "register/register__unusable"],
                )?],
            )
        },
        Operation::Register => Parts {
            parameters: &[Parameter::IdempotencyKey],
            body: Some(required(schemas, "RegistrationRequest", |form| register::json::read_registration(form, now))),
            ..plain(
                Tag::Link,
                vec![answer::<register::json::RegisteredJson<'_>>(
                    schemas,
                    201,
                    "The account is open.",
                    &[],
                    &["register/register__registered"],
                )?],
            )
        },
        Operation::DeclineInvitation | Operation::ReportWrongPerson => Parts {
            body: Some(required(schemas, "LinkToken", register::json::read_token)),
            ..plain(Tag::Link, vec![empty("The invitation is revoked; the link does not work any more.")])
        },
        Operation::RequestNewLink => Parts {
            parameters: &[Parameter::IdempotencyKey],
            body: Some(required(schemas, "LinkToken", register::json::read_token)),
            ..plain(
                Tag::Link,
                vec![answer::<register::json::NewLinkJson>(
                    schemas,
                    202,
                    "A mail is queued. There is nothing to show.",
                    &[],
                    &["register/register__new_link"],
                )?],
            )
        },
        Operation::StopReminders => Parts {
            parameters: &[Parameter::LinkId],
            body: Some(Body {
                is_required: false,
                media_type: "application/x-www-form-urlencoded",
                schema: json!({
                    "type": "object",
                    "title": "OneClick",
                    "description": "The body that a mail program sends (RFC 8058). It is not read.",
                    "properties": { "List-Unsubscribe": { "type": "string" } },
                }),
                has_email: false,
            }),
            ..plain(Tag::Link, vec![empty("No more reminders are sent.")])
        },
    })
}

fn profile(schemas: &mut Schemas, status: u16, about: &'static str) -> Result<Success> {
    let snapshots = &["patients/patients__read"];
    answer::<patients::profile::ProfileJson<'_>>(schemas, status, about, &[Header::ETag], snapshots)
}

fn timeline_page(schemas: &mut Schemas) -> Result<Success> {
    let snapshots = &["status/timeline__history"];
    answer::<TimelineJson<'_>>(schemas, 200, "A page of the history.", &[], snapshots)
}

fn practice(schemas: &mut Schemas) -> Result<Success> {
    let snapshots = &["practice/practice__saved"];
    answer::<practice::settings::PracticeJson<'_>>(schemas, 200, "The settings.", &[Header::ETag], snapshots)
}

fn job(schemas: &mut Schemas, about: &'static str) -> Result<Success> {
    answer::<bulk::json::JobJson<'_>>(schemas, 200, about, &[], &["bulk/bulk__running", "bulk/bulk__cancelled"])
}

fn results(schemas: &mut Schemas) -> Result<Success> {
    let table = json!({
        "description":
            "Comma-separated values (RFC 4180): a line with the names of the columns, and one for each result.",
        "type": "string",
        "pattern": "^patientId,outcome,sentence\r\n",
    });
    let page = schemas.schema::<bulk::json::ResultsJson<'_>>()?;
    Ok(Success {
        status: 200,
        about: "A page of results.",
        headers: &[Header::ContentDisposition, Header::Link],
        content: vec![(JSON, page, &["bulk/bulk__last_results"]), ("text/csv", table, &["bulk/bulk__table"])],
    })
}

/// The causes of the error answers: those of the rules, and those of the edge that follow from the operation's parts.
fn causes(operation: Operation, parts: &Parts) -> Vec<Cause> {
    let is_public = !operation.access().needs_token();
    let edge = |code| Cause::Code(ProblemCode::Edge(code));
    let mut causes: Vec<Cause> = Vec::new();
    let json = parts.body.as_ref().filter(|body| body.media_type == JSON);
    let has = |wanted: &[Parameter]| parts.parameters.iter().any(|parameter| wanted.contains(parameter));
    let conditional = has(&[Parameter::IfMatch, Parameter::IfMatchVersion]);
    if json.is_some() {
        causes.push(Cause::Malformed("body", Malformed::Body));
    }
    if conditional {
        causes.push(Cause::Malformed("if_match", Malformed::IfMatch));
    }
    if has(&[Parameter::IdempotencyKey]) {
        causes.push(Cause::Malformed("idempotency_key", Malformed::IdempotencyKey));
    }
    causes.extend(parts.malformed.iter().map(|(name, part)| Cause::Malformed(name, *part)));
    causes.extend(if is_public {
        vec![edge(EdgeCode::WrongHost)]
    } else {
        [EdgeCode::Unauthenticated, EdgeCode::NotAnAccessToken, EdgeCode::Forbidden].map(edge).into()
    });
    causes.extend(operation.refusals().iter().map(|code| Cause::Code(ProblemCode::Rule(*code))));
    causes.extend(parts.other_codes.iter().map(|code| edge(*code)));
    if conditional {
        causes.push(edge(EdgeCode::VersionConflict));
    }
    if let Some(body) = json {
        causes.extend([EdgeCode::TooLarge, EdgeCode::UnsupportedMediaType, EdgeCode::InvalidFields].map(edge));
        if body.has_email {
            causes.push(edge(EdgeCode::EmailInvalid));
        }
    }
    // The holder of a link gets another answer for a reused key: the link does not work.
    if has(&[Parameter::IdempotencyKey]) && !is_public {
        causes.push(edge(EdgeCode::IdempotencyKeyReused));
    }
    causes.extend([EdgeCode::Internal, EdgeCode::Unavailable].map(edge));
    causes
}

/// The operation, as the document describes it.
pub fn describe(operation: Operation, root: &Path, schemas: &mut Schemas, errors: &mut Errors) -> Result<Value> {
    let parts = parts(operation, schemas)?;
    let (summary, about) = prose(operation);
    let mut described = json!({
        "operationId": operation.id(),
        "tags": [<&str>::from(parts.tag)],
        "summary": summary,
        "description": about,
        "security": security(operation.access()),
    });
    let in_path = Parameter::from_path(operation.path())?;
    let all = in_path.iter().chain(parts.parameters).map(|parameter| parameter.reference());
    let all: Vec<Value> = all.collect();
    if !all.is_empty() {
        described["parameters"] = all.into();
    }
    if let Some(body) = &parts.body {
        let examples = examples::requests(root, operation.function(), &operation.route_key())?;
        let mut content = json!({ "schema": body.schema });
        content["examples"] = if examples.is_empty() { json!({ "none": { "value": {} } }) } else { examples.into() };
        described["requestBody"] = json!({ "required": body.is_required, "content": { body.media_type: content } });
    }
    let mut responses = Map::new();
    for success in &parts.successes {
        responses.insert(success.status.to_string(), response(success, root)?);
    }
    for (status, response) in errors.responses(&causes(operation, &parts))? {
        responses.insert(status.to_string(), response);
    }
    described["responses"] = responses.into();
    Ok(described)
}

fn response(success: &Success, root: &Path) -> Result<Value> {
    let mut response = json!({ "description": success.about });
    let headers = Header::references(success.headers);
    if !headers.is_empty() {
        response["headers"] = headers.into();
    }
    let mut content = Map::new();
    for (media_type, schema, snapshots) in &success.content {
        let mut shown = Map::new();
        for snapshot in *snapshots {
            let (_, name) = snapshot.split_once("__").context("a snapshot's name has two parts")?;
            shown.insert(name.to_owned(), json!({ "value": examples::answer(root, snapshot)? }));
        }
        content.insert((*media_type).to_owned(), json!({ "schema": schema, "examples": shown }));
    }
    if !content.is_empty() {
        response["content"] = content.into();
    }
    Ok(response)
}

/// The summary and the description from an operation's doc comment. Without further paragraphs, the summary is also the
/// description.
fn prose(operation: Operation) -> (String, String) {
    let lines: Vec<&str> = operation.doc().iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let mut paragraphs = lines.split(|line| line.is_empty()).map(|paragraph| paragraph.join(" "));
    let summary = paragraphs.next().unwrap_or_default();
    let rest: Vec<String> = paragraphs.collect();
    let about = if rest.is_empty() { summary.clone() } else { rest.join("\n\n") };
    (summary.trim_end_matches('.').to_owned(), about)
}
