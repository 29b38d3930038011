//! Logs: one line per event on stderr, which is the console in the machine.

use tracing_subscriber::{EnvFilter, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// Changes the filter while the program runs.
pub(crate) type SetFilter = std::sync::Arc<dyn Fn(&str) + Send + Sync>;

/// `RUST_LOG` decides at first, else `info`.
pub(crate) fn start() -> SetFilter {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let (filter, handle) = reload::Layer::<EnvFilter, Registry>::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(true).compact();
    tracing_subscriber::registry().with(filter).with(lines).init();
    std::sync::Arc::new(move |words| match EnvFilter::try_new(words) {
        Ok(filter) => {
            // Fails only when the subscriber is gone, with the process.
            let _ = handle.reload(filter);
            tracing::info!("log filter is now {words}");
        }
        Err(error) => tracing::warn!("log filter {words:?} is not one: {error}"),
    })
}
