//! The table of operations: what clients of the API can ask for, who may ask, and which rules can refuse it.

use std::convert::Infallible;

use portal::refusal::{
    ChangeEmailRefusal, CloseRefusal, InviteRefusal, LinkRefusal, LoginRefusal, LookupRefusal, NewLinkRefusal,
    OptInRefusal, OptOutRefusal, PatientRefusal, Refusal, RefusalCode, RegisterRefusal, ReinviteRefusal, ReopenRefusal,
    RevokeRefusal, SupportCloseRefusal, SupportReadRefusal,
};
use strum::IntoEnumIterator as _;

use super::scope::{Access, Permission};

/// The operations that one function carries out.
pub trait FunctionOperation: Copy {
    /// The function.
    const FUNCTION: &'static str;

    /// The operation, if it is one of this function's.
    fn from_operation(operation: Operation) -> Option<Self>;
}

/// Declares the operations, grouped by the function that carries them out. The doc comment of an operation is its text in
/// the API's description: a summary, then paragraphs.
macro_rules! operations {
    ($(
        $(#[$of_function:meta])*
        $function:literal: $group:ident {
            $($(#[doc = $doc:literal])+ $operation:ident = $method:ident $path:literal, $access:expr, $refusal:ty;)+
        }
    )+) => {
        /// One operation of the API. Its name in camel case is its `operationId`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::IntoStaticStr)]
        #[strum(serialize_all = "camelCase")]
        pub enum Operation {
            $($($(#[doc = $doc])+ $operation,)+)+
        }

        impl Operation {
            /// The HTTP method.
            #[must_use]
            pub const fn method(self) -> &'static str {
                match self { $($(Self::$operation => stringify!($method),)+)+ }
            }

            /// The path, with `{parameters}`.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self { $($(Self::$operation => $path,)+)+ }
            }

            /// The function that carries it out.
            #[must_use]
            pub const fn function(self) -> &'static str {
                match self { $($(Self::$operation => $function,)+)+ }
            }

            /// Who may ask for it.
            #[must_use]
            pub const fn access(self) -> Access {
                match self { $($(Self::$operation => $access,)+)+ }
            }

            /// The codes of the rules that can refuse it, without those of the edge.
            #[must_use]
            pub const fn refusals(self) -> &'static [RefusalCode] {
                match self { $($(Self::$operation => <$refusal as Refusal>::CODES,)+)+ }
            }

            /// The lines of its doc comment, each with its leading space.
            #[must_use]
            pub const fn doc(self) -> &'static [&'static str] {
                match self { $($(Self::$operation => &[$($doc),+],)+)+ }
            }
        }

        $(
            $(#[$of_function])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            #[expect(missing_docs, reason = "the operations of the same names are documented")]
            pub enum $group { $($operation),+ }

            impl FunctionOperation for $group {
                const FUNCTION: &'static str = $function;

                fn from_operation(operation: Operation) -> Option<Self> {
                    [$((Operation::$operation, Self::$operation)),+]
                        .into_iter()
                        .find_map(|(candidate, own)| (candidate == operation).then_some(own))
                }
            }
        )+
    };
}

operations! {
    /// What the function `patients` carries out.
    "patients": PatientsOperation {
        /// Save a patient's profile.
        ///
        /// Creates the patient, or replaces the whole profile of one who exists. Saving the same again
        /// changes nothing.
        ///
        /// Saving a profile changes neither an invitation nor an account, and another `email` is used from the
        /// next invite on. The panel's sentence says when an invitation went to another address.
        SavePatient = PUT "/v1/patients/{patientId}", Access::With(Permission::Patients), PatientRefusal;
        /// Read a patient's profile.
        ReadPatient = GET "/v1/patients/{patientId}", Access::With(Permission::Read), PatientRefusal;
        /// Find patients by name or date of birth.
        ///
        /// A page may have few patients or none and still name a `next` one.
        SearchPatients = GET "/v1/patients", Access::With(Permission::Read), Infallible;
    }

    /// What the function `practice` carries out.
    "practice": PracticeOperation {
        /// Read the practice's settings.
        ReadPractice = GET "/v1/practice", Access::With(Permission::Read), Infallible;
        /// Save the practice's settings.
        ///
        /// Replaces all of them; a setting that is left out gets its default. The first save with `portal.termsAccepted`
        /// activates the portal. No patient can be invited before, and no later save deactivates it.
        SavePractice = PUT "/v1/practice", Access::With(Permission::Admin), Infallible;
        /// Read what has happened in the practice.
        ///
        /// The changes of the settings, the acceptance of the terms, and the bulk jobs, newest first, and who made
        /// them. Nothing is ever altered. What has happened to a patient is in the patient's own timeline.
        ReadPracticeTimeline = GET "/v1/practice/timeline", Access::With(Permission::Admin), Infallible;
        /// Read who you are.
        ///
        /// The caller as the token describes them, their practice, and the operations for which the token is
        /// enough. A client that shows only these never shows an action that is forbidden.
        ReadMe = GET "/v1/me", Access::AnyToken, Infallible;
    }

    /// What the function `status` carries out.
    "status": StatusOperation {
        /// Read the status of a patient.
        ///
        /// The status panel: its five fields, one plain sentence with the next step, the current invitation,
        /// the account, and for each action whether it is allowed now and, if not, why not. `allowed` follows the
        /// rules that refuse commands, except that only the command itself checks whether an address is free.
        ReadStatus = GET "/v1/patients/{patientId}/portal", Access::With(Permission::Read), PatientRefusal;
        /// Read what has happened.
        ///
        /// Every change of the patient's record, newest first, and who made it. Nothing is ever altered.
        ReadTimeline = GET "/v1/patients/{patientId}/portal/timeline", Access::With(Permission::Read), PatientRefusal;
        /// Read which members of Customer Care had access.
        ///
        /// Every access of Customer Care to the patient, newest first, with its reason. Nothing is ever altered.
        ReadAccesses = GET "/v1/patients/{patientId}/portal/access", Access::With(Permission::Admin), PatientRefusal;
    }

    /// What the function `invite` carries out.
    "invite": InviteOperation {
        /// Invite a patient.
        ///
        /// Mails the patient a link to open an account, to the address that is given or else the profile's. No other
        /// patient of any practice may have the address.
        InvitePatient = POST "/v1/patients/{patientId}/portal/invite", Access::With(Permission::Invite), InviteRefusal;
        /// Take an invitation back.
        ///
        /// A mail that still waits is not sent, links that were mailed stop working, and the address is free at once.
        /// The patient can be invited again.
        RevokeInvitation = POST "/v1/patients/{patientId}/portal/revoke", Access::With(Permission::Invite), RevokeRefusal;
    }

    /// What the function `reinvite` carries out.
    "reinvite": ReinviteOperation {
        /// Invite a patient again.
        ///
        /// Mails a new link, to the address that is given or else the invitation's. If the address is the same, links
        /// that were mailed before work until they expire. If it is another, they stop working at once and
        /// the old address is free; the profile is not changed.
        ReinvitePatient = POST "/v1/patients/{patientId}/portal/reinvite", Access::With(Permission::Invite), ReinviteRefusal;
    }

    /// What the function `bulk` carries out.
    "bulk": BulkOperation {
        /// Invite many patients, or preview the result.
        ///
        /// Starts a job that invites the named patients, or all patients of the practice who have an email address
        /// and were never invited. Each invitation is like `POST .../portal/invite`, on behalf of the caller.
        /// With `dryRun` it sends no invitation. It only reports, for each patient, what an invitation would give now.
        ///
        /// The job runs in the background and processes about twenty patients a second: read it until it is `done`.
        /// The same request with the same `Idempotency-Key` answers with the same job, and restarts it if it has
        /// stopped: do that after a 503. Patients who were never invited are found by the practice's directory. It
        /// leaves out patients without a date of birth, who cannot be invited.
        BeginBulkJob = POST "/v1/invitations/bulk", Access::With(Permission::Invite), Infallible;
        /// Read the progress of a job.
        ReadBulkJob = GET "/v1/invitations/bulk/{jobId}", Access::With(Permission::Read), Infallible;
        /// Read the result for each patient.
        ///
        /// Results come in the order in which the patients were processed, at most a hundred a page. While the job
        /// is running, the last page has no `next` although more results will follow.
        ///
        /// With `Accept: text/csv` the page is a table for a spreadsheet, and `Link` has the address of the next
        /// page. A cell that a spreadsheet could take for a formula starts with an apostrophe.
        ReadBulkResults = GET "/v1/invitations/bulk/{jobId}/results", Access::With(Permission::Read), Infallible;
        /// Stop a job.
        ///
        /// The job processes no more patients, except for at most twenty that it is processing now. Patients who have
        /// been invited stay invited. A job that is done or cancelled does not change.
        CancelBulkJob = POST "/v1/invitations/bulk/{jobId}/cancel", Access::With(Permission::Invite), Infallible;
    }

    /// What the function `opt-out` carries out.
    "opt-out": OptOutOperation {
        /// Record that a patient does not want access.
        ///
        /// The patient does not want to receive access to health information. A mail that still waits is not
        /// sent and its invitation is taken back, links that were mailed stop working, and no reminder is sent. An
        /// account stays. A mail that is being handed over at this moment may still arrive; its link does not
        /// work.
        OptOutPatient = POST "/v1/patients/{patientId}/portal/opt-out", Access::With(Permission::Invite), OptOutRefusal;
        /// Record that a patient wants access after all.
        ///
        /// Sends nothing by itself, and links that stopped working stay so. Invite or reinvite the patient.
        OptInPatient = POST "/v1/patients/{patientId}/portal/opt-in", Access::With(Permission::Invite), OptInRefusal;
    }

    /// What the function `change-email` carries out.
    "change-email": ChangeEmailOperation {
        /// Change the address of an account.
        ///
        /// The address that the patient logs in with. No other patient may have the new one. The old one is
        /// free at once, and both get a mail about the change. The profile is not changed. If it is the account's
        /// address already, nothing is done.
        ChangeAccountEmail = PUT "/v1/practices/{practiceId}/patients/{patientId}/portal/email", Access::CustomerCare, ChangeEmailRefusal;
        /// Close an account.
        ///
        /// No login is recorded any more, and the patient cannot be invited. The address stays the account's. The
        /// account's address and the profile's get a mail about it. The history keeps the reason.
        CloseAccount = POST "/v1/patients/{patientId}/portal/close", Access::With(Permission::Admin), CloseRefusal;
        /// Close an account, for Customer Care.
        ///
        /// Like `POST /v1/patients/{patientId}/portal/close`, on behalf of the practice in the path.
        CloseAccountForPractice = POST "/v1/practices/{practiceId}/patients/{patientId}/portal/close", Access::CustomerCare, SupportCloseRefusal;
        /// Open a closed account again.
        ///
        /// The account is as it was before it was closed. The account's address and the profile's get a mail about it.
        ReopenAccount = POST "/v1/practices/{practiceId}/patients/{patientId}/portal/reopen", Access::CustomerCare, ReopenRefusal;
    }

    /// What the function `support` carries out.
    "support": SupportOperation {
        /// Find a patient of any practice.
        ///
        /// By the address that the patient was invited to or logs in with, or by practice and patient. The answer is a
        /// list with the patient, or an empty one. An address that is only in a profile finds no patient.
        ///
        /// The access is recorded with its reason, and the patient's practice can read it.
        LookUpPatient = POST "/v1/support/lookups", Access::SupportDesk, LookupRefusal;
        /// Read the status of a patient of any practice.
        ///
        /// The status panel, as Customer Care sees it. The access is recorded with its reason, and the patient's practice
        /// can read it.
        ReadStatusForSupport = GET "/v1/practices/{practiceId}/patients/{patientId}/portal", Access::CustomerCare, SupportReadRefusal;
        /// Read what has happened to a patient of any practice.
        ///
        /// The patient's timeline, newest first. The access is recorded with its reason, and the patient's practice can
        /// read it.
        ReadTimelineForSupport = GET "/v1/practices/{practiceId}/patients/{patientId}/portal/timeline", Access::CustomerCare, SupportReadRefusal;
    }

    /// What the function `register` carries out.
    "register": RegisterOperation {
        /// Check a link.
        ///
        /// Changes nothing. A page calls it before it asks for the date of birth.
        CheckLink = POST "/v1/activation/check", Access::Public, Infallible;
        /// Open the account.
        ///
        /// The holder of the link opens the account with the patient's date of birth. There is no password here: the
        /// answer is what the identity provider needs to create the login. Registering is no login.
        ///
        /// Every date is counted before it is compared; the fifth wrong one locks the link, and staff must
        /// invite again. A text that is not a possible date of birth is refused with 422 and is not counted.
        Register = POST "/v1/activation", Access::Public, RegisterRefusal;
        /// Decline the invitation.
        ///
        /// The invitation is taken back. This is no opt-out, because a stranger may hold a misdirected link.
        DeclineInvitation = POST "/v1/activation/decline", Access::Public, LinkRefusal;
        /// Report that the invitation went to the wrong person.
        ///
        /// The invitation is taken back, and staff see that its address is not the patient's.
        ReportWrongPerson = POST "/v1/activation/not-me", Access::Public, LinkRefusal;
        /// Ask for a new link.
        ///
        /// It is mailed to the address that this link was mailed to. This link may have expired.
        RequestNewLink = POST "/v1/activation/new-link", Access::Public, NewLinkRefusal;
        /// Stop the reminders with one click.
        ///
        /// For mail programs (RFC 8058): the address is in the mail's `List-Unsubscribe`. The answer is the same
        /// whether there is such a link or not, and the body is not read.
        StopReminders = POST "/v1/unsubscribe", Access::Public, Infallible;
    }

    /// What the function `track-login` carries out.
    "track-login": TrackLoginOperation {
        /// Report that a patient logged in.
        ///
        /// Report every login; the panel shows the latest. Repeated and late reports change nothing, so a
        /// report whose answer was lost can be sent again as it is. A time in the future counts as now.
        ReportLogin = POST "/v1/logins", Access::Portal, LoginRefusal;
    }
}

impl Operation {
    /// Its `operationId` in the API's description.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.into()
    }

    /// The key of its route at the gateway: method, space, path.
    #[must_use]
    pub fn route_key(self) -> String {
        format!("{} {}", self.method(), self.path())
    }

    /// The operation of the route that the gateway chose.
    #[must_use]
    pub fn from_route_key(key: &str) -> Option<Self> {
        let (method, path) = key.split_once(' ')?;
        Self::iter().find(|operation| operation.method() == method && operation.path() == path)
    }

    fn matches(self, path: &str) -> bool {
        let (mut own, mut given) = (self.path().split('/'), path.split('/'));
        loop {
            match (own.next(), given.next()) {
                (None, None) => return true,
                (Some(own), Some(given)) if own == given || (own.starts_with('{') && !given.is_empty()) => {}
                (Some(_) | None, Some(_) | None) => return false,
            }
        }
    }
}

#[cfg(feature = "describe")]
impl portal::describe::Named for Operation {
    /// The operations that need a token. What they do is said where each is described.
    fn names() -> Vec<(&'static str, &'static str)> {
        Self::iter()
            .filter(|operation| operation.access().needs_token())
            .map(|operation| (operation.id(), ""))
            .collect()
    }
}

/// The methods of the operations at a path. Empty if there is no such path.
#[must_use]
pub fn methods_at(path: &str) -> Vec<&'static str> {
    Operation::iter().filter(|operation| operation.matches(path)).map(Operation::method).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_key_names_one_operation() {
        for operation in Operation::iter() {
            assert_eq!(Operation::from_route_key(&operation.route_key()), Some(operation));
        }
        for key in ["", "$default", "GET", "GET /v1/patients/", "DELETE /v1/practice", "get /v1/practice"] {
            assert_eq!(Operation::from_route_key(key), None, "{key}");
        }
    }

    #[test]
    fn a_function_has_its_own_operations_only() {
        assert_eq!(
            InviteOperation::from_operation(Operation::RevokeInvitation),
            Some(InviteOperation::RevokeInvitation)
        );
        assert_eq!(ReinviteOperation::from_operation(Operation::RevokeInvitation), None);
    }

    #[test]
    fn a_path_has_the_methods_of_its_operations() {
        assert_eq!(methods_at("/v1/practice"), ["GET", "PUT"]);
        assert_eq!(methods_at("/v1/patients"), ["GET"]);
        assert_eq!(methods_at("/v1/patients/p-1"), ["PUT", "GET"]);
        assert_eq!(methods_at("/v1/patients/p-1/portal/invite"), ["POST"]);
        assert_eq!(methods_at("/v1/practices/oak/patients/p-1/portal/email"), ["PUT"]);
        assert_eq!(
            methods_at("/v1/unsubscribe"),
            ["POST"],
            "opening the link in a browser (GET) must not stop the reminders"
        );
        for path in [
            "",
            "/",
            "/v1",
            "/v1/patients/",
            "/v1/patients/p-1/",
            "/v1/patients/p-1/portal/email",
            "/v1/patients//portal",
            "/v2/practice",
        ] {
            assert!(methods_at(path).is_empty(), "{path}");
        }
    }
}
