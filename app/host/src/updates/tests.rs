//! Against a server with a certificate and a key pair of the test's own.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Cursor;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use minisign::KeyPair;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::daily::is_due;
use super::*;
use crate::paths::Paths;

#[derive(Clone)]
enum Said {
    Body(Vec<u8>),
    Redirect(String),
}

/// One that publishes what it is told to, by paths.
struct Publisher {
    home: tempfile::TempDir,
    address: String,
    key: KeyPair,
    roots: RootCertStore,
    says: Arc<Mutex<HashMap<String, Said>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

const MANIFEST: &str = "/berth/newest.json";

impl Publisher {
    async fn start() -> Publisher {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let says: Arc<Mutex<HashMap<String, Said>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), says.clone(), asked.clone()));
        let home = tempfile::tempdir().unwrap();
        let key = KeyPair::generate_unencrypted_keypair().unwrap();
        Publisher { home, address, key, roots, says, asked }
    }

    fn updates(&self) -> Updates {
        let paths = Paths::below(self.home.path()).unwrap();
        paths.create().unwrap();
        let url = format!("{}{MANIFEST}", self.address);
        let source = Source::new(&url, &self.key.pk.to_base64(), self.roots.clone()).unwrap();
        Updates { paths, source: Ok(Arc::new(source)), version: Version::new(1, 2, 3) }
    }

    fn say(&self, path: &str, said: Said) {
        self.says.lock().unwrap().insert(path.to_owned(), said);
    }

    fn publish(&self, manifest: &serde_json::Value) {
        self.publish_bytes(manifest.to_string().into_bytes());
    }

    fn publish_bytes(&self, bytes: Vec<u8>) {
        let signature = minisign::sign(Some(&self.key.pk), &self.key.sk, Cursor::new(&bytes), None, None).unwrap();
        self.say(MANIFEST, Said::Body(bytes));
        self.say(&format!("{MANIFEST}.minisig"), Said::Body(signature.into_string().into_bytes()));
    }

    async fn refusal(&self) -> String {
        let report = self.updates().look().await.unwrap();
        assert_eq!(report.state, UpdateState::Failed, "{report:?}");
        report.why.unwrap()
    }
}

