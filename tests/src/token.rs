//! A token service as registries name one in their challenges: Basic credentials in, a signed bearer token out.
//!
//! <https://distribution.github.io/distribution/spec/auth/token/>; tokens are RS256 with the certificate in the header, which
//! is one of the forms that Debian's `docker-registry` checks.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use serde_json::json;
use tempfile::TempDir;

/// What tokens and the registry's configuration call the two sides.
pub const SERVICE: &str = "berth-test";

/// A running token service; its thread ends with the process.
#[derive(Debug)]
pub struct Tokens {
    port: u16,
    certificate: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    home: TempDir,
    /// The certificate's DER in base64, as the token's header carries it.
    chain: String,
    /// `Basic …` of the one user.
    credentials: String,
    given: AtomicUsize,
}

impl Tokens {
    /// Makes a key and serves tokens on a free port of 127.0.0.1 to whoever has this password. Everybody else gets tokens
    /// that allow nothing, as public registries do.
    ///
    /// # Errors
    /// When `openssl` is missing.
    pub fn start(user: &str, password: &str) -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let (key, pem) = (home.path().join("key.pem"), home.path().join("certificate.pem"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=berth-test"]);
        let made = openssl.arg("-keyout").arg(&key).arg("-out").arg(&pem).output();
        let made = made.context("openssl is missing: `cargo verify` installs it")?;
        ensure!(made.status.success(), "openssl req: {}", String::from_utf8_lossy(&made.stderr));
        let certificate = fs::read_to_string(&pem)?;
        let chain = certificate.lines().filter(|line| !line.starts_with("-----")).collect();
        let credentials = format!("Basic {}", base64(format!("{user}:{password}").as_bytes(), STANDARD));
        let shared = Arc::new(Shared { home, chain, credentials, given: AtomicUsize::new(0) });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let own = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever went away in the middle has no use for an answer.
                let _ = own.answer(stream);
            }
        });
        Ok(Self { port, certificate, shared })
    }

    /// Where the registry sends its clients.
    pub fn realm(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }

    /// PEM, for the registry to check signatures with.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// How many tokens that allow something were given so far.
    pub fn given(&self) -> usize {
        self.shared.given.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().context("a request")??;
        let mut credentials = None;
        for line in lines {
            let line = line?;
            match line.split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                    credentials = Some(value.to_owned());
                }
                Some(_) => {}
                None => break,
            }
        }
        let target = request.split(' ').nth(1).context("a target")?;
        let (status, body) = match credentials {
            Some(other) if other != self.credentials => {
                ("401 Unauthorized", json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "wrong password" }] }))
            }
            known => {
                let scopes = if known.is_some() { scopes(target) } else { Vec::new() };
                self.given.fetch_add(usize::from(known.is_some()), Ordering::SeqCst);
                ("200 OK", json!({ "token": self.token(&scopes)?, "expires_in": 300 }))
            }
        };
        let body = body.to_string();
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
        stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes())?;
        Ok(())
    }

    fn token(&self, scopes: &[(String, Vec<String>)]) -> anyhow::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let access: Vec<_> = scopes
            .iter()
            .map(|(name, actions)| json!({ "type": "repository", "name": name, "actions": actions }))
            .collect();
        let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [self.chain] });
        let claims = json!({
            "iss": SERVICE, "aud": SERVICE, "sub": "berth", "jti": format!("{now}"),
            "iat": now, "nbf": now - 60, "exp": now + 300, "access": access,
        });
        let part = |value: &serde_json::Value| base64(value.to_string().as_bytes(), URL);
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = sign(&self.home.path().join("key.pem"), signed.as_bytes())?;
        Ok(format!("{signed}.{}", base64(&signature, URL)))
    }
}

/// `scope=repository:NAME:ACTION,ACTION` of a request's target, each with its actions.
fn scopes(target: &str) -> Vec<(String, Vec<String>)> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let values = query.split('&').filter_map(|pair| pair.strip_prefix("scope=")).map(unescape);
    values
        .flat_map(|value| value.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|scope| {
            let (name, actions) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
            Some((name.to_owned(), actions.split(',').map(str::to_owned).collect()))
        })
        .collect()
}

/// Percent escapes and pluses of a query.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|digit| char::from(digit.unwrap_or(b'0')));
                u8::from_str_radix(&String::from_iter(digits), 16).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn sign(key: &Path, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-sign"]).arg(key);
    let mut child = openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("stdin was piped")?.write_all(bytes)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "openssl dgst ended with {}", output.status);
    Ok(output.stdout)
}

/// The two alphabets of RFC 4648 by their last two digits, and whether they pad.
const STANDARD: ([u8; 2], bool) = (*b"+/", true);
const URL: ([u8; 2], bool) = (*b"-_", false);

fn base64(bytes: &[u8], (last, pads): ([u8; 2], bool)) -> String {
    let digits: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(last).collect();
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                text.push(char::from(digits[(group >> (18 - 6 * place) & 63) as usize]));
            } else if pads {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_rfc_4648() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes(), STANDARD), coded);
        }
        assert_eq!(base64(&[0xfb, 0xff], URL), "-_8");
    }

    #[test]
    fn scopes_of_a_request() {
        let target = "/token?account=berth&scope=repository%3Aa%2Fb%3Apull%2Cpush&scope=repository:c:pull&service=x";
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let wanted = [("a/b".to_owned(), names(&["pull", "push"])), ("c".to_owned(), names(&["pull"]))];
        assert_eq!(scopes(target), wanted);
    }
}
