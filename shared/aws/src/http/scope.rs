//! On whose behalf a request acts: read from the claims that the gateway has verified, and from nothing else.

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
use portal::{
    ids::{PracticeId, Subject},
    refusal::Refusal,
    scope::TenantScope,
    timeline::{Actor, Role},
};

use super::problem::Problem;
use crate::config::ClaimNames;

/// What a token may permit: one scope of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Who may ask for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody. Such a request acts on behalf of no practice: what it may reach, it has to prove otherwise.
    Public,
    /// Whoever's token permits this.
    With(Permission),
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

/// The scope that a request's verified claims give, for an operation that needs this permission.
///
/// The gateway writes a claim that is a list as `[a b]`. A list of practices is no practice; a list of scopes is
/// read like the usual text of scopes.
///
/// # Errors
/// [`Problem::Unauthenticated`] if nothing was verified; [`Refusal::Forbidden`] if a claim is missing or malformed,
/// or the scopes do not have what the operation needs.
pub(super) fn tenant_scope(
    context: &ApiGatewayV2httpRequestContext,
    names: &ClaimNames,
    needed: Permission,
) -> Result<TenantScope, Problem> {
    let token = context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref());
    let claims = &token.ok_or(Problem::Unauthenticated)?.claims;
    let claim = |name: &str| claims.get(name).map(String::as_str).ok_or(Refusal::Forbidden);
    let scopes = claim(&names.scope)?;
    if !list_items(scopes).any(|scope| scope == needed.scope()) {
        return Err(Refusal::Forbidden.into());
    }
    let practice = PracticeId::parse(claim(&names.practice)?).map_err(|_| Refusal::Forbidden)?;
    let subject = Subject::parse(claim("sub")?).map_err(|_| Refusal::Forbidden)?;
    let actor = Actor { role: needed.role(), subject: Some(subject) };
    #[expect(clippy::disallowed_methods, reason = "these claims are the ones that the gateway has verified")]
    let scope = TenantScope::from_verified_claims(practice, actor);
    Ok(scope)
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

    fn scope_of(authorizer: &serde_json::Value, needed: Permission) -> Result<TenantScope, &'static str> {
        let context = json!({ "http": { "method": "GET" }, "authorizer": authorizer });
        let context: ApiGatewayV2httpRequestContext = serde_json::from_value(context).unwrap();
        tenant_scope(&context, &names(), needed).map_err(|problem| problem.code())
    }

    fn refused(practice: &str, scope: &str, sub: &str, needed: Permission) -> Option<&'static str> {
        let claims = json!({ "practice_id": practice, "scope": scope, "sub": sub });
        scope_of(&json!({ "jwt": { "claims": claims } }), needed).err()
    }

    #[test]
    fn verified_claims_give_the_practice_and_the_person() {
        let claims = json!({ "practice_id": "lakeside", "scope": "openid portal/invite", "sub": "auth0|7" });
        let scope = scope_of(&json!({ "jwt": { "claims": claims, "scopes": null } }), Permission::Invite).unwrap();
        assert_eq!(scope.practice().as_str(), "lakeside");
        assert_eq!(scope.actor().subject.as_ref().map(Subject::as_str), Some("auth0|7"));
        assert_eq!(scope.actor().role, Role::Staff);
    }

    #[test]
    fn the_role_is_that_of_the_permission() {
        let claims = json!({ "practice_id": "lakeside", "scope": "[portal/support portal/logins]", "sub": "s" });
        let authorizer = json!({ "jwt": { "claims": claims } });
        let role = |needed| scope_of(&authorizer, needed).map(|scope| scope.actor().role);
        assert_eq!(role(Permission::Support), Ok(Role::Support));
        assert_eq!(role(Permission::Logins), Ok(Role::Portal));
        assert_eq!(role(Permission::Read), Err("forbidden"));
    }

    #[test]
    fn without_a_verified_token_nobody_is_known() {
        for authorizer in [json!(null), json!({}), json!({ "lambda": { "practice_id": "lakeside" } })] {
            assert_eq!(scope_of(&authorizer, Permission::Read).err(), Some("unauthenticated"), "{authorizer}");
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
            assert_eq!(scope_of(&authorizer, Permission::Read).err(), Some("forbidden"), "{missing}");
        }
        for sub in ["", "a b", "[a]"] {
            assert_eq!(refused("lakeside", "portal/read", sub, Permission::Read), Some("forbidden"), "{sub}");
        }
    }
}
