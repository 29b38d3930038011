//! An HTTP server whose every answer the test decides, bad manners included; and a token server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What came in.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    /// Lower-case names.
    pub headers: HashMap<String, String>,
}

/// What goes out.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub then: Then,
    /// What of the body behind this position waits for the word.
    pub held: Option<(usize, tokio::sync::watch::Receiver<bool>)>,
}

/// After how many bytes of the body what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Complete,
    CloseAfter(usize),
    StallAfter(usize),
    /// The whole body in chunks, but without the mark of its end.
    LoseTheEnd,
}

/// How the bodies of large uploads are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appetite {
    Hungry,
    /// A piece of so many bytes, then so much of a rest.
    Slow(usize, std::time::Duration),
    /// Not at all.
    Full,
    /// Everything, and then there is no answer.
    Silent,
}

/// A body from which on an upload is large.
const LARGE: usize = 1_000_000;

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, headers: Vec::new(), body: body.into(), then: Then::Complete, held: None }
    }

    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn then(mut self, then: Then) -> Answer {
        self.then = then;
        self
    }

    /// A complete answer whose body goes on after `position` only when the channel says so.
    pub fn held(mut self, position: usize, until: tokio::sync::watch::Receiver<bool>) -> Answer {
        self.held = Some((position, until));
        self
    }
}

/// Runs until the test's runtime ends.
pub struct Server {
    pub address: String,
    pub seen: Arc<Mutex<Vec<Request>>>,
    /// TLS clients that came to a server without TLS.
    pub hellos: Arc<AtomicUsize>,
}

impl Server {
    pub async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
        Server::run(None, Appetite::Hungry, answer).await
    }

    /// A server that reads large uploads in a way of its own.
    pub async fn eating(appetite: Appetite, answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
        Server::run(None, appetite, answer).await
    }

    /// A server that speaks TLS only.
    pub async fn tls(
        config: rustls::ServerConfig,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Server {
        Server::run(Some(tokio_rustls::TlsAcceptor::from(Arc::new(config))), Appetite::Hungry, answer).await
    }

    async fn run(
        tls: Option<tokio_rustls::TlsAcceptor>,
        appetite: Appetite,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        if appetite != Appetite::Hungry {
            // So that the kernel does not eat for us.
            socket.set_recv_buffer_size(16 * 1024).unwrap();
        }
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (seen, hellos): (Arc<Mutex<Vec<Request>>>, Arc<AtomicUsize>) = Default::default();
        let (answer, log, greeted) = (Arc::new(answer), Arc::clone(&seen), Arc::clone(&hellos));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answer, log, greeted) = (tls.clone(), answer.clone(), log.clone(), greeted.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => serve(tls.accept(stream).await.ok()?, appetite, answer, log, greeted).await,
                        None => serve(stream, appetite, answer, log, greeted).await,
                    }
                });
            }
        });
        Server { address, seen, hellos }
    }

    /// How many requests had a path that contains `part`.
    pub fn count(&self, part: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|request| request.path.contains(part)).count()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    appetite: Appetite,
    answer: Arc<impl Fn(&Request) -> Answer>,
    log: Arc<Mutex<Vec<Request>>>,
    greeted: Arc<AtomicUsize>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
        // A TLS client says hello first: it has come to the wrong place.
        if head.first() == Some(&0x16) {
            greeted.fetch_add(1, Ordering::SeqCst);
            stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await.ok()?;
            return None;
        }
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let request = Request {
        method: first.next()?.to_owned(),
        path: first.next()?.to_owned(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
    };
    let length = request.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    log.lock().unwrap().push(request.clone());
    let mut body = vec![0; length];
    match appetite {
        Appetite::Full if length >= LARGE => std::future::pending().await,
        Appetite::Slow(piece, rest) if length >= LARGE => {
            for piece in body.chunks_mut(piece) {
                stream.read_exact(piece).await.ok()?;
                tokio::time::sleep(rest).await;
            }
        }
        _ => {
            stream.read_exact(&mut body).await.ok()?;
        }
    }
    if appetite == Appetite::Silent && length >= LARGE {
        std::future::pending::<()>().await;
    }
    let mut answer = answer(&request);
    let framing = match answer.then {
        Then::LoseTheEnd => "transfer-encoding: chunked".to_owned(),
        _ => format!("content-length: {}", answer.body.len()),
    };
    let mut text = format!("HTTP/1.1 {} X\r\nconnection: close\r\n{framing}\r\n", answer.status);
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).await.ok()?;
    if request.method == "HEAD" {
        return None;
    }
    if let Some((position, mut until)) = answer.held {
        let rest = answer.body.split_off(position);
        stream.write_all(&answer.body).await.ok()?;
        until.wait_for(|open| *open).await.ok()?;
        answer.body = rest;
    }
    match answer.then {
        Then::Complete => stream.write_all(&answer.body).await.ok()?,
        Then::LoseTheEnd => {
            stream.write_all(format!("{:x}\r\n", answer.body.len()).as_bytes()).await.ok()?;
            stream.write_all(&answer.body).await.ok()?;
            stream.write_all(b"\r\n").await.ok()?;
        }
        Then::CloseAfter(count) => {
            answer.body.truncate(count);
            stream.write_all(&answer.body).await.ok()?;
        }
        Then::StallAfter(count) => {
            answer.body.truncate(count);
            stream.write_all(&answer.body).await.ok()?;
            // Until the client gives up.
            let _ = stream.read_u8().await;
        }
    }
    stream.shutdown().await.ok()
}

