//! HTTPS through the pool: what is trusted, and what an early end of TLS means.

use std::{sync::Arc, time::Duration};

use crate::support::{authority::authority, raw_server::RawServer, soon};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, crypto::ring, pki_types::PrivateKeyDer,
    server::WebPkiClientVerifier,
};
use vantage_api_pool::{AwwPool, Delivery, Error, ErrorKind, PoolBuilder, Response};

/// A pool that makes one attempt per call, which may take as long as a busy machine needs.
fn once(server: &RawServer) -> PoolBuilder {
    let base = format!("https://localhost:{}/", server.address().port());
    let patience = Duration::from_secs(60);
    AwwPool::builder(base).workers(1).max_attempts(1).connect_timeout(patience)
}

/// One that trusts `roots` besides the web's.
fn trusting(roots: &[Vec<u8>], server: &RawServer) -> AwwPool {
    let builder = once(server);
    roots.iter().cloned().fold(builder, PoolBuilder::root_certificate).build().unwrap()
}

async fn get(pool: &AwwPool) -> Result<Response, Error> {
    soon("the call ends", pool.get("/rows")).await
}

fn serve_ok(config: Arc<ServerConfig>) -> RawServer {
    RawServer::start_tls(config, |mut peer| async move {
        while peer.request().await.is_some() {
            peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    })
}

#[tokio::test]
async fn an_extra_root_is_trusted_and_its_connection_reused() {
    let (pem, config) = authority("localhost");
    let server = serve_ok(config);
    let pool = trusting(&[pem], &server);
    for _ in 0..3 {
        assert_eq!(get(&pool).await.unwrap().text().unwrap(), "ok");
    }
    let seen = server.seen();
    assert_eq!(seen.connections, 1);
    let host = format!("host: localhost:{}\r\n", server.address().port());
    assert!(seen.heads.iter().all(|(_, head)| head.contains(&host)));
}

/// A new authority, in PEM, a server of it that wants to see certificates of it, and such a one
/// with its key, in PEM.
fn mutual() -> (Vec<u8>, Arc<ServerConfig>, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let [(server, server_key), (client, client_key)] = ["localhost", "client"].map(|name| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &issuer).unwrap(), key)
    });
    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![server.der().clone()],
            PrivateKeyDer::Pkcs8(server_key.serialize_der().into()),
        )
        .unwrap();
    let client = format!("{}{}", client.pem(), client_key.serialize_pem());
    (root.pem().into_bytes(), Arc::new(config), client)
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_asks_for_one() {
    let (root, config, client) = mutual();
    let server = serve_ok(config);
    let builder = || once(&server).root_certificate(root.clone());
    let pool = builder().client_certificate(&client).build().unwrap();
    assert_eq!(get(&pool).await.unwrap().text().unwrap(), "ok");
    assert!(get(&builder().build().unwrap()).await.is_err(), "none is shown");
    let (certificate, key) = client.split_at(client.find("-----BEGIN PRIVATE").unwrap());
    let other_key = KeyPair::generate().unwrap().serialize_pem();
    for wrong in [certificate, key, "", &format!("{certificate}{other_key}")] {
        let error = builder().client_certificate(wrong).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("client_certificate: "), "{error}");
    }
}

#[tokio::test]
async fn an_unknown_authority_or_another_name_is_a_tls_error() {
    let (_, config) = authority("localhost");
    let untrusted = get(&trusting(&[], &serve_ok(config))).await.unwrap_err();
    let (pem, config) = authority("other.example");
    let misnamed = get(&trusting(&[pem], &serve_ok(config))).await.unwrap_err();
    for error in [untrusted, misnamed] {
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Tls, Delivery::NotSent));
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_tls_error() {
    let server = RawServer::start(|mut peer| async move {
        peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        peer.closed().await;
    });
    assert_eq!(get(&trusting(&[], &server)).await.unwrap_err().kind(), ErrorKind::Tls);
}

/// Answers once with `answer` and ends with a close_notify or without one.
async fn cut(answer: &'static str, notify: bool) -> Result<Response, Error> {
    let (pem, config) = authority("localhost");
    let server = RawServer::start_tls(config, move |mut peer| async move {
        peer.request().await;
        peer.write(answer.as_bytes()).await;
        if notify {
            peer.finish().await;
        }
    });
    get(&trusting(&[pem], &server)).await
}

#[tokio::test]
async fn faults_15_an_early_end_is_truncated_with_and_without_a_close_notify() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
    ] {
        for notify in [true, false] {
            let error = cut(answer, notify).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Truncated, "notify: {notify}");
        }
    }
}

#[tokio::test]
async fn faults_16_a_body_until_the_close_needs_the_close_notify() {
    let answer = "HTTP/1.1 200 OK\r\n\r\nfull body";
    assert_eq!(cut(answer, true).await.unwrap().text().unwrap(), "full body");
    assert_eq!(cut(answer, false).await.unwrap_err().kind(), ErrorKind::Truncated);
}

#[test]
fn a_root_that_is_no_certificate_is_a_config_error() {
    let (pem, _) = authority("localhost");
    let cut = pem[..pem.len() / 2].to_vec();
    let no_certificate = KeyPair::generate().unwrap().serialize_pem().into_bytes();
    let not_x509 = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    for bad in [Vec::new(), b"no PEM".to_vec(), cut, no_certificate, not_x509] {
        let builder = AwwPool::builder("https://localhost").root_certificate(pem.clone());
        let error = builder.root_certificate(bad).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("root_certificate"), "{error}");
    }
}
