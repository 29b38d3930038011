//! Cargo, as all commands of this tree call it: in a way that nothing is compiled twice, and with lints where it is to verify.

use std::process::Command;

/// Cargo with clippy's driver for a compiler of the workspace's packages: what is built is linted, and nothing is compiled a second time for it.
/// Not by the environment, which the tests' own programs would have, too.
pub fn linted() -> Command {
    let mut command = cargo();
    command.args(["--config", "build.rustc-workspace-wrapper=\"clippy-driver\""]);
    // What would take its place, or allow what it tells; and colours, by which a warning would not begin with its word.
    for name in
        ["RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER", "CLIPPY_ARGS", "CARGO_BUILD_WARNINGS"]
    {
        command.env_remove(name);
    }
    command.env("CARGO_TERM_COLOR", "never");
    command
}

/// Cargo in the workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::workspace());
    // What cargo runs has these of its own package. Build scripts that look at them (ring's) would run again, and all that needs their crates
    // would be compiled again, for each of the two ways to come here.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}
