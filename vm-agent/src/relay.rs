//! The role `relay`.

use std::{os::fd::AsFd, sync::Arc};

use anyhow::Context;
use supervisor::protocol::ShutdownMode;

use crate::{
    handover::Handover,
    log,
    supervise::{self, Places},
};

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let places = Places::from_args(args)?;
    let handover = Handover::receive()?;
    log::start(handover.boot.log.as_deref());
    let channel = supervise::channel();
    let power_off = move || {
        if let Err(error) = supervisor::protocol::request_shutdown(channel.as_fd(), ShutdownMode::PowerOff) {
            tracing::error!("the supervisor does not take the shutdown: {error}");
        }
    };
    let options = relay::Options {
        boot: handover.boot,
        run_dir: places.run.clone(),
        // Itself, from memory.
        program: "/proc/self/exe".into(),
        data_dir: places.root,
        boot_steps: handover.steps,
        power_off: Arc::new(power_off),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("an async runtime")?;
    match runtime.block_on(relay::run(options)) {
        Err(error) => Err(anyhow::Error::new(error).context("the relay stopped")),
    }
}

/// The role `echo`.
pub(crate) fn repeat(args: &[String]) -> anyhow::Result<()> {
    relay::repeat(args).context("repeat the host's changes")
}
