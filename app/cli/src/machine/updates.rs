//! `berth version --check`: whether there is a newer Berth, and where. Nothing is fetched, nothing installed.

use host::paths::Paths;
use host::updates::{Newer, Updates};
use rust_i18n::t;

use crate::busy::Busy;
use crate::{Failure, language, print_json};

/// By this program itself: it is this one that is old or not, whatever daemon runs.
pub(crate) async fn updates(paths: &Paths, json: bool) -> Result<i32, Failure> {
    paths.create()?;
    let report = {
        let _busy = Busy::begin(t!("busy.updates"));
        Updates::of_this_build(paths).look().await?
    };
    if json {
        print_json(&report)?;
        return Ok(i32::from(report.why.is_some()));
    }
    if let Some(why) = &report.why {
        return Err(Failure::new(1, language::sentence(why)));
    }
    match &report.newer {
        Some(newer) => print!("{}", told(newer)),
        None => println!("{}", t!("updates.current", version = env!("CARGO_PKG_VERSION"))),
    }
    Ok(0)
}

fn told(newer: &Newer) -> String {
    let mut text = format!("{}\n", t!("updates.newer", version = newer.version, date = newer.date));
    text.push_str(&format!("  {}\n", t!("updates.notes", url = newer.notes)));
    match &newer.file {
        Some(file) => {
            text.push_str(&format!("  {}\n  sha256 {}\n", t!("updates.file", url = file.url), file.sha256));
        }
        None => text.push_str(&format!("  {}\n", t!("updates.no_file"))),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::updates::UpdateFile;

    #[test]
    fn a_newer_one_is_told_with_where_it_is() {
        let file = UpdateFile { url: "https://berth.example/berth.tar.gz".to_owned(), sha256: "00ff".to_owned() };
        let newer = Newer {
            version: "9.9.9".to_owned(),
            date: "2026-11-27".to_owned(),
            notes: "https://berth.example/notes".to_owned(),
            file: Some(file),
        };
        let text = told(&newer);
        for part in ["9.9.9", "2026-11-27", "https://berth.example/notes", "https://berth.example/berth.tar.gz", "00ff"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(told(&Newer { file: None, ..newer }).contains("9.9.9"));
    }
}
