//! The .deb in a copy of this machine's tree, by dpkg.

use std::process::Command;

use packages::linux;

use crate::support::{VERSION, cannot_install, in_a_copy, run, skipped, small, whole};

/// Installs by the path of a file, with all that dpkg checks.
const BEGIN: &str = "install() { dpkg -i \"$@\" >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }; }\n";

#[test]
fn it_is_installed_used_and_removed() {
    let name = "it_is_installed_used_and_removed";
    if let Some(why) = cannot_install() {
        return skipped(name, why);
    }
    let packages = match whole() {
        Ok(packages) => packages,
        Err(why) => return skipped(name, why),
    };
    let script = format!(
        r#"{BEGIN}
install /packages/berth_{VERSION}_amd64.deb
cd /
echo "[status] $(dpkg-query -W -f '${{db:Status-Abbrev}}${{Version}}' berth)"
echo "[verify] $(dpkg --verify berth)"
echo "[conffiles] $(dpkg-query -W -f '${{Conffiles}}' berth)"
echo "[version] $(berth version | head -1)"
echo "[helper] $(docker-credential-berth version)"
echo "[missing] $(ldd /usr/bin/berth-desktop | grep 'not found' || true)"
berth completions bash | cmp - /usr/share/bash-completion/completions/berth
berth completions zsh | cmp - /usr/share/zsh/vendor-completions/_berth
berth completions fish | cmp - /usr/share/fish/vendor_completions.d/berth.fish
bash -c '. /usr/share/bash-completion/completions/berth; complete -p berth' >/dev/null
echo "[page] $(gzip -dc /usr/share/man/man1/berth-run.1.gz | grep -c '^\.TH')"
gzip -dc /usr/share/man/zh_CN/man1/berth.1.gz | grep -q 机器
gzip -dc /usr/share/doc/berth/third-party-notices.txt.gz | grep -q 'three years'
gzip -dc /usr/share/doc/berth/sbom.cdx.json.gz | grep -q '"CycloneDX"'
desktop-file-validate /usr/share/applications/app.berth.desktop.desktop
# The image that a program finds without being told; what else the report says is of no matter here.
mkdir /tmp/report && cd /tmp/report && {{ berth diagnose >/tmp/log || true; }}
tar -xOf /tmp/report/* --wildcards '*image-manifest.json' | cmp - /usr/lib/berth/image/manifest.json
cd /
dpkg -L berth | while read -r path; do stat -c '[file] %a %U:%G %F %n' "$path"; done
dpkg -r berth >/dev/null
echo "[left] $(dpkg -L berth 2>/dev/null; find /usr /etc /opt /var/lib/dpkg /var/lib/berth -xdev -name '*berth*' 2>/dev/null)"
"#
    );
    let said = in_a_copy(packages, &script);
    let line = |start: &str| {
        let found = said.lines().find_map(|line| line.strip_prefix(start));
        found.unwrap_or_else(|| panic!("no line {start} in\n{said}")).trim().to_owned()
    };
    assert_eq!(line("[status]"), format!("ii {VERSION}"));
    for nothing in ["[verify]", "[conffiles]", "[missing]", "[left]"] {
        assert_eq!(line(nothing), "", "{nothing} in\n{said}");
    }
    assert!(line("[version]").ends_with(VERSION), "{said}");
    assert!(line("[helper]").ends_with(VERSION), "{said}");
    assert_eq!(line("[page]"), "1");
    let files: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("[file] ")).collect();
    assert!(files.len() > 50, "{said}");
    for file in files {
        let expected = match file {
            file if file.contains(" directory ") => "755 root:root directory /",
            file if file.contains(" /usr/bin/") => "755 root:root regular file /usr/bin/",
            _ => "644 root:root regular file /usr/",
        };
        assert!(file.starts_with(expected), "{file}");
    }
}

#[test]
fn another_version_takes_its_place_and_data_stays() {
    let name = "another_version_takes_its_place_and_data_stays";
    if let Some(why) = cannot_install() {
        return skipped(name, why);
    }
    let folder = tempfile::tempdir().unwrap();
    for version in ["0.9.0", "1.0.0-rc.1", "1.0.0"] {
        linux::write(&small(&folder.path().join(version), version), &folder.path().join("out")).unwrap();
    }
    let said = in_a_copy(
        &folder.path().join("out"),
        &format!(
            r#"{BEGIN}
mkdir -p /home/somebody/.local/share/berth/machine
echo data >/home/somebody/.local/share/berth/machine/disk.raw
cd /
install /packages/berth_0.9.0_amd64.deb
ls /usr/share/man/man1/ | grep '^berth'
for version in 1.0.0~rc.1 1.0.0; do
    # dpkg says so when a version is older than the one that is there.
    install /packages/berth_${{version}}_amd64.deb
    ! grep -i downgrad /tmp/log
    ls /usr/share/man/man1/ | grep '^berth'
    cat /usr/lib/berth/image/vmlinuz; echo
done
dpkg --purge berth >/dev/null
find /usr /var/lib/dpkg /home -xdev -name '*berth*' -o -name disk.raw
cat /home/somebody/.local/share/berth/machine/disk.raw
"#
        ),
    );
    let expected = "berth-0.9.0.1.gz\nberth-1.0.0-rc.1.1.gz\nvmlinuz of 1.0.0-rc.1\nberth-1.0.0.1.gz\nvmlinuz of 1.0.0\n\
                    /home/somebody/.local/share/berth\n/home/somebody/.local/share/berth/machine/disk.raw\ndata\n";
    assert_eq!(said, expected);
}

#[test]
fn it_depends_on_what_its_programs_load() {
    let packages = match whole() {
        Ok(packages) => packages,
        Err(why) => return skipped("it_depends_on_what_its_programs_load", why),
    };
    let deb = packages.join(format!("berth_{VERSION}_amd64.deb"));
    let field = |name: &str| run(Command::new("dpkg-deb").arg("--field").arg(&deb).arg(name)).trim().to_owned();
    let depends = field("Depends");
    let names: Vec<&str> = depends.split(", ").map(|one| one.split(' ').next().unwrap()).collect();
    for package in ["libc6", "libgcc-s1", "libgtk-3-0", "libwebkit2gtk-4.1-0", "libayatana-appindicator3-1"] {
        assert!(names.contains(&package), "{package} is not in {depends}");
    }
    assert!(!depends.contains("-dev") && depends.contains("libc6 (>= 2."), "{depends}");
    assert_eq!(field("Recommends"), "qemu-system-x86 (>= 1:8.0)");
    // KiB of what is unpacked: within the room that folders and ends of files take.
    let size: u64 = field("Installed-Size").parse().unwrap();
    let listed = run(Command::new("dpkg-deb").arg("--contents").arg(&deb));
    let bytes: u64 = listed.lines().map(|line| line.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap()).sum();
    assert!(size >= bytes / 1024 && size < bytes / 1024 + 1024, "{size} KiB for {bytes} bytes");
}
