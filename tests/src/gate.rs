//! A way to a registry that closes in the middle: the place where a case can be sure that a pull is neither begun nor done.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::ensure;

/// A TCP proxy on loopback that lets so many bytes of the server's pass, over all connections, and then holds the rest back
/// until it is opened. What clients say always passes.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// Bytes that may still pass; `None` when the gate is open.
    left: Mutex<Option<usize>>,
    /// Nothing goes through any more, and what was held back is cut off.
    broken: AtomicBool,
    /// What a client says to close it.
    closing: Mutex<Option<&'static str>>,
    changed: Condvar,
    /// Connections whose bytes are held back.
    held: Mutex<usize>,
    holds: Condvar,
}

impl Gate {
    /// Starts one before the server at `target`; its threads end with the process.
    ///
    /// # Errors
    /// When loopback has no free port.
    pub fn start(target: SocketAddr, bytes: usize) -> anyhow::Result<Self> {
        Self::begin(target, Some(bytes), None)
    }

    /// One that closes when a client first says `words`, in one piece: all that the server answers from then on is held back.
    ///
    /// # Errors
    /// As [`Gate::start`].
    pub fn start_closing_at(target: SocketAddr, words: &'static str) -> anyhow::Result<Self> {
        Self::begin(target, None, Some(words))
    }

    fn begin(target: SocketAddr, left: Option<usize>, closing: Option<&'static str>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            left: Mutex::new(left),
            broken: AtomicBool::new(false),
            closing: Mutex::new(closing),
            changed: Condvar::new(),
            held: Mutex::new(0),
            holds: Condvar::new(),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Dropped, it ends at once.
                if shared.broken.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(target) else { continue };
                let (Ok(to_server), Ok(from_client)) = (server.try_clone(), client.try_clone()) else { continue };
                let (asking, answering) = (shared.clone(), shared.clone());
                thread::spawn(move || {
                    copy(from_client, to_server, |bytes| {
                        asking.heard(bytes);
                        true
                    });
                });
                thread::spawn(move || copy(server, client, |bytes| answering.pass(bytes.len())));
            }
        });
        Ok(Self { port, state })
    }

    /// `127.0.0.1:PORT`, the first part of a reference.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Waits until bytes are held back.
    ///
    /// # Errors
    /// When nobody asks for so many in five minutes.
    pub fn wait_until_it_holds(&self) -> anyhow::Result<()> {
        self.wait_until_it_holds_of(1)
    }

    /// Waits until bytes of so many connections are held back.
    ///
    /// # Errors
    /// When there are not so many in five minutes.
    pub fn wait_until_it_holds_of(&self, connections: usize) -> anyhow::Result<()> {
        let held = self.state.held.lock().expect("no holder panics");
        let limit = Duration::from_secs(300);
        let few = |held: &mut usize| *held < connections;
        let (held, _) = self.state.holds.wait_timeout_while(held, limit, few).expect("no holder panics");
        ensure!(
            *held >= connections,
            "{} of {connections} connections were held up within {} s",
            *held,
            limit.as_secs()
        );
        Ok(())
    }

    /// Ends the connections whose bytes are held back, and each that comes until the gate is opened.
    pub fn break_off(&self) {
        self.state.broken.store(true, Ordering::SeqCst);
        // Under the lock: who looked before it waits by now.
        drop(self.state.left.lock().expect("no holder panics"));
        self.state.changed.notify_all();
    }

    /// Lets everything pass from here on.
    pub fn open(&self) {
        self.state.broken.store(false, Ordering::SeqCst);
        *self.state.left.lock().expect("no holder panics") = None;
        self.state.changed.notify_all();
    }
}

impl State {
    fn heard(&self, bytes: &[u8]) {
        let mut closing = self.closing.lock().expect("no holder panics");
        let says = |words: &mut &str| bytes.windows(words.len()).any(|some| some == words.as_bytes());
        if closing.take_if(says).is_some() {
            *self.left.lock().expect("no holder panics") = Some(0);
        }
    }

    /// Returns when `bytes` may pass: `true`, or never will.
    fn pass(&self, bytes: usize) -> bool {
        let mut left = self.left.lock().expect("no holder panics");
        let mut counted = false;
        loop {
            if self.broken.load(Ordering::SeqCst) {
                return false;
            }
            match &mut *left {
                None => return true,
                Some(some) if *some >= bytes => {
                    *some -= bytes;
                    return true;
                }
                Some(_) => {
                    *self.held.lock().expect("no holder panics") += usize::from(!counted);
                    counted = true;
                    self.holds.notify_all();
                    left = self.changed.wait(left).expect("no holder panics");
                }
            }
        }
    }
}

/// Copies to the end of either side, or until `ask`, which is asked before each write, forbids one.
pub(crate) fn copy(mut from: TcpStream, mut to: TcpStream, ask: impl Fn(&[u8]) -> bool) {
    let mut buffer = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !ask(&buffer[..read]) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // Fails when the other side has closed it already.
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_in_the_middle_and_lets_the_rest_go_when_opened() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let target = server.local_addr().unwrap();
        let sent = vec![7; 200_000];
        let wanted = sent.clone();
        thread::spawn(move || server.accept().unwrap().0.write_all(&sent));
        let gate = Gate::start(target, 100_000).unwrap();
        let mut client = TcpStream::connect(gate.address()).unwrap();
        let mut got = vec![0; 80_000];
        client.read_exact(&mut got).unwrap();
        gate.wait_until_it_holds().unwrap();
        gate.open();
        client.read_to_end(&mut got).unwrap();
        assert_eq!(got, wanted);
    }
    #[test]
    fn broken_off_it_ends_what_it_held_and_what_comes() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let target = server.local_addr().unwrap();
        thread::spawn(move || {
            for stream in server.incoming().flatten() {
                // Who is cut off does not take it all.
                thread::spawn(move || (&stream).write_all(&[7; 200_000]));
            }
        });
        let gate = Gate::start(target, 100_000).unwrap();
        let mut client = TcpStream::connect(gate.address()).unwrap();
        gate.wait_until_it_holds().unwrap();
        gate.break_off();
        let read = |client: &mut TcpStream| {
            let mut got = Vec::new();
            // Ended in order or not: what counts is how much came.
            let _ = client.read_to_end(&mut got);
            got.len()
        };
        assert!(read(&mut client) <= 100_000);
        assert_eq!(read(&mut TcpStream::connect(gate.address()).unwrap()), 0);
        gate.open();
        assert_eq!(read(&mut TcpStream::connect(gate.address()).unwrap()), 200_000);
    }
}
