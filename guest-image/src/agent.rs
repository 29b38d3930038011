//! Builds the agent: the guest's one program, static, and the same bytes wherever it is built.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use installers::cargo::cargo;
use object::Object;

use crate::architecture::Architecture;
use crate::cross::Compiler;
use crate::embedded::rustc;
use crate::error::{Error, IoContext, Result};
use crate::tool;

const RUSTUP: &str = "rustc (by rustup)";

/// Compiles `berth-agent` of `workspace` with `compiler` and returns the path of the program. Cargo's own progress goes to stderr.
pub(crate) fn build(workspace: &Path, compiler: &Compiler) -> Result<PathBuf> {
    let architecture = compiler.architecture();
    let target = target_directory(workspace);
    let remaps = remaps(workspace, &target, &compiler.rustc())?;
    let mut flags = vec!["-C".to_owned(), "target-feature=+crt-static".to_owned()];
    // A build id would be a digest of paths that the linker saw.
    flags.push("-Clink-arg=-Wl,--build-id=none".to_owned());
    flags.extend(remaps.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")));
    let c_flags: Vec<String> = remaps.iter().map(|(from, to)| format!("'-ffile-prefix-map={from}={to}'")).collect();

    let mut command = cargo();
    command.args(["rustc", "--package", "berth-agent", "--bin", "berth-agent", "--profile", "guest", "--locked"]);
    command.arg("--target-dir").arg(&target).current_dir(workspace);
    // Nothing unwinds in the agent.
    compiler.set(&mut command, "std,panic_abort");
    if architecture == Architecture::X86_64 {
        // For the last link only: relative relocations as a bit map (DT_RELR) instead of 24 bytes each, almost a megabyte less.
        // A static glibc program applies them to itself since 2.36. Debian 12's linker makes them for x86 alone.
        command.args(["--", "-C", "link-arg=-Wl,-z,pack-relative-relocs"]);
    }
    // The encoded form takes precedence over every other source of flags and allows spaces in paths.
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env_remove("RUSTFLAGS");
    command.env(format!("CFLAGS_{}", architecture.target().replace('-', "_")), c_flags.join(" "));
    // Lets the crate `cc` read the quotes above, which paths with spaces need.
    command.env("CC_SHELL_ESCAPED_FLAGS", "1");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status().map_err(|error| tool::not_started(&command, RUSTUP, &error))?;
    if !status.success() {
        return Err(Error::Agent(format!("cargo ended with {status}; its message is above")));
    }
    let program = target.join(architecture.target()).join("guest/berth-agent");
    check(&program, architecture)?;
    Ok(program)
}

/// Refuses an agent that is for another processor, or would need a loader: in the initramfs there is none. Of both the kernel would
/// only say "no init found".
pub(crate) fn check(program: &Path, architecture: Architecture) -> Result<()> {
    let bytes = fs::read(program).at("read", program)?;
    let file = object::read::elf::ElfFile64::<object::Endianness>::parse(&*bytes)
        .map_err(|error| Error::Agent(format!("{} is not a 64-bit ELF program: {error}", program.display())))?;
    let found = match file.architecture() {
        object::Architecture::X86_64 => Some(Architecture::X86_64),
        object::Architecture::Aarch64 => Some(Architecture::Aarch64),
        _ => None,
    };
    if found != Some(architecture) {
        return Err(Error::Agent(format!("{} is no program for {architecture}", program.display())));
    }
    let dynamic =
        file.elf_program_headers().iter().any(|header| header.p_type.get(file.endian()) == object::elf::PT_INTERP);
    if dynamic {
        let message =
            format!("{} is linked dynamically; build it with -C target-feature=+crt-static", program.display());
        return Err(Error::Agent(message));
    }
    Ok(())
}

fn target_directory(workspace: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |path| workspace.join(path))
}

/// Folders whose names would end up in panic messages, and what stands there instead. rustc takes the last match, so the
/// more special ones come later.
fn remaps(workspace: &Path, target: &Path, rustc: &Path) -> Result<Vec<(String, String)>> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let sysroot = rustc_says(rustc, &["--print", "sysroot"])?;
    let version = rustc_says(rustc, &["-vV"])?;
    let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).unwrap_or("unknown");
    let mut remaps = Vec::new();
    let mut map = |from: &Path, to: &str| remaps.push((from.display().to_string(), to.to_owned()));
    if let Some(home) = home {
        map(&home, "/cargo");
    }
    // With the component rust-src installed, paths of the standard library become local ones.
    map(&Path::new(sysroot.trim()).join("lib/rustlib/src/rust"), &format!("/rustc/{commit}"));
    map(workspace, "/berth");
    map(target, "/berth/target");
    Ok(remaps)
}

fn rustc_says(rustc: &Path, arguments: &[&str]) -> Result<String> {
    tool::text(Command::new(rustc).args(arguments), RUSTUP)
}

/// Version of the compiler, an input of the image.
pub(crate) fn rustc_version() -> Result<String> {
    rustc_says(Path::new(&rustc()), &["-vV"])
}
