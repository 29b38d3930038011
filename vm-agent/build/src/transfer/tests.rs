//! Layers that COPY and ADD come down to, as the names, kinds, modes and owners in their tars.

use super::*;
use crate::dockerfile::{Dockerfile, Instruction};
use std::os::unix::fs::{PermissionsExt as _, symlink};

struct Stage {
    directory: tempfile::TempDir,
}

impl Stage {
    /// A context and an image: `there` has files, `link` leads to it, `file` to a file in it.
    fn new() -> Stage {
        let directory = tempfile::tempdir().expect("a directory");
        let (context, image) = (directory.path().join("context"), directory.path().join("image"));
        std::fs::create_dir_all(context.join("d/e")).expect("made");
        std::fs::create_dir_all(image.join("there/e")).expect("made");
        std::fs::create_dir_all(image.join("etc")).expect("made");
        for (path, text) in [
            (context.join("f"), "1"),
            (context.join("d/g"), "22"),
            (context.join("d/e/h"), "333"),
            (image.join("there/old"), ""),
            (image.join("etc/passwd"), "root:x:0:0::/:\nme:x:7:8::/:\n"),
            (image.join("etc/group"), "root:x:0:\nme:x:9:\nus:x:10:me\n"),
        ] {
            std::fs::write(&path, text).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
        }
        std::fs::hard_link(context.join("d/g"), context.join("d/same")).expect("linked");
        symlink("g", context.join("d/s")).expect("linked");
        symlink("there", image.join("link")).expect("linked");
        symlink("/there/target", image.join("file")).expect("linked");
        Stage { directory }
    }

    fn tree(&self, name: &str) -> Tree {
        Tree::open(&self.directory.path().join(name)).expect("a tree")
    }

    fn archive(&self, name: &str, entries: &[(&str, EntryType, &str)]) {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, entry_type, text) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*entry_type);
            header.set_mode(0o604);
            header.set_uid(3);
            header.set_gid(4);
            header.set_size(0);
            match entry_type {
                EntryType::Symlink | EntryType::Link => archive.append_link(&mut header, name, text).expect("appended"),
                _ => {
                    header.set_size(text.len() as u64);
                    // As whoever means ill would write it.
                    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
                    header.set_cksum();
                    archive.append(&header, text.as_bytes()).expect("appended");
                }
            }
        }
        let bytes = archive.into_inner().expect("written");
        std::fs::write(self.directory.path().join("context").join(name), bytes).expect("written");
    }

    /// What a COPY or an ADD writes, an entry a line.
    fn write(&self, text: &str, destination: &str) -> Result<Vec<String>, String> {
        self.write_with(text, destination, None)
    }

    /// The same; `downloaded` is a file of the context that a URL gave.
    fn write_with(&self, text: &str, destination: &str, downloaded: Option<&str>) -> Result<Vec<String>, String> {
        let parsed = Dockerfile::parse(&format!("FROM x\n{text}")).expect("valid");
        let Instruction::Copy(transfer) = &parsed.stages[0].steps[0].instruction else { panic!("no COPY") };
        let image = self.tree("image");
        let made = transfer.documents.iter().map(|document| Made {
            name: document.name.clone().into_bytes(),
            content: Content::Text(document.content.clone()),
            mode: 0o644,
            modified: 0,
        });
        let downloaded = downloaded.map(|name| Made {
            name: name.as_bytes().to_vec(),
            content: Content::File(self.directory.path().join("context").join(name)),
            mode: 0o600,
            modified: 0,
        });
        let found = Sources {
            tree: self.tree("context"),
            words: if downloaded.is_some() { Vec::new() } else { transfer.sources.clone() },
            made: made.chain(downloaded).collect(),
            in_image: transfer.from.is_some(),
            is_lenient: false,
            digests: Digests::default(),
            checkouts: Vec::new(),
        };
        let planned =
            Taken::new(transfer, found, destination).and_then(|taken| Plan::new(transfer, taken, destination, &image));
        let plan = planned.map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        plan.write(&image, &mut out).map_err(|error| error.to_string())?;
        let mut lines = Vec::new();
        for entry in tar::Archive::new(&out[..]).entries().expect("a tar") {
            let entry = entry.expect("an entry");
            let header = entry.header();
            let kind = match header.entry_type() {
                EntryType::Directory => "/".to_owned(),
                EntryType::Regular => format!(" {}", entry.size()),
                EntryType::Symlink => {
                    format!(" -> {}", entry.link_name().expect("a name").expect("a target").display())
                }
                EntryType::Link => format!(" = {}", entry.link_name().expect("a name").expect("a target").display()),
                other => format!(" {other:?}"),
            };
            let (mode, uid, gid) =
                (header.mode().expect("a mode"), header.uid().expect("a user"), header.gid().expect("a group"));
            let path = entry.path().expect("a name");
            let mode = if header.entry_type().is_symlink() { "link".to_owned() } else { format!("{mode:o}") };
            lines.push(format!("{}{kind} {mode} {uid}:{gid}", path.to_string_lossy().trim_end_matches('/')));
        }
        Ok(lines)
    }
}

