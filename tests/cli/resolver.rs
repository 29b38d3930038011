//! The name server in containers, 127.0.0.11: what it says of other containers, asked by the programs in them.

use anyhow::ensure;
use tests::case::Case;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; both_families, names_of_addresses, only_of_ones_own_networks, domains_to_search, turns]
}

/// A network with addresses of both families that no other case uses.
fn dual(case: &Case<'_>) -> anyhow::Result<String> {
    let network = case.network("dual");
    let (v4, v6) = (format!("10.237.{}.0/24", case.number() % 250), format!("fd00:{:x}::/64", 0x2000 + case.number()));
    case.ok(&["network", "create", "--ipv6", "--subnet", &v4, "--subnet", &v6, &network])?;
    Ok(network)
}

fn idle(case: &Case<'_>, name: &str, network: &str, options: &[&str]) -> anyhow::Result<String> {
    let name = case.container(name);
    case.ok(&[&["run", "-d", "--name", &name, "--network", network], options, &["busybox", "sleep", "1000"]].concat())?;
    Ok(name)
}

/// Its IPv4 and its IPv6 address; the second may be empty.
fn addresses(case: &Case<'_>, name: &str, network: &str) -> anyhow::Result<[String; 2]> {
    let of = |field: &str| {
        let format = format!("{{{{(index .NetworkSettings.Networks {network:?}).{field}}}}}");
        case.ok(&["inspect", "-f", &format, name])
    };
    Ok([of("IPAddress")?, of("GlobalIPv6Address")?])
}

/// What `client` is told of `name`, in order; an error when there is no such name.
fn ask(case: &Case<'_>, client: &str, kind: &str, name: &str) -> anyhow::Result<Vec<String>> {
    let said = case.ok(&["exec", client, "nslookup", &format!("-type={kind}"), name, "127.0.0.11"])?;
    let (_, answer) = said.split_once("answer:").unwrap_or_default();
    let told = answer
        .lines()
        .filter_map(|line| line.strip_prefix("Address: ").or(line.split_once("\tname = ").map(|of| of.1)));
    Ok(told.map(str::to_owned).collect())
}

pub(crate) fn both_families(case: &Case<'_>) -> Result {
    let (network, plain) = (dual(case)?, case.network("plain"));
    case.ok(&["network", "create", &plain])?;
    let server = idle(case, "server", &network, &["--network-alias", "web"])?;
    let client = idle(case, "client", &network, &[])?;
    let [v4, v6] = addresses(case, &server, &network)?;
    ensure!(!v4.is_empty() && !v6.is_empty(), "{v4:?} {v6:?}");
    let id = case.ok(&["inspect", "-f", "{{slice .Id 0 12}}", &server])?;
    for name in [&server, "web", &id, "WEB", &format!("{server}.{network}"), &format!("web.{network}")] {
        // The dot at the end: no domain is tried.
        let name = format!("{name}.");
        for (kind, address) in [("a", &v4), ("aaaa", &v6)] {
            let told = ask(case, &client, kind, &name)?;
            ensure!(told == [address.as_str()], "{kind} of {name}: {told:?} instead of {address}");
        }
        // The name is there, and has none of these.
        ensure!(ask(case, &client, "mx", &name)?.is_empty(), "mx of {name}");
    }
    for address in ["-4", "-6"] {
        case.ok(&["exec", &client, "ping", address, "-c", "1", "web"])?;
    }
    // Of a container without an address of that family, too.
    let four = idle(case, "four", &plain, &[])?;
    case.ok(&["network", "connect", &plain, &client])?;
    ensure!(ask(case, &client, "aaaa", &format!("{four}."))?.is_empty());
    ensure!(ask(case, &client, "a", &format!("{four}."))? == addresses(case, &four, &plain)?[..1]);
    Ok(())
}

pub(crate) fn names_of_addresses(case: &Case<'_>) -> Result {
    let network = dual(case)?;
    let server = idle(case, "server", &network, &["--network-alias", "a-web"])?;
    let client = idle(case, "client", &network, &[])?;
    for name in [&server, &client] {
        for address in addresses(case, name, &network)? {
            let said = case.ok(&["exec", &client, "nslookup", &address, "127.0.0.11"])?;
            let told = said.lines().find_map(|line| line.split_once("\tname = ")).map(|(_, name)| name.to_owned());
            ensure!(told == Some(format!("{name}.{network}")), "{address}: {said}");
        }
    }
    let [v4, _] = addresses(case, &server, &network)?;
    let arpa: Vec<&str> = v4.rsplit('.').collect();
    let told = ask(case, &client, "ptr", &format!("{}.in-addr.arpa", arpa.join(".")))?;
    ensure!(told == [format!("{server}.{network}")], "{told:?}");
    // A new name is a new answer, and the old one is none.
    let renamed = case.container("renamed");
    case.ok(&["rename", &server, &renamed])?;
    let told = ask(case, &client, "ptr", &format!("{}.in-addr.arpa", arpa.join(".")))?;
    ensure!(told == [format!("{renamed}.{network}")], "{told:?}");
    ensure!(ask(case, &client, "a", &format!("{renamed}."))? == [v4]);
    ensure!(ask(case, &client, "a", &format!("{server}.")).is_err(), "the old name is still known");
    Ok(())
}

