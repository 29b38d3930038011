//! A folder of this computer that a container writes to all the time, through a file that it opened once and one that it opens each time.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::engine::Engine;
use tests::wait::until;

/// Each number goes into both files; what cannot be written is told.
pub(crate) const SCRIPT: &str = "exec 3>>/folder/open; i=0; while :; do i=$((i+1)); \
    echo $i >&3 || echo \"open file: $i\"; echo $i >>/folder/named || echo \"file by name: $i\"; \
    [ \"$(cat /folder/told)\" = told ] || echo \"reading: $i\"; usleep 20000; done";

pub(crate) struct Folder(PathBuf);

impl Folder {
    /// In the machine it is one of those that may be mounted.
    pub(crate) fn make(engine: &Engine) -> anyhow::Result<Folder> {
        let home = engine.as_machine().map(tests::engine::Machine::shared);
        let home = home.or_else(|| engine.home().map(PathBuf::from)).context("an engine of this case's own")?;
        let folder = home.join("folder");
        fs::create_dir(&folder)?;
        fs::write(folder.join("told"), "told")?;
        Ok(Folder(folder))
    }

    /// What `-v` takes.
    pub(crate) fn mount(&self) -> String {
        format!("{}:/folder", self.0.display())
    }

    /// Both files have all numbers in order, and get more.
    pub(crate) fn is_written_to(&self) -> anyhow::Result<()> {
        for name in ["open", "named"] {
            let before = self.numbers(name)?;
            let more = || self.numbers(name).ok().filter(|now| *now > before);
            until(&format!("more lines in {name}"), Duration::from_secs(60), more)?;
        }
        Ok(())
    }

    /// How many there are.
    fn numbers(&self, name: &str) -> anyhow::Result<usize> {
        let text = fs::read_to_string(self.0.join(name))?;
        // The last one may be half there.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for (line, number) in whole.lines().zip(1..) {
            ensure!(line.parse() == Ok(number), "{name} has {line:?} instead of {number}");
        }
        Ok(whole.lines().count())
    }
}
