//! What an answer of SES, or the lack of one, says about the mail.
//!
//! The question is always the same: can SES have the mail? Only where it certainly has not may it be handed over
//! again at once.

use std::error::Error;

use aws_sdk_sesv2::{
    config::http::HttpResponse,
    error::{ConnectorError, ProvideErrorMetadata as _, SdkError},
    operation::send_email::{SendEmailError, SendEmailOutput},
};
use portal::{ids::MessageId, ports::SendOutcome};

/// What SES says, under the same error codes as for other things, once the day's quota is used up.
const OUT_OF_QUOTA: &str = "Daily message quota exceeded";
/// What SES says, under the code of a bad mail, if our domain is not verified or the account is in the sandbox.
const NOT_VERIFIED: &str = "Email address is not verified";

/// Whether SES has a mail that it took.
pub(super) fn of_answer(answer: &SendEmailOutput) -> SendOutcome {
    // Without its id an accepted mail cannot be stamped here; SES's own event still can.
    let id = answer.message_id().and_then(|id| MessageId::parse(id).ok());
    id.map_or(SendOutcome::Unknown, SendOutcome::Accepted)
}

/// Whether SES has a mail that it did not say to have taken.
pub(super) fn of_error(error: &SdkError<SendEmailError, HttpResponse>) -> SendOutcome {
    match error {
        // The SDK could not even write the request, which is not for what a mail says: somebody has to look.
        SdkError::ConstructionFailure(_) => SendOutcome::Paused,
        SdkError::DispatchFailure(failure) => {
            let never_connected = failure.as_connector_error().is_some_and(never_connected);
            if never_connected { SendOutcome::Throttled } else { SendOutcome::Unknown }
        }
        SdkError::ResponseError(answer) => of_refusal(answer.raw().status().as_u16(), None, None),
        SdkError::ServiceError(answer) => {
            let error = answer.err();
            of_refusal(answer.raw().status().as_u16(), error.code(), error.message())
        }
        SdkError::TimeoutError(_) | _ => SendOutcome::Unknown,
    }
}

/// Whether there was no connection to send the mail over: refused, no such host, no answer, no TLS.
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

/// The codes are those of `SendEmail` and those that any AWS service gives; where a code has not been foreseen, its
/// status tells whose fault it is.
fn of_refusal(status: u16, code: Option<&str>, message: Option<&str>) -> SendOutcome {
    let says = |what| message.is_some_and(|message| message.contains(what));
    match (status, code.unwrap_or_default()) {
        (500.. | 408, _) => SendOutcome::Unknown,
        (400..=499, _) if says(OUT_OF_QUOTA) || says(NOT_VERIFIED) => SendOutcome::Paused,
        (429, _) | (400..=499, "TooManyRequestsException" | "ThrottlingException" | "Throttling") => {
            SendOutcome::Throttled
        }
        // The account or our own set-up. Nothing is wrong with this mail, and the next one would fare no better.
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
        // `MessageRejected`, `BadRequestException`, and whatever else is the request's own fault. If it went to the
        // breaker instead, one such mail would hold up all the others.
        (400..=499, _) => SendOutcome::Refused,
        _ => SendOutcome::Unknown,
    }
}
