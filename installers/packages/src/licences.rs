//! Texts of licences for what carries none, and of those that the guest's packages only name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::components::{Component, Origin};
use crate::error::IoContext;
use crate::{Error, Result};

/// Where Debian keeps the texts of licences that many packages have.
const COMMON: &str = "/usr/share/common-licenses";

/// The names of the licences that are ours to choose where there is a choice, the plainest first.
const CHOICES: [&str; 4] = ["MIT", "Apache-2.0", "BSD-3-Clause", "MPL-2.0"];

/// The standard licence that goes for a component which carries no text of its own.
///
/// # Errors
/// [`Error::NoText`] when its expression leaves none of those that we have.
pub fn standard(component: &Component) -> Result<&'static str> {
    let alternatives: Vec<&str> = component.licence.split(" OR ").map(str::trim).collect();
    CHOICES.into_iter().find(|choice| alternatives.contains(choice)).ok_or_else(|| Error::NoText {
        component: format!("{} {}", component.name, component.version),
        licence: component.licence.clone(),
    })
}

/// The text of one of them.
///
/// # Errors
/// When Debian's copy is not there.
pub fn text(licence: &str) -> Result<String> {
    match licence {
        "MIT" => Ok(include_str!("../licences/MIT.txt").to_owned()),
        "BSD-3-Clause" => Ok(include_str!("../licences/BSD-3-Clause.txt").to_owned()),
        "Apache-2.0" => Ok(include_str!("../../../LICENSE").to_owned()),
        _ => common(licence),
    }
}

/// The texts that the notices of the guest's packages refer to, by the names that they are kept under.
///
/// # Errors
/// When one of them is not there.
pub fn referred(components: &[Component]) -> Result<Vec<(String, String)>> {
    let names: BTreeSet<&str> = components
        .iter()
        .filter(|component| matches!(component.origin, Origin::Debian { .. }))
        .flat_map(|component| component.licence.split([' ', '(', ')']))
        .filter_map(kept_as)
        .collect();
    names.into_iter().map(|name| Ok((name.to_owned(), common(name)?))).collect()
}

/// The file that has the text of a licence: the GPL's is the same whether later versions go as well.
fn kept_as(licence: &str) -> Option<&'static str> {
    let versions = ["LGPL-2.1", "LGPL-2", "LGPL-3", "GPL-2", "GPL-3", "MPL-2.0"];
    versions.into_iter().find(|version| licence.starts_with(version))
}

fn common(name: &str) -> Result<String> {
    let path = Path::new(COMMON).join(name);
    fs::read_to_string(&path).at("read", path)
}

#[cfg(test)]
mod tests {
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
            assert_eq!(standard(&component(Origin::Crate, licence)).unwrap(), expected);
            assert!(text(expected).unwrap().len() > 500, "{expected}");
        }
        let error = standard(&component(Origin::Crate, "MIT AND Odd-1.0")).unwrap_err();
        assert!(matches!(error, Error::NoText { .. }), "{error}");
    }

    #[test]
    fn what_the_guests_packages_refer_to_is_there() {
        let debian = || Origin::Debian { source: String::new(), source_version: String::new(), linked: Vec::new() };
        let packages = [
            component(debian(), "GPL-2.0-only WITH Linux-syscall-note"),
            component(debian(), "LGPL-2.1-or-later AND (GPL-2.0-or-later)"),
            component(debian(), "MIT"),
            component(Origin::Crate, "GPL-3.0-only"),
        ];
        let texts = referred(&packages).unwrap();
        assert_eq!(texts.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["GPL-2", "LGPL-2.1"]);
        assert!(texts[0].1.contains("GNU GENERAL PUBLIC LICENSE"), "{}", texts[0].1);
    }
}
