//! `--network host` in the machine: what such a container listens on is on this computer's loopback.

use std::io::Read as _;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::ensure;
use tests::case::Case;
use tests::{ports, wait};

use crate::suite::{Entry, cases, in_machine};

type Result = anyhow::Result<()>;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn cases() -> Vec<Entry> {
    cases![in_machine; host_network_ports_come_and_go, host_network_datagrams, host_network_ports_wait_for_theirs]
}

/// What a server of this computer's loopback says to whoever connects.
fn said(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    (!text.is_empty()).then_some(text)
}

/// A container on the machine's network that says a word to whoever connects; its name.
fn speaker(case: &Case<'_>, name: &str, port: u16) -> anyhow::Result<String> {
    let script = format!("echo ready; exec nc -ll -p {port} -e echo here");
    case.started(name, &["--network", "host"], &script)
}

pub(crate) fn host_network_ports_come_and_go(case: &Case<'_>) -> Result {
    let port = ports::next();
    let name = speaker(case, "speaker", port)?;
    let text = wait::until("the port on this computer", LIMIT, || said(port))?;
    ensure!(text == "here\n", "{text}");
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        ensure!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok(), "by IPv6");
    }
    case.ok(&["rm", "-f", &name])?;
    wait::until("the port's end", LIMIT, || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())?;
    Ok(())
}

pub(crate) fn host_network_datagrams(case: &Case<'_>) -> Result {
    let port = ports::next();
    let name = case.container("mirror");
    case.ok(&["create", "--network", "host", "--name", &name, "busybox", "/udp_echo", &port.to_string()])?;
    case.ok(&["cp", &tests::fixture::program("udp_echo")?.display().to_string(), &format!("{name}:/udp_echo")])?;
    case.ok(&["start", &name])?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut buffer = [0; 16];
    // Until it is open nobody is there, which shows as an error of either call.
    let length = wait::until("an answer", LIMIT, || {
        socket.send(b"echo").ok()?;
        socket.recv(&mut buffer).ok()
    })?;
    ensure!(&buffer[..length] == b"echo", "{buffer:?}");
    Ok(())
}

/// A port that a program of this computer has is that program's until it ends.
pub(crate) fn host_network_ports_wait_for_theirs(case: &Case<'_>) -> Result {
    let port = ports::next();
    let theirs = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let name = speaker(case, "late", port)?;
    // By the machine's own address it is there meanwhile.
    let inside = ["run", "--rm", "--network", "host", "busybox", "nc", "127.0.0.1", &port.to_string()];
    ensure!(case.ok(&inside)?.trim() == "here", "the server answers in the machine");
    // Nor by the other address: `localhost` is theirs. A second server is seen in the meantime, so that this one has been, too.
    let other = ports::next();
    speaker(case, "other", other)?;
    wait::until("the other port on this computer", LIMIT, || said(other))?;
    ensure!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_err(), "half of localhost was taken");
    drop(theirs);
    let text = wait::until("the port on this computer", LIMIT, || said(port))?;
    ensure!(text == "here\n", "{text}");
    case.ok(&["rm", "-f", &name])?;
    Ok(())
}
