//! Completion scripts and manual pages, made from the same description as the command line.

use std::path::Path;

use clap::CommandFactory;

use crate::args::Berth;
use crate::{Failure, language};

pub(crate) fn completions(shell: clap_complete::Shell) -> i32 {
    // The generator itself would panic where the reader is gone.
    print!("{}", script(shell));
    0
}

/// What has a shell complete `berth`.
pub(crate) fn script(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Berth::command(), "berth", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// One page for `berth` and one for each verb.
pub(crate) fn pages(folder: &Path) -> Result<i32, Failure> {
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(language::localized(Berth::command()), folder));
    written.map_err(|error| Failure::new(1, format!("{}: {error}", folder.display())))?;
    println!("{}", folder.display());
    Ok(0)
}
