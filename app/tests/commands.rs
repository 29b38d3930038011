//! What the pages may ask of the program stands in three lists, which Tauri reads by itself: what is handled (`main.rs`), what there is to be
//! allowed (`build.rs`), and what is allowed (`capabilities/main.json`). A command that one of them lacks fails only when a page asks for it.

const HANDLED: &str = include_str!("../src/main.rs");
const DECLARED: &str = include_str!("../build.rs");
const ALLOWED: &str = include_str!("../capabilities/main.json");

/// The items of the list behind these words, one to a line.
fn list<'a>(text: &'a str, begin: &str, end: char) -> Vec<&'a str> {
    let (_, rest) = text.split_once(begin).expect("the list");
    let (list, _) = rest.split_once(end).expect("its end");
    list.split(',').map(|item| item.trim().trim_matches('"')).filter(|item| !item.is_empty()).collect()
}

#[test]
fn what_is_handled_is_declared_and_allowed() {
    let handled: Vec<&str> = list(HANDLED, "generate_handler![", ']')
        .into_iter()
        .map(|path| path.rsplit("::").next().expect("a name"))
        .collect();
    assert!(handled.contains(&"shown_machine"), "{handled:?}");
    assert_eq!(list(DECLARED, ".commands(&[", ']'), handled, "build.rs");
    let allowed: Vec<String> = handled.iter().map(|name| format!("allow-{}", name.replace('_', "-"))).collect();
    assert_eq!(list(ALLOWED, "\"permissions\": [", ']'), allowed, "capabilities/main.json");
}
