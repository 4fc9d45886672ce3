//! The practice and the actor of a request. They come only from claims that the gateway has verified.

use portal::{
    ids::{PracticeId, Subject},
    refusal::{ChangeEmailRefusal, PatientRefusal},
    scope::TenantScope,
    timeline::{Actor, Role},
};

use super::{HttpEvent, problem::Problem};
use crate::config::ClaimNames;

/// A permission that a token can give: one scope of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter)]
pub enum Permission {
    /// Read everything of the caller's practice.
    Read,
    /// Save patients' profiles.
    Patients,
    /// Invite patients, and the commands that belong to it.
    Invite,
    /// Change the practice's settings and activate its portal.
    Admin,
    /// Customer Care.
    Support,
    /// Report logins: the portal itself, a machine.
    Logins,
}

/// Who may ask for an operation, and for which practice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// All callers, without a token. The request belongs to no practice. The link token in its body gives it access.
    Public,
    /// Callers whose token has this permission, for the practice of the token.
    With(Permission),
    /// Customer Care, for the practice in the path, because Customer Care belongs to no practice.
    CustomerCare,
    /// The portal, a machine that belongs to no practice.
    Portal,
}

impl Access {
    /// The permission that the token must have. `None` if no token is needed.
    #[must_use]
    pub const fn permission(self) -> Option<Permission> {
        match self {
            Self::Public => None,
            Self::With(permission) => Some(permission),
            Self::CustomerCare => Some(Permission::Support),
            Self::Portal => Some(Permission::Logins),
        }
    }
}

impl Permission {
    /// The scope's name in a token.
    #[must_use]
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Read => "portal/read",
            Self::Patients => "portal/patients",
            Self::Invite => "portal/invite",
            Self::Admin => "portal/admin",
            Self::Support => "portal/support",
            Self::Logins => "portal/logins",
        }
    }

    /// The role of a caller who uses this permission.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::Read | Self::Patients | Self::Invite | Self::Admin => Role::Staff,
            Self::Support => Role::Support,
            Self::Logins => Role::Portal,
        }
    }
}

/// The tenant scope of a request. `None` for a public operation, and for a machine that belongs to no practice.
///
/// The gateway writes a claim that is a list as `[a b]`. A list of practices is not a valid practice. A list of scopes is
/// read like the usual text of scopes.
///
/// # Errors
/// [`Problem::Unauthenticated`] if there is no verified token; [`Problem::Forbidden`] if a claim is missing or invalid, or
/// the needed scope is missing, except that a missing scope of Customer Care is [`ChangeEmailRefusal::SupportOnly`];
/// [`PatientRefusal::PatientNotFound`] if the practice in the path is invalid.
pub(super) fn scope_of(event: &HttpEvent, names: &ClaimNames, access: Access) -> Result<Option<TenantScope>, Problem> {
    let Some(needed) = access.permission() else { return Ok(None) };
    let token = event.request_context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref());
    let claims = &token.ok_or(Problem::Unauthenticated)?.claims;
    let claim = |name: &str| claims.get(name).map(String::as_str).ok_or(Problem::Forbidden);
    let subject = Subject::parse(claim("sub")?).map_err(|_| Problem::Forbidden)?;
    if !list_items(claim(&names.scope)?).any(|scope| scope == needed.scope()) {
        return Err(if access == Access::CustomerCare {
            Problem::refused(&ChangeEmailRefusal::SupportOnly)
        } else {
            Problem::Forbidden
        });
    }
    let practice = match access {
        Access::Public | Access::Portal => return Ok(None),
        Access::With(_) => PracticeId::parse(claim(&names.practice)?).map_err(|_| Problem::Forbidden)?,
        Access::CustomerCare => practice_in_path(event)?,
    };
    let actor = Actor { role: needed.role(), subject: Some(subject) };
    #[expect(clippy::disallowed_methods, reason = "these claims are the ones that the gateway has verified")]
    let scope = TenantScope::from_verified_claims(practice, actor);
    Ok(Some(scope))
}

/// The practice in the path of a Customer Care request. An invalid id is answered like a patient who does not exist.
fn practice_in_path(event: &HttpEvent) -> Result<PracticeId, Problem> {
    let id = event.path_parameters.get("practiceId").map(String::as_str);
    PracticeId::parse(id.unwrap_or_default()).map_err(|_| Problem::refused(&PatientRefusal::PatientNotFound))
}

