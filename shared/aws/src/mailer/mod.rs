//! Sending mail with SES v2, one attempt per mail.
//!
//! SES has no idempotency token, so a retry of a call whose answer was lost would send the mail twice. SDK retries are off
//! for this client. The sender decides from the record whether to send a mail again.

mod notices;
mod outcome;
#[cfg(test)]
mod samples;
mod templates;

use std::{fmt, time::Duration};

use aws_sdk_sesv2::{
    Client,
    error::{BuildError, ProvideErrorMetadata as _},
    operation::{RequestId as _, send_email::builders::SendEmailFluentBuilder},
    types::{Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag, builders::MessageBuilder},
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::SdkConfig;
use email_encoding::headers::{quoted_string, writer::EmailWriter};
use portal::{
    email::EmailAddress,
    ports::{InvitationMail, Mailer, NoticeMail, SendOutcome},
    practice::Practice,
    text::DisplayName,
};

use self::templates::Rendered;
use crate::{config::MailSettings, mail_tags};

/// The timeout of one attempt. It ends well before the lease on the mail.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends mails with SES.
#[derive(Clone, Debug)]
pub struct SesMailer {
    client: Client,
    settings: MailSettings,
}

/// A mail cannot be built.
#[derive(Debug, thiserror::Error)]
enum BuildMailError {
    #[error("a template failed")]
    Template(#[from] askama::Error),
    #[error("the sender name cannot be encoded")]
    Sender(#[from] fmt::Error),
    #[error("a part is missing")]
    Part(#[from] BuildError),
}

impl SesMailer {
    /// Creates the client. It makes one attempt per call and has its own timeout, regardless of `sdk`.
    #[must_use]
    pub fn new(sdk: &SdkConfig, settings: MailSettings) -> Self {
        Self::with_timeout(sdk, settings, SEND_TIMEOUT)
    }

    /// The same with a long timeout, for tests on a busy machine.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_long_timeout(sdk: &SdkConfig, settings: MailSettings) -> Self {
        Self::with_timeout(sdk, settings, Duration::from_mins(1))
    }

    fn with_timeout(sdk: &SdkConfig, settings: MailSettings, timeout: Duration) -> Self {
        let config = aws_sdk_sesv2::config::Builder::from(sdk)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(timeout).build())
            .build();
        Self { client: Client::from_conf(config), settings }
    }

    fn invitation(&self, mail: &InvitationMail) -> Result<SendEmailFluentBuilder, BuildMailError> {
        let message = message(templates::render(mail, &self.settings.portal)?)?
            .headers(header("List-Unsubscribe", self.unsubscribe(mail))?)
            .headers(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")?)
            .build();
        Ok(self
            .request(&mail.practice, &mail.to, message)?
            .email_tags(tag(mail_tags::INVITATION, mail.invitation.as_str())?)
            .email_tags(tag(mail_tags::ATTEMPT, mail.attempt.to_string())?)
            .email_tags(tag(mail_tags::RECORD, mail_tags::encode_record(&mail.key))?))
    }

    /// There is no `List-Unsubscribe`, because a patient cannot unsubscribe from notices. The tag differs from those of
    /// invitations, so that events about a notice are not taken for events about an invitation.
    fn notice(&self, mail: &NoticeMail) -> Result<SendEmailFluentBuilder, BuildMailError> {
        let message = message(notices::render(mail)?)?.build();
        Ok(self.request(&mail.practice, &mail.to, message)?.email_tags(tag("notice", mail.kind.name())?))
    }

    fn request(
        &self,
        practice: &Practice,
        to: &EmailAddress,
        message: Message,
    ) -> Result<SendEmailFluentBuilder, BuildMailError> {
        Ok(self
            .client
            .send_email()
            .configuration_set_name(&self.settings.configuration_set)
            .from_email_address(from_line(&practice.settings.sender_name, &self.settings.from)?)
            .destination(Destination::builder().to_addresses(to.canonical()).build())
            .content(EmailContent::builder().simple(message).build()))
    }

    /// The URL for one-click unsubscription (RFC 8058).
    ///
    /// It contains only the link id, which identifies the record, cannot be guessed, and permits nothing but stopping the
    /// reminders. The secret half of the token is left out, because URLs with a query end up in logs.
    fn unsubscribe(&self, mail: &InvitationMail) -> String {
        format!("<{}/v1/unsubscribe?t={}>", self.settings.portal.as_str(), mail.token.link)
    }
}

impl Mailer for SesMailer {
    async fn send(&self, mail: &InvitationMail) -> SendOutcome {
        let fields =
            LogFields { invitation: Some(mail.invitation.as_str()), attempt: Some(mail.attempt), notice: None };
        send(self.invitation(mail), fields).await
    }

    async fn notify(&self, mail: &NoticeMail) -> SendOutcome {
        let fields = LogFields { invitation: None, attempt: None, notice: Some(mail.kind.name()) };
        send(self.notice(mail), fields).await
    }
}

/// How the log identifies a mail.
#[derive(Clone, Copy)]
struct LogFields<'mail> {
    invitation: Option<&'mail str>,
    attempt: Option<u32>,
    notice: Option<&'static str>,
}

async fn send(request: Result<SendEmailFluentBuilder, BuildMailError>, fields: LogFields<'_>) -> SendOutcome {
    let LogFields { invitation, attempt, notice } = fields;
    let request = match request {
        Ok(request) => request,
        Err(error) => {
            tracing::error!(invitation, attempt, notice, %error, "mail cannot be built");
            return SendOutcome::Refused;
        }
    };
    match request.send().await {
        Ok(answer) => outcome::from_output(&answer),
        Err(error) => {
            let outcome = outcome::from_error(&error);
            // The message and the causes of the error are not logged, because SES quotes addresses in them.
            tracing::warn!(
                invitation,
                attempt,
                notice,
                ?outcome,
                %error,
                code = error.code(),
                status = error.raw_response().map(|answer| answer.status().as_u16()),
                ses_request = error.request_id(),
                "mail not accepted"
            );
            outcome
        }
    }
}

fn message(rendered: Rendered) -> Result<MessageBuilder, BuildError> {
    let body = Body::builder().text(utf8(rendered.text)?).html(utf8(rendered.html)?).build();
    Ok(Message::builder().subject(utf8(rendered.subject)?).body(body))
}

fn utf8(text: impl Into<String>) -> Result<Content, BuildError> {
    Content::builder().data(text).charset("UTF-8").build()
}

fn header(name: &str, value: impl Into<String>) -> Result<MessageHeader, BuildError> {
    MessageHeader::builder().name(name).value(value).build()
}

/// SES accepts letters, digits and `_ . @ -` in a tag value. All values here comply.
fn tag(name: &str, value: impl Into<String>) -> Result<MessageTag, BuildError> {
    MessageTag::builder().name(name).value(value).build()
}

/// The `From` address with the name quoted, or in encoded words if it is not ASCII, as SES requires.
fn from_line(name: &DisplayName, address: &EmailAddress) -> Result<String, fmt::Error> {
    let mut line = String::new();
    quoted_string::encode(name.as_str(), &mut EmailWriter::new(&mut line, "From: ".len(), 0, false))?;
    // The encoder folds long lines. This is a JSON value, so the folds are removed, which leaves their spaces
    // (RFC 5322, 2.2.3).
    Ok(format!("{} <{}>", line.replace("\r\n", ""), address.canonical()))
}

#[cfg(test)]
mod tests;
