//! The table of operations: what the API's clients can ask for, and what it takes to ask.

use super::scope::{Access, Permission};

/// One operation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, with `{parameters}`.
    pub path: &'static str,
    /// The function that carries it out.
    pub function: &'static str,
    /// Who may ask.
    pub access: Access,
}

/// Saves a patient's profile.
pub const SAVE_PATIENT: Operation = Operation {
    method: "PUT",
    path: "/v1/patients/{patientId}",
    function: "patients",
    access: Access::With(Permission::Patients),
};
/// Reads a patient's profile.
pub const READ_PATIENT: Operation = Operation {
    method: "GET",
    path: "/v1/patients/{patientId}",
    function: "patients",
    access: Access::With(Permission::Read),
};
/// Finds patients by the first letters of their names, or by their date of birth.
pub const SEARCH_PATIENTS: Operation =
    Operation { method: "GET", path: "/v1/patients", function: "patients", access: Access::With(Permission::Read) };
/// Reads the practice's settings.
pub const READ_PRACTICE: Operation =
    Operation { method: "GET", path: "/v1/practice", function: "practice", access: Access::With(Permission::Read) };
/// Saves the practice's settings, and activates its portal.
pub const SAVE_PRACTICE: Operation =
    Operation { method: "PUT", path: "/v1/practice", function: "practice", access: Access::With(Permission::Admin) };
/// Reads the status panel.
pub const STATUS: Operation = Operation {
    method: "GET",
    path: "/v1/patients/{patientId}/portal",
    function: "status",
    access: Access::With(Permission::Read),
};
/// Reads a patient's history.
pub const TIMELINE: Operation = Operation {
    method: "GET",
    path: "/v1/patients/{patientId}/portal/timeline",
    function: "status",
    access: Access::With(Permission::Read),
};
/// Invites a patient.
pub const INVITE: Operation = Operation {
    method: "POST",
    path: "/v1/patients/{patientId}/portal/invite",
    function: "invite",
    access: Access::With(Permission::Invite),
};

/// Begins a bulk job.
pub const BULK_INVITE: Operation = Operation {
    method: "POST",
    path: "/v1/invitations/bulk",
    function: "bulk",
    access: Access::With(Permission::Invite),
};
/// Reads how far a bulk job has come.
pub const READ_JOB: Operation = Operation {
    method: "GET",
    path: "/v1/invitations/bulk/{jobId}",
    function: "bulk",
    access: Access::With(Permission::Read),
};
/// Reads what came of a bulk job's patients.
pub const JOB_RESULTS: Operation = Operation {
    method: "GET",
    path: "/v1/invitations/bulk/{jobId}/results",
    function: "bulk",
    access: Access::With(Permission::Read),
};
/// Stops a bulk job.
pub const CANCEL_JOB: Operation = Operation {
    method: "POST",
    path: "/v1/invitations/bulk/{jobId}/cancel",
    function: "bulk",
    access: Access::With(Permission::Invite),
};

/// Invites a patient again.
pub const REINVITE: Operation = Operation {
    method: "POST",
    path: "/v1/patients/{patientId}/portal/reinvite",
    function: "reinvite",
    access: Access::With(Permission::Invite),
};
/// Takes a patient's invitation back.
pub const REVOKE: Operation = Operation {
    method: "POST",
    path: "/v1/patients/{patientId}/portal/revoke",
    function: "invite",
    access: Access::With(Permission::Invite),
};
/// Records that a patient does not want access.
pub const OPT_OUT: Operation = Operation {
    method: "POST",
    path: "/v1/patients/{patientId}/portal/opt-out",
    function: "opt-out",
    access: Access::With(Permission::Invite),
};
/// Records that a patient wants access after all.
pub const OPT_IN: Operation = Operation {
    method: "POST",
    path: "/v1/patients/{patientId}/portal/opt-in",
    function: "opt-out",
    access: Access::With(Permission::Invite),
};

/// Changes the address of a patient's account.
pub const CHANGE_EMAIL: Operation = Operation {
    method: "PUT",
    path: "/v1/practices/{practiceId}/patients/{patientId}/portal/email",
    function: "change-email",
    access: Access::CustomerCare,
};