fn list_items(claim: &str) -> impl Iterator<Item = &str> {
    let items = claim.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(claim);
    items.split(' ')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names() -> ClaimNames {
        ClaimNames { practice: "practice_id".to_owned(), scope: "scope".to_owned() }
    }

    fn scope_for(
        authorizer: &serde_json::Value,
        path: &serde_json::Value,
        access: Access,
    ) -> Result<Option<TenantScope>, &'static str> {
        let event = json!({
            "headers": {},
            "pathParameters": path,
            "requestContext": { "http": { "method": "GET" }, "authorizer": authorizer },
        });
        let event: HttpEvent = serde_json::from_value(event).unwrap();
        scope_of(&event, &names(), access).map_err(|problem| problem.code().name())
    }

    fn tenant_scope(authorizer: &serde_json::Value, needed: Permission) -> Result<TenantScope, &'static str> {
        scope_for(authorizer, &json!({}), Access::With(needed)).map(Option::unwrap)
    }

    fn refused(practice: &str, scope: &str, sub: &str, needed: Permission) -> Option<&'static str> {
        let claims = json!({ "practice_id": practice, "scope": scope, "sub": sub });
        tenant_scope(&json!({ "jwt": { "claims": claims } }), needed).err()
    }

    #[test]
    fn verified_claims_give_the_practice_and_the_person() {
        let claims = json!({ "practice_id": "lakeside", "scope": "openid portal/invite", "sub": "auth0|7" });
        let scope = tenant_scope(&json!({ "jwt": { "claims": claims, "scopes": null } }), Permission::Invite).unwrap();
        assert_eq!(scope.practice().as_str(), "lakeside");
        assert_eq!(scope.actor().subject.as_ref().map(Subject::as_str), Some("auth0|7"));
        assert_eq!(scope.actor().role, Role::Staff);
    }

    #[test]
    fn only_customer_care_acts_for_the_practice_in_the_path() {
        let path = json!({ "practiceId": "hillside", "patientId": "p-1" });
        let token =
            |scope: &str| json!({ "jwt": { "claims": { "practice_id": "lakeside", "scope": scope, "sub": "s" } } });
        let care = token("[portal/support portal/read]");
        let scope = scope_for(&care, &path, Access::CustomerCare).unwrap().unwrap();
        assert_eq!((scope.practice().as_str(), scope.actor().role), ("hillside", Role::Support));
        let staff = token("portal/read portal/patients portal/invite portal/admin");
        assert_eq!(scope_for(&staff, &path, Access::CustomerCare).err(), Some("support_only"));
        for id in [json!({}), json!({ "practiceId": "" }), json!({ "practiceId": "a#b" })] {
            assert_eq!(scope_for(&care, &id, Access::CustomerCare).err(), Some("patient_not_found"), "{id}");
        }
        let scope = scope_for(&care, &path, Access::With(Permission::Read)).unwrap().unwrap();
        assert_eq!((scope.practice().as_str(), scope.actor().role), ("lakeside", Role::Staff));
    }

    #[test]
    fn a_machine_needs_its_permission_and_gets_no_practice() {
        let token =
            |scope: &str| json!({ "jwt": { "claims": { "practice_id": "lakeside", "scope": scope, "sub": "s" } } });
        let scope = |token: &serde_json::Value| scope_for(token, &json!({ "practiceId": "hillside" }), Access::Portal);
        assert!(scope(&token("portal/logins")).unwrap().is_none());
        assert_eq!(scope(&token("portal/invite portal/support")).err(), Some("forbidden"));
        assert_eq!(scope(&json!({})).err(), Some("unauthenticated"));
        assert!(scope_for(&json!({}), &json!({}), Access::Public).unwrap().is_none());
    }

    #[test]
    fn without_a_verified_token_a_caller_is_unauthenticated() {
        for authorizer in [json!(null), json!({}), json!({ "lambda": { "practice_id": "lakeside" } })] {
            assert_eq!(tenant_scope(&authorizer, Permission::Read).err(), Some("unauthenticated"), "{authorizer}");
        }
    }

    #[test]
    fn a_practice_claim_that_is_not_one_id_is_forbidden() {
        assert_eq!(refused("lakeside", "portal/read", "s", Permission::Read), None);
        for practice in ["", " ", "[lakeside]", "[lakeside other]", "[]", "lakeside other", "a#b", "a/b", "é"] {
            assert_eq!(refused(practice, "portal/read", "s", Permission::Read), Some("forbidden"), "{practice}");
        }
    }

    #[test]
    fn a_scope_must_match_exactly() {
        for scope in ["portal/read", "openid portal/read", "[portal/read]", "[a portal/read b]"] {
            assert_eq!(refused("lakeside", scope, "s", Permission::Read), None, "{scope}");
        }
        for scope in ["", "portal/reader", "portal/rea", "PORTAL/READ", "[portal/read", "x,portal/read", "portal/admin"]
        {
            assert_eq!(refused("lakeside", scope, "s", Permission::Read), Some("forbidden"), "{scope}");
        }
    }

    #[test]
    fn every_claim_is_required() {
        for missing in ["practice_id", "scope", "sub"] {
            let mut claims = json!({ "practice_id": "lakeside", "scope": "portal/read", "sub": "s" });
            claims.as_object_mut().unwrap().remove(missing);
            let authorizer = json!({ "jwt": { "claims": claims } });
            assert_eq!(tenant_scope(&authorizer, Permission::Read).err(), Some("forbidden"), "{missing}");
        }
        for sub in ["", "a b", "[a]"] {
            assert_eq!(refused("lakeside", "portal/read", sub, Permission::Read), Some("forbidden"), "{sub}");
        }
    }
}
