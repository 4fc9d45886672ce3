//! Access tokens for the local stack, like those that an identity provider issues.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;

use crate::{
    issuer::{KEY_ID, SigningKey},
    stack_file::Issuer,
};

/// Lifetime of a local token. A stack that runs for weeks still accepts the tokens in its file.
const LIFETIME_SECS: u64 = 30 * 24 * 60 * 60;

/// The role of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Only reads.
    Read,
    /// A practice's staff: saves profiles and invites patients.
    Staff,
    /// Staff who may also change the practice's settings.
    Admin,
    /// Customer Care, which belongs to no practice.
    Support,
    /// The portal itself, a machine that reports logins.
    Portal,
}

impl Role {
    /// The role's scopes, separated by spaces.
    #[must_use]
    pub fn scope(self) -> &'static str {
        match self {
            Self::Read => "portal/read",
            Self::Staff => "portal/read portal/patients portal/invite",
            Self::Admin => "portal/read portal/patients portal/invite portal/admin",
            Self::Support => "portal/support",
            Self::Portal => "portal/logins",
        }
    }

    /// Whether the role acts for one practice.
    #[must_use]
    pub fn has_practice(self) -> bool {
        match self {
            Self::Read | Self::Staff | Self::Admin => true,
            Self::Support | Self::Portal => false,
        }
    }

    /// The role's name in a subject.
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Staff => "staff",
            Self::Admin => "admin",
            Self::Support => "support",
            Self::Portal => "portal",
        }
    }
}

/// The claims of a token. Tests change single members to make tokens that must be refused.
#[derive(Debug, Clone, Serialize)]
pub struct Claims {
    /// The issuer's URL.
    pub iss: String,
    /// The audience of the token.
    pub aud: String,
    /// The subject of the token.
    pub sub: String,
    /// When it was issued, in seconds since 1970.
    pub iat: u64,
    /// When it expires, in seconds since 1970.
    pub exp: u64,
    /// The practice that the caller acts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub practice_id: Option<String>,
    /// What the caller may do, separated by spaces.
    pub scope: String,
}

impl Claims {
    /// The claims of a role. The practice is omitted if the role has none.
    ///
    /// # Errors
    ///
    /// If the issuer has no audience, or the machine's clock is before 1970.
    pub fn new(issuer: &Issuer, role: Role, practice: &str) -> Result<Self> {
        let now = now()?;
        Ok(Self {
            iss: issuer.url.clone(),
            aud: issuer.audiences.first().context("the issuer has no audience")?.clone(),
            sub: if role.has_practice() { format!("{}@{practice}", role.name()) } else { role.name().to_owned() },
            iat: now,
            exp: now.saturating_add(LIFETIME_SECS),
            practice_id: role.has_practice().then(|| practice.to_owned()),
            scope: role.scope().to_owned(),
        })
    }

    /// Signs the claims.
    ///
    /// # Errors
    ///
    /// If the key cannot sign.
    pub fn sign(&self, key: &SigningKey) -> Result<String> {
        sign(self, key)
    }
}

/// Signs any claims, including those that [`Claims`] cannot represent.
///
/// # Errors
///
/// If the key cannot sign.
pub fn sign(claims: &impl Serialize, key: &SigningKey) -> Result<String> {
    let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::RS256) };
    jsonwebtoken::encode(&header, claims, &key.key).context("the token could not be signed")
}

/// Makes a token for a role with the stack's own key.
///
/// # Errors
///
/// If the stack's key cannot be read.
pub fn mint(issuer: &Issuer, role: Role, practice: &str) -> Result<String> {
    Claims::new(issuer, role, practice)?.sign(&SigningKey::load(&issuer.key_file)?)
}

#[expect(clippy::disallowed_methods, reason = "tokens for a real authorizer need the real clock")]
fn now() -> Result<u64> {
    let since_1970 =
        SystemTime::now().duration_since(UNIX_EPOCH).context("the clock of this machine is before 1970")?;
    Ok(since_1970.as_secs())
}
