//! Containers on the machine's own network (`--network host`) take the machine for the user's computer. What they listen on appears on
//! that computer's loopback: looked for while such a container runs, since the kernel tells nobody when somebody listens.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use containers::Containers;
use events::{Event, Kind, Subscription};
use network::{ForwardError, ForwardId, Forwarder, Listening, Protocol, Published};
use tokio::time::{Instant, sleep};

const EVERY: Duration = Duration::from_millis(500);
/// A port that the user's computer did not give is asked for again after so long.
const AGAIN: Duration = Duration::from_secs(10);
/// UDP ports from here on are mostly those of clients (`net.ipv4.ip_local_port_range`).
const EPHEMERAL: u16 = 32768;

/// What containers listen on: whom of the machine's addresses a connection goes to.
type Ports = BTreeMap<(Protocol, u16), IpAddr>;

/// Follows the containers for as long as there are events.
pub(super) async fn follow(containers: Containers, forwarder: Arc<dyn Forwarder>, mut news: Subscription) {
    // Processes of the machine itself are in the tree's root; every container is somewhere below.
    let Ok(own) = fs::metadata("/sys/fs/cgroup").map(|root| root.ino()) else { return };
    let mut shown = Shown { forwarder, open: BTreeMap::new(), refused: HashMap::new() };
    let mut is_blind = false;
    loop {
        let is_any = containers.is_any_on_the_machines_network();
        if is_any {
            match tokio::task::spawn_blocking(network::listening).await {
                Ok(Ok(all)) => {
                    is_blind = false;
                    // A kernel that does not say whose a socket is says 0.
                    let of_containers = all.iter().filter(|one| ![0, own].contains(&one.cgroup));
                    shown.change_to(&wanted(of_containers)).await;
                }
                Ok(Err(error)) => {
                    // The modules for it may come a little later.
                    if !std::mem::replace(&mut is_blind, true) {
                        tracing::warn!(%error, "cannot see yet what containers on the machine's network listen on");
                    }
                }
                Err(_) => return,
            }
        } else {
            shown.change_to(&Ports::new()).await;
        }
        tokio::select! {
            is_there = changed(&mut news) => if !is_there { return },
            () = sleep(EVERY), if is_any => {}
        }
    }
}

/// Resolves once a container has started or ended; `false` when the bus is gone.
async fn changed(news: &mut Subscription) -> bool {
    while let Some(event) = news.next().await {
        if is_change(&event) {
            return true;
        }
    }
    false
}

fn is_change(event: &Event) -> bool {
    event.kind == Kind::Container && matches!(event.action.as_str(), "start" | "die")
}

/// What is to be open on the user's computer: each port that somebody reaches at the machine's.
fn wanted<'a>(listening: impl IntoIterator<Item = &'a Listening>) -> Ports {
    let mut ports = Ports::new();
    for Listening { protocol, address, only_ipv6, .. } in listening {
        if *protocol == Protocol::Udp && (address.port() >= EPHEMERAL || is_for_many(address.ip())) {
            continue;
        }
        let ip = match address.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V6(_) if *only_ipv6 => Ipv6Addr::LOCALHOST.into(),
            _ => Ipv4Addr::LOCALHOST.into(),
        };
        // Several listen at one port: who is at the loopback, by IPv4 first, is who a program of the computer would reach.
        let rank = |ip: &IpAddr| (!ip.is_loopback(), ip.is_ipv6(), *ip);
        let target = ports.entry((*protocol, address.port())).or_insert(ip);
        if rank(&ip) < rank(target) {
            *target = ip;
        }
    }
    ports
}

/// Multicast and broadcast: what is bound there is not for a single sender.
fn is_for_many(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::from(Ipv4Addr::BROADCAST)
}

