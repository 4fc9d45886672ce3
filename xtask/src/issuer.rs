//! The local identity provider: a key, and the two public documents with which an authorizer verifies tokens.
//!
//! It has no server. The local AWS stack serves the documents from a bucket, whose URL is the issuer.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use aws_lc_rs::{encoding::AsDer as _, rsa};
use jsonwebtoken::{
    Algorithm, EncodingKey,
    jwk::{Jwk, JwkSet, PublicKeyUse},
};

/// The key's name in the documents and in every token's header.
pub(crate) const KEY_ID: &str = "local";
/// The audiences that the local API accepts: two clients, as of one Cognito user pool.
pub(crate) const AUDIENCES: [&str; 2] = ["patient-portal-invitations", "patient-portal-support"];
/// The bucket that serves the documents.
pub(crate) const BUCKET: &str = "local-issuer";

/// The private key that signs the local tokens.
///
/// It is generated once and kept, because the local stack caches the public key for two hours.
pub struct SigningKey {
    pub(crate) key: EncodingKey,
}

impl SigningKey {
    /// Generates a key without a file. Tests forge tokens with it.
    ///
    /// # Errors
    ///
    /// If the machine provides no random numbers.
    pub fn generate() -> Result<Self> {
        Self::from_pem(&generate_pem()?)
    }

    /// Reads a key from its file.
    ///
    /// # Errors
    ///
    /// If the file is missing or has no RSA key.
    pub fn load(file: &Path) -> Result<Self> {
        let pem = fs::read_to_string(file).with_context(|| format!("the key {} could not be read", file.display()))?;
        Self::from_pem(&pem)
    }

    /// Reads the key from its file. Creates the file if it is missing, readable by its owner only.
    pub(crate) fn load_or_create(file: &Path) -> Result<Self> {
        if !file.exists() {
            let pem = generate_pem()?;
            // Renamed when complete, because an interrupted run must not leave a part of a key.
            let draft = file.with_extension("draft");
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?.write_all(pem.as_bytes())?;
            fs::rename(&draft, file)?;
        }
        Self::load(file)
    }

    fn from_pem(pem: &str) -> Result<Self> {
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).context("this is not an RSA key in PEM form")?;
        Ok(Self { key })
    }

    /// Writes the two public documents, and returns the folder they are in.
    pub(crate) fn publish(&self, folder: PathBuf, issuer_url: &str) -> Result<PathBuf> {
        let mut key = Jwk::from_encoding_key(&self.key, Algorithm::RS256)?;
        key.common.key_id = Some(KEY_ID.to_owned());
        key.common.public_key_use = Some(PublicKeyUse::Signature);
        let discovery = serde_json::json!({
            "issuer": issuer_url,
            "jwks_uri": format!("{issuer_url}/.well-known/jwks.json"),
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
        });
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("jwks.json"), serde_json::to_vec(&JwkSet { keys: vec![key] })?)?;
        fs::write(folder.join("openid-configuration"), serde_json::to_vec(&discovery)?)?;
        Ok(folder)
    }
}

fn generate_pem() -> Result<String> {
    let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).context("the key could not be generated")?;
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().context("the key could not be written")?;
    Ok(pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref())))
}