fn lines(lines: &[&str]) -> Result<Vec<String>, String> {
    Ok(lines.iter().map(|&line| line.to_owned()).collect())
}

#[test]
fn files_go_where_they_are_told() {
    let stage = Stage::new();
    assert_eq!(stage.write("COPY f x", "/x"), lines(&["x 1 640 0:0"]));
    assert_eq!(
        stage.write("COPY f x", "/new/dir/x"),
        lines(&["new/ 755 0:0", "new/dir/ 755 0:0", "new/dir/x 1 640 0:0"])
    );
    assert_eq!(stage.write("COPY f x", "/there"), lines(&["there/f 1 640 0:0"]));
    assert_eq!(stage.write("COPY f x", "/link/"), lines(&["there/f 1 640 0:0"]));
    assert_eq!(stage.write("COPY f x", "/link/new/"), lines(&["there/new/ 755 0:0", "there/new/f 1 640 0:0"]));
    assert_eq!(stage.write("COPY f x", "/file"), lines(&["there/target 1 640 0:0"]));
    assert_eq!(stage.write("COPY f f x", "/"), lines(&["f 1 640 0:0", "f 1 640 0:0"]));
    assert_eq!(stage.write("COPY --chmod=4711 --chown=me f x", "/x"), lines(&["x 1 4711 7:8"]));
    assert_eq!(stage.write("COPY --chown=5 f x", "/x"), lines(&["x 1 640 5:5"]));
    assert_eq!(stage.write("COPY --chown=me:us f x", "/x"), lines(&["x 1 640 7:10"]));
    // New directories above a file are its owner's.
    let owned = lines(&["new/ 755 5:6", "new/dir/ 755 5:6", "new/dir/f 1 640 5:6"]);
    assert_eq!(stage.write("COPY --chown=5:6 f x", "/new/dir/"), owned);
    // A link of its name gives way to it, instead of being followed.
    symlink("old", stage.directory.path().join("image/there/f")).expect("linked");
    assert_eq!(stage.write("COPY f x", "/there"), lines(&["there/f 1 640 0:0"]));
    assert_eq!(stage.write("COPY f x", "/there/f"), lines(&["there/old 1 640 0:0"]));
    assert_eq!(stage.write("COPY <<E <<F x\na\nE\nF", "/x/"), lines(&["x/ 755 0:0", "x/E 2 644 0:0", "x/F 0 644 0:0"]));
}