/// A port at both loopback addresses of the user's computer, by one of which a program there reaches `localhost`.
fn pair(protocol: Protocol, port: u16, target: IpAddr) -> [Published; 2] {
    [(4, IpAddr::from(Ipv4Addr::LOCALHOST)), (6, Ipv6Addr::LOCALHOST.into())].map(|(family, host_ip)| Published {
        id: ForwardId(format!("host-network/{protocol}/{family}/{port}/{target}")),
        protocol,
        host_ip,
        host_port: port,
        target: SocketAddr::new(target, port),
    })
}

/// What is open, and what could not be opened when.
struct Shown {
    forwarder: Arc<dyn Forwarder>,
    open: BTreeMap<(Protocol, u16), (IpAddr, Vec<ForwardId>)>,
    refused: HashMap<(Protocol, u16), Instant>,
}

impl Shown {
    async fn change_to(&mut self, wanted: &Ports) {
        let is_gone =
            |(key, (target, _)): &(&(Protocol, u16), &(IpAddr, Vec<ForwardId>))| wanted.get(*key) != Some(target);
        let gone: Vec<_> = self.open.iter().filter(is_gone).map(|(key, _)| *key).collect();
        for key in gone {
            if let Some((_, ids)) = self.open.remove(&key) {
                self.close(&ids).await;
            }
        }
        self.refused.retain(|key, _| wanted.contains_key(key));
        for (key, target) in wanted {
            let waits = self.refused.get(key).is_some_and(|at| at.elapsed() < AGAIN);
            if waits || self.open.contains_key(key) {
                continue;
            }
            match self.open_pair(pair(key.0, key.1, *target)).await {
                Ok(ids) => {
                    self.refused.remove(key);
                    self.open.insert(*key, (*target, ids));
                }
                Err(error) => {
                    if self.refused.insert(*key, Instant::now()).is_none() {
                        let (protocol, port) = key;
                        tracing::warn!(%error, "the port {port}/{protocol} of the machine's network cannot be opened on the host");
                    }
                    // Whoever does not answer would let each of the others wait as long.
                    if matches!(error, ForwardError::Failed(_)) {
                        return;
                    }
                }
            }
        }
    }

    /// At both addresses or at none: else `localhost` would be somebody's by one and somebody else's by the other. Which of them the computer
    /// does not have at all does not count.
    async fn open_pair(&self, pair: [Published; 2]) -> Result<Vec<ForwardId>, ForwardError> {
        let mut open = Vec::new();
        for port in pair {
            match self.forwarder.open(&port).await {
                Ok(_) => open.push(port.id),
                Err(ForwardError::NoAddress) => {}
                Err(error) => {
                    // It may be open though the answer was lost.
                    open.push(port.id);
                    self.close(&open).await;
                    return Err(error);
                }
            }
        }
        if open.is_empty() { Err(ForwardError::NoAddress) } else { Ok(open) }
    }

