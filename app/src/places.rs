//! `berth://` links: which place of the pages one of them names.
//!
//! A link comes from anywhere, a web page too: it can open a place and nothing else, and no place does something by being opened.

/// The views that a link may open, and whether something of them may be named.
const VIEWS: &[(&str, bool)] = &[
    ("containers", true),
    ("images", true),
    ("volumes", true),
    ("networks", true),
    ("projects", true),
    ("builds", true),
    ("machine", false),
    ("troubleshooting", false),
    ("settings", false),
];

/// The fragment of the first link among a program's arguments.
pub(crate) fn of(arguments: &[String]) -> Option<String> {
    arguments.iter().find_map(|argument| fragment(argument))
}

/// `berth://containers/web` is `#/containers/web`.
fn fragment(link: &str) -> Option<String> {
    let rest = link.strip_prefix("berth://")?;
    let rest = rest.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let (view, name) = rest.split_once('/').map_or((rest, None), |(view, name)| (view, Some(name)));
    let (view, takes_name) = VIEWS.iter().find(|(known, _)| *known == view)?;
    match name {
        None => Some(format!("#/{view}")),
        Some(name) if *takes_name && is_plain(name) => Some(format!("#/{view}/{name}")),
        Some(_) => None,
    }
}

/// Names and identifiers of the engine, and encoded ones; no further place below.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '%' | ':' | '@');
    (1..=300).contains(&name.len()) && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_a_place_and_nothing_else() {
        let check = |link: &str, expected: Option<&str>| assert_eq!(fragment(link).as_deref(), expected, "{link}");
        check("berth://containers", Some("#/containers"));
        check("berth://containers/", Some("#/containers"));
        check("berth://containers/web-1", Some("#/containers/web-1"));
        check("berth://images/sha256:0a", Some("#/images/sha256:0a"));
        check("berth://volumes/a?then=remove#x", Some("#/volumes/a"));
        check("berth://builds/0a1b", Some("#/builds/0a1b"));
        check("berth://machine", Some("#/machine"));
        check("berth://machine/down", None);
        check("berth://containers/web/terminal", None);
        check("berth://containers/<script>", None);
        check("berth://elsewhere", None);
        check("https://containers", None);
    }

    #[test]
    fn the_first_link_of_the_arguments_counts() {
        let arguments = ["berth-desktop", "--flag", "berth://networks", "berth://images"].map(str::to_owned);
        assert_eq!(of(&arguments).as_deref(), Some("#/networks"));
        assert_eq!(of(&arguments[..2]), None);
    }
}
