//! What words of a Dockerfile find, and what tells it apart.

use super::*;
use std::os::unix::fs::symlink;

#[test]
fn words_find_sources() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    std::fs::create_dir_all(root.join("d/e")).expect("made");
    for (name, text) in [("a.txt", "a"), ("b.txt", "b"), ("d/c.txt", "c"), ("d/e/f", "f")] {
        std::fs::write(root.join(name), text).expect("written");
    }
    std::fs::create_dir_all(root.join("p/[id]")).expect("made");
    std::fs::write(root.join("p/[id]/g"), "g").expect("written");
    symlink("a.txt", root.join("link")).expect("linked");
    symlink("/etc/hostname", root.join("out")).expect("linked");
    let tree = Tree::open(root).expect("opened");
    let (none, some) = (Ignore::default(), Ignore::new(["e", "*.txt"]).expect("patterns"));
    let digests = Digests::default();
    let look = Look {
        tree: &tree,
        verb: "COPY",
        in_image: false,
        keeps_owners: false,
        parents: false,
        exclude: &none,
        digests: &digests,
    };
    let found = |word: &str| -> Result<Vec<(String, Vec<String>)>, String> {
        let found = look.at(word).map_err(|error| error.to_string())?;
        let below = |source: &Source| source.entries.iter().map(|entry| entry.below.display().to_string()).collect();
        Ok(found.iter().map(|source| (String::from_utf8_lossy(&source.name).into_owned(), below(source))).collect())
    };
    let file = |name: &str| (name.to_owned(), vec![String::new()]);
    assert_eq!(found("a.txt"), Ok(vec![file("a.txt")]));
    assert_eq!(found("/d/../a.txt"), Ok(vec![file("a.txt")]));
    assert_eq!(found("link"), Ok(vec![file("link")]));
    assert_eq!(found("*.txt"), Ok(vec![file("a.txt"), file("b.txt")]));
    assert_eq!(found("d/*.t?t"), Ok(vec![file("c.txt")]));
    assert_eq!(found("*/e"), Ok(vec![("e".to_owned(), vec!["f".to_owned()])]));
    assert_eq!(found("d"), Ok(vec![("d".to_owned(), ["c.txt", "e", "e/f"].map(str::to_owned).to_vec())]));
    assert_eq!(found("none*"), Ok(vec![]));
    let words = "COPY failed: file not found in build context or excluded by .dockerignore: stat";
    for word in ["nope", "out", "a.txt/x"] {
        assert_eq!(found(word), Err(format!("{words} {word}: file does not exist")));
    }
    assert_eq!(found("../x"), Err("COPY failed: forbidden path outside the build context: ../x ()".to_owned()));
    // The content counts, and the mode; the time does not.
    let hash = || look.at("d").expect("found")[0].hash;
    let before = hash();
    std::fs::write(root.join("d/e/f"), "f").expect("written");
    assert_eq!(hash(), before);
    std::fs::write(root.join("d/e/f"), "g").expect("written");
    assert_ne!(hash(), before);
    // Without patterns names mean what they are.
    assert_eq!(found("p/[id]"), Ok(vec![]));
    let hash = || look.literally("./p/[id]").expect("found").hash;
    let before = hash();
    std::fs::write(root.join("p/[id]/g"), "h").expect("written");
    assert_ne!(hash(), before);
    assert!(look.literally("p/*").is_err() && look.literally("../x").is_err());
    // The directories on the way come along.
    let parents = Look { parents: true, ..look };
    let below = |word: &str| -> Result<Vec<String>, String> {
        let found = parents.at(word).map_err(|error| error.to_string())?;
        Ok(found.iter().flat_map(|source| &source.entries).map(|entry| entry.below.display().to_string()).collect())
    };
    assert_eq!(below("d/e/f"), Ok(["d", "d/e", "d/e/f"].map(str::to_owned).to_vec()));
    assert_eq!(below("**/*.txt"), Ok(["a.txt", "b.txt", "d", "d/c.txt"].map(str::to_owned).to_vec()));
    assert_eq!(below("./d/./e"), Ok(["e", "e/f"].map(str::to_owned).to_vec()));
    assert_eq!(below("d/."), Ok(["d", "d/c.txt", "d/e", "d/e/f"].map(str::to_owned).to_vec()));
    assert_eq!(below("none*"), Ok(Vec::new()));
    assert_eq!(below("d/nope"), Err(format!("{words} d/nope: file does not exist")));
    assert_eq!(below("d/./../x"), Err("COPY failed: forbidden path outside the build context: d/./../x ()".to_owned()));
    let left = Look { exclude: &some, ..look }.at("d").expect("found");
    assert!(left[0].entries.is_empty(), "{left:?}");
    let excepted = Ignore::new(["e", "!e/f"]).expect("patterns");
    let left = Look { exclude: &excepted, ..look }.at("d").expect("found");
    let left: Vec<&Path> = left[0].entries.iter().map(|entry| entry.below.as_path()).collect();
    assert_eq!(left, [Path::new("c.txt"), Path::new("e/f")]);
}

#[test]
fn copies_of_an_image_are_read_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    std::fs::create_dir(root.join("d")).expect("made");
    std::fs::write(root.join("d/f"), "four").expect("written");
    std::fs::write(root.join("d/g"), "three").expect("written");
    let digests = Digests::default();
    let (none, some) = (Ignore::default(), Ignore::new(["g"]).expect("patterns"));
    // What is found, and how many bytes were read for that.
    let look = |lasts: Lasts, keeps_owners: bool, exclude: &Ignore| {
        let tree = Tree::open(root).expect("opened").lasting(lasts);
        let (verb, before) = ("COPY", digests.read());
        let look = Look { tree: &tree, verb, in_image: true, keeps_owners, parents: false, exclude, digests: &digests };
        let hash = look.literally("d").expect("found").hash;
        (hash, digests.read() - before)
    };
    let [one, other] = [b"a", b"b"].map(|chain| Lasts::Image(Digest::of(chain)));
    let (hash, read) = look(one, false, &none);
    assert_eq!(read, 9);
    assert_eq!(look(one, false, &none), (hash, 0));
    assert_eq!(look(Lasts::Build, false, &none), (hash, 9), "what is remembered is what would be read");
    assert_eq!(look(other, false, &none), (hash, 9), "another image may have other files there");
    let (owned, read) = look(one, true, &none);
    assert!(owned != hash && read == 9);
    let (less, read) = look(one, false, &some);
    assert!(less != hash && read == 4);
    assert_eq!(
        (look(one, false, &none), look(one, true, &none), look(one, false, &some)),
        ((hash, 0), (owned, 0), (less, 0))
    );
}
