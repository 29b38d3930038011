//! The relay in a process of its own, in which it ends and begins again at once.
//!
//! Not in the tests' process: what that forks has its open files until it is another program, and closing one of the mount asks the relay,
//! which may just be waiting for what was forked to let go of its port.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use control::BootInfo;
use control::mux::{Lane, LaneIo};
use relay::Options;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};

use crate::way::PATIENCE;

/// Where its sockets are, for the process.
const RUN: &str = "BERTH_TEST_RELAY";

/// Of the test that is the process.
const TEST: &str = "keeper::keeps_a_relay";

/// What is told when a relay listens.
const BEGUN: &str = "begun\n";

/// It ends with this.
pub(crate) struct Keeper {
    child: Child,
    words: BufReader<UnixStream>,
    pub(crate) lanes: PathBuf,
}

impl Keeper {
    /// In the calling thread's namespaces. The relay's sockets are in `run`.
    pub(crate) fn start(boot: &BootInfo, run: &Path) -> Keeper {
        std::fs::write(run.join("boot.json"), boot.to_json()).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args([TEST, "--exact", "--ignored", "--nocapture"])
            .env(RUN, run)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut keeper = Keeper { child, words: BufReader::new(ours), lanes: run.join("lanes.sock") };
        keeper.begun();
        keeper
    }

    /// The relay ends, and another one begins.
    pub(crate) fn again(&mut self) {
        self.words.get_mut().write_all(b"again\n").unwrap();
        self.begun();
    }

    fn begun(&mut self) {
        let mut word = String::new();
        self.words.read_line(&mut word).unwrap();
        assert_eq!(word, BEGUN, "a relay begins");
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "part of another test"]
fn keeps_a_relay() {
    let Some(run) = std::env::var_os(RUN).map(PathBuf::from) else { return };
    let boot = BootInfo::from_json(&std::fs::read(run.join("boot.json")).unwrap()).unwrap();
    let words = UnixStream::from(rustix::io::dup(std::io::stdin()).unwrap());
    words.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let lanes = UnixListener::bind(run.join("lanes.sock")).unwrap();
        let (words, mut told) = tokio::net::UnixStream::from_std(words).unwrap().into_split();
        let mut words = tokio::io::BufReader::new(words).lines();
        let mut relay = Relay::start(&boot, &run).await;
        told.write_all(BEGUN.as_bytes()).await.unwrap();
        loop {
            tokio::select! {
                word = words.next_line() => match word.unwrap() {
                    None => return,
                    Some(_) => {
                        drop(relay);
                        relay = Relay::start(&boot, &run).await;
                        told.write_all(BEGUN.as_bytes()).await.unwrap();
                    }
                },
                accepted = lanes.accept() => {
                    let (mut lane, _) = accepted.unwrap();
                    let number = lane.read_u8().await.unwrap();
                    let of = Lane::ALL[usize::from(number)];
                    // One that has just ended is begun again.
                    let _ = relay.lanes.send((of, LaneIo::new(lane))).await;
                }
            }
        }
    });
}

/// A relay with a runtime of its own: dropped, nothing of it is left.
struct Relay {
    lanes: mpsc::Sender<(Lane, LaneIo)>,
    ends: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    async fn start(boot: &BootInfo, run: &Path) -> Relay {
        // A process that the last one was just starting has its sockets, too, until that is another program.
        let begun = Instant::now();
        while let Err(error) = std::net::TcpListener::bind(("127.0.0.1", 1080)) {
            assert!(begun.elapsed() < PATIENCE, "the relay's port is not free: {error}");
            tokio::task::yield_now().await;
        }
        let options = Options {
            boot: boot.clone(),
            run_dir: run.to_owned(),
            program: env!("CARGO_BIN_EXE_berth-agent").into(),
            data_dir: run.to_owned(),
            boot_steps: Vec::new(),
            power_off: Arc::new(|| {}),
        };
        let (lanes, receiver) = mpsc::channel(4);
        let (ends, ended) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    Err(error) = relay::run_over(options, receiver) => panic!("{error}"),
                    _ = ended => {}
                }
            });
            runtime.shutdown_background();
        });
        Relay { lanes, ends: Some(ends), thread: Some(thread) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
