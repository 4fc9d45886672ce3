//! A mail service that answers as it is told.

use std::{collections::VecDeque, sync::Mutex};

use super::samples;
use crate::ports::{InvitationMail, Mailer, NoticeMail, SendOutcome};

/// Keeps every mail that it was handed, whatever it answered, and accepts those that its script does not cover.
#[derive(Debug, Default)]
pub struct ScriptedMailer {
    mails: Mutex<Vec<InvitationMail>>,
    notices: Mutex<Vec<NoticeMail>>,
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

    /// Forgets what is left of the script: accepts everything from here on.
    pub fn forget_script(&self) {
        self.script.lock().unwrap().clear();
    }

    /// The invitations' mails so far.
    #[must_use]
    pub fn mails(&self) -> Vec<InvitationMail> {
        self.mails.lock().unwrap().clone()
    }

    /// The notices so far.
    #[must_use]
    pub fn notices(&self) -> Vec<NoticeMail> {
        self.notices.lock().unwrap().clone()
    }

    /// What the script says to the mail of this number.
    fn answer(&self, number: usize) -> SendOutcome {
        let accepted = || SendOutcome::Accepted(samples::message_id(number));
        self.script.lock().unwrap().pop_front().unwrap_or_else(accepted)
    }
}

impl Mailer for ScriptedMailer {
    async fn send(&self, mail: &InvitationMail) -> SendOutcome {
        let mut mails = self.mails.lock().unwrap();
        mails.push(mail.clone());
        self.answer(mails.len())
    }

    async fn notify(&self, mail: &NoticeMail) -> SendOutcome {
        let mut notices = self.notices.lock().unwrap();
        notices.push(mail.clone());
        self.answer(notices.len())
    }
}
