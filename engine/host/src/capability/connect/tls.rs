//! TLS as a client: whom to believe. It must not know what is said inside.

use crate::fault::Fault;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::sync::Arc;

/// Where systems keep the authorities they believe in.
const SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// A client side that believes the authorities in the PEM file `ca` (the system's, if absent) and a certificate that
/// carries `name`.
pub fn client(ca: Option<&str>, name: &str) -> Result<ClientConnection, Fault> {
    let server = ServerName::try_from(name.to_owned())
        .map_err(|_| Fault::invalid(format!("`{}` is no server's name", name.escape_default())))?;
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::invalid(format!("no TLS: {error}")))?
        .with_root_certificates(authorities(ca)?)
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), server)
        .map_err(|error| Fault::invalid(format!("no TLS: {error}")))
}

fn authorities(ca: Option<&str>) -> Result<RootCertStore, Fault> {
    let file = match ca {
        Some(file) => file,
        None => SYSTEM.into_iter().find(|file| std::path::Path::new(file).is_file()).ok_or_else(|| {
            Fault::missing("this system has no file of authorities; grant `tls: {ca: FILE}`")
        })?,
    };
    let unreadable = |error| Fault::missing(format!("no authorities can be read from {file}: {error}"));
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
        store.add_parsable_certificates([certificate.map_err(unreadable)?]);
    }
    if store.is_empty() {
        return Err(Fault::missing(format!("{file} holds no authority")));
    }
    Ok(store)
}
