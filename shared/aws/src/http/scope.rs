//! On whose behalf a request acts: read from the claims that the gateway has verified, and from nothing else.

use portal::{
    ids::{PracticeId, Subject},
    refusal::{ChangeEmailRefusal, PatientRefusal},
    scope::TenantScope,
    timeline::{Actor, Role},
};

use super::{HttpEvent, problem::Problem};
use crate::config::ClaimNames;

/// What a token may permit: one scope of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter)]
pub enum Permission {
    /// Read everything of one's practice.
    Read,
    /// Save patients' profiles.
    Patients,
    /// Invite patients, and everything that goes with it.
    Invite,
    /// Change the practice's settings and activate its portal.
    Admin,
    /// Customer Care.
    Support,
    /// Report logins: the portal itself, a machine.
    Logins,
}

/// Who may ask for an operation, and on whose behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody. Such a request acts on behalf of no practice: what it may reach, it has to prove otherwise.
    Public,
    /// Whoever's token permits this, on behalf of the token's practice.
    With(Permission),
    /// Customer Care, on behalf of the practice that the path names: they belong to none.
    CustomerCare,
    /// The portal, a machine that belongs to no practice.
    Portal,
}

impl Access {
    /// What a token must permit; nothing where no token is asked for.
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

    /// In which part somebody acts who makes use of it.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::Read | Self::Patients | Self::Invite | Self::Admin => Role::Staff,
            Self::Support => Role::Support,
            Self::Logins => Role::Portal,
        }
    }
}

/// The scope that a request acts in; none for a public operation, and for a machine that belongs to no practice.
///
/// The gateway writes a claim that is a list as `[a b]`. A list of practices is no practice; a list of scopes is
/// read like the usual text of scopes.
///
/// # Errors
/// [`Problem::Unauthenticated`] if nothing was verified; [`Problem::Forbidden`] if a claim is missing or malformed,
/// or the scopes do not have what the operation needs, where that is Customer Care's [`ChangeEmailRefusal::SupportOnly`];
/// [`PatientRefusal::PatientNotFound`] if the path names what can be no practice.
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

/// The practice that Customer Care acts for. An id that no practice can have is one that has no such patient.
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
    fn customer_care_acts_for_the_practice_in_the_path_and_nobody_else_does() {
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
    fn without_a_verified_token_nobody_is_known() {
        for authorizer in [json!(null), json!({}), json!({ "lambda": { "practice_id": "lakeside" } })] {
            assert_eq!(tenant_scope(&authorizer, Permission::Read).err(), Some("unauthenticated"), "{authorizer}");
        }
    }

    #[test]
    fn a_practice_is_one_plain_id() {
        assert_eq!(refused("lakeside", "portal/read", "s", Permission::Read), None);
        for practice in ["", " ", "[lakeside]", "[lakeside other]", "[]", "lakeside other", "a#b", "a/b", "é"] {
            assert_eq!(refused(practice, "portal/read", "s", Permission::Read), Some("forbidden"), "{practice}");
        }
    }

    #[test]
    fn a_scope_counts_only_whole() {
        for scope in ["portal/read", "openid portal/read", "[portal/read]", "[a portal/read b]"] {
            assert_eq!(refused("lakeside", scope, "s", Permission::Read), None, "{scope}");
        }
        for scope in ["", "portal/reader", "portal/rea", "PORTAL/READ", "[portal/read", "x,portal/read", "portal/admin"]
        {
            assert_eq!(refused("lakeside", scope, "s", Permission::Read), Some("forbidden"), "{scope}");
        }
    }

    #[test]
    fn every_claim_is_needed() {
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
