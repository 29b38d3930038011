//! The cases of the link's contract with the real guest on the other side: busybox's `nc` behind the relay's forwards.
//!
//! The machine is run by the test itself, so that its streams are the link's own and no socket of the host lies between.

use std::net::Ipv4Addr;

use control::Target;
use control::mux::MuxStream;
use control::shell::{self, Frame, Size, Start};
use host::link::Guest;
use host::machine::{Handle, Phase, Request};
use host::sys::ProcessIdentity;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cases::{self, Habit, Peer, Seen, exchange, pattern};
use crate::{PATIENCE, real, run_in};

/// One server for each habit; they go with the shell that starts them. The ports are the habits'.
const SERVERS: &str = r#"
    ip link set lo up
    serve() {
        port=$1; shift
        nc -ll -p $port -e sh -c "$*" </dev/null >/dev/null 2>&1 &
    }
    serve 7001 'exec cat'
    serve 7002 'until [ -e /run/released ]; do usleep 20000; done; exec cat'
    serve 7003 'cat >/dev/null; exec seq 1 50000'
    serve 7005 'echo; cat >/run/watched 2>/dev/null; echo $? $(wc -c </run/watched) >/run/seen.new; mv /run/seen.new /run/seen'
    serve 7006 'exec dd bs=1 count=1 of=/dev/null'
    serve 7007 'dd bs=1 count=1 of=/dev/null 2>/dev/null; exec seq 1 500'
    seq 1 50000 >/run/numbers
    (nc -l -p 7004 </run/numbers >/run/heard; touch /run/heard.whole) &
    until [ $(netstat -ltn | grep -c ':700[1-7] ') -ge 7 ]; do usleep 20000; done
    echo ready
    wait"#;

struct RealGuest {
    guest: Guest,
    /// The servers' shell.
    _servers: MuxStream,
}

impl RealGuest {
    async fn new(guest: Guest) -> RealGuest {
        let mut servers = guest.connect_shell().await.unwrap();
        let argv = ["/bin/sh", "-c", SERVERS].map(str::to_owned).to_vec();
        let start = Start { argv, term: "dumb".to_owned(), size: Size { columns: 120, rows: 40 } };
        shell::send(&mut servers, &Frame::Start(start)).await.unwrap();
        let mut said = String::new();
        while !said.contains("ready") {
            match shell::receive(&mut servers).await.unwrap() {
                Some(Frame::Data(bytes)) => said.push_str(&String::from_utf8_lossy(&bytes)),
                other => panic!("{other:?} after {said}"),
            }
        }
        RealGuest { guest, _servers: servers }
    }

    async fn shell(&self, command: &str) -> String {
        run_in(&mut self.guest.connect_shell().await.unwrap(), command).await
    }
}

impl Peer for RealGuest {
    async fn open(&self, habit: Habit) -> MuxStream {
        let port = match habit {
            Habit::Echo => 7001,
            Habit::EchoLater => 7002,
            Habit::AnswerAtTheEnd => 7003,
            Habit::SayFirst => 7004,
            Habit::Watch => 7005,
            Habit::Break => 7006,
            Habit::AnswerEarly => 7007,
        };
        let target = Target::Tcp { address: (Ipv4Addr::LOCALHOST, port).into() };
        let mut stream = self.guest.connect_forward(&target).await.unwrap();
        // Not before it is served: `nc` lets two wait, and one that is dropped before it got there never was.
        if habit == Habit::Echo {
            stream.write_all(b"\n").await.unwrap();
        }
        if matches!(habit, Habit::Echo | Habit::Watch) {
            assert_eq!(stream.read_u8().await.unwrap(), b'\n');
        }
        stream
    }

    async fn release(&self) {
        self.shell("touch /run/released").await;
    }

    async fn heard_numbers(&self) -> bool {
        let look = "until [ -e /run/heard.whole ]; do usleep 20000; done; cmp /run/heard /run/numbers && echo same";
        self.shell(look).await == "same"
    }

    async fn saw(&self) -> Seen {
        let text = self.shell("until [ -e /run/seen ]; do usleep 20000; done; cat /run/seen; rm /run/seen").await;
        match text.split_once(' ') {
            Some(("0", bytes)) => Seen::End(bytes.parse().unwrap()),
            _ => Seen::Break,
        }
    }

    fn room(&self) -> usize {
        // The link's window, and what the guest's kernel keeps of a TCP connection to itself.
        64 << 20
    }
}

/// Ends QEMU when a case fails: with the test goes whoever would do it otherwise.
struct Ends(ProcessIdentity);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

pub(crate) async fn holds_over(link: &str) {
    let Some(real) = real(&format!("contract_over_{link}"), &[("link", link)]) else { return };
    let machine = Handle::spawn(real.paths.clone());
    machine.request(Request::Up).await.unwrap();
    let status = machine.settled().await;
    assert_eq!(status.phase, Phase::Running, "{:?}", status.failure);
    let _ends = Ends(ProcessIdentity::of(status.hypervisor_pid.unwrap()).unwrap());
    let peer = RealGuest::new(machine.guest().unwrap()).await;

    let all = async {
        cases::half_close(&peer).await;
        cases::resets(&peer).await;
        for _ in 0..20 {
            cases::an_early_answer(&peer).await;
        }
        cases::a_stalled_reader(&peer).await;
        cases::a_hundred_streams(std::slice::from_ref(&peer)).await;
        traffic_both_ways(&peer).await;
    };
    tokio::time::timeout(4 * PATIENCE, all).await.expect("a case hangs");

    machine.request(Request::Down).await.unwrap();
    assert_eq!(machine.settled().await.phase, Phase::Stopped);
}

/// Control messages are answered meanwhile.
async fn traffic_both_ways(peer: &RealGuest) {
    let mut bulk = peer.open(Habit::Echo).await;
    let copying = tokio::spawn(async move { exchange(&mut bulk, &pattern(5, 16 << 20)).await });
    let mut turns = 0;
    while !copying.is_finished() {
        peer.guest.ping(PATIENCE).await.unwrap();
        turns += 1;
    }
    copying.await.unwrap();
    assert!(turns > 2, "only {turns} answers during the copy");
}
