//! The TLS configuration of a pool: rustls with the ring provider, TLS 1.2 and
//! 1.3, verification always on.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::error::Error;

/// Whether a handshake failed for what both sides are set to, such as a certificate that is not
/// valid, so that another one would fail as well.
pub(super) fn is_lasting(error: &io::Error) -> bool {
    use rustls::{AlertDescription as Alert, Error as Tls};

    let error = error.get_ref().and_then(|error| error.downcast_ref::<Tls>());
    match error {
        Some(Tls::AlertReceived(alert)) => matches!(
            alert,
            Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::CertificateRequired
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::ProtocolVersion
                | Alert::UnrecognisedName
        ),
        Some(error) => matches!(
            error,
            Tls::InvalidCertificate(_)
                | Tls::NoCertificatesPresented
                | Tls::UnsupportedNameType
                | Tls::PeerIncompatible(_)
        ),
        None => false,
    }
}

/// The client configuration that trusts the web's roots, those of the operating system if
/// `is_platform` and `extra` ones, each in PEM, and shows the certificate `own`, in PEM with its
/// chain and key, to servers that ask for one.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) when an entry of `extra` is not PEM, holds no
/// certificate, or holds one that cannot be a root; when `own` is not a certificate with its key;
/// when the operating system has no roots.
pub(crate) fn client_config(
    extra: &[Vec<u8>],
    is_platform: bool,
    own: Option<&str>,
) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if is_platform {
        let found = rustls_native_certs::load_native_certs();
        if roots.add_parsable_certificates(found.certs).0 == 0 {
            let none =
                Error::config("platform_roots: the operating system has no root certificates");
            return Err(match found.errors.into_iter().next() {
                Some(source) => none.with_source(source),
                None => none,
            });
        }
    }
    for pem in extra {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|source| {
                Error::config("root_certificate: is not valid PEM").with_source(source)
            })?;
            roots.add(certificate).map_err(|source| {
                Error::config("root_certificate: is not a usable certificate").with_source(source)
            })?;
        }
        if roots.len() == before {
            return Err(Error::config("root_certificate: holds no certificate in PEM"));
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|source| Error::config("TLS is not available").with_source(source))?
        .with_root_certificates(roots);
    let mut config = match own {
        None => config.with_no_client_auth(),
        Some(pem) => {
            // Without the sources of errors, which may hold a part of the key.
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
            let chain = chain.map_err(|_| Error::config("client_certificate: is not valid PEM"))?;
            let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
                .map_err(|_| Error::config("client_certificate: holds no private key in PEM"))?;
            config.with_client_auth_cert(chain, key).map_err(|source| {
                Error::config("client_certificate: holds no certificate of its key")
                    .with_source(source)
            })?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