async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    says: Arc<Mutex<HashMap<String, Said>>>,
    asked: Arc<Mutex<Vec<String>>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let (tls, says, asked) = (tls.clone(), says.clone(), asked.clone());
        tokio::spawn(async move {
            // A client that does not trust us goes.
            let Ok(stream) = tls.accept(client).await else { return };
            let service = service_fn(move |request: Request<Incoming>| {
                let path = request.uri().path().to_owned();
                let said = says.lock().unwrap().get(&path).cloned();
                asked.lock().unwrap().push(path);
                async move { Ok::<_, Infallible>(answer(said)) }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(said: Option<Said>) -> Response<Full<bytes::Bytes>> {
    let answer = match said {
        Some(Said::Body(bytes)) => Response::builder().body(Full::from(bytes)),
        Some(Said::Redirect(to)) => Response::builder().status(302).header("Location", to).body(Full::default()),
        None => Response::builder().status(404).body(Full::default()),
    };
    answer.unwrap()
}

fn manifest(version: &str) -> serde_json::Value {
    let system = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    serde_json::json!({
        "format": 1,
        "version": version,
        "date": "2026-11-27",
        "expires": "9999-12-31",
        "notes": "https://berth.example/notes",
        "files": { system: { "url": "https://berth.example/berth.tar.gz", "sha256": "00ff" } },
    })
}

#[tokio::test]
async fn a_newer_one_is_told_with_where_it_is_and_no_file_is_fetched() {
    let publisher = Publisher::start().await;
    let updates = publisher.updates();
    assert_eq!(updates.report().state, UpdateState::NotLooked);
    publisher.publish(&manifest("1.3.0"));
    let report = updates.look().await.unwrap();
    assert_eq!(report.state, UpdateState::Available, "{report:?}");
    let newer = report.newer.clone().unwrap();
    assert_eq!((newer.version.as_str(), newer.notes.as_str()), ("1.3.0", "https://berth.example/notes"));
    assert_eq!(newer.file.unwrap().url, "https://berth.example/berth.tar.gz");
    assert_eq!(updates.report(), report, "whoever asks later is told the same");
    assert_eq!(*publisher.asked.lock().unwrap(), [MANIFEST.to_owned(), format!("{MANIFEST}.minisig")]);

    // Once it is installed there is nothing newer.
    let installed = Updates { version: Version::new(1, 3, 0), ..updates.clone() };
    assert_eq!((installed.report().state, installed.report().newer), (UpdateState::Current, None));
    assert_eq!(installed.look().await.unwrap().state, UpdateState::Current);
}

#[tokio::test]
async fn what_is_not_signed_with_the_key_is_not_believed() {
    let publisher = Publisher::start().await;
    publisher.publish(&manifest("1.3.0"));
    // Changed afterwards.
    publisher.say(MANIFEST, Said::Body(manifest("1.4.0").to_string().into_bytes()));
    assert!(publisher.refusal().await.contains("no good signature"), "{}", publisher.refusal().await);
    // Of another key.
    let other = Publisher { key: KeyPair::generate_unencrypted_keypair().unwrap(), ..Publisher::start().await };
    other.publish(&manifest("1.3.0"));
    let foreign = other.says.lock().unwrap().clone();
    publisher.says.lock().unwrap().extend(foreign);
    assert!(publisher.refusal().await.contains("no good signature"));
    publisher.say(&format!("{MANIFEST}.minisig"), Said::Body(b"signed, me".to_vec()));
    assert!(publisher.refusal().await.contains("no good signature"));
    assert_eq!(publisher.updates().report().newer, None);
}

#[tokio::test]
async fn an_old_file_that_is_served_again_is_refused() {
    let publisher = Publisher::start().await;
    publisher.publish(&manifest("1.2.2"));
    assert!(publisher.refusal().await.contains("offers 1.2.2, which is older than 1.2.3"));
    publisher.publish(&manifest("1.4.0"));
    assert_eq!(publisher.updates().look().await.unwrap().state, UpdateState::Available);
    // Newer than this program, and older than what was seen already: what was seen stays told.
    publisher.publish(&manifest("1.3.0"));
    assert!(publisher.refusal().await.contains("offers 1.3.0, which is older than 1.4.0"));
    assert_eq!(publisher.updates().report().newer.unwrap().version, "1.4.0");

    let mut expired = manifest("1.5.0");
    expired["expires"] = "2026-01-31".into();
    publisher.publish(&expired);
    assert!(publisher.refusal().await.contains("was good until 2026-01-31 only"));
}

#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let publisher = Publisher::start().await;
    assert!(publisher.refusal().await.ends_with("answered 404"));
    publisher.publish_bytes(vec![b' '; manifest::LIMIT + 1]);
    assert!(publisher.refusal().await.contains("is longer than 65536 bytes"));
    publisher.publish_bytes(b"{}".to_vec());
    assert!(publisher.refusal().await.contains("missing field"));
    let mut other = manifest("1.3.0");
    other["format"] = 2.into();
    publisher.publish(&other);
    assert!(publisher.refusal().await.contains("is of the form 2"));
    let mut insecure = manifest("1.3.0");
    insecure["notes"] = "http://berth.example/notes".into();
    publisher.publish(&insecure);
    assert!(publisher.refusal().await.contains("`http://berth.example/notes` is no https:// URL"));
}

#[tokio::test]
async fn it_is_led_on_to_secure_addresses_alone() {
    let publisher = Publisher::start().await;
    publisher.publish(&manifest("1.3.0"));
    let moved = publisher.says.lock().unwrap().remove(MANIFEST).unwrap();
    publisher.say("/moved.json", moved);
    publisher.say(MANIFEST, Said::Redirect("/moved.json".to_owned()));
    assert_eq!(publisher.updates().look().await.unwrap().state, UpdateState::Available);
    let insecure = publisher.address.replacen("https", "http", 1) + "/moved.json";
    publisher.say(MANIFEST, Said::Redirect(insecure.clone()));
    assert!(publisher.refusal().await.ends_with(&format!("leads on to {insecure}, which is not secure")));
    publisher.say(MANIFEST, Said::Redirect(MANIFEST.to_owned()));
    assert!(publisher.refusal().await.ends_with("leads on and on"));
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_asked() {
    let publisher = Publisher { roots: RootCertStore::empty(), ..Publisher::start().await };
    publisher.publish(&manifest("1.3.0"));
    assert!(publisher.refusal().await.contains("no secure connection"));
    assert!(publisher.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_build_that_looks_nowhere_says_why_and_one_that_is_turned_off_is_asked_by_people_alone() {
    let publisher = Publisher::start().await;
    let nowhere = Updates { source: Err("it was built without an address"), ..publisher.updates() };
    let report = nowhere.report();
    assert_eq!(
        (report.state, report.why.as_deref()),
        (UpdateState::Unavailable, Some("it was built without an address"))
    );
    let error = nowhere.look().await.unwrap_err().to_string();
    assert_eq!(error, "this berth does not look for updates: it was built without an address");

    let updates = publisher.updates();
    Settings::change(&updates.paths, "updates", Some("off"), crate::locks::Patience::default()).unwrap();
    assert_eq!(updates.report().state, UpdateState::Off);
    publisher.publish(&manifest("1.3.0"));
    assert_eq!(updates.look().await.unwrap().state, UpdateState::Available);
    assert_eq!(updates.report().state, UpdateState::Off);
}

#[test]
fn it_is_looked_once_a_day() {
    let day = 24 * 60 * 60;
    assert!(is_due(None, 0));
    assert!(!is_due(Some(100), 100 + day - 1));
    assert!(is_due(Some(100), 100 + day));
    assert!(is_due(Some(100), 99), "the clock was set back");
}

#[test]
fn what_a_build_was_given_is_checked() {
    let source = |url: &str, key: &str| Source::new(url, key, RootCertStore::empty()).map(drop);
    let key = KeyPair::generate_unencrypted_keypair().unwrap().pk.to_base64();
    assert!(source("http://berth.example/newest.json", &key).unwrap_err().contains("no https:// URL"));
    assert!(source("https://berth.example/newest.json", "key").unwrap_err().contains("none of minisign's"));
}
