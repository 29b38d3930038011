//! The helper that docker's clients take when nothing is configured and it is installed (docker/cli, `DetectDefaultStore` in
//! `cli/config/credentials`).

use super::helper::program;

/// By the last part of its name; `None` where there is none.
pub(super) fn helper() -> Option<&'static str> {
    choose(std::env::consts::OS, |program| host::sys::in_path(program).is_some())
}

fn choose(system: &str, has: impl Fn(&str) -> bool) -> Option<&'static str> {
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
            assert_eq!(choose(system, |program| installed.contains(&program)), expect, "{system} {installed:?}");
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