    async fn close(&self, ids: &[ForwardId]) {
        for id in ids {
            if let Err(error) = self.forwarder.close(id).await {
                tracing::warn!(%error, id = id.0, "a port of the machine's network stays open on the host");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::BoxFuture;
    use network::Binding;

    use super::*;

    fn listening(protocol: Protocol, address: &str) -> Listening {
        Listening { protocol, address: address.parse().unwrap(), only_ipv6: false, cgroup: 7 }
    }

    #[test]
    fn each_port_leads_to_who_would_be_reached() {
        let all = [
            listening(Protocol::Tcp, "0.0.0.0:80"),
            listening(Protocol::Tcp, "[::]:80"),
            listening(Protocol::Tcp, "192.0.2.1:81"),
            listening(Protocol::Tcp, "[::1]:81"),
            Listening { only_ipv6: true, ..listening(Protocol::Tcp, "[::]:82") },
            listening(Protocol::Tcp, "[::]:40000"),
            listening(Protocol::Udp, "0.0.0.0:53"),
            listening(Protocol::Udp, "0.0.0.0:40000"),
            listening(Protocol::Udp, "224.0.0.251:5353"),
        ];
        let ports = wanted(&all).into_iter();
        let shown: Vec<String> = ports.map(|((protocol, port), ip)| format!("{protocol} {port} {ip}")).collect();
        let expect = ["tcp 80 127.0.0.1", "tcp 81 ::1", "tcp 82 ::1", "tcp 40000 127.0.0.1", "udp 53 127.0.0.1"];
        assert_eq!(shown, expect);
    }

    /// A computer where port 81 is another's by IPv6, that has no IPv6 for port 82, and that is gone when it comes to port 83.
    #[derive(Default)]
    struct Computer {
        calls: Mutex<Vec<String>>,
    }

    impl Forwarder for Computer {
        fn open<'a>(&'a self, port: &'a Published) -> BoxFuture<'a, Result<Binding, ForwardError>> {
            let error = match (port.host_ip.is_ipv6(), port.host_port) {
                (true, 81) => Some(ForwardError::InUse),
                (true, 82) => Some(ForwardError::NoAddress),
                (_, 83) => Some(ForwardError::Failed("gone".to_owned())),
                _ => None,
            };
            let said = if error.is_none() { "open" } else { "refuse" };
            self.calls.lock().unwrap().push(format!("{said} {}:{}", port.host_ip, port.host_port));
            let bound = Binding { host_ip: port.host_ip, host_port: port.host_port };
            Box::pin(async move { error.map_or(Ok(bound), Err) })
        }

        fn close<'a>(&'a self, id: &'a ForwardId) -> BoxFuture<'a, Result<(), ForwardError>> {
            self.calls.lock().unwrap().push(format!("close {}", id.0.rsplit_once('/').unwrap().0));
            Box::pin(async { Ok(()) })
        }

        fn list(&self) -> BoxFuture<'_, Result<Vec<ForwardId>, ForwardError>> {
            Box::pin(async { Ok(Vec::new()) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_is_open_at_both_addresses_or_asked_for_again_later() {
        let computer = Arc::new(Computer::default());
        let mut shown = Shown { forwarder: computer.clone(), open: BTreeMap::new(), refused: HashMap::new() };
        let ports = |ports: &[u16]| -> Ports {
            ports.iter().map(|port| ((Protocol::Tcp, *port), IpAddr::from(Ipv4Addr::LOCALHOST))).collect()
        };
        let calls = || std::mem::take(&mut *computer.calls.lock().unwrap()).join(", ");
        let taken = "open 127.0.0.1:81, refuse ::1:81, close host-network/tcp/4/81, close host-network/tcp/6/81";
        shown.change_to(&ports(&[80, 81, 82])).await;
        assert_eq!(calls(), format!("open 127.0.0.1:80, open ::1:80, {taken}, open 127.0.0.1:82, refuse ::1:82"));
        shown.change_to(&ports(&[80, 81, 82])).await;
        assert_eq!(calls(), "");
        sleep(AGAIN).await;
        shown.change_to(&ports(&[80, 81, 82])).await;
        assert_eq!(calls(), taken);
        // Nobody else waits for one that does not answer.
        shown.change_to(&ports(&[83, 84])).await;
        let closed = "close host-network/tcp/4/80, close host-network/tcp/6/80, close host-network/tcp/4/82";
        assert_eq!(calls(), format!("{closed}, refuse 127.0.0.1:83, close host-network/tcp/4/83"));
        // The same port by another of the machine's addresses.
        shown.change_to(&ports(&[84])).await;
        shown.change_to(&[((Protocol::Tcp, 84), IpAddr::from(Ipv6Addr::LOCALHOST))].into()).await;
        assert!(
            calls()
                .ends_with("close host-network/tcp/4/84, close host-network/tcp/6/84, open 127.0.0.1:84, open ::1:84")
        );
    }

    #[test]
    fn only_starts_and_ends_are_changes() {
        assert!(
            is_change(&Event::new(Kind::Container, "start", "c"))
                && is_change(&Event::new(Kind::Container, "die", "c"))
        );
        assert!(!is_change(&Event::new(Kind::Container, "exec_start: x", "c")));
        assert!(!is_change(&Event::new(Kind::Network, "start", "n")));
    }
}
