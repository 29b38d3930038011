//! The helper that is taken when nothing is configured: the one that docker's clients take then (docker/cli, `DetectDefaultStore` in
//! `cli/config/credentials`), and where that is not installed, ours. Once it is in the configuration docker's clients know it, too.

use super::helper::{Source, program};

/// Ours, by the last part of its name.
pub(super) const OWN: &str = "berth";

/// By the last part of its name; `None` where there is none.
pub(super) fn helper() -> Option<(&'static str, Source)> {
    let has = |program: &str| host::sys::in_path(program).is_some();
    let system = std::env::consts::OS;
    let docker_s = docker_s(system, has).map(|name| (name, Source::Installed));
    docker_s.or_else(|| {
        // There a keychain is a part of a desktop's session, and it may ask for its password in a window.
        let is_set = |name: &&str| std::env::var_os(name).is_some();
        let is_there = system != "linux" || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(is_set);
        Some((OWN, Source::Tried)).filter(|(name, _)| is_there && has(&program(name)))
    })
}

fn docker_s(system: &str, has: impl Fn(&str) -> bool) -> Option<&'static str> {
    let name = match system {
        // Its helper alone keeps nothing.
        "linux" if has(&program("pass")) && has("pass") => "pass",
        "linux" => "secretservice",
        "macos" => "osxkeychain",
        "windows" => "wincred",
        _ => return None,
    };
    Some(name).filter(|name| has(&program(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_s_own_choice() {
        let check = |system, installed: &[&str], expect| {
            assert_eq!(docker_s(system, |program| installed.contains(&program)), expect, "{system} {installed:?}");
        };
        let (pass, service) = ("docker-credential-pass", "docker-credential-secretservice");
        check("linux", &["pass", pass, service], Some("pass"));
        check("linux", &["pass", service], Some("secretservice"));
        check("linux", &[pass, service], Some("secretservice"));
        check("linux", &["pass"], None);
        check("linux", &[pass], None);
        check("linux", &[], None);
        check("macos", &["docker-credential-osxkeychain", pass, "pass"], Some("osxkeychain"));
        check("macos", &[service], None);
        check("windows", &["docker-credential-wincred"], Some("wincred"));
        check("windows", &[], None);
        check("freebsd", &["pass", pass, service], None);
    }
}
