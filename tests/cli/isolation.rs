//! What containers of one network reach of those of another, and what nobody does: at a container's own address, and at published ports.

use std::time::Duration;

use anyhow::ensure;
use tests::case::Case;
use tests::http::fetch;
use tests::wait::until;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; other_networks, quiet_neighbours, of_internal_networks]
}

/// What must succeed is tried for so long: a first packet may be lost, and every try gives up after seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// A container that serves on port 80 and 81; its own address on the network.
pub(super) fn server(case: &Case<'_>, name: &str, network: &str, options: &[&str]) -> anyhow::Result<String> {
    let mut arguments = vec!["run", "-d", "--name", name, "--network", network];
    arguments.extend(options);
    let script = "mkdir /www; echo served >/www/index.html; httpd -p 81 -h /www; httpd -f -h /www";
    arguments.extend(["busybox", "sh", "-c", script]);
    case.ok(&arguments)?;
    for port in [80, 81] {
        let url = format!("http://127.0.0.1:{port}/");
        until("the server", Duration::from_secs(120), || case.ok(&["exec", name, "wget", "-q", "-O", "-", &url]).ok())?;
    }
    let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
    case.ok(&["inspect", "-f", &format, name])
}

/// The outcome of one try, or of as many as it takes if it should succeed.
pub(super) fn succeeds(should: bool, mut attempt: impl FnMut() -> bool) -> bool {
    if should { until("success", PATIENCE, || attempt().then_some(())).is_ok() } else { attempt() }
}

/// Whether a fresh container on the network gets the page, which it should or should not.
pub(super) fn fetches(case: &Case<'_>, network: &str, url: &str, should: bool) -> anyhow::Result<bool> {
    // Not as process 1, which busybox's `timeout` could not end.
    let fetch = [&["run", "--rm", "--init", "--network", network, "busybox"][..], &fetch(url)].concat();
    let mut said = Ok(false);
    succeeds(should, || {
        said = case.run(&fetch).map(|said| said.out == "served\n");
        !matches!(said, Ok(false))
    });
    said
}

fn gateway(case: &Case<'_>, network: &str) -> anyhow::Result<String> {
    case.ok(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", network])
}

/// Containers of other networks reach what is published, at any address of the machine, and nothing else.
pub(crate) fn other_networks(case: &Case<'_>) -> Result {
    let ([one, other], port) = (["one", "other"].map(|name| case.network(name)), case.port());
    for network in [&one, &other] {
        case.ok(&["network", "create", network])?;
    }
    // Of the default network, and of one that a user made.
    for (network, name, port) in [("bridge", "server", port), (&*one, "second", port + 2_000)] {
        let address = server(case, &case.container(name), network, &["-p", &format!("{port}:80")])?;
        for of in [network, &*other] {
            let url = format!("http://{}:{port}/", gateway(case, of)?);
            ensure!(fetches(case, &other, &url, true)?, "{url} is not reached");
        }
        for port in [80, 81] {
            let url = format!("http://{address}:{port}/");
            ensure!(!fetches(case, &other, &url, false)?, "{url} is reached");
            ensure!(fetches(case, network, &url, true)?, "{url} is not reached on its own network");
            ensure!(fetches(case, "host", &url, true)?, "{url} is not reached by the machine itself");
        }
    }
    Ok(())
}

/// Without communication a neighbour reaches what is published, and nothing at the container's own address.
pub(crate) fn quiet_neighbours(case: &Case<'_>) -> Result {
    let (network, name, port) = (case.network("quiet"), case.container("server"), case.port());
    case.ok(&["network", "create", "-o", "com.docker.network.bridge.enable_icc=false", &network])?;
    let address = server(case, &name, &network, &["-p", &format!("{port}:80")])?;
    let published = format!("http://{}:{port}/", gateway(case, &network)?);
    ensure!(fetches(case, &network, &published, true)?, "the published port is not reached");
    for port in [80, 81] {
        let url = format!("http://{address}:{port}/");
        ensure!(!fetches(case, &network, &url, false)?, "port {port} is reached");
        ensure!(fetches(case, "host", &url, true)?, "port {port} is not reached by the machine itself");
    }
    Ok(())
}

/// Nothing gets in or out, not even to what is published; among themselves, and with the machine, they talk.
pub(crate) fn of_internal_networks(case: &Case<'_>) -> Result {
    let ([inner, second, outer], port) = (["inner", "second", "outer"].map(|name| case.network(name)), case.port());
    for network in [&inner, &second] {
        case.ok(&["network", "create", "--internal", network])?;
    }
    case.ok(&["network", "create", &outer])?;
    let inside = server(case, &case.container("inside"), &inner, &["-p", &format!("{}:80", port + 2_000)])?;
    let outside = server(case, &case.container("outside"), &outer, &["-p", &format!("{port}:80")])?;
    for port in [80, 81] {
        let url = format!("http://{inside}:{port}/");
        for (from, should) in [(&*inner, true), ("host", true), (&*second, false), (&*outer, false), ("bridge", false)]
        {
            ensure!(fetches(case, from, &url, should)? == should, "{url} from {from}");
        }
        let url = format!("http://{outside}:{port}/");
        ensure!(!fetches(case, &inner, &url, false)?, "{url} is reached from inside");
    }
    for of in [&*inner, &*outer, "bridge"] {
        let url = format!("http://{}:{port}/", gateway(case, of)?);
        ensure!(!fetches(case, &inner, &url, false)?, "{url}, which is published, is reached from inside");
    }
    let url = format!("http://{}:{port}/", gateway(case, "bridge")?);
    ensure!(fetches(case, "bridge", &url, true)?, "{url} is not reached at all");
    let routes = case.ok(&["run", "--rm", "--network", &inner, "busybox", "ip", "route"])?;
    ensure!(!routes.contains("default"), "{routes}");
    Ok(())
}
