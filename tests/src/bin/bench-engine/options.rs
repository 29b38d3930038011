//! The command line of the benchmark.

use std::collections::BTreeSet;

use anyhow::{Context, bail, ensure};

/// What `--only` can name.
const CASES: [&str; 8] = ["api", "run", "ps", "names", "pull", "scale", "networks", "build"];

/// And with `--machine`.
const OF_MACHINE: [&str; 3] = ["files", "changes", "net"];

/// Minutes long: measured only when named.
const LONG: [&str; 3] = ["scale", "networks", "build"];

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) subject: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) registry: Option<String>,
    pub(crate) rounds: usize,
    /// For the long cases.
    pub(crate) containers: usize,
    only: BTreeSet<String>,
    pub(crate) json: Option<String>,
    pub(crate) boot: bool,
    pub(crate) machine: bool,
    /// The machine's; as the daemon chooses if none is named.
    pub(crate) link: Option<String>,
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let mut options = Self {
            subject: None,
            reference: None,
            registry: None,
            rounds: 30,
            containers: 1000,
            only: BTreeSet::new(),
            json: None,
            boot: false,
            machine: false,
            link: None,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--subject" => options.subject = Some(value()?),
                "--reference" => options.reference = Some(value()?),
                "--registry" => options.registry = Some(value()?),
                "--rounds" => options.rounds = value()?.parse().context("--rounds takes a number")?,
                "--containers" => options.containers = value()?.parse().context("--containers takes a number")?,
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--json" => options.json = Some(value()?),
                "--boot" => options.boot = true,
                "--machine" => options.machine = true,
                "--link" => options.link = Some(value()?),
                other => bail!("unknown option {other}: see the head of bench-engine/main.rs"),
            }
        }
        options.check()?;
        Ok(options)
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.rounds > 0, "--rounds 0 measures nothing");
        ensure!(self.containers >= 10, "--containers: the first tenth is compared with the last, so at least 10");
        let engines = self.subject.is_some() || self.reference.is_some();
        ensure!(
            !self.boot || !engines && self.only.is_empty(),
            "--boot is a run of its own, without engines or --only"
        );
        ensure!(!self.machine || !engines && !self.boot, "--machine is a run of its own, without engines");
        ensure!(self.machine || self.link.is_none(), "--link is the machine's, and needs --machine");
        let cases: &[&str] = if self.machine { &OF_MACHINE } else { &CASES };
        for name in &self.only {
            ensure!(cases.contains(&name.as_str()), "--only knows no case {name:?}; there are {}", cases.join(", "));
        }
        ensure!(
            !self.only.contains("pull") || self.registry.is_some(),
            "the case pull needs --registry HOST:PORT, a registry that both engines reach"
        );
        Ok(())
    }

    /// Whether the case `name` is asked for. Without `--only` that is every short case, but pull only where there is a
    /// registry.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let possible = name != "pull" || self.registry.is_some();
        possible && (self.only.contains(name) || self.only.is_empty() && !LONG.contains(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_would_measure_nothing_is_refused() {
        for (line, words) in [
            ("--only pull", "--registry"),
            ("--only api,pul", "\"pul\""),
            ("--rounds 0", "measures nothing"),
            ("--containers 9", "at least 10"),
            ("--boot --only api", "a run of its own"),
            ("--machine --boot", "a run of its own"),
            ("--machine --only ps", "\"ps\""),
            ("--only files", "\"files\""),
            ("--link serial", "needs --machine"),
            ("--fast", "unknown option"),
        ] {
            let error = parse(line).expect_err(line).to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
    }

    #[test]
    fn everything_is_wanted_unless_said_otherwise() {
        let options = parse("").unwrap();
        assert!(options.wants("api") && options.wants("ps") && !options.wants("pull"));
        assert!(!options.wants("scale") && !options.wants("build"));
        let options = parse("--only api,pull --registry 127.0.0.1:5000").unwrap();
        assert!(options.wants("pull") && !options.wants("ps"));
        assert!(parse("--only scale").unwrap().wants("scale"));
    }
}