#[test]
fn directories_go_with_all_that_is_in_them() {
    let stage = Stage::new();
    let mode =
        std::fs::metadata(stage.directory.path().join("context/d/e")).expect("there").permissions().mode() & 0o7777;
    let inner = format!("e/ {mode:o} 0:0");
    let all = |at: &str| {
        let entries = [inner.as_str(), "g 2 640 0:0", "s -> g link 0:0"].map(|line| format!("{at}/{line}"));
        let [inner, first, link] = entries;
        Ok(vec![inner, first, link, format!("{at}/same = {at}/g 640 0:0"), format!("{at}/e/h 3 640 0:0")])
    };
    let sorted = |lines: Result<Vec<String>, String>| {
        let mut lines = lines.expect("written");
        lines.sort();
        lines
    };
    assert_eq!(sorted(stage.write("COPY d x", "/there")), sorted(all("there")));
    assert_eq!(sorted(stage.write("COPY d x", "/link")), sorted(all("there")));
    let mut new = all("x").expect("some");
    new.push("x/ 755 0:0".to_owned());
    assert_eq!(sorted(stage.write("COPY d x", "/x")), sorted(Ok(new)));
    // What has to be made above it is its owner's, too.
    let owned = stage.write("COPY --chown=5:6 --exclude=* d x", "/p/x");
    assert_eq!(owned, lines(&["p/ 755 5:6", "p/x/ 755 5:6"]));
    assert_eq!(stage.write("COPY --chown=5:6 --exclude=* d x", "/there"), lines(&[]));
    let kept = format!("there/d/ {mode:o} 0:0");
    assert_eq!(
        stage.write("COPY --parents --chmod=go-rwx d/g x", "/there"),
        lines(&[kept.replace(&format!("{mode:o}"), "700").as_str(), "there/d/g 2 600 0:0"])
    );
    let excluded = stage.write("COPY --exclude=e --exclude=s* d x", "/there");
    assert_eq!(excluded, lines(&["there/g 2 640 0:0"]));
    assert_eq!(
        stage.write("COPY d x", "/etc/passwd"),
        Err("failed to copy files: /etc/passwd: Not a directory (os error 20)".to_owned())
    );
}

#[test]
fn archives_are_unpacked_by_add_only() {
    let stage = Stage::new();
    let (file, directory) = (EntryType::Regular, EntryType::Directory);
    stage.archive(
        "a.tar",
        &[
            ("./in/", directory, ""),
            ("in/x", file, "1"),
            ("in/y", EntryType::Symlink, "../x"),
            ("in/z", EntryType::Link, "in/x"),
        ],
    );
    let unpacked =
        ["there/in/ 604 3:4", "there/in/x 1 604 3:4", "there/in/y -> ../x link 3:4", "there/in/z = there/in/x 604 3:4"];
    assert_eq!(stage.write("ADD a.tar x", "/link"), lines(&unpacked));
    assert_eq!(
        stage.write("ADD --chown=5:6 a.tar x", "/there").map(|lines| lines[1].clone()),
        Ok("there/in/x 1 604 5:6".to_owned())
    );
    for text in ["COPY a.tar x", "ADD --unpack=false a.tar x"] {
        let written = stage.write(text, "/x").expect("written");
        assert!(written.len() == 1 && written[0].starts_with("x "), "{written:?}");
    }
    assert_eq!(stage.write("ADD f x", "/x"), lines(&["x 1 640 0:0"]));
    // Through the image's link, which a directory of the archive replaces.
    stage.archive("b.tar", &[("link/x", file, "1")]);
    assert_eq!(stage.write("ADD b.tar x", "/"), lines(&["there/x 1 604 3:4"]));
    stage.archive("c.tar", &[("link", directory, ""), ("link/x", file, "1")]);
    assert_eq!(stage.write("ADD c.tar x", "/"), lines(&["link/ 604 3:4", "link/x 1 604 3:4"]));
    // Through its own link.
    stage.archive("e.tar", &[("lib", EntryType::Symlink, "there/e"), ("lib/x", file, "1")]);
    assert_eq!(stage.write("ADD e.tar x", "/"), lines(&["lib -> there/e link 3:4", "there/e/x 1 604 3:4"]));
    stage.archive("f.tar", &[("lib", file, ""), ("lib/x", file, "1")]);
    assert_eq!(stage.write("ADD f.tar x", "/"), Err("Not a directory (os error 20)".to_owned()));
    stage.archive("d.tar", &[("../out", file, "1")]);
    assert_eq!(stage.write("ADD d.tar x", "/there"), Err("../out points outside of the archive".to_owned()));
}

