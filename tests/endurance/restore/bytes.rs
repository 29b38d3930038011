//! Bytes that must not be lost: a log against what was written, and a connection that talks all the time.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// The engine takes at most a pipe's content at a time, and only that may be logged twice.
const CHUNK: usize = 64 * 1024;

/// Whether `log` is all of `written`, except that it goes back by at most a chunk at most `cuts` times; answers how often.
pub(crate) fn repeats(log: &[u8], written: &[u8], cuts: usize) -> anyhow::Result<usize> {
    let same = |log: &[u8], written: &[u8]| log.iter().zip(written).take_while(|(a, b)| a == b).count();
    let (mut read, mut at, mut found) = (0, 0, 0);
    loop {
        let step = same(&log[read..], &written[at..]);
        (read, at) = (read + step, at + step);
        if read == log.len() {
            ensure!(at == written.len(), "{} bytes are missing at the end", written.len() - at);
            return Ok(found);
        }
        found += 1;
        let near = |bytes: &[u8], at: usize| {
            String::from_utf8_lossy(&bytes[at.saturating_sub(60)..bytes.len().min(at + 60)]).into_owned()
        };
        let lost = || format!("at byte {read} of the log: {:?} instead of {:?}", near(log, read), near(written, at));
        ensure!(found <= cuts, "more than {cuts} repeats: {}", lost());
        let ahead = &log[read..log.len().min(read + 4096)];
        let back = (at.saturating_sub(CHUNK)..at).max_by_key(|from| same(ahead, &written[*from..]));
        let Some(back) = back.filter(|from| same(ahead, &written[*from..]) > 0) else {
            bail!("something is missing {}", lost());
        };
        at = back;
    }
}

/// A client of an echo server that sends a line and reads it back, again and again, until it is told to end.
pub(crate) struct Talk {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<anyhow::Result<u64>>,
}

impl Talk {
    pub(crate) fn begin(port: u16) -> anyhow::Result<Talk> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            for number in 0_u64.. {
                let line = format!("line {number}\n");
                stream.write_all(line.as_bytes()).with_context(|| format!("writing {line:?}"))?;
                let mut back = vec![0; line.len()];
                stream.read_exact(&mut back).with_context(|| format!("reading {line:?} back"))?;
                ensure!(back == line.as_bytes(), "{line:?} came back as {:?}", String::from_utf8_lossy(&back));
                // A hundred lines a second are enough.
                if !matches!(stopped.recv_timeout(Duration::from_millis(10)), Err(mpsc::RecvTimeoutError::Timeout)) {
                    return Ok(number + 1);
                }
            }
            unreachable!("the numbers do not end")
        });
        Ok(Talk { stop, thread })
    }

    /// How many lines went to and fro.
    pub(crate) fn end(self) -> anyhow::Result<u64> {
        // A thread that failed has ended already.
        let _ = self.stop.send(());
        self.thread.join().expect("no panic in the client")
    }
}
