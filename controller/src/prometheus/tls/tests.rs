//! A server with a certificate of our own authority. The three files are good from 2020 to 2120 and for 127.0.0.1 only;
//! made with `openssl ca` (P-256), the authority's key is thrown away.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use jiff::Timestamp;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::prometheus::{Client, Endpoint};

pub(crate) const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBbDCCARGgAwIBAgIBATAKBggqhkjOPQQDAjAcMRowGAYDVQQDDBFBdXRvcGls
b3QgdGVzdCBDQTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowHDEa
MBgGA1UEAwwRQXV0b3BpbG90IHRlc3QgQ0EwWTATBgcqhkjOPQIBBggqhkjOPQMB
BwNCAATDwu80rw5U4hEu6X/c/4WjZxK9qRHczjFK9KN1OxK+/Q5dV9eqtas5Lg+1
DPEaIrTffs33F0N/cNLSLUBQC6Gmo0IwQDAPBgNVHRMBAf8EBTADAQH/MA4GA1Ud
DwEB/wQEAwICBDAdBgNVHQ4EFgQUEc2b5Qa1MHP/04EObcNKUVhy1fMwCgYIKoZI
zj0EAwIDSQAwRgIhAOsOjjRyPIFsVUtIRt0enjLmMkmOwYF4cBtOh1XjwZgBAiEA
yjFz73UscDRXAUkLsJ48HMqELl+KH6BBUTe79ki85SA=
-----END CERTIFICATE-----
";
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBkzCCATqgAwIBAgIBAjAKBggqhkjOPQQDAjAcMRowGAYDVQQDDBFBdXRvcGls
b3QgdGVzdCBDQTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFDES
MBAGA1UEAwwJMTI3LjAuMC4xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmPSw
sWC3023djCf49L+at0GbsN3sHpq5No1Jj24aYs7VLsSegJ9N1MiCmgUVCp2hnSvU
AVHA2rRWgaQjO9XQyKNzMHEwDwYDVR0RBAgwBocEfwAAATAJBgNVHRMEAjAAMBMG
A1UdJQQMMAoGCCsGAQUFBwMBMB0GA1UdDgQWBBTmLV9O4DEA+1Wpi5YROq9DWORe
sDAfBgNVHSMEGDAWgBQRzZvlBrUwc//TgQ5tw0pRWHLV8zAKBggqhkjOPQQDAgNH
ADBEAiB6j5oOHv1hkEMm4WIyxKyUgo2lrt1g3FFLLrZAebQeDAIgZnTImK9v4nFG
40SPfgIqt2t8VO2nP45fkVirp9vKI2g=
-----END CERTIFICATE-----
";
const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgWs6C19711rROGMrF
4kbF73WKoddys3Ybw7+w4+tk9TahRANCAASY9LCxYLfTbd2MJ/j0v5q3QZuw3ewe
mrk2jUmPbhpiztUuxJ6An03UyIKaBRUKnaGdK9QBUcDatFaBpCM71dDI
-----END PRIVATE KEY-----
";

/// Answers one request over TLS and closes; whatever goes wrong is for the client to tell.
fn serve() -> String {
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), socket);
        let mut seen = Vec::new();
        let mut piece = [0; 4096];
        while !seen.ends_with(b"timeout=10") {
            match stream.read(&mut piece) {
                Ok(length) if length > 0 => seen.extend_from_slice(&piece[..length]),
                _ => return,
            }
        }
        let body = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    });
    url
}

fn file(name: &str, content: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("autopilot-tls-{}-{name}.pem", std::process::id()));
    std::fs::write(&path, content).unwrap();
    path
}

#[tokio::test]
async fn a_server_of_our_own_authority_is_trusted_with_its_certificate() {
    let ca_file = file("good", AUTHORITY);
    let endpoint = Endpoint { ca_file: Some(ca_file.clone()), ..Endpoint::new(serve()) };
    let answer = Client::new(endpoint).unwrap().instant("up", Timestamp::UNIX_EPOCH).await;
    std::fs::remove_file(ca_file).unwrap();
    assert_eq!(answer.unwrap().samples, []);
}

#[tokio::test]
async fn without_it_the_server_is_unreachable_and_the_message_says_why() {
    // Another certificate is trusted, so that the test needs none of the system's.
    let ca_file = file("other", CERTIFICATE);
    let endpoint = Endpoint { ca_file: Some(ca_file.clone()), ..Endpoint::new(serve()) };
    let error = Client::new(endpoint).unwrap().instant("up", Timestamp::UNIX_EPOCH).await;
    std::fs::remove_file(ca_file).unwrap();
    let error = error.unwrap_err();
    assert_eq!(error.reason(), "Unreachable");
    let text = error.to_string();
    assert!(text.contains("certificate") && text.contains("ca_file"), "{text}");
}

#[test]
fn the_file_adds_to_the_systems_certificates() {
    let system = rustls_native_certs::load_native_certs().certs;
    let mut alone = RootCertStore::empty();
    let (known, _) = alone.add_parsable_certificates(system);
    let ca_file = file("both", &format!("a comment\n{AUTHORITY}{CERTIFICATE}"));
    let both = roots("p", Some(&ca_file)).unwrap();
    std::fs::remove_file(ca_file).unwrap();
    assert_eq!(both.len(), known + 2);
}

#[test]
fn a_file_that_is_no_certificate_is_named() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (name, content) in [("empty", ""), ("key", KEY), ("broken", broken)] {
        let path = file(name, content);
        let error = roots("p", Some(&path)).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(error, ClientError::CaFile { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
    assert!(matches!(roots("p", Some(Path::new("/nowhere/ca.pem"))), Err(ClientError::CaFile { .. })));
}

#[test]
fn an_http_url_needs_no_certificate() {
    assert!(connector("p:9090", false, Some(Path::new("/nowhere/ca.pem")), Duration::from_secs(1)).is_ok());
}
