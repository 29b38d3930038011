//! Packets that leave by an interface of which a process has the other end: on real packets.

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use network::{Outside, Settings};
use rustix::process::getpid;
use support::{Engine, isolated, network, run, within};

const LISTENER: u16 = 1081;

fn settings() -> Settings {
    let outside = Outside {
        link: "outside".to_owned(),
        addresses: vec!["192.168.65.3/32".parse().unwrap(), "fdc4:f303:9324::3/128".parse().unwrap()],
        listener: LISTENER,
        mark: 0x0100_0000,
    };
    Settings { outside: Some(outside), ..Settings::default() }
}

/// The interface, and how many packets came by it; each is put back as it is.
fn device() -> Arc<AtomicUsize> {
    run("ip tuntap add dev outside mode tun; ip link set outside mtu 65535");
    run("echo 1 > /proc/sys/net/ipv4/conf/outside/accept_local; echo 0 > /proc/sys/net/ipv4/conf/outside/rp_filter");
    let mut device = File::options().read(true).write(true).open("/dev/net/tun").unwrap();
    // SAFETY: ifreq is plain data; zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"outside") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the request has the shape that the operation expects and lives through the call.
    assert_eq!(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &mut request) }, 0);
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    std::thread::spawn(move || {
        let mut packet = vec![0; 65535];
        while let Ok(length) = device.read(&mut packet) {
            // Neighbours and routers are looked for by IPv6.
            if packet[0] >> 4 == 4 || packet[6] == libc::IPPROTO_TCP as u8 {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = device.write(&packet[..length]);
            }
        }
    });
    seen
}

/// A listener for connections to any address; it answers with the two addresses that it sees.
fn listen(address: SocketAddr) {
    let domain = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: integers only; a non-negative answer is a new descriptor.
    let socket = unsafe {
        let fd = libc::socket(domain, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd)
    };
    let on: libc::c_int = 1;
    // SAFETY: the value lives through the call.
    let transparent = unsafe {
        let value = (&raw const on).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_IP, libc::IP_TRANSPARENT, value, size_of_val(&on) as u32)
    };
    assert_eq!(transparent, 0);
    rustix::net::bind(&socket, &address).unwrap();
    rustix::net::listen(&socket, 16).unwrap();
    let listener = TcpListener::from(socket);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut asked = vec![0; 100_000];
            client.read_exact(&mut asked).unwrap();
            write!(client, "{} {}", client.peer_addr().unwrap().ip(), client.local_addr().unwrap()).unwrap();
        }
    });
}

/// What the listener says of a connection to `address`, which sends it much.
fn ask(netns: impl AsFd, address: &str) -> String {
    let address: SocketAddr = address.parse().unwrap();
    within(netns, move || {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(60)).unwrap();
        stream.write_all(&[7; 100_000]).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    })
}

#[test]
fn only_the_first_packet_of_a_connection_leaves() {
    isolated("only_the_first_packet_of_a_connection_leaves", || async {
        let seen = device();
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open_as(dir.path(), Arc::default(), Arc::default(), settings()).await;
        engine.networks.create(network("app", &["10.60.0.0/24", "fd60::/64"], &[])).await.unwrap();
        let (sandbox, _) = engine.container("web", "app", vec![]).await;
        // Without a listener a packet goes out once, comes back, and is refused; it does not go round.
        let refused = within(&sandbox, || TcpStream::connect("203.0.113.5:80").unwrap_err().kind());
        assert_eq!(refused, std::io::ErrorKind::ConnectionRefused);
        assert_eq!(seen.load(Ordering::SeqCst), 1);
        listen((Ipv4Addr::LOCALHOST, LISTENER).into());
        listen((std::net::Ipv6Addr::LOCALHOST, LISTENER).into());
        let before = seen.load(Ordering::SeqCst);
        assert_eq!(ask(&sandbox, "203.0.113.6:80"), "10.60.0.2 203.0.113.6:80");
        assert_eq!(ask(&sandbox, "[2001:db8::6]:80"), "fd60::2 [2001:db8::6]:80");
        assert_eq!(seen.load(Ordering::SeqCst) - before, 2, "more than the first packets left");
        // The machine's own come by as they are sent.
        let own = File::open(format!("/proc/{}/ns/net", getpid().as_raw_nonzero())).unwrap();
        assert_eq!(ask(&own, "203.0.113.7:80"), "192.168.65.3 203.0.113.7:80");
        assert_eq!(ask(&own, "[2001:db8::7]:80"), "fdc4:f303:9324::3 [2001:db8::7]:80");
    });
}

#[test]
fn everything_is_there_again_after_a_restart() {
    isolated("everything_is_there_again_after_a_restart", || async {
        device();
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open_as(dir.path(), Arc::default(), Arc::default(), settings()).await;
        let state = || {
            run(
                "ip route show table all type local table 251; ip rule; ip -6 rule; ip route; nft list table inet berth",
            )
        };
        let before = state();
        assert!(before.contains("tproxy ip to 127.0.0.1:1081") && before.contains("fwmark 0x1000000"), "{before}");
        drop(engine);
        // Another store: the first one lives as long as tasks that still end.
        run("ip link delete docker0");
        let next = tempfile::tempdir().unwrap();
        let _engine = Engine::open_as(next.path(), Arc::default(), Arc::default(), settings()).await;
        assert_eq!(state(), before);
    });
}
