//! The outcome of a call to SES.
//!
//! The question is always whether SES can have the mail. Only if it certainly has not, the mail may be sent again at once.

use std::error::Error;

use aws_sdk_sesv2::{
    config::http::HttpResponse,
    error::{ConnectorError, ProvideErrorMetadata as _, SdkError},
    operation::send_email::{SendEmailError, SendEmailOutput},
};
use portal::{ids::MessageId, ports::SendOutcome};

/// The message of SES when the daily quota is used up. The error codes are not specific.
const OUT_OF_QUOTA: &str = "Daily message quota exceeded";
/// The message of SES when the sender domain is not verified or the account is in the sandbox. The error code is that of
/// an invalid mail.
const NOT_VERIFIED: &str = "Email address is not verified";

/// The outcome of a successful call.
pub(super) fn from_output(answer: &SendEmailOutput) -> SendOutcome {
    // Without a message id the mail cannot be recorded as sent here. The event of SES can still do that.
    let id = answer.message_id().and_then(|id| MessageId::parse(id).ok());
    id.map_or(SendOutcome::Unknown, SendOutcome::Accepted)
}

/// The outcome of a failed call.
pub(super) fn from_error(error: &SdkError<SendEmailError, HttpResponse>) -> SendOutcome {
    match error {
        // The SDK could not build the request. The content of a mail cannot cause that, so sending has to pause.
        SdkError::ConstructionFailure(_) => SendOutcome::Paused,
        SdkError::DispatchFailure(failure) => {
            let never_connected = failure.as_connector_error().is_some_and(never_connected);
            if never_connected { SendOutcome::Throttled } else { SendOutcome::Unknown }
        }
        SdkError::ResponseError(answer) => from_status_and_code(answer.raw().status().as_u16(), None, None),
        SdkError::ServiceError(answer) => {
            let error = answer.err();
            from_status_and_code(answer.raw().status().as_u16(), error.code(), error.message())
        }
        SdkError::TimeoutError(_) | _ => SendOutcome::Unknown,
    }
}

/// Whether no connection was established: refused, unknown host, no answer, no TLS.
fn never_connected(error: &ConnectorError) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(client) = cause.downcast_ref::<hyper_util::client::legacy::Error>() {
            return client.is_connect();
        }
        next = cause.source();
    }
    false
}

/// Classifies an error response. The codes are those of `SendEmail` and the common codes of AWS services. An unknown code
/// is classified by its status.
fn from_status_and_code(status: u16, code: Option<&str>, message: Option<&str>) -> SendOutcome {
    let says = |what| message.is_some_and(|message| message.contains(what));
    match (status, code.unwrap_or_default()) {
        (500.. | 408, _) => SendOutcome::Unknown,
        (400..=499, _) if says(OUT_OF_QUOTA) || says(NOT_VERIFIED) => SendOutcome::Paused,
        (429, _) | (400..=499, "TooManyRequestsException" | "ThrottlingException" | "Throttling") => {
            SendOutcome::Throttled
        }
        // The account or the setup is at fault. The mail is fine, and the next one would fail as well.
        (401 | 403 | 404, _)
        | (
            400..=499,
            "SendingPausedException"
            | "AccountSuspendedException"
            | "MailFromDomainNotVerifiedException"
            | "LimitExceededException"
            | "NotFoundException"
            | "AccessDeniedException"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "InvalidSignatureException"
            | "NotAuthorized"
            | "RequestExpired"
            | "UnrecognizedClientException",
        ) => SendOutcome::Paused,
        // `MessageRejected`, `BadRequestException` and other errors that the request itself causes. They must not open the
        // breaker, because one invalid mail would then stop all mails.
        (400..=499, _) => SendOutcome::Refused,
        _ => SendOutcome::Unknown,
    }
}
