//! The program's own log: on the terminal, if it has one, and in a file, which `berth diagnose` takes along.

use std::fs::File;
use std::sync::Mutex;

use host::machine::console;
use host::paths::Paths;
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt};

pub(crate) fn begin(paths: &Paths) {
    let file = open(paths);
    let trouble = file.as_ref().err().map(host::Error::chain);
    let writer = match file {
        Ok(file) => BoxMakeWriter::new(std::io::stderr.and(Mutex::new(file))),
        Err(_) => BoxMakeWriter::new(std::io::stderr),
    };
    tracing_subscriber::fmt().with_writer(writer).with_ansi(false).with_max_level(tracing::Level::INFO).init();
    if let Some(error) = trouble {
        tracing::warn!(%error, "there is no log file");
    }
    // Who starts the program from a menu has no terminal to see it in.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "the program failed")));
}

fn open(paths: &Paths) -> host::Result<File> {
    paths.of_machine(None).create()?;
    let log = paths.window_log();
    console::bound(&log)?;
    let failed = |source| host::Error::File { action: "write", path: log.clone(), source };
    File::options().create(true).append(true).open(&log).map_err(failed)
}
