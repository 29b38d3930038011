//! The notices and the bill of materials of the real tree.

use std::collections::BTreeSet;

use packages::components::Origin;
use packages::{notices, sbom};

use crate::support::{DATE, VERSION, components, skipped};

#[test]
fn the_notices_name_everything_and_have_each_text_once() {
    let components = match components() {
        Ok(components) => components,
        Err(why) => return skipped("the_notices_name_everything_and_have_each_text_once", why),
    };
    let text = notices::text(VERSION, components).unwrap();
    assert!(components.all.len() > 300, "{}", components.all.len());
    for component in &components.all {
        let named = match component.origin {
            Origin::Debian { .. } => {
                format!("\n{} {}\n    licence: {}\n", component.name, component.version, component.licence)
            }
            _ => format!("\n{} {}: {}", component.name, component.version, component.licence),
        };
        assert!(text.contains(&named), "{named}");
    }
    let names = |name: &str| components.all.iter().any(|component| component.name == name);
    for name in ["busybox-static", "e2fsprogs", "libc6", "tokio", "tauri", "redb", "rust-std", "svelte", "@xterm/xterm"]
    {
        assert!(names(name), "{name}");
    }
    // Only tests and builds need these.
    for name in ["fantoccini", "libtest-mimic", "rpm", "vite", "typescript", "tauri-build"] {
        assert!(!names(name), "{name}");
    }
    for part in [
        "Offer of source",
        "three years",
        "GNU GENERAL PUBLIC LICENSE",
        "GNU LESSER GENERAL PUBLIC LICENSE",
        "Mozilla Public License Version 2.0",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let mut seen = BTreeSet::new();
    let line = format!("\n{}\n", "-".repeat(100));
    for body in text.split(&line).skip(1).filter_map(|part| part.split_once("\n\n")).map(|(_, body)| body) {
        let plain = body.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(seen.insert(plain), "twice:\n{body}");
    }
    assert!(seen.len() > 50, "{}", seen.len());
}

#[test]
fn the_bill_of_materials_is_whole_and_leads_nowhere_else() {
    let components = match components() {
        Ok(components) => components,
        Err(why) => return skipped("the_bill_of_materials_is_whole_and_leads_nowhere_else", why),
    };
    let text = sbom::text(VERSION, DATE, components);
    let bill: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.6".into()));
    assert_eq!(bill["metadata"]["timestamp"], "2025-11-24T16:00:00Z");
    let list = |value: &serde_json::Value| value.as_array().unwrap().clone();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let entries = list(&bill["components"]);
    let references: BTreeSet<String> = entries.iter().map(|entry| word(&entry["bom-ref"])).collect();
    assert_eq!((references.len(), entries.len()), (components.all.len(), components.all.len()), "each once");
    for entry in &entries {
        for key in ["type", "name", "version", "purl"] {
            assert!(!word(&entry[key]).is_empty(), "{key} of {entry}");
        }
        let licence = word(&entry["licenses"][0]["expression"]);
        assert!(!licence.is_empty() && !licence.contains('/'), "{entry}");
        if word(&entry["purl"]).starts_with("pkg:cargo/") {
            assert_eq!(word(&entry["hashes"][0]["content"]).len(), 64, "{entry}");
        }
    }
    let own = word(&bill["metadata"]["component"]["bom-ref"]);
    let mut reached = BTreeSet::from([own.clone()]);
    let mut waiting = vec![own];
    let dependencies = list(&bill["dependencies"]);
    while let Some(from) = waiting.pop() {
        let named =
            dependencies.iter().find(|one| one["ref"] == *from).unwrap_or_else(|| panic!("{from} is not there"));
        for on in list(&named["dependsOn"]).iter().map(word) {
            if reached.insert(on.clone()) {
                waiting.push(on);
            }
        }
    }
    assert_eq!(reached.len(), references.len() + 1, "{:?}", references.difference(&reached).collect::<Vec<_>>());
}
