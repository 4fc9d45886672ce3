//! The content of a request, in domain types.

use http::header::{ACCEPT, IF_MATCH};
use portal::{
    email::EmailAddress,
    idempotency::KeyedRequest,
    ids::{JobId, PatientId, RequestId},
    operations::Command,
    record::guards::Recipient,
    scope::TenantScope,
};

use super::{
    HttpEvent, body,
    fields::{Form, new_email, no_members, recipient},
    problem::{Malformed, Problem},
    routes::Operation,
    scope::Identity,
};

/// The header with which a client may repeat a command (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The longest key, in characters.
const KEY_MAX_CHARS: usize = 255;

/// A request whose caller is permitted to ask for the operation. There is no `Debug`, because the event contains the
/// caller's token.
pub struct Request {
    pub(super) id: RequestId,
    pub(super) operation: Operation,
    /// `None` for an operation that belongs to no practice.
    pub(super) scope: Option<TenantScope>,
    /// Only for an operation that need not be about the caller's practice.
    pub(super) identity: Option<Identity>,
    pub(super) event: HttpEvent,
}

/// The condition of a command on the record that it changes (`If-Match`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// There is no condition.
    Absent,
    /// The record must exist.
    Any,
    /// The record must have this version.
    Version(u64),
}

impl Request {
    /// The request id.
    #[must_use]
    pub const fn id(&self) -> &RequestId {
        &self.id
    }

    /// The practice and the actor of the request.
    ///
    /// # Errors
    /// [`Problem::Internal`] for an operation that belongs to no practice and therefore has no scope.
    pub fn scope(&self) -> Result<&TenantScope, Problem> {
        self.scope.as_ref().ok_or_else(|| Problem::Internal("the operation belongs to no practice".into()))
    }

    /// The caller, for an operation that need not be about the caller's practice.
    ///
    /// # Errors
    /// [`Problem::Internal`] for any other operation.
    pub fn identity(&self) -> Result<&Identity, Problem> {
        self.identity
            .as_ref()
            .ok_or_else(|| Problem::Internal("the operation is about the practice of its scope".into()))
    }

