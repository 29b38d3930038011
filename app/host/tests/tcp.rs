//! The engine over TCP: who is let in, what all others get to know, and that settings and certificates are in force at once.

#![cfg(target_os = "linux")]

mod support;

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use host::client::Client;
use host::tls::{self, Certificates, Lifetime};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use support::{Home, PATIENCE, daemon};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// Loopback has many addresses: each test has one with docker's ports free, and others while this process lasts.
fn address() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    format!("127.{high}.{low}.{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn certificates(home: &Home, address: &str) -> Certificates {
    let certificates = Certificates::of(&home.paths);
    certificates.create(&[address.to_owned()], Lifetime::default(), false).unwrap();
    certificates
}

/// What a client brings.
#[derive(Clone)]
struct Papers {
    ca: PathBuf,
    /// Certificate and key.
    own: Option<(PathBuf, PathBuf)>,
    version: &'static SupportedProtocolVersion,
}

impl Papers {
    fn of(folder: &Path) -> Papers {
        let own = Some((folder.join("cert.pem"), folder.join("key.pem")));
        Papers { ca: folder.join("ca.pem"), own, version: &TLS13 }
    }

    fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::new(self.config()))
    }

    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.ca).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_root_certificates(roots);
        match &self.own {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
            }
        }
    }

    /// The whole answer to one request; the client says at once that it has nothing more to say.
    async fn ask(&self, address: &str) -> io::Result<String> {
        let stream = TcpStream::connect((address, 2376)).await?;
        let name = ServerName::try_from(address.to_owned()).unwrap();
        let asking = async {
            let mut stream = self.connector().connect(name, stream).await?;
            stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await?;
            stream.shutdown().await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer)
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("an answer in time")
    }
}

/// The answer to an upload that is refused at once; what of the upload is taken does not matter.
async fn refused_upload(stream: impl AsyncRead + AsyncWrite) -> String {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let upload = async {
        let head = b"POST /too-much HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n";
        let _ = writer.write_all(head).await;
        let _ = writer.write_all(&[7; 1 << 20]).await;
    };
    let answer = async {
        let mut answer = Vec::new();
        while !answer.ends_with(b"less") {
            assert_ne!(reader.read_buf(&mut answer).await.unwrap(), 0, "after {}", String::from_utf8_lossy(&answer));
        }
        String::from_utf8(answer).unwrap()
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(answer, upload).0 }).await.expect("an answer in time")
}

async fn plain(address: &str, port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect((address, port)).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
    answer
}

const PING: &[u8] = b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A client's certificate of this authority, as `berth` would not make it.
fn forged(certificates: &Certificates, into: &Path, change: impl FnOnce(&mut CertificateParams)) -> Papers {
    let read = |name: &str| std::fs::read_to_string(certificates.folder().join(name)).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read("ca.pem"), KeyPair::from_pem(&read("ca-key.pem")).unwrap()).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    std::fs::write(into.join("cert.pem"), params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    std::fs::write(into.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(into.join("ca.pem"), read("ca.pem")).unwrap();
    Papers::of(into)
}

/// gRPC's clients offer HTTP/2 alone; who could speak both keeps connections that can be taken over.
#[tokio::test]
async fn clients_agree_on_an_http() {
    let (home, address) = (Home::new("FAKE_KVM=boot"), address());
    let ours = Papers::of(&certificates(&home, &address).folder());
    home.set(&[("listen", &format!("tcp://{address}"))]);
    let _daemon = daemon(&home).await;
    for (offered, expect) in [
        (&["h2"][..], Some(&b"h2"[..])),
        (&["h2", "http/1.1"][..], Some(&b"http/1.1"[..])),
        (&["http/1.1"][..], Some(&b"http/1.1"[..])),
        (&[][..], None),
    ] {
        let mut config = ours.config();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect((&*address, 2376)).await.unwrap();
        let name = ServerName::try_from(address.clone()).unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = tokio::time::timeout(PATIENCE, connecting).await.expect("a handshake in time").unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), expect, "{offered:?}");
    }
}

