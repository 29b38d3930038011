//! What lies beyond the machine: a name server, a web page, a registry with a certificate, a proxy. All of it on addresses of the
//! suite's own network that are not loopback's, so that nothing takes a short way there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use anyhow::{Context, ensure};
use nix::mount::{MsFlags, mount};
use tempfile::TempDir;

/// The domain whose names the name server knows, at any depth.
pub const DOMAIN: &str = "outside.example";

/// Where all of it is.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 3);

/// Gives the suite's network that address, and its mounts a resolver there, once for all cases. Needs [`crate::sandbox::enter`]
/// before.
///
/// # Errors
/// When it did not come up the first time.
pub fn name_server() -> anyhow::Result<()> {
    static STARTED: OnceLock<Result<(), String>> = OnceLock::new();
    let started = STARTED.get_or_init(|| start_name_server().map_err(|error| format!("{error:#}")));
    started.clone().map_err(anyhow::Error::msg)
}

/// Gives the suite's network that address alone.
///
/// # Errors
/// As [`name_server`].
pub fn address() -> anyhow::Result<()> {
    let added = Command::new("ip").args(["address", "replace", &format!("{ADDRESS}/32"), "dev", "lo"]).status()?;
    ensure!(added.success(), "ip address replace {ADDRESS}");
    Ok(())
}

fn start_name_server() -> anyhow::Result<()> {
    address()?;
    let socket = UdpSocket::bind((ADDRESS, 53))?;
    let file = tempfile::Builder::new().prefix("resolv").tempfile()?.into_temp_path();
    std::fs::write(&file, format!("nameserver {ADDRESS}\n"))?;
    // The mount keeps the file when its name goes.
    mount(Some(&*file), "/etc/resolv.conf", None::<&str>, MsFlags::MS_BIND, None::<&str>).context("resolv.conf")?;
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..length]) {
                // Who asks, asks again.
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    Ok(())
}

/// The answer to one question (RFC 1035, section 4): the address for names of [`DOMAIN`], else that there is no such name. `None`: it is
/// no question.
pub fn answer(query: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let (mut at, mut labels) = (HEADER, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let question = query.get(HEADER..at + 4)?;
    let is_address = question[question.len() - 4..] == [0, 1, 0, 1];
    let name = labels.join(".");
    let known = name == DOMAIN || name.strip_suffix(DOMAIN).is_some_and(|rest| rest.ends_with('.'));
    let answers = u8::from(known && is_address);
    let mut out = query[..2].to_vec();
    // A response, recursion available; the last half byte is the code, 3 for a name that does not exist.
    out.extend([0x81, if known { 0x80 } else { 0x83 }, 0, 1, 0, answers, 0, 0, 0, 0]);
    out.extend(question);
    if answers == 1 {
        // The name from byte 12, type A, class IN, 60 s, four bytes.
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        out.extend(ADDRESS.octets());
    }
    Some(out)
}

/// Serves one page to whoever asks; the port. Its thread ends with the process.
///
/// # Errors
/// When there is no free port.
pub fn web_page(text: &'static str) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((ADDRESS, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            if head(&client).is_ok() {
                // A client that is gone does not want it.
                let _ = write!(client, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            }
        }
    });
    Ok(port)
}

/// The lines of a request up to the empty one.
fn head(client: &TcpStream) -> std::io::Result<Vec<String>> {
    let lines = BufReader::new(client.try_clone()?).lines();
    lines.take_while(|line| line.as_ref().map_or(true, |line| !line.is_empty())).collect()
}

/// A key and a certificate for names, which is its own authority.
#[derive(Debug)]
pub struct Certificate {
    home: TempDir,
}

impl Certificate {
    /// # Errors
    /// When `openssl` is missing.
    pub fn new(names: &[&str]) -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let config = format!(
            "[req]\ndistinguished_name = name\nx509_extensions = extensions\n[name]\n[extensions]\n\
             basicConstraints = critical, CA:FALSE\nsubjectAltName = {}\n",
            names.join(", ")
        );
        std::fs::write(home.path().join("config"), config)?;
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=outside"])
            .args(["-config", "config", "-keyout", "key.pem", "-out", "certificate.pem"])
            .current_dir(home.path())
            .output()
            .context("openssl is missing: `cargo verify` installs it")?;
        ensure!(made.status.success(), "openssl req: {}", String::from_utf8_lossy(&made.stderr));
        Ok(Self { home })
    }

    /// The certificate (PEM), for who should trust it.
    pub fn certificate(&self) -> std::path::PathBuf {
        self.home.path().join("certificate.pem")
    }

    /// The folder with `key.pem` and `certificate.pem`.
    pub fn folder(&self) -> &Path {
        self.home.path()
    }
}

/// A proxy that knows CONNECT alone.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts one on loopback that connects to `target`, whatever it is asked for; its threads end with the process.
    ///
    /// # Errors
    /// When loopback has no free port.
    pub fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = asked.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let noted = noted.clone();
                // A client that breaks off is no business of the others.
                thread::spawn(move || connect(client, target, &noted));
            }
        });
        Ok(Self { port, asked })
    }

    /// As settings name it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it was asked to connect to, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn connect(mut client: TcpStream, target: SocketAddr, noted: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut request = Vec::new();
    // Byte by byte: what follows the head belongs to the server.
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let Some(wanted) = request.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else {
        return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
    };
    noted.lock().unwrap_or_else(PoisonError::into_inner).push(wanted.to_owned());
    let server = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || crate::gate::copy(from_client, to_server, |_| true));
    crate::gate::copy(server, client, |_| true);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u8) -> Vec<u8> {
        let mut bytes = vec![7, 8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            bytes.push(label.len() as u8);
            bytes.extend(label.as_bytes());
        }
        bytes.extend([0, 0, kind, 0, 1]);
        bytes
    }

    #[test]
    fn only_names_of_the_domain_are_known() {
        let found = answer(&query("a.OUTSIDE.example", 1)).unwrap();
        assert_eq!((&found[..2], found[3], found[7]), (&[7, 8][..], 0x80, 1));
        assert!(found.ends_with(&ADDRESS.octets()));
        let no_such_type = answer(&query(DOMAIN, 28)).unwrap();
        assert_eq!((no_such_type[3], no_such_type[7]), (0x80, 0));
        let unknown = answer(&query("notoutside.example", 1)).unwrap();
        assert_eq!((unknown[3], unknown[7]), (0x83, 0));
        assert_eq!(answer(&query(DOMAIN, 1)[..15]), None);
    }
}