/// Two steps are the same when they give the same files.
#[test]
fn names_count_where_they_are_kept() {
    let stage = Stage::new();
    std::fs::copy(stage.directory.path().join("context/f"), stage.directory.path().join("context/again"))
        .expect("copied");
    let name = |text: &str, destination: &str| {
        let parsed = Dockerfile::parse(&format!("FROM x\nCOPY {text} x")).expect("valid");
        let Instruction::Copy(transfer) = &parsed.stages[0].steps[0].instruction else { panic!("no COPY") };
        let words = transfer.sources.clone();
        let found = Sources {
            tree: stage.tree("context"),
            words,
            made: Vec::new(),
            checkouts: Vec::new(),
            in_image: false,
            is_lenient: false,
            digests: Digests::default(),
        };
        let taken = Taken::new(transfer, found, destination).expect("found");
        Plan::new(transfer, taken, destination, &stage.tree("image")).expect("a plan").name
    };
    assert_eq!(name("f", "/x"), name("again", "/x"));
    for into in ["/x/", "/there", "/link"] {
        assert_ne!(name("f", into), name("again", into), "{into}");
    }
    assert_ne!(name("f d", "/x/"), name("again d", "/x/"));
}

#[test]
fn mistakes_are_told() {
    let stage = Stage::new();
    std::fs::write(stage.directory.path().join("context/.wh.f"), "").expect("written");
    for (text, expect) in [
        (
            "COPY f f x",
            "When using COPY with more than one source file, the destination must be a directory and end with a /",
        ),
        (
            "COPY --chown=you f x",
            "unable to convert uid/gid chown string to host mapping: can't find uid for user you: no such user: you",
        ),
        (
            "COPY --chmod=99 f x",
            "invalid chmod parameter: '99'. it should be octal string and between 0 and 07777, or changes such as u=rwX,go-w",
        ),
        ("COPY n* x", "COPY failed: no source files were specified"),
        ("COPY .wh.f x", ".wh.f: images mark with such names what is deleted, and cannot have them"),
    ] {
        let destination = if text.contains(".wh") { "/there/" } else { "/x" };
        assert_eq!(stage.write(text, destination), Err(expect.to_owned()), "{text}");
    }
}

#[test]
fn downloads_are_unpacked_if_that_is_said() {
    let stage = Stage::new();
    stage.archive("a.tar", &[("in", EntryType::Regular, "123")]);
    let packed = stage.write_with("ADD https://x/a.tar /n/", "/n/", Some("a.tar")).expect("written");
    assert!(packed.iter().any(|line| line.starts_with("n/a.tar ")), "{packed:?}");
    assert_eq!(
        stage.write_with("ADD --unpack=true https://x/a.tar /n/", "/n/", Some("a.tar")),
        lines(&["n/ 755 0:0", "n/in 3 604 3:4"])
    );
    let plain = stage.write_with("ADD --unpack https://x/f /n/", "/n/", Some("f")).expect("written");
    assert!(plain.iter().any(|line| line.starts_with("n/f ")), "{plain:?}");
}

#[test]
fn root_is_known_without_files() {
    let stage = Stage::new();
    let (image, bare) = (stage.tree("image"), stage.tree("context"));
    for (text, expect) in [("root", (0, 0)), ("root:root", (0, 0)), ("5:root", (5, 0)), ("root:6", (0, 6))] {
        assert_eq!(layer::owner(text, &bare).ok(), Some(expect), "{text}");
    }
    assert!(layer::owner("me", &bare).is_err());
    assert!(layer::owner("1000:none", &image).is_err());
    // Whoever works there is taken as far as it is known.
    for (text, expect) in
        [("1000:none", (1000, 1000)), ("me:none", (7, 8)), ("me:us", (7, 10)), ("none", (0, 0)), ("none:us", (0, 10))]
    {
        assert_eq!(layer::worker(text, &image), expect, "{text}");
    }
}
