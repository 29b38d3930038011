//! Changes of addresses and routes.

/// What the kernel tells of them (rtnetlink(7)); elsewhere nobody tells.
#[derive(Debug)]
pub struct NetworkNews(#[cfg(target_os = "linux")] tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl NetworkNews {
    /// Must be called on the runtime. `None` where a process may not listen.
    #[expect(unsafe_code, reason = "tokio has no safe call for this")]
    pub fn open() -> Option<NetworkNews> {
        use rustix::net::netlink::SocketAddrNetlink;
        use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        // Without a protocol it is NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None).ok()?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS)).ok()?;
        // SAFETY: an OwnedFd has one descriptor for as long as it is there, and nobody closes it or puts another in its place.
        unsafe { tokio::io::unix::AsyncFd::register(socket) }.ok().map(NetworkNews)
    }
}

#[cfg(not(target_os = "linux"))]
impl NetworkNews {
    pub fn open() -> Option<NetworkNews> {
        None
    }
}

/// `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR`, `RTMGRP_IPV6_ROUTE` of linux/rtnetlink.h.
#[cfg(target_os = "linux")]
const GROUPS: u32 = 0x10 | 0x40 | 0x100 | 0x400;

#[cfg(target_os = "linux")]
pub(in crate::sys) async fn network_changed(news: &mut Option<NetworkNews>) {
    use rustix::net::{RecvFlags, recv};
    let Some(NetworkNews(socket)) = news else { return std::future::pending().await };
    let Ok(mut ready) = socket.readable().await else {
        *news = None;
        return;
    };
    let mut message = [0; 8192];
    // What they say is looked at elsewhere. Where so many came that some were lost, that is a sign, too.
    loop {
        match recv(ready.get_inner(), &mut message[..], RecvFlags::empty()) {
            Ok((_, 1..)) | Err(rustix::io::Errno::NOBUFS | rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                ready.clear_ready();
                return;
            }
            Ok(_) | Err(_) => {
                *news = None;
                return;
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(in crate::sys) async fn network_changed(_news: &mut Option<NetworkNews>) {
    std::future::pending().await
}

/// IPv4's tables whole; of IPv6 what is not made for each interface by itself.
#[cfg(target_os = "linux")]
pub(in crate::sys) fn network_facts() -> String {
    let read = |file: &str| std::fs::read_to_string(std::path::Path::new("/proc/net").join(file)).unwrap_or_default();
    facts(&[&read("route"), &read("fib_trie")], &read("ipv6_route"), &read("if_inet6"))
}

#[cfg(target_os = "linux")]
fn facts(ipv4: &[&str], routes: &str, addresses: &str) -> String {
    let mut facts = ipv4.concat();
    let is_own = |address: &str| address.starts_with("fe8") || address.starts_with("ff");
    // Destination, its bits, next hop, metric, interface: the columns between count users (Documentation of ipv6_route: net/ipv6/route.c).
    for line in routes.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        if let [to, bits, _, _, hop, metric, .., interface] = columns[..]
            && !is_own(to)
        {
            facts.push_str(&format!("{to}/{bits} {hop} {metric} {interface}\n"));
        }
    }
    // Address, index, bits, scope, flags (which change while it is made sure that nobody else has it), interface.
    for line in addresses.lines().filter(|line| !is_own(line)) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        if let [address, index, bits, ..] = columns[..] {
            facts.push_str(&format!("{address} {index} {bits}\n"));
        }
    }
    facts
}

/// By which addresses this computer would leave, for either family: no packet is sent for that.
#[cfg(not(target_os = "linux"))]
pub(in crate::sys) fn network_facts() -> String {
    crate::sys::ways_out()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::facts;

    #[test]
    fn what_changes_by_itself_is_no_change() {
        let route = |to: &str, users: u32| {
            format!("{to} 40 {0:032} 00 {0:032} 00000400 {users:08x} 00000000 00000001 eth0\n", 0)
        };
        let global = "20010db8000000000000000000000000";
        let link_local = "fe800000000000000000000000000000";
        let address = |flags: &str| format!("{global} 02 40 00 {flags} eth0\n{link_local} 02 40 20 80 eth0\n");
        let before = facts(&["v4"], &route(global, 1), &address("40"));
        assert_eq!(before, facts(&["v4"], &(route(global, 7) + &route(link_local, 1)), &address("80")));
        assert_ne!(before, facts(&["v4"], "", &address("40")));
        assert_ne!(before, facts(&["v4"], &route(global, 1), ""));
        assert_ne!(before, facts(&["other"], &route(global, 1), &address("40")));
    }
}
