//! What an engine tells of what happens, heard as it happens: of the past it remembers the last few hundred events only, and cases that
//! run beside one make as many.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::docker::Docker;

/// Only what never comes takes so long.
const LIMIT: Duration = Duration::from_secs(300);

/// A `docker events` that runs until it is dropped, and all that it has said.
#[derive(Debug)]
pub struct Listener<'a> {
    docker: &'a Docker,
    process: Child,
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
    /// When the CLI cannot be started.
    pub fn start(docker: &'a Docker) -> anyhow::Result<Self> {
        Self::filtered(docker, &[])
    }

    /// Likewise, of what passes the engine's filters (`NAME=VALUE`). Only [`Listener::until`] makes sense then.
    ///
    /// # Errors
    /// As [`Listener::start`].
    pub fn filtered(docker: &'a Docker, filters: &[&str]) -> anyhow::Result<Self> {
        // From the beginning of time, not from some moment: its clock may be set meanwhile.
        let mut arguments = vec!["events", "--since", "0", "--format", "{{json .}}"];
        arguments.extend(filters.iter().flat_map(|filter| ["--filter", filter]));
        let mut process = docker.piped(&arguments)?;
        let heard = Arc::<Heard>::default();
        let out = process.stdout.take().context("stdout was piped")?;
        let err = process.stderr.take().context("stderr was piped")?;
        let shared = Arc::clone(&heard);
        std::thread::spawn(move || shared.listen(out, err));
        Ok(Self { docker, process, heard })
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
    fn listen(&self, out: impl Read, mut err: impl Read) {
        let mut end = "without a word".to_owned();
        for line in BufReader::new(out).lines() {
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
        let mut words = String::new();
        // It has ended, or is about to be.
        if err.read_to_string(&mut words).is_ok() && !words.is_empty() {
            end = words;
        }
        self.said.lock().expect("no holder panics").end = Some(end);
        self.more.notify_all();
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