/// Names and addresses of networks that a container is not on are nobody's.
pub(crate) fn only_of_ones_own_networks(case: &Case<'_>) -> Result {
    let (network, other) = (dual(case)?, case.network("other"));
    case.ok(&["network", "create", &other])?;
    let server = idle(case, "server", &network, &["--network-alias", "web"])?;
    let client = idle(case, "client", &other, &[])?;
    let [v4, v6] = addresses(case, &server, &network)?;
    let unknown = || -> Result {
        for name in [format!("{server}."), "web.".to_owned(), format!("web.{network}.")] {
            for kind in ["a", "aaaa"] {
                ensure!(ask(case, &client, kind, &name).is_err(), "{kind} of {name}");
            }
        }
        for address in [&v4, &v6] {
            let said = case.run(&["exec", &client, "nslookup", address, "127.0.0.11"])?;
            ensure!(said.code != 0, "{address}: {said:?}");
        }
        Ok(())
    };
    unknown()?;
    case.ok(&["network", "connect", "--alias", "late", &network, &client])?;
    ensure!(ask(case, &client, "aaaa", "web.")? == [v6.as_str()]);
    ensure!(ask(case, &server, "a", "late.")? == addresses(case, &client, &network)?[..1]);
    case.ok(&["network", "disconnect", &network, &client])?;
    ensure!(ask(case, &server, "a", "late.").is_err(), "late has left");
    unknown()
}

/// A name that is not known is tried in each domain.
pub(crate) fn domains_to_search(case: &Case<'_>) -> Result {
    let network = case.network("searched");
    case.ok(&["network", "create", &network])?;
    let server =
        idle(case, "server", &network, &["--network-alias", "inner.first", "--network-alias", "outer.second.example"])?;
    let options = ["--dns-search", "first", "--dns-search", "second.example"];
    let client = idle(case, "client", &network, &options)?;
    let [v4, _] = addresses(case, &server, &network)?;
    let resolv = case.ok(&["exec", &client, "cat", "/etc/resolv.conf"])?;
    for line in ["nameserver 127.0.0.11", "search first second.example", "options ndots:0"] {
        ensure!(resolv.lines().any(|other| other == line), "{line}: {resolv}");
    }
    for name in ["inner", "outer"] {
        // Asked by the C library, and its answer used.
        let said = case.ok(&["exec", &client, "ping", "-c", "1", name])?;
        ensure!(said.contains(&format!("PING {name} ({v4})")), "{said}");
        ensure!(ask(case, &client, "a", &format!("{name}.")).is_err(), "{name} is a name of its own");
    }
    // A dot is no domain.
    let resolv = ["run", "--rm", "--network", &network, "--dns-search", ".", "busybox", "cat", "/etc/resolv.conf"];
    let resolv = case.ok(&resolv)?;
    ensure!(!resolv.lines().any(|line| line.starts_with("search")), "{resolv}");
    Ok(())
}

/// So often is a name asked for that each of three addresses comes first for sure: by chance, once in 10^10 runs it does not.
const ASKED: usize = 60;

/// An alias of several containers is all of them, and each of them is the first at times.
pub(crate) fn turns(case: &Case<'_>) -> Result {
    let network = dual(case)?;
    let mut known = [Vec::new(), Vec::new()];
    let mut servers = Vec::new();
    for name in ["one", "two", "three"] {
        let server = idle(case, name, &network, &["--network-alias", "web"])?;
        for (known, address) in known.iter_mut().zip(addresses(case, &server, &network)?) {
            known.push(address);
        }
        servers.push(server);
    }
    let client = idle(case, "client", &network, &[])?;
    for (kind, known) in ["a", "aaaa"].into_iter().zip(&mut known) {
        known.sort();
        let script = format!(
            "for i in $(seq {ASKED}); do nslookup -type={kind} web. 127.0.0.11 | sed -n 's/^Address: //p' | tr '\\n' ' '; echo; done"
        );
        let said = case.ok(&["exec", &client, "sh", "-c", &script])?;
        let mut first: Vec<&str> = Vec::new();
        for line in said.lines() {
            let mut told: Vec<&str> = line.split_whitespace().collect();
            first.extend(told.first());
            told.sort_unstable();
            ensure!(told == *known, "{kind}: {told:?} instead of {known:?}");
        }
        ensure!(first.len() == ASKED, "{} answers", first.len());
        first.sort_unstable();
        first.dedup();
        ensure!(first == *known, "{kind}: only {first:?} come first");
    }
    // Those that end are no longer told.
    case.ok(&["stop", "-t", "0", &servers[0], &servers[1]])?;
    ensure!(ask(case, &client, "a", "web.")? == addresses(case, &servers[2], &network)?[..1]);
    Ok(())
}
