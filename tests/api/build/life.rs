//! Builds while they run.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::wait::until;

use super::{built, context, sh};
use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    let mut all = cases![everywhere; in_a_network, whose_client_goes];
    all.extend(cases![not_of_dockerd; keeps_what_it_needs]);
    all
}

/// Networks, names and limits of the request are those of its commands.
pub(crate) fn in_a_network(case: &Case<'_>) -> Result {
    let (network, server, image) = (case.network("builds"), case.container("server"), case.image("network:1"));
    case.ok(&["network", "create", &network])?;
    let serve = "mkdir /www; echo page >/www/index.html; httpd -f -h /www";
    case.ok(&["run", "-d", "--init", "--network", &network, "--name", &server, "busybox", "sh", "-c", serve])?;
    let dockerfile = format!(
        "FROM busybox\nRUN until wget -qO /page http://{server}/; do sleep 0.1; done; grep host.of.mine /etc/hosts >/hosts; ulimit -n >/limit\n"
    );
    let limits = "ulimits=%5B%7B%22Name%22%3A%22nofile%22%2C%22Soft%22%3A123%2C%22Hard%22%3A123%7D%5D";
    built(
        case,
        &dockerfile,
        &[],
        &format!("t={image}&networkmode={network}&extrahosts=host.of.mine:10.1.2.3&{limits}"),
    )?;
    let seen = sh(case, &image, "cat /page /hosts /limit")?;
    ensure!(seen.split_whitespace().collect::<Vec<_>>() == ["page", "10.1.2.3", "host.of.mine", "123"], "{seen}");
    Ok(())
}

/// Nothing of it stays.
pub(crate) fn whose_client_goes(case: &Case<'_>) -> Result {
    let dockerfile = format!("FROM busybox\nRUN echo {}; sleep 1000\n", case.number());
    let running = Running::start(case, &dockerfile, "")?;
    let id = running.container.clone();
    until("its container to run", Duration::from_secs(60), || {
        case.ok(&["ps", "-q"]).is_ok_and(|all| all.contains(&id)).then_some(())
    })?;
    drop(running);
    until("its container's end", Duration::from_secs(60), || {
        case.ok(&["ps", "-aq"]).is_ok_and(|all| !all.contains(&id)).then_some(())
    })
}

/// What it has made by then, and what it is made from, stays while it goes on.
pub(crate) fn keeps_what_it_needs(case: &Case<'_>) -> Result {
    let image = case.image("kept:1");
    let number = case.number();
    let dockerfile = format!(
        "FROM busybox AS one\nRUN echo {number} >/one\nLABEL kept={number}\nFROM busybox\nRUN echo {number}; while [ ! -e /go ]; do sleep 0.1; done; rm /go\n\
        COPY --from=one /one /one\n"
    );
    let mut running = Running::start(case, &dockerfile, &format!("t={image}"))?;
    case.ok(&["image", "prune", "-f", "--filter", &format!("label=kept={number}")])?;
    case.ok(&["exec", &running.container, "touch", "/go"])?;
    running.until("Successfully tagged")?;
    ensure!(
        sh(case, &image, "cat /one; ls /go 2>&1 | tail -n 1")?
            == format!("{number}\nls: /go: No such file or directory")
    );
    Ok(())
}

/// A build that came to a command which says the case's number and goes on.
struct Running {
    lines: std::io::Lines<BufReader<UnixStream>>,
    container: String,
}

impl Running {
    fn start(case: &Case<'_>, dockerfile: &str, query: &str) -> anyhow::Result<Self> {
        let context = context(&[("Dockerfile", dockerfile)])?;
        let socket = case.host().strip_prefix("unix://").context("a socket")?;
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let head = format!(
            "POST /v1.51/build?{query} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
            context.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(context.as_bytes())?;
        let mut running = Self { lines: BufReader::new(stream).lines(), container: String::new() };
        running.until(&format!("\"{}\\n", case.number()))?;
        ensure!(!running.container.is_empty(), "nothing runs");
        Ok(running)
    }

    /// Reads on to a line with these words.
    fn until(&mut self, words: &str) -> Result {
        let mut said = Vec::new();
        loop {
            let line = self.lines.next().with_context(|| format!("the answer ended: {said:?}"))??;
            if let Some((_, rest)) = line.split_once("Running in ") {
                self.container = rest[..12].to_owned();
            }
            if line.contains(words) {
                return Ok(());
            }
            said.push(line);
        }
    }
}
