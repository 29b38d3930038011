//! Answers that the engine gave before the machine was made to stand still. Nothing happens there meanwhile, so they hold, but for lists
//! that say how long ago something did.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::link::{Guest, LinkError};

/// What clients look at without being asked to: below every version, and below none.
const LOOKS: [&str; 6] =
    ["/containers/json", "/containers/json?all=1", "/images/json", "/volumes", "/networks", "/version"];
/// Of Engine API 1; what others ask for is learned.
const VERSIONS: RangeInclusive<u32> = 44..=51;
const PINGS: [&str; 2] = ["HEAD /_ping", "GET /_ping"];
const OF_CONTAINERS: &str = "/containers/json";
/// Of one answer and of all, bytes.
const LONGEST: u64 = 4 << 20;
const MOST: usize = 32 << 20;

/// Whole answers by what was asked: `GET /v1.51/images/json`.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    answers: HashMap<String, Vec<u8>>,
    /// Until when lists of containers that say how long ago something was are true; `None`: for ever. By both clocks: one stands still while
    /// this computer sleeps, the other may be set.
    hold: Option<(Instant, SystemTime)>,
}

impl Lists {
    /// Asks the guest for all of them, and for what was `asked` for before.
    pub(super) async fn take(guest: &Guest, asked: &[String], hold: Option<(Instant, SystemTime)>) -> Lists {
        let mut lists = Lists { answers: HashMap::new(), hold };
        let mut room = MOST;
        let known = PINGS.iter().map(|ping| (*ping).to_owned()).chain(usual());
        for question in known.chain(asked.iter().cloned()) {
            // What is not answered is asked of the guest when somebody wants it.
            let Ok(answer) = fetch(guest, &question).await else { continue };
            if answer.starts_with(b"HTTP/1.1 200 ") && answer.len() <= room {
                room -= answer.len();
                lists.answers.insert(question, answer);
            }
        }
        lists
    }

    /// What the engine would answer to `question`, head and body, after which it closes the connection.
    pub(crate) fn answer(&self, question: &str) -> Option<&[u8]> {
        let answer = self.answers.get(question)?;
        let tells_ages = question.contains(OF_CONTAINERS) && !is_empty(answer);
        let outdated = self.hold.is_some_and(|(steady, wall)| steady <= Instant::now() || wall <= SystemTime::now());
        (!tells_ages || !outdated).then_some(answer)
    }
}

fn usual() -> impl Iterator<Item = String> {
    let versions = VERSIONS.map(|minor| format!("/v1.{minor}"));
    std::iter::once(String::new()).chain(versions).flat_map(|version| LOOKS.map(|look| format!("GET {version}{look}")))
}

async fn fetch(guest: &Guest, question: &str) -> Result<Vec<u8>, LinkError> {
    let mut stream = guest.connect_quietly()?;
    let request = format!("{question} HTTP/1.1\r\nHost: berth\r\nConnection: close\r\n\r\n");
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        (&mut stream).take(LONGEST).read_to_end(&mut answer).await?;
        // Half of one that is longer is none.
        if answer.len() as u64 == LONGEST { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(answer) }
    };
    exchange.await.map(without_date).map_err(|error: std::io::Error| control::Error::Io(error).into())
}

/// It would say when the engine was asked.
fn without_date(answer: Vec<u8>) -> Vec<u8> {
    let Some(end) = head_end(&answer) else { return answer };
    let (head, body) = answer.split_at(end);
    let lines = head.split_inclusive(|byte| *byte == b'\n');
    let kept = lines.filter(|line| !line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"date:")));
    kept.flatten().chain(body).copied().collect()
}

/// Where the head ends and the body begins.
fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Of a list: `[]`.
fn is_empty(answer: &[u8]) -> bool {
    head_end(answer).is_some_and(|end| answer[end..].trim_ascii() == b"[]")
}

