//! A mail service with scripted answers.

use std::{collections::VecDeque, sync::Mutex};

use super::samples;
use crate::ports::{InvitationMail, Mailer, NoticeMail, SendOutcome};

/// Stores every mail, whatever the answer. When the script is empty, it accepts every mail.
#[derive(Debug, Default)]
pub struct ScriptedMailer {
    mails: Mutex<Vec<InvitationMail>>,
    notices: Mutex<Vec<NoticeMail>>,
    script: Mutex<VecDeque<SendOutcome>>,
}

impl ScriptedMailer {
    /// A mail service that gives these answers to the first mails, in order.
    #[must_use]
    pub fn with_answers(outcomes: impl IntoIterator<Item = SendOutcome>) -> Self {
        let mailer = Self::default();
        mailer.answer_next(outcomes);
        mailer
    }

    /// Adds answers to the script.
    pub fn answer_next(&self, outcomes: impl IntoIterator<Item = SendOutcome>) {
        self.script.lock().unwrap().extend(outcomes);
    }

    /// Removes the rest of the script: from now on it accepts every mail.
    pub fn clear_script(&self) {
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

    /// The script's answer to the mail of this number.
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
