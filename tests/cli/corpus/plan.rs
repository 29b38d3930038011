//! What lies in a folder of the corpus, as data.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tests::engine::Kind;

/// What runs in `cargo verify`, too.
pub(super) const TEN: [&str; 10] = [
    "project-go",
    "project-java",
    "project-node",
    "project-rust",
    "add-archives",
    "arguments-and-scopes",
    "copy-into-place",
    "copy-modes",
    "expansion",
    "removals",
];

/// One of the corpus.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    /// What `docker build` is given besides the image's name and the folder.
    pub(super) arguments: Vec<String>,
    /// The file that it is given on standard input.
    pub(super) input: Option<String>,
    /// Images that are built before it, each from a file, and the argument that is to have their names.
    pub(super) bases: Vec<(String, String)>,
    /// What BuildKit builds in place of a Dockerfile that is newer than it.
    pub(super) reference: Option<String>,
    pub(super) fails: bool,
    differences: Vec<Difference>,
}

/// What is otherwise than in BuildKit, and why.
#[derive(Debug)]
struct Difference {
    there: Vec<String>,
    here: Vec<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Every folder of the corpus, by name.
pub(super) fn all() -> anyhow::Result<Vec<Plan>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().into_string().ok().context("names of the corpus are plain")?);
        }
    }
    names.sort();
    names.iter().map(|name| Plan::read(name)).collect()
}

impl Plan {
    pub(super) fn read(name: &str) -> anyhow::Result<Plan> {
        let path = folder().join(name).join("plan.json");
        let read = if path.exists() { serde_json::from_slice(&std::fs::read(&path)?)? } else { Value::Null };
        Plan::new(name, &read).with_context(|| format!("{}", path.display()))
    }

    fn new(name: &str, read: &Value) -> anyhow::Result<Plan> {
        let known = ["about", "arguments", "input", "bases", "reference", "fails", "differences"];
        if let Some(strange) =
            read.as_object().into_iter().flat_map(|read| read.keys()).find(|key| !known.contains(&key.as_str()))
        {
            bail!("{strange} is not known");
        }
        let text = |key: &str| read[key].as_str().map(str::to_owned);
        let bases = read["bases"].as_object().into_iter().flatten();
        let bases = bases.map(|(argument, file)| Some((argument.clone(), file.as_str()?.to_owned())));
        let differences = read["differences"].as_array().into_iter().flatten();
        Ok(Plan {
            name: name.to_owned(),
            arguments: lines(&read["arguments"])?,
            input: text("input"),
            bases: bases.collect::<Option<_>>().context("bases are files")?,
            reference: text("reference"),
            fails: read["fails"].as_bool().unwrap_or_default(),
            differences: differences.map(Difference::new).collect::<anyhow::Result<_>>()?,
        })
    }

    pub(super) fn folder(&self) -> PathBuf {
        folder().join(&self.name)
    }

    fn recording(&self) -> PathBuf {
        self.folder().join("expected.txt")
    }

    pub(super) fn record(&self, text: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.recording(), text)?)
    }

    pub(super) fn compare(&self, text: &str, kind: Kind) -> anyhow::Result<()> {
        let recorded = std::fs::read_to_string(self.recording()).context("nothing is recorded")?;
        let mut expect: Vec<&str> = recorded.lines().collect();
        if kind != Kind::Reference {
            for difference in &self.differences {
                difference.apply(&mut expect)?;
            }
        }
        let got: Vec<&str> = text.lines().collect();
        let missing = expect.iter().filter(|line| !got.contains(line)).map(|line| format!("- {line}\n"));
        let strange = got.iter().filter(|line| !expect.contains(line)).map(|line| format!("+ {line}\n"));
        let told: String = missing.chain(strange).collect();
        ensure!(told.is_empty(), "it is not what BuildKit makes:\n{told}");
        // Of these a later one counts more than an earlier one.
        let (there, here) = (in_order(&expect), in_order(&got));
        ensure!(there == here, "it is not in the order in which BuildKit makes it:\n{there:#?}\n{here:#?}");
        // The same lines, but for their number.
        expect.sort_unstable();
        let mut got = got.clone();
        got.sort_unstable();
        ensure!(expect == got, "it is not what BuildKit makes: a line is there twice:\n{text}");
        Ok(())
    }
}

impl Difference {
    fn new(read: &Value) -> anyhow::Result<Difference> {
        ensure!(
            read["because"].as_str().is_some_and(|reason| !reason.is_empty()),
            "a difference has no reason: {read}"
        );
        Ok(Difference { there: lines(&read["there"])?, here: lines(&read["here"])? })
    }

    fn apply<'a>(&'a self, expect: &mut Vec<&'a str>) -> anyhow::Result<()> {
        let mut place = expect.len();
        for line in &self.there {
            let at = expect.iter().position(|have| have == line);
            let at =
                at.with_context(|| format!("a difference is told from a line that BuildKit does not have: {line}"))?;
            expect.remove(at);
            place = at;
        }
        expect.splice(place..place, self.here.iter().map(String::as_str));
        Ok(())
    }
}

/// The lines of what is a list in an image's configuration.
fn in_order<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let is_of_list = |line: &&str| ["Env ", "OnBuild "].iter().any(|key| line.starts_with(key));
    lines.iter().copied().filter(is_of_list).collect()
}

fn lines(value: &Value) -> anyhow::Result<Vec<String>> {
    let list = value.as_array().into_iter().flatten();
    list.map(|line| line.as_str().map(str::to_owned).with_context(|| format!("{line} is no text"))).collect()
}
