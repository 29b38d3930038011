//! The .deb in a clean Debian, with all that it depends on, by apt. Long: only where `BERTH_TEST_WORKLOADS` has that Debian.

use std::fs;
use std::path::Path;
use std::process::Command;

use installers::workloads::Workloads;

use crate::support::{VERSION, cannot_install, clean_environment, run, skipped, whole};

/// `$1` is the tree, `$2` the packages, `$3` what runs in it. A display of this machine's is in `/tmp`.
const ENTER: &str = r#"set -eu
mount --bind "$1" "$1"
mkdir -p "$1/packages"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1/packages"
cp /etc/resolv.conf "$1/etc/resolv.conf"
exec chroot "$1" /bin/sh -euc "$3"
"#;

#[test]
fn a_clean_debian_gets_all_that_it_needs_and_is_clean_again() {
    let name = "a_clean_debian_gets_all_that_it_needs_and_is_clean_again";
    if let Some(why) = cannot_install() {
        return skipped(name, why);
    }
    // Left out and not skipped, as the long cases of other suites.
    let Some(workloads) = std::env::var_os("BERTH_TEST_WORKLOADS") else { return };
    let packages = match whole() {
        Ok(packages) => packages,
        Err(why) => return skipped(name, why),
    };
    let tree = tempfile::tempdir().unwrap();
    run(Command::new("tar").arg("-xf").arg(Workloads::at(workloads.into()).system()).arg("-C").arg(tree.path()));
    let mirror = installers::debian::mirror().unwrap();
    fs::write(tree.path().join("etc/apt/sources.list"), format!("deb {mirror} bookworm main\n")).unwrap();
    let said = in_tree(
        tree.path(),
        packages,
        &format!(
            r#"apt-get -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=root update -q >/tmp/log 2>&1 || {{ cat /tmp/log; exit 1; }}
# Services are not started in a tree.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
apt-get -o APT::Sandbox::User=root install -qy --no-install-recommends /packages/berth_{VERSION}_amd64.deb xvfb xauth dbus-daemon x11-utils >/tmp/log 2>&1 || {{ cat /tmp/log; exit 1; }}
echo "[version] $(berth version | head -1)"
echo "[missing] $(ldd /usr/bin/berth-desktop | grep 'not found' || true)"
cat >/tmp/show <<'EOF'
berth-desktop >/tmp/log 2>&1 &
program=$!
while kill -0 $program; do
    ! xwininfo -root -tree | grep -q '"Berth"' || {{ echo "[window] shown"; exit 0; }}
    sleep 0.2
done
cat /tmp/log
EOF
timeout 120 xvfb-run -a dbus-run-session sh /tmp/show
apt-get purge -qy berth >/tmp/log 2>&1 || {{ cat /tmp/log; exit 1; }}
echo "[left] $(find /usr /etc /opt /var/lib/dpkg /var/lib/berth -xdev -name '*berth*' 2>/dev/null)"
"#
        ),
    );
    assert!(said.lines().any(|line| line.starts_with("[version]") && line.ends_with(VERSION)), "{said}");
    for expected in ["[missing] ", "[window] shown", "[left] "] {
        assert!(said.lines().any(|line| line == expected), "{expected} is not in\n{said}");
    }
}

fn in_tree(tree: &Path, packages: &Path, script: &str) -> String {
    let mut command = Command::new("unshare");
    // Processes of its own: a daemon that the window starts ends with the script.
    command.args(["--mount", "--ipc", "--pid", "--fork", "--propagation", "private", "sh", "-c", ENTER, "sh"]);
    command.arg(tree).arg(packages).arg(script);
    clean_environment(&mut command);
    // The way to the mirror may lead over a proxy.
    for (name, value) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().to_lowercase().ends_with("_proxy"))
    {
        command.env(name, value);
    }
    run(&mut command)
}
