//! Logs: one line per event on stderr, which is the console in the machine.

use tracing_subscriber::EnvFilter;

/// Logs what `filter` lets through, the host's word; without one `RUST_LOG` decides, else `info`.
pub(crate) fn start(filter: Option<&str>) {
    let (filter, bad) = choose(filter);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).compact().init();
    if let Some(bad) = bad {
        tracing::warn!("{bad:?} is no log filter; it is info now");
    }
}

fn choose(filter: Option<&str>) -> (EnvFilter, Option<&str>) {
    match filter.map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(_)) => (EnvFilter::new("info"), filter),
        None => (EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")), None),
    }
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn the_hosts_word_comes_first_and_a_bad_one_is_told() {
        let (filter, bad) = choose(Some("warn,containers=trace"));
        assert!(filter.to_string().contains("containers=trace") && bad.is_none());
        let (filter, bad) = choose(Some("relay=loud"));
        assert_eq!((filter.to_string().as_str(), bad), ("info", Some("relay=loud")));
    }
}
