//! What is in a built image, read back from its artefacts and compared with what the manifest says.
//!
//! Needs what building an image needs (apt's lists, erofs-utils, xz-utils, kmod) and no privileges.

mod contents;
mod embedded;
mod modules;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use guest_image::{ImageDir, Options, build};

/// An image with a stand-in for the agent: everything else is as shipped, and no compiler runs for minutes.
fn image() -> &'static ImageDir {
    static IMAGE: OnceLock<ImageDir> = OnceLock::new();
    IMAGE.get_or_init(|| build(&options()).expect("the image is built"))
}

fn options() -> Options {
    let mut options = Options::new().expect("there is a home directory");
    options.progress = Arc::new(|_| {});
    options.agent = Some(stand_in().to_owned());
    options
}

/// A static program that does nothing.
fn stand_in() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compile("stand-in", true))
}

fn compile(name: &str, fixed: bool) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, program) = (home.join(format!("{name}.rs")), home.join(name));
    std::fs::write(&source, "fn main() {}\n").unwrap();
    let feature = if fixed { "target-feature=+crt-static" } else { "target-feature=-crt-static" };
    let mut command = Command::new("rustc");
    command.args(["--target", "x86_64-unknown-linux-gnu", "-C", feature, "-C", "strip=symbols", "--edition", "2024"]);
    let status = command.arg("-o").arg(&program).arg(&source).status().expect("rustc runs");
    assert!(status.success());
    program
}

/// The root file system, unpacked.
fn root() -> &'static Path {
    static ROOT: OnceLock<tempfile::TempDir> = OnceLock::new();
    let unpack = || {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("root");
        let mut command = Command::new("fsck.erofs");
        command.arg(format!("--extract={}", target.display())).args(["--preserve-perms", "--no-preserve-owner"]);
        let output = command.arg(image().root()).output().expect("fsck.erofs runs; it is in the package erofs-utils");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder
    };
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| ROOT.get_or_init(unpack).path().join("root"))
}

/// One member of a newc archive.
#[derive(Debug)]
struct Member {
    path: String,
    mode: u32,
    content: Vec<u8>,
}

/// Reads a newc archive up to its trailer; returns the rest, too.
fn read_cpio(mut bytes: &[u8]) -> (Vec<Member>, &[u8]) {
    let total = bytes.len();
    let mut members = Vec::new();
    loop {
        assert_eq!(&bytes[..6], b"070701");
        let field = |n: usize| {
            let text = std::str::from_utf8(&bytes[6 + 8 * n..14 + 8 * n]).unwrap();
            usize::from_str_radix(text, 16).unwrap()
        };
        let (mode, size, name) = (field(1) as u32, field(6), field(11));
        let data = (110 + name).next_multiple_of(4);
        let path = String::from_utf8(bytes[110..110 + name - 1].to_vec()).unwrap();
        let content = bytes[data..data + size].to_vec();
        bytes = &bytes[(data + size).next_multiple_of(4)..];
        assert_eq!((total - bytes.len()) % 4, 0);
        if path == "TRAILER!!!" {
            return (members, bytes);
        }
        members.push(Member { path, mode, content });
    }
}

#[test]
fn the_same_inputs_are_found_again() {
    let first = image();
    let second = build(&options()).unwrap();
    assert_eq!(first.path, second.path);
    assert_eq!(first.manifest, second.manifest);
}

#[test]
fn a_damaged_image_is_built_again() {
    let cache = tempfile::tempdir().unwrap();
    let mut options = options();
    for folder in ["apt", "packages", "resolved"] {
        let real = options.cache.join(folder);
        std::fs::create_dir_all(&real).unwrap();
        std::os::unix::fs::symlink(real, cache.path().join(folder)).unwrap();
    }
    options.cache = cache.path().to_owned();
    let first = build(&options).unwrap();
    let whole = std::fs::read(first.root()).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    std::fs::write(first.root(), damaged).unwrap();
    let second = build(&options).unwrap();
    assert_eq!(first.path, second.path);
    assert!(std::fs::read(second.root()).unwrap() == whole, "the damaged root was found again");
}

#[test]
fn an_agent_that_needs_a_loader_is_refused() {
    let mut options = options();
    options.agent = Some(compile("dynamic", false));
    let error = build(&options).unwrap_err().to_string();
    assert!(error.contains("is linked dynamically"), "{error}");
}
