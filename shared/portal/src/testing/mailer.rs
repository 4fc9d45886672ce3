//! A mail service that answers as it is told.

use std::{collections::VecDeque, sync::Mutex};

use super::samples;
use crate::ports::{InvitationMail, Mailer, SendOutcome};

/// Keeps every mail that it was handed, whatever it answered, and accepts those that its script does not cover.
#[derive(Debug, Default)]
pub struct ScriptedMailer {
    mails: Mutex<Vec<InvitationMail>>,
    script: Mutex<VecDeque<SendOutcome>>,
}

impl ScriptedMailer {
    /// Answers the next mails so, in order.
    #[must_use]
    pub fn answering(outcomes: impl IntoIterator<Item = SendOutcome>) -> Self {
        let mailer = Self::default();
        mailer.answer_next(outcomes);
        mailer
    }

    /// Adds to the script.
    pub fn answer_next(&self, outcomes: impl IntoIterator<Item = SendOutcome>) {
        self.script.lock().unwrap().extend(outcomes);
    }

    /// The mails so far.
    #[must_use]
    pub fn mails(&self) -> Vec<InvitationMail> {
        self.mails.lock().unwrap().clone()
    }
}

impl Mailer for ScriptedMailer {
    async fn send(&self, mail: &InvitationMail) -> SendOutcome {
        let mut mails = self.mails.lock().unwrap();
        mails.push(mail.clone());
        let accepted = || SendOutcome::Accepted(samples::message_id(mails.len()));
        self.script.lock().unwrap().pop_front().unwrap_or_else(accepted)
    }
}
