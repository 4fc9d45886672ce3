//! A certificate authority that only the measured programs trust.

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

/// The files of the trusted certificates on Debian and on Amazon Linux.
const BUNDLES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// The authority's certificate in a file, and the TLS configuration of a server with a certificate of this authority.
#[derive(Clone)]
pub struct Authority {
    /// The certificate file for clients.
    pub file: PathBuf,
    /// The same with all certificates that this machine trusts, about as many as on Lambda. `None` if the machine does not
    /// have them in one file.
    pub with_machines: Option<PathBuf>,
    /// Accepts TLS connections to 127.0.0.1.
    pub acceptor: TlsAcceptor,
}

impl Authority {
    /// Creates the authority and the server's certificate. Both keys are RSA with 2,048 bits, like those of AWS.
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
