//! Third-party notices, as one text: what is in the artefacts, under which licences, where its source is, and each licence text once.

use std::collections::{BTreeMap, BTreeSet};

use crate::components::{Component, Components, Origin};
use crate::{Result, licences};

/// The text for the artefacts of `version`.
///
/// # Errors
/// When something carries no licence text and there is no standard one for it.
pub fn text(version: &str, components: &Components) -> Result<String> {
    let mut text = heading(&format!("Third-party software in Berth {version}"), '=');
    text.push_str(
        "Berth itself is under the Apache License 2.0. Its guest image holds unmodified files of packages of Debian 12; its programs\n\
         and the guest's agent are made of crates of other people's, too, and the pages of its window, where there is one, of packages\n\
         of npm's. Each is listed with its licence; the texts follow below.\n\n\
         The agent is linked statically with the C library of Debian 12 (glibc, of the same source as libc6 below; LGPL-2.1-or-later).\n\
         Berth's own source, which is free to have under its licence, is all it takes to link it with another.\n",
    );
    text.push_str(&heading("Packages of Debian in the guest image", '-'));
    // Guests for several processors have the same packages.
    let mut packages = BTreeSet::new();
    for component in &components.all {
        if let Origin::Debian { source, source_version, linked, .. } = &component.origin {
            let Component { name, version, licence, .. } = component;
            let mut lines =
                format!("{name} {version}\n    licence: {licence}\n    source:  {source} {source_version}\n");
            lines.extend(linked.iter().map(|linked| format!("    source:  {linked} (linked into it)\n")));
            packages.insert(lines);
        }
    }
    text.extend(packages);
    text.push_str(guest_image::OFFER);
    let lists = [
        ("Crates in the programs and in the guest's agent", Origin::Crate),
        ("Rust's standard library", Origin::Rust),
        ("Packages of npm's in the window's pages", Origin::Npm),
    ];
    for (title, origin) in lists {
        if !components.all.iter().any(|component| component.origin == origin) {
            continue;
        }
        text.push_str(&heading(title, '-'));
        for component in components.all.iter().filter(|component| component.origin == origin) {
            let Component { name, version, licence, repository, .. } = component;
            text.push_str(format!("{name} {version}: {licence}  {repository}").trim_end());
            text.push('\n');
        }
    }
    text.push_str(&heading("Texts", '-'));
    for (body, names) in texts(components)? {
        text.push_str(&format!("\n{}\n{}\n\n{body}\n", "-".repeat(100), names.join(", ")));
    }
    text.push_str(&heading("Copyright notices of the packages of Debian", '-'));
    text.push_str(&format!("{}\n", components.guest_copyright.trim()));
    for (name, body) in licences::referred(&components.all) {
        text.push_str(&heading(&format!("{name}, as those notices name it"), '-'));
        text.push_str(&format!("{}\n", body.trim_end()));
    }
    Ok(text)
}

fn heading(title: &str, line: char) -> String {
    format!("\n{title}\n{}\n\n", line.to_string().repeat(title.chars().count()))
}

/// Every text of crates and pages, with whose it is; those that differ in white space alone are one.
fn texts(components: &Components) -> Result<Vec<(String, Vec<String>)>> {
    let mut texts: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    let mut add = |body: &str, name: String| {
        let key = body.split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, names) =
            texts.entry(key).or_insert_with(|| (body.trim_matches('\n').trim_end().to_owned(), Vec::new()));
        if !names.contains(&name) {
            names.push(name);
        }
    };
    for component in components.all.iter().filter(|component| !matches!(component.origin, Origin::Debian { .. })) {
        let name = format!("{}-{}", component.name, component.version);
        if component.texts.is_empty() {
            let (_, licence) = licences::standard(component)?;
            let authors = component.authors.join(", ");
            let whose = if authors.is_empty() { name } else { format!("{name} (Copyright: {authors})") };
            add(licence, whose);
        } else {
            component.texts.iter().for_each(|text| add(text, name.clone()));
        }
    }
    Ok(texts.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(origin: Origin, name: &str, texts: &[&str]) -> Component {
        Component {
            origin,
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: "MIT".to_owned(),
            repository: String::new(),
            authors: vec!["A. Body".to_owned()],
            sha256: None,
            needs: BTreeSet::new(),
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn every_text_is_there_once_and_the_source_is_offered() {
        let mut kernel = component(
            Origin::Debian {
                source: "linux".to_owned(),
                source_version: "6".to_owned(),
                linked: vec!["firmware 7".to_owned()],
                architecture: "amd64",
            },
            "linux-image",
            &[],
        );
        kernel.licence = "GPL-2.0-only".to_owned();
        let all = vec![
            kernel,
            component(Origin::Crate, "one", &["Do as\nyou like.\n"]),
            component(Origin::Crate, "two", &["Do as you   like.", "And more."]),
            component(Origin::Npm, "bare", &[]),
        ];
        let components = Components { all, guest_copyright: "of Linux".to_owned(), ..Components::default() };
        let text = text("0.1.0", &components).unwrap();
        assert_eq!(text.matches("Do as").count(), 1, "{text}");
        for part in [
            "Third-party software in Berth 0.1.0\n===",
            "linux-image 1.0.0\n    licence: GPL-2.0-only\n    source:  linux 6\n    source:  firmware 7 (linked into it)\n",
            "three years",
            "one-1.0.0, two-1.0.0\n",
            "bare-1.0.0 (Copyright: A. Body)\n\nPermission is hereby granted",
            "of Linux",
            "GNU GENERAL PUBLIC LICENSE",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
