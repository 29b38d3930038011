//! What an engine tells of what happens, heard as it happens: of the past it remembers the last few hundred events only, and cases that
//! run beside one make as many.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::docker::Docker;
use crate::http;

/// Only what never comes takes so long.
const LIMIT: Duration = Duration::from_secs(300);

/// A stream of events that is read until it is dropped, and all that came.
#[derive(Debug)]
pub struct Listener<'a> {
    docker: &'a Docker,
    stream: UnixStream,
    heard: Arc<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    said: Mutex<Said>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    events: Vec<Value>,
    /// Why there will be no more.
    end: Option<String>,
}

impl<'a> Listener<'a> {
    /// Hears everything from now on, and what the engine remembers of before: other cases run beside this one, so look for what is
    /// one's own.
    ///
    /// # Errors
    /// When the engine cannot be reached, or refuses.
    pub fn start(docker: &'a Docker) -> anyhow::Result<Self> {
        Self::filtered(docker, &[])
    }

    /// Likewise, of what passes the engine's filters (`NAME=VALUE`). Only [`Listener::until`] makes sense then.
    ///
    /// # Errors
    /// As [`Listener::start`].
    pub fn filtered(docker: &'a Docker, filters: &[&str]) -> anyhow::Result<Self> {
        let socket = docker.host().strip_prefix("unix://").context("events are heard over a Unix socket")?;
        let mut stream = UnixStream::connect(socket)?;
        // From the beginning of time, not from some moment: its clock may be set meanwhile.
        let path = format!("/v1.51/events?since=0&filters={}", in_query(filters)?);
        write!(stream, "GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        // Not by the docker CLI, which does not show when the engine listens to it: it may take its time to start, and of what happens
        // meanwhile the engine forgets all but the last. The head of the answer shows it: this engine has subscribed before it
        // answers, and dockerd subscribes next and replays what came between.
        stream.set_read_timeout(Some(LIMIT))?;
        let head = http::head(&mut stream)?;
        if head.split(' ').nth(1) != Some("200") {
            let mut words = String::new();
            stream.read_to_string(&mut words)?;
            bail!("{path}: {head}{words}");
        }
        // Events may be rare.
        stream.set_read_timeout(None)?;
        let heard = Arc::<Heard>::default();
        let (shared, read) = (Arc::clone(&heard), stream.try_clone()?);
        std::thread::spawn(move || shared.listen(read));
        Ok(Self { docker, stream, heard })
    }

    /// Waits until `probe` finds what it looks for in what was heard so far, oldest first.
    ///
    /// # Errors
    /// When that does not happen, or the stream ends.
    pub fn until<T>(&self, what: &str, mut probe: impl FnMut(&[Value]) -> Option<T>) -> anyhow::Result<T> {
        let mut found = None;
        let said = self.heard.said.lock().expect("no holder panics");
        let goes_on = |said: &mut Said| {
            found = probe(&said.events);
            found.is_none() && said.end.is_none()
        };
        let (said, _) = self.heard.more.wait_timeout_while(said, LIMIT, goes_on).expect("no holder panics");
        match (found, &said.end) {
            (Some(found), _) => Ok(found),
            (None, Some(end)) => bail!("before {what} the events ended: {end}"),
            (None, None) => bail!("{what} was not told within {} s, of {:?}", LIMIT.as_secs(), said.events),
        }
    }

    /// Waits until a container has been removed.
    ///
    /// # Errors
    /// As [`Listener::until`].
    pub fn destroyed(&self, container: &str) -> anyhow::Result<()> {
        let is_it = |event: &Value| event["Action"] == "destroy" && event["Actor"]["ID"] == *container;
        self.until("the removal of a container", |heard| heard.iter().any(is_it).then_some(()))
    }

    /// Everything that was told until now, by the engine's order.
    ///
    /// # Errors
    /// As [`Listener::until`].
    pub fn told(&self) -> anyhow::Result<Vec<Value>> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // What is told of this comes behind all that was told before.
        let mark = format!("events-until-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.docker.ok(&["volume", "create", &mark])?;
        self.docker.ok(&["volume", "rm", &mark])?;
        self.until(&mark, |events| {
            let end = events.iter().position(|event| event["Type"] == "volume" && event["Actor"]["ID"] == *mark)?;
            Some(events[..end].to_vec())
        })
    }
}

impl Heard {
    fn listen(&self, stream: impl Read) {
        let mut end = "without a word".to_owned();
        for line in BufReader::new(stream).lines() {
            let event = line.map_err(anyhow::Error::from).and_then(|line| serde_json::from_str(&line).context(line));
            match event {
                Ok(event) => self.said.lock().expect("no holder panics").events.push(event),
                Err(error) => {
                    end = format!("{error:#}");
                    break;
                }
            }
            self.more.notify_all();
        }
        self.said.lock().expect("no holder panics").end = Some(end);
        self.more.notify_all();
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        // Fails only when the engine has ended it already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Filters as the engine takes them: an object of lists, as JSON in a query.
fn in_query(filters: &[&str]) -> anyhow::Result<String> {
    let mut lists = BTreeMap::<&str, Vec<&str>>::new();
    for filter in filters {
        let (name, value) = filter.split_once('=').with_context(|| format!("{filter} is no filter"))?;
        lists.entry(name).or_default().push(value);
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    let escaped = serde_json::to_vec(&lists)?.into_iter().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    Ok(escaped.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_one_name_are_a_list() {
        let query = in_query(&["type=container", "label=a=b", "type=image"]).unwrap();
        assert_eq!(query, "%7B%22label%22%3A%5B%22a%3Db%22%5D%2C%22type%22%3A%5B%22container%22%2C%22image%22%5D%7D");
        assert!(in_query(&["type"]).is_err());
    }

    /// What happens once there is a listener is heard, however little an engine remembers.
    #[test]
    fn a_listener_is_there_when_the_engine_listens_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let subscribed = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let there = Arc::clone(&subscribed);
        let engine = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            http::head(&mut stream).unwrap();
            there.store(true, Ordering::SeqCst);
            write!(stream, "HTTP/1.0 200 OK\r\n\r\n").unwrap();
            writeln!(stream, "{{\"Action\":\"start\"}}").unwrap();
            // Until the listener is dropped.
            stream.read_to_end(&mut Vec::new()).unwrap();
        });
        let docker = Docker::new(format!("unix://{}", socket.display())).unwrap();
        let heard = Listener::start(&docker).unwrap();
        assert!(subscribed.load(Ordering::SeqCst));
        heard.until("a start", |events| (!events.is_empty()).then_some(())).unwrap();
        drop(heard);
        engine.join().unwrap();
    }
}
