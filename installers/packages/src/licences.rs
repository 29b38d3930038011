//! Texts of licences for what carries none, and of those that the guest's packages only name.

use std::collections::BTreeMap;

use crate::components::{Component, Origin};
use crate::{Error, Result};

/// Texts by their names, of which one is ours to choose where there is a choice, the plainest first.
const STANDARD: [(&str, &str); 4] = [
    ("MIT", include_str!("../licences/MIT.txt")),
    ("Apache-2.0", include_str!("../../../LICENSE")),
    ("BSD-3-Clause", include_str!("../licences/BSD-3-Clause.txt")),
    MPL,
];

/// Texts that many packages of Debian's only name, as Debian has them (base-files).
const REFERRED: [(&str, &str); 6] = [
    MPL,
    ("LGPL-2.1", include_str!("../licences/LGPL-2.1.txt")),
    ("LGPL-2", include_str!("../licences/LGPL-2.txt")),
    ("LGPL-3", include_str!("../licences/LGPL-3.txt")),
    ("GPL-2", include_str!("../licences/GPL-2.txt")),
    ("GPL-3", include_str!("../licences/GPL-3.txt")),
];

const MPL: (&str, &str) = ("MPL-2.0", include_str!("../licences/MPL-2.0.txt"));

/// Name and text of the standard licence that goes for a component which carries no text of its own.
///
/// # Errors
/// [`Error::NoText`] when its expression leaves none of those that we have.
pub fn standard(component: &Component) -> Result<(&'static str, &'static str)> {
    let alternatives: Vec<&str> = component.licence.split(" OR ").map(str::trim).collect();
    let choice = STANDARD.iter().find(|(name, _)| alternatives.contains(name));
    choice.copied().ok_or_else(|| Error::NoText {
        component: format!("{} {}", component.name, component.version),
        licence: component.licence.clone(),
    })
}

/// The texts that the notices of the guest's packages refer to, with their names.
pub fn referred(components: &[Component]) -> BTreeMap<&'static str, &'static str> {
    components
        .iter()
        .filter(|component| matches!(component.origin, Origin::Debian { .. }))
        .flat_map(|component| component.licence.split([' ', '(', ')']))
        // The GPL's text is the same whether later versions go as well.
        .filter_map(|licence| REFERRED.iter().find(|(name, _)| licence.starts_with(name)).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn component(origin: Origin, licence: &str) -> Component {
        Component {
            origin,
            name: "one".to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.to_owned(),
            repository: String::new(),
            authors: Vec::new(),
            sha256: None,
            needs: BTreeSet::new(),
            texts: Vec::new(),
        }
    }

    #[test]
    fn a_standard_text_goes_where_there_is_a_choice_of_one() {
        for (licence, expected) in [("Apache-2.0 OR MIT", "MIT"), ("Apache-2.0", "Apache-2.0"), ("MPL-2.0", "MPL-2.0")]
        {
            let (name, text) = standard(&component(Origin::Crate, licence)).unwrap();
            assert_eq!(name, expected);
            assert!(text.len() > 500, "{expected}");
        }
        let error = standard(&component(Origin::Crate, "MIT AND Odd-1.0")).unwrap_err();
        assert!(matches!(error, Error::NoText { .. }), "{error}");
    }

    #[test]
    fn what_the_guests_packages_refer_to_is_there() {
        let debian = || Origin::Debian {
            source: String::new(),
            source_version: String::new(),
            linked: Vec::new(),
            architecture: "amd64",
        };
        let packages = [
            component(debian(), "GPL-2.0-only WITH Linux-syscall-note"),
            component(debian(), "LGPL-2.1-or-later AND (GPL-2.0-or-later)"),
            component(debian(), "MIT"),
            component(Origin::Crate, "GPL-3.0-only"),
        ];
        let texts = referred(&packages);
        assert_eq!(texts.keys().copied().collect::<Vec<_>>(), ["GPL-2", "LGPL-2.1"]);
        assert!(texts["GPL-2"].contains("GNU GENERAL PUBLIC LICENSE"), "{}", texts["GPL-2"]);
    }
}
