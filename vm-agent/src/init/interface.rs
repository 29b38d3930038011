//! The machine's way out: an interface that the relay serves (Documentation/networking/tuntap.rst), or the network card of QEMU's
//! user-mode network, whose addresses are fixed (qemu(1), `-netdev user`), so that nothing has to be asked for. netdevice(7),
//! rtnetlink's older ioctls.

use std::{
    fs, io, mem,
    net::Ipv4Addr,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use anyhow::Context;
use control::{NetworkKind, outside};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const NETMASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

pub(super) fn configure(network: NetworkKind) -> anyhow::Result<()> {
    let socket = control_socket().context("a socket")?;
    up(&socket, "lo").context("bring lo up")?;
    let name_server = match network {
        NetworkKind::Link => outside::RESOLVER,
        NetworkKind::Nic => NAME_SERVER,
    };
    fs::write("/run/berth/resolv.conf", format!("nameserver {name_server}\n")).context("write resolv.conf")?;
    for (key, value) in [("net/ipv4/ip_forward", "1"), ("net/ipv6/conf/all/forwarding", "1")] {
        // Without IPv6 in the kernel the second does not exist.
        let _ = fs::write(format!("/proc/sys/{key}"), value);
    }
    if network == NetworkKind::Link {
        return make(&socket, outside::LINK);
    }
    // A machine without a card runs, and its containers reach each other only.
    let Some(card) = first_card()? else {
        eprintln!("berth-agent: there is no network card");
        return Ok(());
    };
    // The host's side answers no router solicitation; waiting for one only delays the first connection.
    let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{card}/accept_ra"), "0");
    join(&socket, &card)
}

/// An interface that packets leave by when the relay has it open, and that stays when the relay is replaced. The engine gives it its
/// addresses and routes, with the packet filter's rules.
fn make(socket: &OwnedFd, name: &str) -> anyhow::Result<()> {
    let device = fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun").context("open /dev/net/tun")?;
    let mut made = request(name);
    made.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    call(&device, libc::TUNSETIFF, &mut made).with_context(|| format!("make {name}"))?;
    // SAFETY: the argument is a number.
    if unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETPERSIST, 1) } == -1 {
        return Err(io::Error::last_os_error()).with_context(|| format!("keep {name}"));
    }
    let mut longest = request(name);
    // Whatever a container sends arrives in one piece.
    longest.ifr_ifru.ifru_mtu = 65535;
    call(socket, libc::SIOCSIFMTU, &mut longest).context("set the longest packet")?;
    // What comes back there has the sender's address: this machine's own, or a container's.
    for (key, value) in
        [("ipv4/conf/{}/accept_local", "1"), ("ipv4/conf/{}/rp_filter", "0"), ("ipv6/conf/{}/accept_ra", "0")]
    {
        let key = format!("/proc/sys/net/{}", key.replace("{}", name));
        if let Err(error) = fs::write(&key, value)
            && !key.contains("ipv6")
        {
            return Err(error).with_context(|| format!("write {key}"));
        }
    }
    Ok(())
}

fn join(socket: &OwnedFd, card: &str) -> anyhow::Result<()> {
    set_address(socket, card, libc::SIOCSIFADDR, ADDRESS).context("set the address")?;
    set_address(socket, card, libc::SIOCSIFNETMASK, NETMASK).context("set the netmask")?;
    up(socket, card).with_context(|| format!("bring {card} up"))?;
    add_default_route(socket).context("set the default route")?;
    // After the default route, which is checked against the others when it is added. Its packets go to the gateway's hardware
    // address and never look this route up.
    refuse(socket, GATEWAY).context("close the way to the host's own services")
}

/// The only Ethernet card, whatever the kernel named it.
fn first_card() -> anyhow::Result<Option<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir("/sys/class/net").context("list /sys/class/net")? {
        let entry = entry.context("list /sys/class/net")?;
        if entry.path().join("device").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names.into_iter().next())
}

