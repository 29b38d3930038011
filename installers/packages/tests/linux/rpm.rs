//! The .rpm in a tree of its own, by rpm.

use std::collections::BTreeSet;
use std::process::Command;

use packages::linux;

use crate::support::{VERSION, cannot_install, in_a_copy, run, skipped, small, whole};

/// rpm with a tree and lists of its own. The libraries are no packages of rpm's here: `--nodeps`.
const BEGIN: &str = "tree=/tmp/tree\nmkdir -p $tree\n\
                     rpm_() { rpm --root $tree \"$@\" 2>/tmp/log || { cat /tmp/log; exit 1; }; }\nrpm_ --initdb\n";

#[test]
fn it_is_installed_verified_and_removed() {
    let name = "an_rpm_is_installed_verified_and_removed";
    if let Some(why) = cannot_install() {
        return skipped(name, why);
    }
    let packages = match whole() {
        Ok(packages) => packages,
        Err(why) => return skipped(name, why),
    };
    let said = in_a_copy(
        packages,
        &format!(
            r#"{BEGIN}
package=/packages/berth-{VERSION}-1.x86_64.rpm
rpm -K --nosignature $package
rpm_ -i --nodeps $package
echo "[verify] $(rpm_ -V --nodeps berth)"
echo "[facts] $(rpm_ -q --qf '%{{NAME}} %{{VERSION}}-%{{RELEASE}} %{{ARCH}} %{{LICENSE}} %{{BUILDTIME}} %{{BUILDHOST}}' berth)"
rpm_ -q --qf '[file: %{{FILEMODES:octal}} %{{FILEUSERNAME}}:%{{FILEGROUPNAME}} %{{FILENAMES}}\n]' berth
echo "[version] $($tree/usr/bin/berth version | head -1)"
test -s $tree/usr/share/licenses/berth/LICENSE
test -s $tree/usr/share/zsh/site-functions/_berth
rpm_ -e --nodeps berth
echo "[left] $(find $tree -name '*berth*')"
"#
        ),
    );
    let line = |start: &str| {
        let found = said.lines().find_map(|line| line.strip_prefix(start));
        found.unwrap_or_else(|| panic!("no line {start} in\n{said}")).trim().to_owned()
    };
    assert!(said.contains("digests OK"), "{said}");
    let date = crate::support::DATE;
    assert_eq!(line("[facts]"), format!("berth {VERSION}-1 x86_64 Apache-2.0 {date} localhost"));
    assert_eq!((line("[verify]"), line("[left]")), (String::new(), String::new()), "{said}");
    assert!(line("[version]").ends_with(VERSION), "{said}");
    let files: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("file: ")).collect();
    assert!(files.len() > 50, "{said}");
    for file in files {
        let (mode, path) = (file.split(' ').next().unwrap(), file.split(' ').nth(2).unwrap());
        let expected = if path.starts_with("/usr/bin/") { "100755" } else { "100644" };
        assert!(mode == expected || mode == "040755" || mode == "40755", "{file}");
        assert!(file.contains(" root:root /usr/"), "{file}");
        // A folder of everybody's would be removed, or fought for.
        assert!(!mode.ends_with("40755") || path.contains("/berth"), "{file}");
    }
}

#[test]
fn another_version_takes_its_place() {
    if let Some(why) = cannot_install() {
        return skipped("another_version_of_an_rpm_takes_its_place", why);
    }
    let folder = tempfile::tempdir().unwrap();
    for version in ["0.9.0", "1.0.0-rc.1", "1.0.0"] {
        linux::write(&small(&folder.path().join(version), version), &folder.path().join("out")).unwrap();
    }
    let said = in_a_copy(
        &folder.path().join("out"),
        &format!(
            r#"{BEGIN}
rpm_ -i --nodeps /packages/berth-0.9.0-1.x86_64.rpm
for version in 1.0.0~rc.1 1.0.0; do
    rpm_ -U --nodeps /packages/berth-$version-1.x86_64.rpm
    rpm_ -q berth
    ls $tree/usr/share/man/man1
done
rpm_ -e --nodeps berth
find $tree -name '*berth*'
"#
        ),
    );
    let expected = "berth-1.0.0~rc.1-1.x86_64\nberth-1.0.0-rc.1.1.gz\nberth-1.0.0-1.x86_64\nberth-1.0.0.1.gz\n";
    assert_eq!(said, expected);
}

/// rpm's own reader of programs says what they need.
#[test]
fn it_requires_what_rpm_would_say() {
    let packages = match whole() {
        Ok(packages) => packages,
        Err(why) => return skipped("it_requires_what_rpm_would_say", why),
    };
    let package = packages.join(format!("berth-{VERSION}-1.x86_64.rpm"));
    let required = run(Command::new("rpm").args(["-qp", "--nosignature", "--requires"]).arg(package));
    let required: BTreeSet<&str> = required.lines().map(str::trim).collect();
    let mut read = String::new();
    for program in packages::plan::PROGRAMS {
        read += &run(Command::new("/usr/lib/rpm/elfdeps")
            .arg("--requires")
            .arg(packages.with_file_name("programs").join(program)));
    }
    // A property of rpm's own time, not a library.
    let read: BTreeSet<&str> = read.lines().map(str::trim).filter(|line| *line != "rtld(GNU_HASH)").collect();
    assert!(read.len() > 20, "{read:?}");
    let missing: Vec<_> = read.difference(&required).collect();
    assert!(missing.is_empty(), "{missing:?} is missing in {required:?}");
    let more: Vec<_> = required.difference(&read).filter(|one| !one.starts_with("rpmlib(")).collect();
    assert_eq!(more, [&"libayatana-appindicator3.so.1()(64bit)"]);
}
