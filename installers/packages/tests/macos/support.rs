//! What the tests are made with: programs, an app of them, and what reads packages.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use installers::darwin;
use packages::macos::Sealer;
use packages::macos::plan::PROGRAMS;
use packages::macos::tree::{Node, Tree};
use packages::made::{Made, Page};
use packages::plan::Inputs;

pub(crate) const DATE: u32 = 1_764_000_000;
pub(crate) const VERSION: &str = "1.2.3-rc.1";
/// Both kinds of Mac.
pub(crate) const BOTH: [&str; 2] = ["aarch64", "x86_64"];

/// Says why a test of this name does not run.
pub(crate) fn skipped(test: &str, why: &str) {
    println!("SKIPPED: {test}: {why}");
}

/// What signs for nobody; or why it is not here.
pub(crate) fn rcodesign() -> Result<Sealer, String> {
    const VARIABLE: &str = "BERTH_TEST_RCODESIGN";
    let missing = || format!("{VARIABLE} does not say where rcodesign is; `cargo verify --all` installs it");
    std::env::var_os(VARIABLE).map(|program| Sealer::Rcodesign(program.into())).ok_or_else(missing)
}

/// What packages for these Macs are made from, below `folder`; or why there is no compiler for them.
pub(crate) fn inputs(folder: &Path, macs: &[&str]) -> Result<Inputs, String> {
    let (programs, image) = (folder.join("programs"), folder.join("image"));
    for mac in macs {
        let (programs, image) = (programs.join(mac), image.join(mac));
        fs::create_dir_all(&programs).unwrap();
        fs::create_dir_all(&image).unwrap();
        for program in PROGRAMS {
            fs::copy(compiled(mac)?, programs.join(program)).unwrap();
        }
        for part in ["vmlinuz", "initramfs.cpio", "root.erofs"] {
            fs::write(image.join(part), format!("{part} for {mac}")).unwrap();
        }
        fs::write(image.join("manifest.json"), format!(r#"{{"architecture": "{mac}"}}"#)).unwrap();
    }
    // More than a block of the list of what is installed has room for.
    let page = |number| Page { folder: "man1", name: format!("berth-{number}.1"), text: format!(".TH berth-{number}") };
    let chinese = Page { folder: "zh_CN/man1", name: "berth-0.1".to_owned(), text: ".TH berth-0".to_owned() };
    let made = Made {
        bash: "bash".to_owned(),
        zsh: "zsh".to_owned(),
        fish: "fish".to_owned(),
        pages: (0..600).map(page).chain([chinese]).collect(),
    };
    Ok(Inputs {
        version: VERSION.to_owned(),
        date: DATE,
        programs,
        image,
        made,
        notices: "notices".to_owned(),
        sbom: "{}".to_owned(),
        effort: 1,
    })
}

/// A program for this kind of Mac.
fn compiled(mac: &str) -> Result<PathBuf, String> {
    static COMPILED: OnceLock<Result<tempfile::TempDir, String>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("program.c");
        fs::write(&source, "#include <stdio.h>\nint main(void) { return puts(\"berth\") < 0; }\n").unwrap();
        for mac in BOTH {
            let compiler = darwin::compiler_there(&format!("{mac}-apple-darwin"));
            let mut compiler = Command::new(compiler.ok_or("zig is not below the cache: `cargo verify` fetches it")?);
            // Apple's linker leaves room for a signature by itself.
            compiler.args(["-O1", "-Wl,-headerpad,0x100", "-o"]).arg(folder.path().join(mac)).arg(&source);
            run(&mut compiler);
        }
        Ok(folder)
    });
    compiled.as_ref().map(|folder| folder.path().join(mac)).map_err(String::clone)
}

/// What `command` prints; both streams are in the message of its failure.
pub(crate) fn run(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{command:?}: {}\n{said}\n{complained}", out.status);
    said.into_owned()
}

/// Each file and link below `folder` with its permissions and what is in it, and each folder.
pub(crate) fn found(folder: &Path) -> BTreeMap<String, Found> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let about = path.symlink_metadata().unwrap();
            let mode = about.permissions().mode() & 0o7777;
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            let found = if about.is_dir() {
                waiting.push(path);
                Found::Folder
            } else if about.is_symlink() {
                Found::Link(fs::read_link(path).unwrap())
            } else {
                Found::File(mode, fs::read(path).unwrap())
            };
            all.insert(name, found);
        }
    }
    all
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Folder,
    File(u32, Vec<u8>),
    Link(PathBuf),
}

/// What ought to be found of a tree.
pub(crate) fn expected(tree: &Tree) -> BTreeMap<String, Found> {
    let of = |node: &Node| match node {
        Node::Folder => Found::Folder,
        Node::File(bytes, mode) => Found::File(*mode, bytes.clone()),
        Node::Link(target) => Found::Link(target.into()),
    };
    tree.nodes.iter().map(|(path, node)| (path.clone(), of(node))).collect()
}

/// Asserts that both are the same, without printing what is in every file.
pub(crate) fn assert_same(found: &BTreeMap<String, Found>, expected: &BTreeMap<String, Found>) {
    let names = |all: &BTreeMap<String, Found>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (name, node) in expected {
        assert!(found[name] == *node, "{name} is another");
    }
}