    /// A parameter of the query. The first one if there are several with this name.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.event.query_string_parameters.first(name)
    }

    /// A parameter of the query that can contain commas, such as "Smith, Jo". The gateway joins parameters of the same name
    /// with commas, so the two cases cannot be distinguished.
    #[must_use]
    pub fn query_with_commas(&self, name: &str) -> Option<String> {
        self.event.query_string_parameters.all(name).map(|parts| parts.join(","))
    }

    /// The patient in the path.
    ///
    /// # Errors
    /// [`Problem::patient_not_found`] if the id is invalid.
    pub fn patient(&self) -> Result<PatientId, Problem> {
        let id = self.event.path_parameters.get("patientId").map(String::as_str);
        PatientId::parse(id.unwrap_or_default()).map_err(|_| Problem::patient_not_found())
    }

    /// The bulk job in the path.
    ///
    /// # Errors
    /// [`Problem::JobNotFound`] if the id is invalid.
    pub fn job(&self) -> Result<JobId, Problem> {
        let id = self.event.path_parameters.get("jobId").map(String::as_str);
        JobId::parse(id.unwrap_or_default()).map_err(|_| Problem::JobNotFound)
    }

    /// Whether an `Accept` header names this media type. Its parameters are ignored.
    #[must_use]
    pub fn accepts(&self, media_type: &str) -> bool {
        let headers = self.event.headers.get_all(ACCEPT).iter().filter_map(|header| header.to_str().ok());
        let ranges = headers.flat_map(|header| header.split(','));
        ranges
            .map(|range| range.split(';').next().unwrap_or_default())
            .any(|range| range.trim().eq_ignore_ascii_case(media_type))
    }

    /// The condition of `If-Match`.
    ///
    /// # Errors
    /// [`Malformed::IfMatch`] unless it is `*` or one version in quotes, as in `ETag`. Weak tags and lists are refused: no
    /// answer of this API contains one.
    pub fn if_match(&self) -> Result<IfMatch, Problem> {
        let Some(header) = self.event.headers.get(IF_MATCH) else {
            return Ok(IfMatch::Absent);
        };
        if header == "*" {
            return Ok(IfMatch::Any);
        }
        let quoted = header.to_str().ok().and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
        let version = quoted.filter(|digits| is_canonical(digits)).and_then(|digits| digits.parse().ok());
        Ok(version.map(IfMatch::Version).ok_or(Malformed::IfMatch)?)
    }

    /// The request with its `Idempotency-Key`, if it has one.
    ///
    /// The command is identified by its route. The patient need not be included, because each record keeps its own keys.
    ///
    /// # Errors
    /// [`Malformed::IdempotencyKey`]
    pub fn keyed(&self) -> Result<Option<KeyedRequest>, Problem> {
        let Some(header) = self.event.headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
        let key = header.to_str().ok().filter(|key| (1..=KEY_MAX_CHARS).contains(&key.len()) && is_visible(key));
        let key = key.ok_or(Malformed::IdempotencyKey)?;
        let command = self.operation.route_key();
        let content = self.event.body.as_deref().unwrap_or_default();
        Ok(Some(KeyedRequest::new(&command, key, content.as_bytes())))
    }

    /// A command on a patient. The patient must exist in any case, so `If-Match: *` adds no condition.
    ///
    /// # Errors
    /// As for [`Self::if_match`], [`Self::keyed`] and [`Self::scope`].
    pub fn command<'request>(&'request self, patient: &'request PatientId) -> Result<Command<'request>, Problem> {
        let if_match = match self.if_match()? {
            IfMatch::Absent | IfMatch::Any => None,
            IfMatch::Version(version) => Some(version),
        };
        Ok(Command { scope: self.scope()?, patient, request: &self.id, if_match, keyed: self.keyed()? })
    }

    /// The version that a save replaces. `None` for a save without a condition, which may also create.
    ///
    /// # Errors
    /// As for [`Self::if_match`], and for `*`: a client that saves only what exists has read its version.
    pub fn version_to_replace(&self) -> Result<Option<u64>, Problem> {
        match self.if_match()? {
            IfMatch::Absent => Ok(None),
            IfMatch::Version(version) => Ok(Some(version)),
            IfMatch::Any => Err(Malformed::IfMatch.into()),
        }
    }

    /// The body.
    ///
    /// # Errors
    /// [`Problem::TooLarge`], [`Problem::UnsupportedMediaType`], [`Malformed::Body`], also if it is missing, and
    /// [`Problem::Invalid`] if it is not an object.
    pub fn form(&self) -> Result<Form, Problem> {
        Ok(body::form(&self.event)?.ok_or(Malformed::Body)?)
    }

    /// The body, or an empty form if it is missing.
    ///
    /// # Errors
    /// As for [`Self::form`].
    pub fn form_or_empty(&self) -> Result<Form, Problem> {
        Ok(body::form(&self.event)?.unwrap_or_else(Form::empty))
    }

    /// The address to invite to, by the body.
    ///
    /// # Errors
    /// As for [`Self::form`], except that the body may be missing; [`Problem::Invalid`] also if a member is invalid or
    /// unknown.
    pub fn recipient(&self) -> Result<Recipient, Problem> {
        recipient(self.form_or_empty()?)
    }

    /// The email address in the body.
    ///
    /// # Errors
    /// As for [`Self::form`]; [`Problem::Invalid`] also if the address is missing or invalid, or the body has another
    /// member.
    pub fn email(&self) -> Result<EmailAddress, Problem> {
        new_email(self.form()?)
    }

    /// Checks that the body is missing, or an object without members.
    ///
    /// # Errors
    /// As for [`Self::form`], except that the body may be missing; [`Problem::Invalid`] also if it has a member.
    pub fn require_empty_body(&self) -> Result<(), Problem> {
        no_members(self.form_or_empty()?)
    }
}

fn is_visible(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic())
}

/// Whether the digits have no leading zero, so that each version has one tag.
fn is_canonical(digits: &str) -> bool {
    digits.chars().all(|c| c.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'))
}
