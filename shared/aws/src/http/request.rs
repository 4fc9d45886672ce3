//! What a request says, in domain types.

use http::header::{ACCEPT, IF_MATCH};
use portal::{
    email::EmailAddress,
    idempotency::KeyedRequest,
    ids::{JobId, PatientId, RequestId},
    operations::Command,
    scope::TenantScope,
};

use super::{
    HttpEvent, body,
    fields::{Form, email_if_given, new_email, no_members},
    problem::{Malformed, Problem},
    routes::Operation,
};

/// The header by which a client may repeat a command (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The longest key, in characters.
const KEY_MAX_CHARS: usize = 255;

/// A request for an operation that its caller may ask for. The event is what a client said, with its token, hence no
/// `Debug`.
pub struct Request {
    pub(super) id: RequestId,
    pub(super) operation: Operation,
    /// `None` for an operation that acts on behalf of no practice.
    pub(super) scope: Option<TenantScope>,
    pub(super) event: HttpEvent,
}

/// The condition of a command on what it changes (`If-Match`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// None.
    Absent,
    /// It must exist.
    Any,
    /// It must have this version.
    Version(u64),
}

impl Request {
    /// Which request.
    #[must_use]
    pub const fn id(&self) -> &RequestId {
        &self.id
    }

    /// On whose behalf.
    ///
    /// # Errors
    /// [`Problem::Internal`] for an operation on behalf of no practice: there is no such scope, and none can be made.
    pub fn scope(&self) -> Result<&TenantScope, Problem> {
        self.scope.as_ref().ok_or_else(|| Problem::Internal("the operation acts on behalf of no practice".into()))
    }

    /// A parameter of the query; the first if there are several of that name.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.event.query_string_parameters.first(name)
    }

    /// A parameter of the query that may have commas in it, as "Smith, Jo" has. The gateway gives parameters of the same
    /// name as one, with commas between them, so these two cannot be told apart.
    #[must_use]
    pub fn query_with_commas(&self, name: &str) -> Option<String> {
        self.event.query_string_parameters.all(name).map(|parts| parts.join(","))
    }

    /// The patient that the path names.
    ///
    /// # Errors
    /// [`Problem::patient_not_found`] if no patient could have such an id.
    pub fn patient(&self) -> Result<PatientId, Problem> {
        let id = self.event.path_parameters.get("patientId").map(String::as_str);
        PatientId::parse(id.unwrap_or_default()).map_err(|_| Problem::patient_not_found())
    }

    /// The bulk job that the path names.
    ///
    /// # Errors
    /// [`Problem::JobNotFound`] if no job could have such an id.
    pub fn job(&self) -> Result<JobId, Problem> {
        let id = self.event.path_parameters.get("jobId").map(String::as_str);
        JobId::parse(id.unwrap_or_default()).map_err(|_| Problem::JobNotFound)
    }

    /// Whether the client asks for this media type by name, in any of its `Accept` headers and with whatever parameters.
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
    /// [`Malformed::IfMatch`] unless it is `*` or one version in quotes, as `ETag` gives it. Weak tags and lists are
    /// refused as well: no answer of this API gives a client reason to send them.
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

    /// The request as its client may repeat it, if it has an `Idempotency-Key`.
    ///
    /// The command's name is its route's: on another patient the key meets another record.
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

    /// A command on a patient, who must exist for it: `If-Match: *` asks for no more than that.
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

    /// The version that a save must find, for saves that also create.
    ///
    /// # Errors
    /// As for [`Self::if_match`], and for `*`: whoever wants to save only what exists has read its version.
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
    /// [`Problem::TooLarge`], [`Problem::UnsupportedMediaType`], [`Malformed::Body`], also if there is none, and
    /// [`Problem::Invalid`] if it is no object.
    pub fn form(&self) -> Result<Form, Problem> {
        Ok(body::form(&self.event)?.ok_or(Malformed::Body)?)
    }

    /// The body, where there need be none.
    ///
    /// # Errors
    /// As for [`Self::form`].
    pub fn form_or_empty(&self) -> Result<Form, Problem> {
        Ok(body::form(&self.event)?.unwrap_or_else(Form::empty))
    }

    /// The address that the body gives, where it need not give one.
    ///
    /// # Errors
    /// As for [`Self::form`], except that the body may be missing; [`Problem::Invalid`] also if it is no address or
    /// the body has anything else.
    pub fn email_if_given(&self) -> Result<Option<EmailAddress>, Problem> {
        email_if_given(self.form_or_empty()?)
    }

    /// The address that the body gives.
    ///
    /// # Errors
    /// As for [`Self::form`]; [`Problem::Invalid`] also if it is missing or no address, or the body has anything else.
    pub fn email(&self) -> Result<EmailAddress, Problem> {
        new_email(self.form()?)
    }

    /// Makes sure that the body says nothing: it is missing, or an object without members.
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

/// Digits as we write them: one number has one tag.
fn is_canonical(digits: &str) -> bool {
    digits.chars().all(|c| c.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'))
}
