//! A small index of repositories, as `docker search` asks one: the first registry protocol's `/v1/_ping` and `/v1/search`.
//!
//! It searches what it was given, and remembers what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use serde_json::{Value, json};

/// A running index; its thread ends with the process.
#[derive(Debug)]
pub struct Index {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    repositories: Vec<Repository>,
    asked: Mutex<Vec<Asked>>,
}

/// What an index knows of a repository.
#[derive(Debug, Clone)]
pub struct Repository {
    pub name: &'static str,
    pub description: &'static str,
    pub stars: u32,
    pub official: bool,
}

/// One search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The target's query, as it was sent.
    pub query: String,
    /// The header `Authorization`.
    pub authorization: Option<String>,
}

impl Index {
    /// Serves these repositories on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no port to listen on.
    pub fn start(repositories: Vec<Repository>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { repositories, asked: Mutex::default() });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever went away in the middle, or tried TLS, has no use for an answer.
                let _ = own.answer(stream);
            }
        });
        Ok(Self { address, shared })
    }

    /// `127.0.0.1:PORT`, the first part of a term.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Every search so far, oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().context("a request")??;
        let mut authorization = None;
        for line in lines {
            match line?.split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                    authorization = Some(value.to_owned());
                }
                Some(_) => {}
                None => break,
            }
        }
        let target = request.split(' ').nth(1).context("a target")?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (status, body) = match path {
            "/v1/_ping" => ("200 OK", json!({ "standalone": true }).to_string()),
            "/v1/search" => {
                let asked = Asked { query: query.to_owned(), authorization };
                self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
                self.search(query)
            }
            _ => ("404 Not Found", String::new()),
        };
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
        stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes())?;
        Ok(())
    }

    /// Repositories whose name or description has the term in it. Two terms stand for servers that are broken.
    fn search(&self, query: &str) -> (&'static str, String) {
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap_or("");
        let term = value("q");
        match term {
            "broken" => return ("200 OK", "<html>".to_owned()),
            "down" => return ("503 Service Unavailable", String::new()),
            _ => {}
        }
        let has = |repository: &&Repository| repository.name.contains(term) || repository.description.contains(term);
        let most = value("n").parse().unwrap_or(25);
        let results: Vec<Value> = self.repositories.iter().filter(has).take(most).map(Repository::json).collect();
        ("200 OK", json!({ "num_results": results.len(), "query": term, "results": results }).to_string())
    }
}

impl Repository {
    fn json(&self) -> Value {
        json!({
            "name": self.name, "description": self.description, "star_count": self.stars, "is_official": self.official,
            // What Docker Hub says there is not to be trusted: engines leave it out.
            "is_automated": true,
        })
    }
}
