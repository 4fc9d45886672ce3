//! A certificate authority that is trusted by nobody but the programs that are measured.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};
use xtask::workspace::Workspace;

/// Where machines keep what they trust: Debian, and Amazon Linux.
const BUNDLES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// The authority's certificate as a file, and what a server needs that has one of its certificates.
#[derive(Clone)]
pub struct Authority {
    /// The file that clients are told to trust.
    pub file: PathBuf,
    /// The same with all that this machine trusts, about as much as a Lambda does; if it keeps that in one file.
    pub with_machines: Option<PathBuf>,
    /// Takes TLS connections to 127.0.0.1.
    pub acceptor: TlsAcceptor,
}

impl Authority {
    /// Makes the authority and the server's certificate. Both keys are RSA with 2,048 bits, as those of AWS are.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn new(workspace: &Workspace) -> Result<Self> {
        let key = || KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048);
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        root.distinguished_name.push(DnType::CommonName, "Benchmark CA");
        let root_key = key()?;
        let certificate = root.self_signed(&root_key)?;
        let file = workspace.local().join("bench/ca.pem");
        fs::write(&file, certificate.pem()).with_context(|| format!("{} cannot be written", file.display()))?;
        let mut with_machines = None;
        if let Some(machines) = BUNDLES.iter().find_map(|bundle| fs::read_to_string(bundle).ok()) {
            let file = file.with_file_name("ca-with-machines.pem");
            fs::write(&file, machines + &certificate.pem())?;
            with_machines = Some(file);
        }

        let server_key = key()?;
        let mut server = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        server.distinguished_name.push(DnType::CommonName, "127.0.0.1");
        let server = server.signed_by(&server_key, &Issuer::new(root, root_key))?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![server.der().clone()], private)?;
        Ok(Self { file, with_machines, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}
