//! The practice and the actor of a request. They come only from claims that the gateway has verified.

use std::collections::HashMap;

use portal::{
    ids::{PracticeId, Subject},
    refusal::{ChangeEmailRefusal, PatientRefusal},
    scope::TenantScope,
    text::PersonName,
    timeline::{Actor, Role},
};
use strum::IntoEnumIterator as _;

use super::{HttpEvent, problem::Problem};
use crate::config::ClaimNames;

/// A permission that a token can give: one scope of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter)]
#[cfg_attr(feature = "describe", derive(strum::EnumMessage))]
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
    /// Customer Care, for no practice in particular.
    SupportDesk,
    /// The portal, a machine that belongs to no practice.
    Portal,
    /// All callers with a token, whatever it permits.
    AnyToken,
}

impl Access {
    /// The permission that the token must have. `None` if no token is needed, or any token is enough.
    #[must_use]
    pub const fn permission(self) -> Option<Permission> {
        match self {
            Self::Public | Self::AnyToken => None,
            Self::With(permission) => Some(permission),
            Self::CustomerCare | Self::SupportDesk => Some(Permission::Support),
            Self::Portal => Some(Permission::Logins),
        }
    }

    /// Whether a request without a token is refused.
    #[must_use]
    pub const fn needs_token(self) -> bool {
        match self {
            Self::Public => false,
            Self::With(_) | Self::CustomerCare | Self::SupportDesk | Self::Portal | Self::AnyToken => true,
        }
    }
}

impl From<Permission> for &'static str {
    /// The scope's name in a token.
    fn from(permission: Permission) -> Self {
        permission.scope()
    }
}

#[cfg(feature = "describe")]
portal::named!(Permission);

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

/// The caller of a request, as their token describes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    subject: Subject,
    name: Option<PersonName>,
    practice: Option<TenantScope>,
    permissions: Vec<Permission>,
}

impl Identity {
    /// The person or program, as the identity provider names them.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The name to show, if the token has one.
    #[must_use]
    pub const fn name(&self) -> Option<&PersonName> {
        self.name.as_ref()
    }

    /// The caller's practice. `None` if the token names none, or not exactly one.
    #[must_use]
    pub const fn practice(&self) -> Option<&TenantScope> {
        self.practice.as_ref()
    }

    /// The permissions of the token's scopes.
    #[must_use]
    pub fn permissions(&self) -> &[Permission] {
        &self.permissions
    }

    /// Whether the caller may ask for an operation. A request for it is admitted by the same rules.
    #[must_use]
    pub fn may_ask(&self, access: Access) -> bool {
        let permitted = access.permission().is_none_or(|needed| self.permissions.contains(&needed));
        let has_practice = match access {
            Access::With(_) => self.practice.is_some(),
            Access::Public | Access::CustomerCare | Access::SupportDesk | Access::Portal | Access::AnyToken => true,
        };
        permitted && has_practice
    }
}

/// The standard claim with the name to show (`OpenID` Connect Core, section 5.1).
const NAME_CLAIM: &str = "name";
/// The claim with which an Amazon Cognito user pool says which kind of token it is. Other providers have none.
const TOKEN_USE_CLAIM: &str = "token_use";

/// The claims of the verified access token.
///
/// An ID token proves to a client who its user is. The gateway cannot tell it from an access token of the same issuer,
/// because both can have the audience.
fn access_claims(event: &HttpEvent) -> Result<&HashMap<String, String>, Problem> {
    let token = event.request_context.authorizer.as_ref().and_then(|authorizer| authorizer.jwt.as_ref());
    let claims = &token.ok_or(Problem::Unauthenticated)?.claims;
    match claims.get(TOKEN_USE_CLAIM).map(String::as_str) {
        None | Some("access") => Ok(claims),
        Some(_) => Err(Problem::NoAccessToken),
    }
}

fn subject_of(claims: &HashMap<String, String>) -> Result<Subject, Problem> {
    let subject = claims.get("sub").ok_or(Problem::Forbidden)?;
    Subject::parse(subject).map_err(|_| Problem::Forbidden)
}

/// The caller of a request that need not be about the caller's practice.
///
/// # Errors
/// [`Problem::Unauthenticated`] if there is no verified token, [`Problem::NoAccessToken`] if it is another kind of token,
/// [`Problem::Forbidden`] if it has no valid subject.
pub(super) fn identity_of(event: &HttpEvent, names: &ClaimNames) -> Result<Identity, Problem> {
    let claims = access_claims(event)?;
    let subject = subject_of(claims)?;
    let scopes = claims.get(&names.scope).map(String::as_str).unwrap_or_default();
    let granted = |permission: &Permission| list_items(scopes).any(|scope| scope == permission.scope());
    let practice = claims.get(&names.practice).and_then(|practice| PracticeId::parse(practice).ok());
    Ok(Identity {
        name: claims.get(NAME_CLAIM).and_then(|name| PersonName::parse(name).ok()),
        practice: practice.map(|practice| tenant_scope(practice, Role::Staff, subject.clone())),
        permissions: Permission::iter().filter(granted).collect(),
        subject,
    })
}

