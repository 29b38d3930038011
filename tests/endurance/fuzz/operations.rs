//! Which operations of the specification were asked for, and how often.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::ensure;

/// Operations by method and path, as the specification has it; each with the number of requests.
pub(super) struct Operations(BTreeMap<(String, String), usize>);

/// Asked for by nobody: their bodies or answers are none that could be made up.
const NEVER: [(&str, &str); 0] = [];

impl Operations {
    /// Those of a specification in the layout that Docker's has: paths two deep, methods four.
    ///
    /// # Errors
    /// When it cannot be read, or has no operations.
    pub(super) fn read(specification: &Path) -> anyhow::Result<Operations> {
        let text = std::fs::read_to_string(specification)?;
        let (mut path, mut found) = ("", BTreeMap::new());
        for line in text.lines().skip_while(|line| *line != "paths:") {
            if let Some(name) = line.strip_prefix("  /").and_then(|rest| rest.strip_suffix(':')) {
                path = name.trim_matches('"');
            } else if let Some(method) = line.strip_prefix("    ").and_then(|rest| rest.strip_suffix(':'))
                && ["get", "head", "post", "put", "delete"].contains(&method)
            {
                found.insert((method.to_ascii_uppercase(), format!("/{path}")), 0);
            }
        }
        ensure!(found.len() > 100, "{} has {} operations", specification.display(), found.len());
        Ok(Operations(found))
    }

    /// Counts one request. One of no operation counts nowhere.
    pub(super) fn count(&mut self, method: &str, path: &str) {
        let mut fitting: Vec<&(String, String)> =
            self.0.keys().filter(|(known, pattern)| known == method && fits(pattern, path)).collect();
        // `/images/json` is no image's name.
        fitting.sort_by_key(|(_, pattern)| pattern.matches('{').count());
        if let Some(operation) = fitting.first().map(|operation| (*operation).clone()) {
            *self.0.entry(operation).or_default() += 1;
        }
    }

    /// Those with fewer requests than that, as far as any can be expected.
    pub(super) fn rare(&self, least: usize) -> Vec<String> {
        let expected = |(method, path): &(String, String)| !NEVER.contains(&(method.as_str(), path.as_str()));
        let rare = self.0.iter().filter(|(operation, count)| **count < least && expected(operation));
        rare.map(|((method, path), count)| format!("{method} {path}: {count}")).collect()
    }
}

/// Whether a path has the pattern's words in the same places.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    let same = |(wanted, found): (&&str, &&str)| wanted.starts_with('{') || wanted == found;
    pattern.len() == path.len() && pattern.iter().zip(&path).all(same)
}