fn control_socket() -> io::Result<OwnedFd> {
    // SAFETY: integers only; a non-negative answer is a new descriptor.
    unsafe {
        match libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

fn request(name: &str) -> libc::ifreq {
    // SAFETY: ifreq is plain data; zero is valid.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    request
}

fn call<T>(socket: &impl AsRawFd, operation: libc::c_ulong, argument: &mut T) -> io::Result<()> {
    // SAFETY: the argument has the shape that the operation expects and lives through the call.
    match unsafe { libc::ioctl(socket.as_raw_fd(), operation as _, argument as *mut T) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn up(socket: &OwnedFd, name: &str) -> io::Result<()> {
    let mut request = request(name);
    call(socket, libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: the call above filled this member in.
    unsafe { request.ifr_ifru.ifru_flags |= (libc::IFF_UP | libc::IFF_RUNNING) as i16 };
    call(socket, libc::SIOCSIFFLAGS, &mut request)
}

fn internet(address: Ipv4Addr) -> libc::sockaddr {
    // SAFETY: both are plain data of one size; zero is valid.
    unsafe {
        let mut internet: libc::sockaddr_in = mem::zeroed();
        internet.sin_family = libc::AF_INET as u16;
        internet.sin_addr.s_addr = u32::from_ne_bytes(address.octets());
        mem::transmute(internet)
    }
}

fn set_address(socket: &OwnedFd, name: &str, operation: libc::c_ulong, address: Ipv4Addr) -> io::Result<()> {
    let mut request = request(name);
    request.ifr_ifru.ifru_addr = internet(address);
    call(socket, operation, &mut request)
}

/// Nothing is sent to this address: QEMU leads what is for its gateway to the host's 127.0.0.1, whose services nobody shared
/// with containers (docs/decisions/0008).
fn refuse(socket: &OwnedFd, address: Ipv4Addr) -> io::Result<()> {
    // SAFETY: rtentry is plain data; zero is valid.
    let mut route: libc::rtentry = unsafe { mem::zeroed() };
    route.rt_dst = internet(address);
    route.rt_genmask = internet(Ipv4Addr::BROADCAST);
    route.rt_flags = libc::RTF_UP | libc::RTF_HOST | libc::RTF_REJECT;
    call(socket, libc::SIOCADDRT, &mut route)
}

fn add_default_route(socket: &OwnedFd) -> io::Result<()> {
    // SAFETY: rtentry is plain data; zero is valid.
    let mut route: libc::rtentry = unsafe { mem::zeroed() };
    route.rt_dst = internet(Ipv4Addr::UNSPECIFIED);
    route.rt_genmask = internet(Ipv4Addr::UNSPECIFIED);
    route.rt_gateway = internet(GATEWAY);
    route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
    call(socket, libc::SIOCADDRT, &mut route)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn ip(words: &str) -> (bool, String) {
        let out = Command::new("ip").args(words.split(' ')).output().expect("iproute2");
        (out.status.success(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
    }

    /// On this thread only, in a network namespace of its own.
    #[test]
    fn the_outside_is_reached_by_the_gateway_and_the_gateway_is_not() {
        // SAFETY: an integer; only this thread moves.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            println!("SKIPPED: the_outside_is_reached_by_the_gateway_and_the_gateway_is_not: needs root");
            return;
        }
        for words in ["link add card type veth peer name other", "link set other up"] {
            let (done, said) = ip(words);
            assert!(done, "{said}");
        }
        join(&control_socket().unwrap(), "card").unwrap();
        let (reached, said) = ip("route get 198.51.100.1");
        assert!(reached && said.contains("via 10.0.2.2 dev card"), "{said}");
        let (reached, said) = ip("route get 10.0.2.3");
        assert!(reached && said.contains("dev card"), "{said}");
        let (reached, said) = ip("route get 10.0.2.2");
        assert!(!reached, "{said}");
        // What comes from a container too.
        ip("link set lo up");
        ip("link add bridge type bridge");
        ip("address add 172.17.0.1/16 dev bridge");
        ip("link set bridge up");
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        let (reached, said) = ip("route get 10.0.2.2 from 172.17.0.2 iif bridge");
        assert!(!reached, "{said}");
        let (reached, said) = ip("route get 198.51.100.1 from 172.17.0.2 iif bridge");
        assert!(reached && said.contains("via 10.0.2.2 dev card"), "{said}");
    }
}
