//! What the kernel knows, through the changes of a host and of a guest.

use super::*;

const FILE: u32 = 0o100_000;

fn nodes() -> Nodes {
    Nodes::new((1, 1, DIRECTORY, 0), 100)
}

fn shown(nodes: &Nodes, node: u64) -> String {
    nodes.path(node).map_or("stale".to_owned(), |(path, _)| String::from_utf8(path).unwrap())
}

#[test]
fn a_node_is_where_it_was_seen_last() {
    let mut nodes = nodes();
    let a = nodes.found(ROOT, b"a", (1, 2, DIRECTORY, 0));
    let f = nodes.found(a, b"f", (1, 3, FILE, 0));
    assert_eq!(shown(&nodes, f), "a/f");
    assert_eq!(nodes.found(ROOT, b"g", (1, 3, FILE, 0)), f, "another name of the same file");
    assert_eq!(shown(&nodes, f), "g");
    nodes.removed(ROOT, b"g");
    assert_eq!(shown(&nodes, f), "a/f");
    nodes.removed(a, b"f");
    assert_eq!(shown(&nodes, f), "stale");
    assert_eq!(shown(&nodes, ROOT), "");
}

#[test]
fn a_directory_takes_what_is_in_it_along() {
    let mut nodes = nodes();
    let a = nodes.found(ROOT, b"a", (1, 2, DIRECTORY, 0));
    let b = nodes.found(ROOT, b"b", (1, 3, DIRECTORY, 0));
    let f = nodes.found(a, b"f", (1, 4, FILE, 0));
    nodes.renamed((ROOT, b"a"), (b, b"c"));
    assert_eq!(shown(&nodes, f), "b/c/f");
    let other = nodes.found(b, b"g", (1, 5, FILE, 0));
    nodes.renamed((a, b"f"), (b, b"g"));
    assert_eq!((shown(&nodes, f), shown(&nodes, other)), ("b/g".to_owned(), "stale".to_owned()));
    nodes.exchanged((b, b"g"), (b, b"c"));
    assert_eq!((shown(&nodes, f), shown(&nodes, a)), ("b/c".to_owned(), "b/g".to_owned()));
    nodes.exchanged((b, b"c"), (ROOT, b"unknown"));
    assert_eq!(shown(&nodes, f), "unknown");
    assert!(nodes.by_name.get(b, b"c").is_none());
}

#[test]
fn what_nothing_holds_goes() {
    let mut nodes = nodes();
    let a = nodes.found(ROOT, b"a", (1, 2, DIRECTORY, 0));
    let f = nodes.found(a, b"f", (1, 3, FILE, 0));
    nodes.found(a, b"f", (1, 3, FILE, 0));
    nodes.forget(a, 1);
    assert_eq!(shown(&nodes, f), "a/f", "what is in it holds it");
    nodes.forget(f, 1);
    nodes.opened(f);
    nodes.forget(f, 1);
    assert_eq!(shown(&nodes, f), "a/f", "the handle holds it");
    nodes.closed(f);
    assert_eq!((nodes.len(), nodes.by_name.len(), nodes.by_identity.len()), (1, 0, 1));
    let again = nodes.found(ROOT, b"a", (1, 2, DIRECTORY, 0));
    assert!(again > f, "numbers are never used again");
    nodes.forget(ROOT, 5);
    nodes.forget(99, 5);
    assert_eq!(nodes.len(), 2);
}

#[test]
fn an_inode_that_lost_its_last_name_is_nobodys() {
    let mut nodes = nodes();
    let a = nodes.found(ROOT, b"a", (1, 2, DIRECTORY, 0));
    let f = nodes.found(a, b"f", (1, 3, FILE, 0));
    nodes.found(a, b"other", (1, 3, FILE, 0));
    assert_eq!(nodes.named(a, b"f"), Some((f, (1, 3, FILE, 0))));
    nodes.gone(a, b"f");
    assert_eq!(nodes.found(a, b"other", (1, 3, FILE, 0)), f, "it has another name");
    nodes.gone(a, b"other");
    assert_eq!(nodes.named(a, b"other"), None);
    assert!(nodes.found(a, b"other", (1, 3, FILE, 0)) > f, "another file, by the same inode");
    assert!(nodes.swept().is_empty());
    nodes.forget(a, 1);
    assert!(nodes.swept().is_empty(), "what has a name in it holds it");
    nodes.removed(a, b"other");
    assert_eq!(nodes.swept(), [a], "its files are known by no name in it");
    assert!(nodes.swept().is_empty());
}

#[test]
fn a_name_that_another_file_got_on_the_host_is_that_ones() {
    let mut nodes = nodes();
    let old = nodes.found(ROOT, b"f", (1, 2, FILE, 0));
    let new = nodes.found(ROOT, b"f", (1, 3, FILE, 0));
    assert_eq!((shown(&nodes, old), shown(&nodes, new)), ("stale".to_owned(), "f".to_owned()));
    assert_ne!(nodes.found(ROOT, b"f", (1, 3, DIRECTORY, 0)), new, "an inode that was given to a directory");
}

/// The host gives the number of a file that is gone to the next one, while the kernel has the old one open or in mind: to it a directory
/// that is gone is one in which nothing can be made.
#[test]
fn what_is_made_is_nothing_that_was_there() {
    let mut nodes = nodes();
    let old = nodes.found(ROOT, b"old", (1, 2, DIRECTORY, 5));
    nodes.removed(ROOT, b"old");
    nodes.made((1, 2, DIRECTORY, 5));
    let new = nodes.found(ROOT, b"new", (1, 2, DIRECTORY, 5));
    assert_ne!(new, old);
    assert_eq!((shown(&nodes, new).as_str(), shown(&nodes, old).as_str()), ("new", "stale"));
    nodes.forget(old, 1);
    assert_eq!(nodes.found(ROOT, b"new", (1, 2, DIRECTORY, 5)), new);
    // The host's own is told apart by when it was made.
    assert_ne!(nodes.found(ROOT, b"other", (1, 2, DIRECTORY, 6)), new);
}
