//! What is checked: `skip=A,B;experimental=all;error=true`.

use super::rules::Rule;

/// A choice of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    skip: Names,
    experimental: Names,
    /// A warning ends the build.
    pub(super) is_error: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Names {
    All,
    Some(Vec<String>),
}

impl Default for Names {
    fn default() -> Names {
        Names::Some(Vec::new())
    }
}

impl Names {
    fn new(text: &str) -> Names {
        match text.trim() {
            "all" => Names::All,
            names => Names::Some(names.split(',').map(|name| name.trim().to_owned()).collect()),
        }
    }

    fn has(&self, rule: &Rule) -> bool {
        match self {
            Names::All => true,
            Names::Some(names) => names.iter().any(|name| name == rule.name),
        }
    }
}

impl Settings {
    /// What is wrong with the text is the error.
    pub(super) fn parse(text: &str) -> Result<Settings, String> {
        let mut settings = Settings::default();
        for part in text.trim().splitn(3, ';').filter(|_| !text.trim().is_empty()) {
            let invalid = |what: &str| format!("invalid check option {what:?}");
            let (name, value) = part.split_once('=').ok_or_else(|| invalid(part))?;
            match name.trim() {
                "skip" => settings.skip = Names::new(value),
                "experimental" => settings.experimental = Names::new(value),
                "error" => {
                    settings.is_error = match value.trim() {
                        "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
                        "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
                        other => {
                            let reason = format!("strconv.ParseBool: parsing {other:?}: invalid syntax");
                            return Err(format!("failed to parse check option {part:?}: {reason}"));
                        }
                    }
                }
                other => return Err(invalid(other)),
            }
        }
        Ok(settings)
    }

    pub(super) fn wants(&self, rule: &Rule) -> bool {
        if rule.experimental { self.experimental.has(rule) } else { !self.skip.has(rule) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::{INVALID_DESCRIPTION, STAGE_NAME_CASING, UNDEFINED_VAR};
    use super::*;

    #[test]
    fn rules_are_chosen() {
        let settings = Settings::parse("skip = StageNameCasing, X; error=true").expect("valid");
        assert!(!settings.wants(&STAGE_NAME_CASING) && settings.wants(&UNDEFINED_VAR) && settings.is_error);
        assert!(!settings.wants(&INVALID_DESCRIPTION));
        let settings = Settings::parse("skip=all;experimental=InvalidDefinitionDescription").expect("valid");
        assert!(settings.wants(&INVALID_DESCRIPTION) && !settings.wants(&UNDEFINED_VAR) && !settings.is_error);
        assert_eq!(Settings::parse(" "), Ok(Settings::default()));
        assert_eq!(Settings::parse("skip"), Err("invalid check option \"skip\"".to_owned()));
        assert_eq!(Settings::parse("what=x"), Err("invalid check option \"what\"".to_owned()));
        assert!(Settings::parse("error=x").is_err());
    }
}