/// Looks at a link, and leaves it as it is.
pub const CHECK_LINK: Operation =
    Operation { method: "POST", path: "/v1/activation/check", function: "register", access: Access::Public };
/// Opens the account.
pub const REGISTER: Operation =
    Operation { method: "POST", path: "/v1/activation", function: "register", access: Access::Public };
/// Declines the invitation.
pub const DECLINE: Operation =
    Operation { method: "POST", path: "/v1/activation/decline", function: "register", access: Access::Public };
/// Says that the invitation is for somebody else.
pub const NOT_ME: Operation =
    Operation { method: "POST", path: "/v1/activation/not-me", function: "register", access: Access::Public };
/// Asks for a new link.
pub const NEW_LINK: Operation =
    Operation { method: "POST", path: "/v1/activation/new-link", function: "register", access: Access::Public };
/// Stops the reminders, with one click in the mail program.
pub const UNSUBSCRIBE: Operation =
    Operation { method: "POST", path: "/v1/unsubscribe", function: "register", access: Access::Public };

/// Reports that a patient has logged in.
pub const TRACK_LOGIN: Operation =
    Operation { method: "POST", path: "/v1/logins", function: "track-login", access: Access::Portal };

/// All of them. The gateway's template has exactly these routes, and one more for whatever is none of them.
pub const ALL: &[Operation] = &[
    SAVE_PATIENT,
    READ_PATIENT,
    SEARCH_PATIENTS,
    READ_PRACTICE,
    SAVE_PRACTICE,
    STATUS,
    TIMELINE,
    INVITE,
    BULK_INVITE,
    READ_JOB,
    JOB_RESULTS,
    CANCEL_JOB,
    REINVITE,
    REVOKE,
    OPT_OUT,
    OPT_IN,
    CHANGE_EMAIL,
    CHECK_LINK,
    REGISTER,
    DECLINE,
    NOT_ME,
    NEW_LINK,
    UNSUBSCRIBE,
    TRACK_LOGIN,
];

impl Operation {
    /// The operation of the route that the gateway chose, as its event names it: method, space, path.
    #[must_use]
    pub fn of_route_key(key: &str) -> Option<Self> {
        let (method, path) = key.split_once(' ')?;
        ALL.iter().find(|operation| operation.method == method && operation.path == path).copied()
    }

    fn takes(&self, path: &str) -> bool {
        let (mut wanted, mut given) = (self.path.split('/'), path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(wanted), Some(given)) if wanted == given || (wanted.starts_with('{') && !given.is_empty()) => {}
                (Some(_) | None, Some(_) | None) => return false,
            }
        }
    }
}

/// The methods that operations have at a path; none if there is nothing there.
#[must_use]
pub fn methods_at(path: &str) -> Vec<&'static str> {
    ALL.iter().filter(|operation| operation.takes(path)).map(|operation| operation.method).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_key_names_one_operation() {
        for operation in ALL {
            let key = format!("{} {}", operation.method, operation.path);
            assert_eq!(Operation::of_route_key(&key).as_ref(), Some(operation));
        }
        for key in ["", "$default", "GET", "GET /v1/patients/", "DELETE /v1/practice", "get /v1/practice"] {
            assert_eq!(Operation::of_route_key(key), None, "{key}");
        }
    }

    #[test]
    fn a_path_has_the_methods_of_its_operations() {
        assert_eq!(methods_at("/v1/practice"), ["GET", "PUT"]);
        assert_eq!(methods_at("/v1/patients"), ["GET"]);
        assert_eq!(methods_at("/v1/patients/p-1"), ["PUT", "GET"]);
        assert_eq!(methods_at("/v1/patients/p-1/portal/invite"), ["POST"]);
        assert_eq!(methods_at("/v1/practices/oak/patients/p-1/portal/email"), ["PUT"]);
        assert_eq!(methods_at("/v1/unsubscribe"), ["POST"], "a link that is only looked at stops nothing");
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