/// The tenant scope of a request. `None` for a public operation, and for a caller who need not belong to a practice.
///
/// The gateway writes a claim that is a list as `[a b]`. A list of practices is not a valid practice. A list of scopes is
/// read like the usual text of scopes.
///
/// # Errors
/// [`Problem::Unauthenticated`] if there is no verified token; [`Problem::NoAccessToken`] if it is another kind of token;
/// [`Problem::Forbidden`] if a claim is missing or invalid, or the needed scope is missing, except that a missing scope of
/// Customer Care is [`ChangeEmailRefusal::SupportOnly`]; [`PatientRefusal::PatientNotFound`] if the practice in the path is
/// invalid.
pub(super) fn scope_of(event: &HttpEvent, names: &ClaimNames, access: Access) -> Result<Option<TenantScope>, Problem> {
    let Some(needed) = access.permission() else { return Ok(None) };
    let claims = access_claims(event)?;
    let claim = |name: &str| claims.get(name).map(String::as_str).ok_or(Problem::Forbidden);
    let subject = subject_of(claims)?;
    if !list_items(claim(&names.scope)?).any(|scope| scope == needed.scope()) {
        return Err(if matches!(access, Access::CustomerCare | Access::SupportDesk) {
            Problem::refused(&ChangeEmailRefusal::SupportOnly)
        } else {
            Problem::Forbidden
        });
    }
    let practice = match access {
        Access::Public | Access::SupportDesk | Access::Portal | Access::AnyToken => return Ok(None),
        Access::With(_) => PracticeId::parse(claim(&names.practice)?).map_err(|_| Problem::Forbidden)?,
        Access::CustomerCare => practice_in_path(event)?,
    };
    Ok(Some(tenant_scope(practice, needed.role(), subject)))
}

#[expect(clippy::disallowed_methods, reason = "the claims are the ones that the gateway has verified")]
const fn tenant_scope(practice: PracticeId, role: Role, subject: Subject) -> TenantScope {
    TenantScope::from_verified_claims(practice, Actor { role, subject: Some(subject) })
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
        assert!(scope_for(&care, &json!({}), Access::SupportDesk).unwrap().is_none());
        assert_eq!(scope_for(&staff, &json!({}), Access::SupportDesk).err(), Some("support_only"));
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
    fn an_id_token_is_not_an_access_token() {
        let asked = |token_use: &str, access| {
            let mut claims = json!({ "practice_id": "lakeside", "scope": "portal/read", "sub": "s" });
            claims["token_use"] = token_use.into();
            scope_for(&json!({ "jwt": { "claims": claims } }), &json!({}), access).err()
        };
        for access in [Access::With(Permission::Read), Access::CustomerCare, Access::Portal] {
            for token_use in ["id", "ID", "refresh", ""] {
                assert_eq!(asked(token_use, access), Some("not_an_access_token"), "{token_use} {access:?}");
            }
        }
        assert_eq!(asked("access", Access::With(Permission::Read)), None);
    }

    fn identity(claims: &serde_json::Value) -> Result<Identity, &'static str> {
        let context = json!({ "http": { "method": "GET" }, "authorizer": { "jwt": { "claims": claims } } });
        let event = json!({ "headers": {}, "requestContext": context });
        let event: HttpEvent = serde_json::from_value(event).unwrap();
        identity_of(&event, &names()).map_err(|problem| problem.code().name())
    }

    #[test]
    fn an_identity_has_the_permissions_of_its_scopes_and_only_its_own_practice() {
        let staff = json!({ "sub": "staff-7", "name": "Ana Ruiz", "practice_id": "lakeside",
            "scope": "openid portal/read portal/readers portal/admin" });
        let identity_of_staff = identity(&staff).unwrap();
        assert_eq!(identity_of_staff.name().map(PersonName::expose), Some("Ana Ruiz"));
        assert_eq!(identity_of_staff.practice().map(|scope| scope.practice().as_str()), Some("lakeside"));
        assert_eq!(identity_of_staff.permissions(), [Permission::Read, Permission::Admin]);
        assert!(identity_of_staff.may_ask(Access::With(Permission::Admin)));
        assert!(!identity_of_staff.may_ask(Access::With(Permission::Invite)));
        assert!(!identity_of_staff.may_ask(Access::CustomerCare));
        assert!(identity_of_staff.may_ask(Access::AnyToken));

        let care = identity(&json!({ "sub": "support-3", "scope": "[portal/support portal/read]" })).unwrap();
        assert_eq!((care.practice(), care.name()), (None, None));
        assert!(care.may_ask(Access::CustomerCare));
        assert!(!care.may_ask(Access::With(Permission::Read)), "it needs a practice");
        let nothing = identity(&json!({ "sub": "s", "name": "a\nb", "practice_id": "[lakeside hillside]" })).unwrap();
        assert!(nothing.permissions().is_empty() && nothing.practice().is_none() && nothing.name().is_none());
    }

    #[test]
    fn an_identity_needs_a_subject_and_an_access_token() {
        assert_eq!(identity(&json!({ "scope": "portal/read" })).err(), Some("forbidden"));
        assert_eq!(identity(&json!({ "sub": "a b" })).err(), Some("forbidden"));
        assert_eq!(identity(&json!({ "sub": "s", "token_use": "id" })).err(), Some("not_an_access_token"));
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
