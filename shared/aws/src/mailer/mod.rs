//! The mail service: SES v2, one try for each mail.
//!
//! SES has no idempotency token, so a second try of a call whose answer was lost would double the mail. The SDK's
//! retries are off for this client; whether a mail is handed over again is decided with the record at hand.

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

/// How long one try may take: it ends well before the lease that covers it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hands mails to SES.
#[derive(Clone, Debug)]
pub struct SesMailer {
    client: Client,
    settings: MailSettings,
}

/// A mail could not be put together.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("a template failed")]
    Template(#[from] askama::Error),
    #[error("the sender's name cannot be encoded")]
    Sender(#[from] fmt::Error),
    #[error("a part is missing")]
    Part(#[from] BuildError),
}

impl SesMailer {
    /// Builds the client, with a single try and a timeout of its own, whatever `sdk` says about them.
    #[must_use]
    pub fn new(sdk: &SdkConfig, settings: MailSettings) -> Self {
        Self::with_patience(sdk, settings, PATIENCE)
    }

    /// The same for tests of many mails on a busy machine: an answer that is only slow must not pass for none.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn unhurried(sdk: &SdkConfig, settings: MailSettings) -> Self {
        Self::with_patience(sdk, settings, Duration::from_mins(1))
    }

    fn with_patience(sdk: &SdkConfig, settings: MailSettings, patience: Duration) -> Self {
        let config = aws_sdk_sesv2::config::Builder::from(sdk)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(patience).build())
            .build();
        Self { client: Client::from_conf(config), settings }
    }

    fn invitation(&self, mail: &InvitationMail) -> Result<SendEmailFluentBuilder, Unfit> {
        let message = message(templates::render(mail, &self.settings.portal)?)?
            .headers(header("List-Unsubscribe", self.unsubscribe(mail))?)
            .headers(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")?)
            .build();
        Ok(self
            .request(&mail.practice, &mail.to, message)?
            .email_tags(tag(mail_tags::INVITATION, mail.invitation.as_str())?)
            .email_tags(tag(mail_tags::ATTEMPT, mail.attempt.to_string())?)
            .email_tags(tag(mail_tags::RECORD, mail_tags::of_record(&mail.key))?))
    }

    /// A notice is nothing that one could want no more of, hence no `List-Unsubscribe`. Its tag is another than an
    /// invitation's, so that what becomes of it is not taken for news of one.
    fn notice(&self, mail: &NoticeMail) -> Result<SendEmailFluentBuilder, Unfit> {
        let message = message(notices::render(mail)?)?.build();
        Ok(self.request(&mail.practice, &mail.to, message)?.email_tags(tag("notice", mail.kind.name())?))
    }

    fn request(
        &self,
        practice: &Practice,
        to: &EmailAddress,
        message: Message,
    ) -> Result<SendEmailFluentBuilder, Unfit> {
        Ok(self
            .client
            .send_email()
            .configuration_set_name(&self.settings.configuration_set)
            .from_email_address(from_line(&practice.settings.sender_name, &self.settings.from)?)
            .destination(Destination::builder().to_addresses(to.canonical()).build())
            .content(EmailContent::builder().simple(message).build()))
    }

    /// Where a mail program posts to when its user wants no more of these mails (RFC 8058).
    ///
    /// The link id is enough to find the record, cannot be guessed, and opens nothing: stopping reminders is all that
    /// it is good for. The secret half of the token stays out of it, since URLs with a query end up in logs.
    fn unsubscribe(&self, mail: &InvitationMail) -> String {
        format!("<{}/v1/unsubscribe?t={}>", self.settings.portal.as_str(), mail.token.link)
    }
}

impl Mailer for SesMailer {
    async fn send(&self, mail: &InvitationMail) -> SendOutcome {
        let named = Named { invitation: Some(mail.invitation.as_str()), attempt: Some(mail.attempt), notice: None };
        hand_over(self.invitation(mail), named).await
    }

    async fn notify(&self, mail: &NoticeMail) -> SendOutcome {
        let named = Named { invitation: None, attempt: None, notice: Some(mail.kind.name()) };
        hand_over(self.notice(mail), named).await
    }
}

/// What the log calls a mail.
#[derive(Clone, Copy)]
struct Named<'mail> {
    invitation: Option<&'mail str>,
    attempt: Option<u32>,
    notice: Option<&'static str>,
}

async fn hand_over(request: Result<SendEmailFluentBuilder, Unfit>, named: Named<'_>) -> SendOutcome {
    let Named { invitation, attempt, notice } = named;
    let request = match request {
        Ok(request) => request,
        Err(error) => {
            tracing::error!(invitation, attempt, notice, %error, "mail cannot be put together");
            return SendOutcome::Refused;
        }
    };
    match request.send().await {
        Ok(answer) => outcome::of_answer(&answer),
        Err(error) => {
            let outcome = outcome::of_error(&error);
            // Neither the error's message nor its causes: SES quotes addresses.
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

/// SES takes letters, digits and `_ . @ -` in a tag's value; none of ours has anything else.
fn tag(name: &str, value: impl Into<String>) -> Result<MessageTag, BuildError> {
    MessageTag::builder().name(name).value(value).build()
}

/// A `From` line: the name quoted, or in encoded words if it is not plain ASCII, as SES asks for.
fn from_line(name: &DisplayName, address: &EmailAddress) -> Result<String, fmt::Error> {
    let mut line = String::new();
    quoted_string::encode(name.as_str(), &mut EmailWriter::new(&mut line, "From: ".len(), 0, false))?;
    // The encoder folds long lines for a mail's source. This is a value in JSON, so the folds are taken out again,
    // which leaves the space that each of them stands for (RFC 5322, 2.2.3).
    Ok(format!("{} <{}>", line.replace("\r\n", ""), address.canonical()))
}

#[cfg(test)]
mod tests;
