//! What Homebrew's cask is told of the app, beside what every manifest is ([`crate::manifests`]).

use super::info::OLDEST;
use super::plan::{APP, Plan};

/// The words of its template (`templates/homebrew/berth-app.rb`), each with what takes its place.
pub fn words(plan: &Plan) -> Vec<(&'static str, String)> {
    let macs = plan.macs();
    let arch = if plan.architectures.len() == 1 { format!("\n  depends_on arch: :{macs}") } else { String::new() };
    vec![("MACS", macs.to_owned()), ("ARCH", arch), ("OLDEST", OLDEST.to_owned()), ("PAGES", pages(plan))]
}

/// A line for each manual page in English: Homebrew puts pages of a section into one folder, where those in other languages have the same names.
fn pages(plan: &Plan) -> String {
    let folder = format!("{APP}/Contents/");
    let paths = plan.files.iter().filter_map(|file| file.to.strip_prefix(&folder));
    let pages = paths.filter(|path| path.starts_with("Resources/man/man1/"));
    pages.map(|page| format!("  manpage \"#{{contents}}/{page}\"")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use guest_image::Architecture;

    use super::*;
    use crate::checksums::hex;
    use crate::manifests::{self, Templates};
    use crate::plan::{Content, File};

    /// The cask of an app for these Macs.
    fn cask(architectures: &[Architecture]) -> String {
        let paths = ["Info.plist", "Resources/man/man1/berth-run.1.gz", "Resources/man/man1/berth.1.gz"];
        let chinese = ["Resources/man/zh_CN/man1/berth.1.gz"];
        let file = |path: &&str| File {
            to: format!("{APP}/Contents/{path}"),
            content: Content::Bytes(Vec::new()),
            mode: 0o644,
        };
        let plan =
            Plan { files: paths.iter().chain(&chinese).map(file).collect(), architectures: architectures.to_vec() };
        let folder = tempfile::tempdir().unwrap();
        let image = format!("berth-1.2.3-macos-{}.dmg", plan.macs());
        fs::write(folder.path().join(image), "image").unwrap();
        let templates = Templates { files: manifests::CASK, words: &words(&plan) };
        manifests::write(&templates, "1.2.3", "https://example.org/v1/", folder.path()).unwrap();
        fs::read_to_string(folder.path().join("berth-app.rb")).unwrap()
    }

    #[test]
    fn it_is_of_the_disk_image_that_was_made() {
        use Architecture::{Aarch64, X86_64};
        let sha256 = hex(&<sha2::Sha256 as sha2::Digest>::digest("image"));
        for (macs, name, wanted) in [
            (&[Aarch64, X86_64][..], "universal", None),
            (&[Aarch64], "arm64", Some("  depends_on arch: :arm64\n")),
            (&[X86_64], "x86_64", Some("  depends_on arch: :x86_64\n")),
        ] {
            let text = cask(macs);
            assert!(text.contains(&format!("url \"https://example.org/v1/berth-1.2.3-macos-{name}.dmg\"")), "{text}");
            assert!(text.contains(&sha256) && text.contains("macOS 12.3 or newer"), "{text}");
            match wanted {
                Some(line) => assert!(text.contains(line), "{text}"),
                None => assert!(!text.contains("arch:"), "{text}"),
            }
            // Ruby's own sign is not used.
            assert!(!text.contains('@'), "{text}");
        }
    }

    #[test]
    fn it_has_a_line_for_each_page_in_english() {
        let text = cask(&[Architecture::Aarch64]);
        let pages: Vec<&str> = text.lines().filter(|line| line.contains("manpage")).collect();
        let expected = ["berth-run.1.gz", "berth.1.gz"];
        assert_eq!(pages, expected.map(|page| format!("  manpage \"#{{contents}}/Resources/man/man1/{page}\"")));
    }
}
