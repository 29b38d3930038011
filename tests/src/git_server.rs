//! Repositories of git's own, served over HTTP by git's own program for that, for as long as this is there.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, ensure};
use tempfile::TempDir;

/// A server on this computer.
#[derive(Debug)]
pub struct GitServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    folder: TempDir,
    /// The `Authorization` header that is wanted.
    wanted: Mutex<Option<String>>,
    /// Commits that were asked for, one for each.
    fetches: Mutex<usize>,
    ends: AtomicBool,
}

impl GitServer {
    /// # Errors
    /// When there is no room for it.
    pub fn start() -> anyhow::Result<GitServer> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            folder: tempfile::tempdir()?,
            wanted: Mutex::default(),
            fetches: Mutex::default(),
            ends: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ends.load(Ordering::Acquire) {
                    break;
                }
                // Who goes away in the middle has failed already.
                let _ = stream.map_err(anyhow::Error::from).and_then(|stream| serving.answer(stream));
            }
        });
        Ok(GitServer { shared, address, thread: Some(thread) })
    }

    /// The host and the port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The address of a repository, or of a file in the folder.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Where a repository is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.shared.folder.path().join(name)
    }

    /// Answers from now on only who has that header.
    pub fn want(&self, header: &str) {
        *self.shared.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Some(header.to_owned());
    }

    /// How many commits were sent since this was asked for last.
    pub fn fetches(&self) -> usize {
        std::mem::take(&mut *self.shared.fetches.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What git says in a repository.
    ///
    /// # Errors
    /// When git is missing, or fails.
    pub fn git(&self, name: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new("git");
        command.args(["-c", "init.defaultBranch=main", "-c", "user.name=n", "-c", "user.email=e"]);
        command.args(["-c", "protocol.file.allow=always", "-c", "commit.gpgSign=false"]).args(arguments);
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .current_dir(self.path(name));
        let said = command.output().context("git is missing")?;
        ensure!(said.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
        Ok(String::from_utf8(said.stdout)?.trim().to_owned())
    }

    /// Puts files into a repository, which is made if it is not there; the commit.
    ///
    /// # Errors
    /// When git is missing, or fails.
    pub fn commit(&self, name: &str, files: &[(&str, &str)]) -> anyhow::Result<String> {
        let path = self.path(name);
        if !path.is_dir() {
            std::fs::create_dir(&path)?;
            self.git(name, &["init", "-q"])?;
        }
        for (file, text) in files {
            let file = path.join(file);
            std::fs::create_dir_all(file.parent().unwrap_or(&path))?;
            std::fs::write(file, text)?;
        }
        self.git(name, &["add", "-A"])?;
        self.git(name, &["commit", "-qm", "m", "--allow-empty"])?;
        self.git(name, &["rev-parse", "HEAD"])
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Release);
        // Wakes the thread, which looks whether it is to end.
        if TcpStream::connect(self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        let head = crate::http::head(&mut stream)?;
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |name: &str| {
            let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let length = header("content-length").map_or(Ok(0), |length| length.parse())?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if wanted.is_some() && wanted != header("authorization") {
            return say(&mut stream, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", b"");
        }
        let file = self.folder.path().join(path.trim_start_matches('/'));
        if file.is_file() {
            return say(&mut stream, "200 OK", "", &std::fs::read(file)?);
        }
        if body.windows(13).any(|window| window == b"command=fetch") {
            *self.fetches.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        let mut command = Command::new("git");
        command.args(["-c", "safe.directory=*", "http-backend"]).env("GIT_HTTP_EXPORT_ALL", "1");
        command.env("GIT_PROJECT_ROOT", self.folder.path()).env("PATH_INFO", path).env("QUERY_STRING", query);
        command.env("REQUEST_METHOD", method).env("CONTENT_LENGTH", length.to_string());
        command.env("CONTENT_TYPE", header("content-type").unwrap_or_default());
        command.env("GIT_PROTOCOL", header("git-protocol").unwrap_or_default());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut input = child.stdin.take().context("stdin was piped")?;
        // It may have refused already.
        let _ = input.write_all(&body);
        drop(input);
        let said = child.wait_with_output()?.stdout;
        let end = said.windows(4).position(|window| window == b"\r\n\r\n").context("no headers")?;
        let headers = String::from_utf8_lossy(&said[..end + 2]).into_owned();
        let status = headers.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
        say(&mut stream, status, &headers, &said[end + 4..])
    }
}

fn say(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> anyhow::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    Ok(stream.write_all(body)?)
}