#[tokio::test]
async fn only_a_certificate_of_ours_lets_in() {
    let (home, address) = (Home::new("FAKE_KVM=boot"), address());
    let certificates = certificates(&home, &address);
    home.set(&[("listen", &format!("tcp://{address}"))]);
    let _daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    assert_eq!(client.status().await.unwrap().listening, [format!("tcp://{address}:2376")]);

    let ours = Papers::of(&certificates.folder());
    let stopped = ours.ask(&address).await.unwrap();
    assert!(stopped.starts_with("HTTP/1.1 503 ") && stopped.contains("`berth up`"), "{stopped}");
    client.up().await.unwrap().settled().await.unwrap();
    for version in [&TLS13, &TLS12] {
        let answer = Papers { version, ..ours.clone() }.ask(&address).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("OK"), "{answer}");
    }
    let laptop = certificates.client("laptop", Lifetime::default(), false).unwrap();
    assert!(Papers::of(&laptop).ask(&address).await.unwrap().starts_with("HTTP/1.1 200 OK"));

    let refused = async |papers: Papers| papers.ask(&address).await.unwrap_err().to_string();
    let said = refused(Papers { own: None, ..ours.clone() }).await;
    assert!(said.contains("CertificateRequired"), "{said}");

    let other = Home::new("FAKE_KVM=boot");
    let others = Certificates::of(&other.paths);
    others.create(&[], Lifetime::default(), false).unwrap();
    let theirs = Papers { ca: ours.ca.clone(), ..Papers::of(&others.folder()) };
    let said = refused(theirs).await;
    assert!(said.contains("UnknownCA"), "{said}");
    // Of this computer, and older.
    let older = tempfile::tempdir().unwrap();
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        std::fs::copy(certificates.folder().join(file), older.path().join(file)).unwrap();
    }
    certificates.create(std::slice::from_ref(&address), Lifetime::default(), true).unwrap();
    let said = refused(Papers { ca: ours.ca.clone(), ..Papers::of(older.path()) }).await;
    assert!(said.contains("UnknownCA"), "{said}");
    let said = refused(Papers::of(&others.folder())).await;
    assert!(said.contains("UnknownIssuer"), "the client sees through us: {said}");

    let dir = tempfile::tempdir().unwrap();
    let expired = forged(&certificates, dir.path(), |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let said = refused(expired).await;
    assert!(said.contains("CertificateExpired"), "{said}");
    let servers = forged(&certificates, dir.path(), |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let said = refused(servers).await;
    assert!(said.contains("UnsupportedCertificate"), "{said}");

    let answer = plain(&address, 2376, PING).await;
    assert_eq!(answer, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
    client.down().await.unwrap().settled().await.unwrap();
    client.quit().await.unwrap();
}

#[tokio::test]
async fn an_upload_that_is_refused_is_answered() {
    let (home, address) = (Home::new("FAKE_KVM=boot"), address());
    let certificates = certificates(&home, &address);
    home.set(&[("listen", &format!("tcp://{address},tcp://{address}:2375"))]);
    let _daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    for _ in 0..10 {
        let stream = TcpStream::connect((address.as_str(), 2376)).await.unwrap();
        let name = ServerName::try_from(address.clone()).unwrap();
        let tls = Papers::of(&certificates.folder()).connector().connect(name, stream).await.unwrap();
        assert!(refused_upload(tls).await.starts_with("HTTP/1.1 413 "));
        let plain = TcpStream::connect((address.as_str(), 2375)).await.unwrap();
        assert!(refused_upload(plain).await.starts_with("HTTP/1.1 413 "));
        let local = UnixStream::connect(home.paths.engine_socket()).await.unwrap();
        assert!(refused_upload(local).await.starts_with("HTTP/1.1 413 "));
    }
    client.down().await.unwrap().settled().await.unwrap();
    let local = UnixStream::connect(home.paths.engine_socket()).await.unwrap();
    let (mut reader, mut writer) = local.into_split();
    let upload = async {
        let _ = writer.write_all(b"POST / HTTP/1.1\r\n\r\n").await;
        writer.write_all(&[7; 512 << 10]).await
    };
    let mut answer = String::new();
    let (uploaded, read) = tokio::join!(upload, reader.read_to_string(&mut answer));
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer} {read:?}");
    uploaded.expect("what nobody wants is read too");
    client.quit().await.unwrap();
}

#[tokio::test]
async fn settings_and_certificates_are_in_force_at_once() {
    let (home, one, other) = (Home::new("FAKE_KVM=boot"), address(), address());
    let daemon = daemon(&home).await;
    let client = Client::connect(home.paths.clone()).await.unwrap();
    let tls = format!("tcp://{one}:2376");

    let error = client.set("listen", Some(&tls)).await.unwrap_err().to_string();
    assert!(error.contains("make them with `berth tls create`"), "{error}");
    let status = client.status().await.unwrap();
    assert!(status.machine.notes.iter().any(|note| note.contains("`berth tls create`")), "{status:?}");
    assert_eq!(status.listening, [tls.as_str()]);
    let mut refused = TcpStream::connect((one.as_str(), 2376)).await.unwrap();
    assert_eq!(refused.read(&mut [0; 8]).await.unwrap_or(0), 0, "nobody is let in");
    let error = client.set("listen", Some("tcp://0.0.0.0:2375")).await.unwrap_err().to_string();
    assert!(error.contains("`tcp://0.0.0.0:2375` would make everybody who reaches it root"), "{error}");

    // Nobody tells the daemon that there are some now.
    let certificates = certificates(&home, &one);
    let ours = Papers::of(&certificates.folder());
    assert!(ours.ask(&one).await.unwrap().starts_with("HTTP/1.1 503 "));
    let notes = client.status().await.unwrap().machine.notes;
    assert!(!notes.iter().any(|note| note.contains("certificates")), "{notes:?}");
    let both = format!("{tls},tcp://{other}:2375");
    client.set("listen", Some(&both)).await.unwrap();
    assert_eq!(client.status().await.unwrap().listening.join(","), both);
    assert!(ours.ask(&one).await.unwrap().starts_with("HTTP/1.1 503 "));
    assert!(plain(&other, 2375, PING).await.starts_with("HTTP/1.1 503 "));
    let rebound = String::from_utf8_lossy(PING).replace("localhost", "page.example:2375");
    assert!(plain(&other, 2375, rebound.as_bytes()).await.starts_with("HTTP/1.1 403 "));

    // The key's mode alone changes.
    let key = certificates.folder().join("server-key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    ours.ask(&one).await.unwrap_err();
    let notes = client.status().await.unwrap().machine.notes;
    assert!(notes.iter().any(|note| note.contains("server-key.pem can be read by other users")), "{notes:?}");
    let error = client.set("listen", Some(&format!("{both},tcp://{other}:2376"))).await.unwrap_err().to_string();
    assert!(error.contains("server-key.pem can be read by other users"), "{error}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    ours.ask(&one).await.unwrap();
    let notes = client.status().await.unwrap().machine.notes;
    assert!(!notes.iter().any(|note| note.contains("server-key.pem")), "{notes:?}");
    for (secret, mode) in [("ca-key.pem", 0o600), ("key.pem", 0o600), ("", 0o700)] {
        let secret = certificates.folder().join(secret);
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode | 0o050)).unwrap();
        let refused = ours.ask(&one).await;
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        refused.expect_err(&secret.display().to_string());
    }
    ours.ask(&one).await.unwrap();

    let before = certificates.list().unwrap();
    certificates.renew(std::slice::from_ref(&other), Lifetime { days: 3 }).unwrap();
    ours.ask(&one).await.unwrap();
    let notes = client.status().await.unwrap().machine.notes;
    let soon = notes.iter().filter(|note| note.contains("expires within 3 days: `berth tls renew`")).count();
    assert_eq!(soon, 2, "the server's and our client's: {notes:?}");
    let after = certificates.list().unwrap();
    assert_eq!(before[0], after[0], "the authority stays");
    assert!(after[1].names.contains(&one) && after[1].names.contains(&other), "{after:?}");

    // Another program has the one address, which keeps nobody from the other.
    let third = address();
    let taken = std::net::TcpListener::bind((third.as_str(), 2376)).unwrap();
    let error = client.set("listen", Some(&format!("tcp://{third},tcp://{other}:2376"))).await.unwrap_err().to_string();
    assert!(error.contains(&format!("cannot listen at tcp://{third}:2376")), "{error}");
    // Each that fails is told.
    let error = client.set("listen", Some(&format!("tcp://{third},tcp://203.0.113.9,tcp://{other}:2376"))).await;
    assert!(error.unwrap_err().to_string().contains("`berth config set listen` takes other addresses"));
    let notes = client.status().await.unwrap().machine.notes;
    for address in [format!("tcp://{third}:2376"), "tcp://203.0.113.9:2376".to_owned()] {
        assert!(notes.iter().any(|note| note.contains(&format!("cannot listen at {address}"))), "{notes:?}");
    }
    let unnamed = format!("not for {third}, where `listen` offers the engine: `berth tls renew`");
    assert!(notes.iter().any(|note| note.contains(&unnamed)), "{notes:?}");
    client.set("listen", Some(&format!("tcp://{third},tcp://{other}:2376"))).await.unwrap_err();
    ours.ask(&other).await.unwrap();
    assert!(TcpStream::connect((one.as_str(), 2376)).await.is_err(), "nobody listens where it is not wanted");
    assert!(TcpStream::connect((other.as_str(), 2375)).await.is_err());
    drop(taken);
    client.up().await.unwrap().settled().await.unwrap();
    assert_eq!(client.status().await.unwrap().listening.len(), 2, "tried again at the start");
    both_families_have_the_port(&client).await;
    client.set("listen", None).await.unwrap();
    assert!(TcpStream::connect((other.as_str(), 2376)).await.is_err());
    client.down().await.unwrap().settled().await.unwrap();
    client.quit().await.unwrap();
    drop(daemon);
}

/// Both families have a port of the same number.
async fn both_families_have_the_port(client: &Client) {
    let mut said = String::new();
    // Another program may have it in one family.
    for _ in 0..20 {
        let port = std::net::TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
        match client.set("listen", Some(&format!("tcp://0.0.0.0:{port},tcp://[::]:{port}"))).await {
            Ok(_) => {
                for ip in ["127.0.0.1", "::1"] {
                    let answer = plain(ip, port, PING).await;
                    assert!(answer.ends_with("Client sent an HTTP request to an HTTPS server.\n"), "{ip}: {answer}");
                }
                return;
            }
            Err(error) => said = error.to_string(),
        }
        if !said.contains("in use") {
            assert!(std::net::TcpListener::bind("[::1]:0").is_err(), "there is IPv6: {said}");
            println!("SKIPPED: both_families_have_the_port: there is no IPv6 here");
            return;
        }
    }
    panic!("no port was free: {said}");
}

/// Waits until something waits for a lock of the file or folder.
async fn somebody_waits_for(path: &Path) {
    let inode = format!(":{} ", std::fs::metadata(path).unwrap().ino());
    let waits = |line: &str| line.contains(" -> FLOCK ") && line.contains(&inode);
    let waiting = async {
        while !std::fs::read_to_string("/proc/locks").unwrap().lines().any(waits) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("somebody waits");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_no_change_half_done() {
    let (home, address) = (Home::new("FAKE_KVM=boot"), address());
    home.set(&[("listen", &format!("tcp://{address}:2375"))]);
    let _daemon = daemon(&home).await;
    assert!(plain(&address, 2375, PING).await.starts_with("HTTP/1.1 503 "));
    let held = std::fs::File::open(home.paths.config_dir()).unwrap();
    held.lock().unwrap();
    let mut control = UnixStream::connect(home.paths.control_socket()).await.unwrap();
    let body = r#"{"name":"listen","value":null}"#;
    let head = format!("PUT /settings HTTP/1.1\r\nHost: berth\r\nContent-Length: {}\r\n\r\n", body.len());
    control.write_all((head + body).as_bytes()).await.unwrap();
    somebody_waits_for(home.paths.config_dir()).await;
    // The daemon hangs up when its client does.
    control.shutdown().await.unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, control.read(&mut [0; 8])).await.unwrap().unwrap(), 0);
    drop(held);
    let shut = async {
        while TcpStream::connect((address.as_str(), 2375)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, shut).await.expect("the port is shut");
    assert!(host::settings::Settings::load(&home.paths.settings()).unwrap().listen.is_empty());
}

#[tokio::test]
async fn a_home_folder_that_hangs_keeps_nobody_from_the_socket() {
    use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
    let (home, address) = (Home::new("FAKE_KVM=boot"), address());
    let certificate = certificates(&home, &address).folder().join("server-cert.pem");
    home.set(&[("listen", &format!("tcp://{address}"))]);
    let _daemon = daemon(&home).await;
    // Whoever reads it now waits for what is never written.
    std::fs::remove_file(&certificate).unwrap();
    mknodat(CWD, &certificate, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut strangers = Vec::new();
    for _ in 0..64 {
        strangers.push(TcpStream::connect((address.as_str(), 2376)).await.unwrap());
    }
    let reading = async {
        loop {
            match open(&certificate, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
                Ok(silent) => return silent,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let _silent = tokio::time::timeout(PATIENCE, reading).await.expect("somebody reads the certificate");
    for _ in 0..20 {
        let mut local = UnixStream::connect(home.paths.engine_socket()).await.unwrap();
        local.write_all(PING).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, local.read_to_string(&mut answer)).await.expect("an answer").unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    // Nor from the status, which says what it could not look at.
    let client = Client::connect(home.paths.clone()).await.unwrap();
    let begun = Instant::now();
    for _ in 0..10 {
        let status = client.status();
        let notes = tokio::time::timeout(PATIENCE, status).await.expect("a status").unwrap().machine.notes;
        assert!(notes.iter().any(|note| note.contains("could not be looked at within 3 s")), "{notes:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "each waits: {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_crowd_of_strangers_keeps_nobody_out() {
    let (home, address) = (Home::new("FAKE_KVM=boot"), address());
    let certificates = certificates(&home, &address);
    home.set(&[("listen", &format!("tcp://{address}"))]);
    let _daemon = daemon(&home).await;
    // As long as a stranger has for the handshake, however many there are.
    const DEADLINE: Duration = Duration::from_secs(10);
    // A crowd that came too slowly for it tells nothing, and another one is asked for.
    for _ in 0..20 {
        let begun = Instant::now();
        let mut crowd = Vec::new();
        for number in 0..400 {
            let mut stranger = TcpStream::connect((address.as_str(), 2376)).await.unwrap();
            if number % 2 == 0 {
                // The beginning of a record, and no more. It may have given way by now.
                let _ = stranger.write_all(&[22, 3, 1]).await;
            }
            crowd.push(stranger);
        }
        let answer = Papers::of(&certificates.folder()).ask(&address).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        let end = tokio::time::timeout(PATIENCE, crowd[0].read(&mut [0; 8])).await.expect("the first one's end");
        match end {
            Ok(0) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            other => panic!("{other:?}"),
        }
        // Those who came first gave way: they had time left.
        if begun.elapsed() < DEADLINE {
            return;
        }
    }
    panic!("whether those who came first gave way cannot be told: no crowd came within {DEADLINE:?}");
}

#[tokio::test]
async fn nothing_is_replaced_unasked_and_all_is_private() {
    let home = Home::new("FAKE_KVM=boot");
    let certificates = Certificates::of(&home.paths);
    assert!(certificates.list().unwrap_err().to_string().contains("`berth tls create`"));
    assert!(certificates.renew(&[], Lifetime::default()).unwrap_err().to_string().contains("`berth tls create`"));
    certificates.create(&["box.example".to_owned()], Lifetime::default(), false).unwrap();
    certificates.client("ci", Lifetime::default(), false).unwrap();
    let all = certificates.list().unwrap();
    let error = certificates.create(&[], Lifetime::default(), false).unwrap_err().to_string();
    assert!(error.contains("ca.pem is there") && error.contains("--force"), "{error}");
    let error = certificates.client("ci", Lifetime::default(), false).unwrap_err().to_string();
    assert!(error.contains("`berth tls client ci --force`"), "{error}");
    for bad in ["", "..", ".x", "a/b", "a\\b", "ü", "a b"] {
        let error = certificates.client(bad, Lifetime::default(), false).unwrap_err().to_string();
        assert!(error.contains("is no name for a client"), "{bad}: {error}");
    }
    let error = certificates.renew(&["a b".to_owned()], Lifetime::default()).unwrap_err().to_string();
    assert!(error.contains("`a b` is no name of a server"), "{error}");
    assert_eq!(certificates.list().unwrap(), all);
    let roles: Vec<&str> = all.iter().map(|known| known.name.as_str()).collect();
    assert_eq!(roles[2..], ["client", "ci"]);
    for name in ["localhost", "127.0.0.1", "::1", "box.example"] {
        assert!(all[1].names.iter().any(|known| known == name), "{name} in {:?}", all[1].names);
    }

    let mut folders = vec![certificates.folder()];
    while let Some(folder) = folders.pop() {
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
    }
    assert_eq!(std::fs::metadata(home.paths.tls_lock()).unwrap().permissions().mode() & 0o777, 0o600);

    // What others left there, or a client whose making was broken off, is in nobody's way.
    let clients = home.paths.tls_clients_dir();
    std::fs::write(clients.join(".DS_Store"), "x").unwrap();
    std::fs::create_dir(clients.join("empty")).unwrap();
    std::fs::create_dir(clients.join(".ci.new")).unwrap();
    std::fs::write(clients.join(".ci.new/cert.pem"), "half of a certific").unwrap();
    assert_eq!(certificates.list().unwrap(), all);
    for half in ["replaced", ".replaced.old", ".gone.new", ".gone.old"].map(|name| clients.join(name)) {
        std::fs::create_dir(&half).unwrap();
        std::fs::write(half.join("key.pem"), half.as_os_str().as_encoded_bytes()).unwrap();
    }
    certificates.client("ci", Lifetime::default(), true).unwrap();
    let renewed = certificates.list().unwrap();
    assert_eq!(renewed.len(), all.len());
    assert_ne!(renewed[3].sha256, all[3].sha256);
    let left = |name: &str| clients.join(name).exists();
    assert!(!left(".ci.new") && !left(".ci.old") && !left(".replaced.old") && !left(".gone.new"));
    // Of one whose replacement was broken off in between, there is the one before.
    let gone = std::fs::read_to_string(clients.join("gone/key.pem")).unwrap();
    assert!(gone.ends_with(".gone.old") && !left(".gone.old"), "{gone}");
    assert!(left(".DS_Store") && left("empty"));

    // So is what is left of one that was ended in the middle, and it goes, since there is a key in it. What has other names stays.
    let unfinished = certificates.folder().join("ca-key.pem.1-0.new");
    std::fs::write(&unfinished, "half of a k").unwrap();
    let foreign = ["server.new", "x.1-.new", "1-0.new"].map(|name| certificates.folder().join(name));
    foreign.iter().for_each(|path| std::fs::write(path, "mine").unwrap());
    let folder = certificates.folder().join("x.1-0.new");
    std::fs::create_dir(&folder).unwrap();
    certificates.renew(&[], Lifetime::default()).unwrap();
    assert!(!unfinished.exists() && foreign.iter().all(|path| path.exists()) && folder.exists());

    // A damaged file is named, with what mends it.
    std::fs::write(clients.join("ci/cert.pem"), "x").unwrap();
    let error = certificates.list().unwrap_err().to_string();
    assert!(error.contains("`berth tls client ci --force`"), "{error}");
    certificates.client("ci", Lifetime::default(), true).unwrap();
    let key = certificates.folder().join("ca-key.pem");
    let right = std::fs::read(&key).unwrap();
    for wrong in ["x", &KeyPair::generate().unwrap().serialize_pem()] {
        std::fs::write(&key, wrong).unwrap();
        let error = certificates.renew(&[], Lifetime::default()).unwrap_err().to_string();
        assert!(error.contains("ca-key.pem cannot be used") && error.contains("`berth tls create --force`"), "{error}");
    }
    std::fs::write(&key, right).unwrap();

    // A new authority whose making is broken off takes no client's files away, and what it did not sign is told.
    assert_eq!(tls::warnings(&home.paths), [""; 0]);
    let in_the_way = certificates.folder().join("server-key.pem");
    std::fs::remove_file(&in_the_way).unwrap();
    std::fs::create_dir_all(in_the_way.join("x")).unwrap();
    certificates.create(&[], Lifetime::default(), true).unwrap_err();
    assert!(clients.join("ci/key.pem").exists());
    std::fs::remove_dir_all(&in_the_way).unwrap();
    let warnings = tls::warnings(&home.paths);
    for (warning, (file, remedy)) in warnings.iter().zip([
        ("server-cert.pem", "`berth tls renew`"),
        ("cert.pem", "`berth tls renew`"),
        ("clients/ci/cert.pem", "`berth tls client ci --force`"),
    ]) {
        let told = format!("/{file} is of another authority than ca.pem, and is refused: {remedy}");
        assert!(warning.contains(&told), "{warnings:?}");
    }
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    certificates.renew(&[], Lifetime::default()).unwrap();
    certificates.client("ci", Lifetime::default(), true).unwrap();
    assert_eq!(tls::warnings(&home.paths), [""; 0]);

    certificates.create(&[], Lifetime::default(), true).unwrap();
    let anew = certificates.list().unwrap();
    assert_eq!(anew.len(), 3, "the other clients are of the authority that is gone");
    assert_ne!(anew[0].sha256, all[0].sha256);
}