/// A registry's content, served by rule: blobs and manifests by path.
#[derive(Debug, Clone, Default)]
pub struct Content {
    pub manifests: HashMap<String, (String, Vec<u8>)>,
    pub blobs: HashMap<String, Vec<u8>>,
}

impl Content {
    /// An image with gzip layers under `latest`.
    pub fn image(plain: &[Vec<u8>]) -> Content {
        let mut content = Content::default();
        let config = super::config(plain, "served");
        let layers: Vec<Vec<u8>> = plain.iter().map(|layer| super::gzip(layer)).collect();
        content.add(&config, &layers, "application/vnd.oci.image.layer.v1.tar+gzip");
        content
    }

    pub fn add(&mut self, config: &[u8], layers: &[Vec<u8>], media_type: &str) -> images::Digest {
        let digest = |bytes: &[u8]| images::Digest::of(bytes).to_string();
        let entries: Vec<_> = layers
            .iter()
            .map(|layer| serde_json::json!({"mediaType": media_type, "digest": digest(layer), "size": layer.len()}))
            .collect();
        let manifest = serde_json::to_vec(&serde_json::json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config), "size": config.len()},
            "layers": entries,
        }))
        .unwrap();
        self.blobs.insert(digest(config), config.to_vec());
        for layer in layers {
            self.blobs.insert(digest(layer), layer.clone());
        }
        let kind = "application/vnd.oci.image.manifest.v1+json".to_owned();
        let id = images::Digest::of(&manifest);
        self.manifests.insert("latest".to_owned(), (kind.clone(), manifest.clone()));
        self.manifests.insert(id.to_string(), (kind, manifest));
        id
    }

    /// The honest answer.
    pub fn answer(&self, request: &Request) -> Answer {
        let (_, last) = request.path.rsplit_once('/').unwrap();
        if request.path.contains("/manifests/") {
            return match self.manifests.get(last) {
                Some((kind, content)) => Answer::new(200, content.clone()).header("content-type", kind),
                None => Answer::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#),
            };
        }
        if request.path.contains("/blobs/") {
            let Some(blob) = self.blobs.get(last) else { return Answer::new(404, "") };
            let from = request
                .headers
                .get("range")
                .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
            return match from {
                Some(from) => Answer::new(206, &blob[from..])
                    .header("content-range", &format!("bytes {from}-{}/{}", blob.len() - 1, blob.len())),
                None => Answer::new(200, blob.clone()),
            };
        }
        Answer::new(200, "{}")
    }
}

/// Signs tokens as the distribution project's token specification demands.
pub struct Tokens {
    key: ring::signature::EcdsaKeyPair,
    certificate_der: Vec<u8>,
    pub certificate_pem: String,
}

impl Tokens {
    pub fn new() -> Tokens {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["token".to_owned()]).unwrap().self_signed(&key).unwrap();
        let random = ring::rand::SystemRandom::new();
        let algorithm = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        Tokens {
            key: ring::signature::EcdsaKeyPair::from_pkcs8(algorithm, &key.serialize_der(), &random).unwrap(),
            certificate_der: certificate.der().to_vec(),
            certificate_pem: certificate.pem(),
        }
    }

    /// A token for what the request asks, when its user may have it: anybody may pull from `open/`.
    pub fn answer(&self, request: &Request, user: &str, password: &str) -> Answer {
        let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let known = match request.headers.get("authorization") {
            Some(found) if *found == expected => true,
            Some(_) => return Answer::new(401, r#"{"details":"incorrect username or password"}"#),
            None => false,
        };
        let url = format!("http://x{}", request.path).replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
        let mut access = Vec::new();
        for scope in url.split(['?', '&']).filter_map(|part| part.strip_prefix("scope=")) {
            let parts: Vec<&str> = scope.split(':').collect();
            let actions: Vec<&str> = parts[2]
                .split(',')
                .filter(|action| known || (*action == "pull" && parts[1].starts_with("open/")))
                .collect();
            access.push(serde_json::json!({"type": parts[0], "name": parts[1], "actions": actions}));
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let header = serde_json::json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(&self.certificate_der)]});
        let claims = serde_json::json!({
            "iss": "test-issuer", "sub": user, "aud": "test-registry", "exp": now + 300, "nbf": now - 10, "iat": now,
            "jti": "1", "access": access,
        });
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let random = ring::rand::SystemRandom::new();
        let signature = self.key.sign(&random, signed.as_bytes()).unwrap();
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
        Answer::new(200, serde_json::json!({"token": token, "expires_in": 300}).to_string())
    }
}
