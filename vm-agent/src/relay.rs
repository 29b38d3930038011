//! The role `relay`.

use std::{
    os::fd::{AsFd, FromRawFd, OwnedFd},
    sync::Arc,
};

use anyhow::Context;
use supervisor::protocol::{CHANNEL_FD, ShutdownMode};

use crate::{handover::Handover, log, supervise::Places};

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let places = Places::from_args(args)?;
    let handover = Handover::receive()?;
    log::start(handover.boot.log.as_deref());
    // SAFETY: the supervisor put the socket there for this process, and only here it is taken.
    let channel = unsafe { OwnedFd::from_raw_fd(CHANNEL_FD) };
    let power_off = move || {
        if let Err(error) = supervisor::protocol::request_shutdown(channel.as_fd(), ShutdownMode::PowerOff) {
            tracing::error!("the supervisor does not take the shutdown: {error}");
        }
    };
    let options = relay::Options {
        boot: handover.boot,
        run_dir: places.run.clone(),
        data_dir: places.root,
        boot_steps: handover.steps,
        power_off: Arc::new(power_off),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("an async runtime")?;
    match runtime.block_on(relay::run(options)) {
        Err(error) => Err(anyhow::Error::new(error).context("the relay stopped")),
    }
}