/// What a request asks, if it is one that may be answered from here: whole, without a body, nothing behind it, no other protocol.
pub(crate) fn question(request: &[u8]) -> Option<String> {
    if head_end(request)? != request.len() {
        return None;
    }
    let mut lines = std::str::from_utf8(request).ok()?.split("\r\n");
    let (question, version) = lines.next()?.rsplit_once(' ')?;
    let plain = lines.all(|line| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        !["content-length", "transfer-encoding", "upgrade", "expect"].contains(&name.as_str())
    });
    // What is older than something is other than it was a moment ago.
    let timeless = !question.contains("until");
    (version == "HTTP/1.1" && plain && timeless && looks(question)).then(|| question.to_owned())
}

/// Whether it only looks, at something that does not change by itself.
fn looks(question: &str) -> bool {
    let Some(target) = question.strip_prefix("GET ") else { return PINGS.contains(&question) };
    let path = target.split('?').next().unwrap_or_default();
    let path = match path.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|at| &rest[at..])) {
        Some(path) => path,
        None => path,
    };
    path == "/_ping" || LOOKS.iter().any(|look| look.split('?').next() == Some(path))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_only_looks_is_recognised() {
        assert_eq!(question(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), None);
        assert_eq!(question(b"PRI * HTTP/2.0\r\n\r\n"), None);
        let asked = |text: &str| question(text.replace('\n', "\r\n").as_bytes());
        let get = |target: &str| asked(&format!("GET {target} HTTP/1.1\nHost: d\nUser-Agent: x\n\n"));
        for target in
            ["/_ping", "/containers/json", "/v1.43/containers/json?all=1&limit=3", "/v1.51/networks", "/version"]
        {
            assert_eq!(get(target), Some(format!("GET {target}")), "{target}");
        }
        for target in
            ["/info", "/v1.51/events", "/containers/a/json", "/v1.51/containers/json/x", "/system/df", "/v1.51"]
        {
            assert_eq!(get(target), None, "{target}");
        }
        assert_eq!(asked("HEAD /_ping HTTP/1.1\nHost: d\n\n"), Some("HEAD /_ping".to_owned()));
        for other in [
            "POST /containers/json HTTP/1.1\nHost: d\n\n",
            "GET /version HTTP/1.1\nHost: d\nContent-Length: 3\n\nabc",
            "GET /version HTTP/1.1\nHost: d\nUpgrade: h2c\n\n",
            "GET /version HTTP/1.1\nHost: d\n\nGET /version HTTP/1.1\nHost: d\n\n",
            "GET /version HTTP/1.0\n\n",
            "GET /images/json?filters=%7B%22until%22%3A%5B%2210m%22%5D%7D HTTP/1.1\nHost: d\n\n",
            "GET /version HTTP/1.1\nHost: d\n",
        ] {
            assert_eq!(asked(other), None, "{other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ages_are_told_only_while_they_are_true() {
        let answer =
            |body: &str| format!("HTTP/1.1 200 OK\r\nDate: x\r\nApi-Version: 1.51\r\n\r\n{body}\n").into_bytes();
        let all =
            [("GET /containers/json", "[]"), ("GET /containers/json?all=1", "[{}]"), ("GET /images/json", "[{}]")];
        let answers = all.map(|(question, body)| (question.to_owned(), without_date(answer(body)))).into();
        const FIVE: Duration = Duration::from_secs(5);
        let lists = Lists { answers, hold: Some((Instant::now() + FIVE, SystemTime::now() + FIVE)) };
        let told = |question| lists.answer(question).map(|answer| String::from_utf8(answer.to_vec()).unwrap());
        assert_eq!(told("GET /containers/json?all=1").unwrap(), "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\n\r\n[{}]\n");
        let slept = Lists { answers: lists.answers.clone(), hold: Some((Instant::now() + FIVE, SystemTime::now())) };
        assert!(slept.answer("GET /containers/json?all=1").is_none());
        tokio::time::advance(FIVE).await;
        assert_eq!(told("GET /containers/json?all=1"), None);
        assert!(told("GET /containers/json").is_some() && told("GET /images/json").is_some());
        assert_eq!(told("GET /networks"), None);
    }
}
