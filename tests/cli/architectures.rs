//! Images for other processors: which run, and what says so.

use anyhow::ensure;
use emulation::Emulation;
use tests::buildx::Folder;
use tests::case::Case;
use tests::docker::said;
use tests::foreign::{self, OTHER, Processor, STRANGE};
use tests::limit;

use crate::suite::{Entry, cases, everywhere, in_machine, not_of_dockerd};

type Result = anyhow::Result<()>;

/// The platform of the containers that say nothing of one.
const OWN: &str = if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" };

pub(crate) fn cases() -> Vec<Entry> {
    let mut all =
        cases![in_machine; another_runs, its_users_become_others, chosen_from_several, built, emulators_are_added];
    all.extend(cases![everywhere; a_strange_one_does_not_run]);
    all.extend(cases![not_of_dockerd; builders_tell]);
    all
}

/// Programs run, by their own names, within what containers may; a client that did not ask for them is warned.
pub(crate) fn another_runs(case: &Case<'_>) -> Result {
    let image = case.image("other:1");
    foreign::image(case.docker, &image, OTHER)?;
    let unasked = case.run(&["run", "--rm", &image, "uname", "-m"])?;
    ensure!(unasked.code == 0 && unasked.out.trim() == OTHER.machine, "{unasked:?}");
    let warning = format!(
        "WARNING: The requested image's platform ({}) does not match the detected host platform ({OWN}",
        OTHER.platform
    );
    ensure!(unasked.err.starts_with(&warning), "{unasked:?}");
    ensure!(unasked.err.trim_end().ends_with(") and no specific platform was requested"), "{unasked:?}");

    let run = |options: &[&str], command: &[&str]| {
        let asked = ["run", "--rm", "--platform", OTHER.platform];
        case.run(&[&asked, options, &[&image], command].concat())
    };
    let says = |options: &[&str], command: &[&str], words: &str| -> Result {
        let said = run(options, command)?;
        ensure!((said.code, said.out.trim(), said.err.as_str()) == (0, words, ""), "{command:?}: {said:?}");
        Ok(())
    };
    says(&[], &["uname", "-m"], OTHER.machine)?;
    // busybox knows what to be by its first word, and itself by the kernel's.
    says(&[], &["readlink", "/proc/self/exe"], "/bin/busybox")?;
    says(&[], &["cat", "/proc/self/comm"], "cat")?;
    // Nothing of the machine is left open in it.
    says(&[], &["sh", "-c", "for fd in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$fd ] && echo $fd; done; true"], "")?;
    says(&[], &["sh", "-c", "sleep 0 & wait; (exit 3); echo $?; echo $((6 * 7))"], "3\n42")?;
    says(&["--memory", "64m", "--pids-limit", "16", "--read-only"], &["cat", "/proc/self/oom_score_adj"], "0")?;
    says(&["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "-u", "1000"], &["id", "-u"], "1000")?;
    says(&["--init"], &["sh", "-c", "exit 0"], "")?;
    says(&["--security-opt", "seccomp=unconfined"], &["uname", "-m"], OTHER.machine)?;
    let refused = run(&[], &["mount", "-t", "tmpfs", "t", "/bin"])?;
    ensure!(refused.code != 0 && refused.err.contains("permission denied"), "{refused:?}");
    let failed = run(&[], &["sh", "-c", "sh -c 'kill -9 $$'; exit $?"])?;
    ensure!(failed.code == 137, "{failed:?}");

    let name = case.container("other");
    case.ok(&["run", "-d", "--name", &name, "--platform", OTHER.platform, &image, "sleep", "1000"])?;
    ensure!(case.ok(&["exec", &name, "uname", "-m"])? == OTHER.machine);
    let top = case.ok(&["top", &name])?;
    ensure!(top.contains("sleep 1000"), "{top}");
    case.ok(&["kill", &name])?;
    Ok(())
}

/// Set-user-ID programs mean what they say, as those of the machine's own processor.
pub(crate) fn its_users_become_others(case: &Case<'_>) -> Result {
    let image = case.image("su:1");
    foreign::image(case.docker, &image, OTHER)?;
    let become_root = |options: &[&str]| {
        let asked = ["run", "--rm", "--platform", OTHER.platform, "-u", "1000"];
        case.run(&[&asked, options, &[&image, "su", "-c", "id -u", "root"]].concat())
    };
    let root = become_root(&[])?;
    ensure!(root.code == 0 && root.out.trim() == "0", "{root:?}");
    let kept = become_root(&["--security-opt", "no-new-privileges"])?;
    ensure!(kept.code != 0 && kept.out.is_empty(), "{kept:?}");
    Ok(())
}

/// Of an index the client's choice is taken, and without one the image for this processor.
pub(crate) fn chosen_from_several(case: &Case<'_>) -> Result {
    let name = format!("{}/several{}", case.registry.address(), case.number());
    let (own, other, both) = (format!("{name}:own"), format!("{name}:other"), format!("{name}:both"));
    foreign::image(case.docker, &other, OTHER)?;
    case.ok(&["tag", "busybox", &own])?;
    case.ok(&["push", "-q", &own])?;
    case.ok(&["push", "-q", &other])?;
    case.ok(&["rmi", "-f", &own, &other])?;
    let folder = Folder::new(&[("Dockerfile", &format!("FROM {both}\nRUN uname -m >/machine\n"))])?;
    let arguments = ["buildx", "imagetools", "create", "-t", &both, &own, &other];
    let created = said(limit::output(&mut folder.docker(case, &arguments))?)?;
    ensure!(created.code == 0, "{created:?}");
    let machine = |options: &[&str]| case.ok(&[&["run", "--rm"], options, &[&both, "uname", "-m"]].concat());
    ensure!(machine(&["--platform", OTHER.platform])? == OTHER.machine);
    ensure!(machine(&["--pull", "always", "-q"])? == std::env::consts::ARCH);
    // A stage takes it from there, too.
    let image = case.image("several:1");
    folder.built(case, &["--platform", OTHER.platform, "-t", &image, "."])?;
    ensure!(case.ok(&["run", "--rm", "--platform", OTHER.platform, &image, "cat", "/machine"])? == OTHER.machine);
    case.ok(&["rmi", "-f", &both])?;
    Ok(())
}

/// Steps of a build run, and what comes out is for that platform; by either protocol.
pub(crate) fn built(case: &Case<'_>) -> Result {
    let base = case.image("base:1");
    foreign::image(case.docker, &base, OTHER)?;
    let text = format!(
        "FROM {base}\nARG TARGETPLATFORM BUILDPLATFORM\nRUN echo $TARGETPLATFORM $BUILDPLATFORM $(uname -m) >/made\nCMD cat /made\n"
    );
    let folder = Folder::new(&[("Dockerfile", &text)])?;
    let image = case.image("built:1");
    folder.built(case, &["--platform", OTHER.platform, "-t", &image, "."])?;
    ensure!(case.ok(&["inspect", "-f", "{{.Os}}/{{.Architecture}}", &image])? == OTHER.platform);
    let made = case.ok(&["run", "--rm", "--platform", OTHER.platform, &image])?;
    ensure!(made == format!("{} {OWN} {}", OTHER.platform, OTHER.machine), "{made}");

    let classic = case.image("classic:1");
    folder.write("Dockerfile", &format!("FROM {base}\nRUN uname -m >/made\nCMD cat /made\n"))?;
    let mut command = folder.command(case, &["--platform", OTHER.platform, "-t", &classic, "."]);
    let built = said(limit::output(command.env("DOCKER_BUILDKIT", "0"))?)?;
    ensure!(built.code == 0, "{built:?}");
    ensure!(case.ok(&["run", "--rm", "--platform", OTHER.platform, &classic])? == OTHER.machine);
    Ok(())
}

fn inspected(case: &Case<'_>) -> anyhow::Result<String> {
    let folder = Folder::new(&[])?;
    std::fs::create_dir_all(folder.path())?;
    let told = said(limit::output(&mut folder.docker(case, &["buildx", "inspect"]))?)?;
    ensure!(told.code == 0, "{told:?}");
    Ok(told.out)
}

/// Builders list what runs: in the machine by its emulators, natively by the computer's.
pub(crate) fn builders_tell(case: &Case<'_>) -> Result {
    let told = inspected(case)?;
    let platforms = foreign::platforms(&told)?;
    ensure!(platforms.first().is_some_and(|first| first.starts_with(OWN)), "{told}");
    ensure!(platforms.contains(&OTHER.platform) == (case.kind.is_machine() || computer_runs(OTHER)?), "{told}");
    Ok(())
}

/// What a privileged container tells the kernel of emulators holds for everybody, as on other engines (`binfmt --install`).
pub(crate) fn emulators_are_added(case: &Case<'_>) -> Result {
    // Of no program of the tests': a processor that only this case is about.
    let magic = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00";
    let formats = "/proc/sys/fs/binfmt_misc";
    let mounted = format!("mount -t binfmt_misc binfmt_misc {formats} || exit; cd {formats}");
    let privileged = |script: &str| case.ok(&["run", "--rm", "--privileged", "busybox", "sh", "-c", script]);
    let add = format!("{mounted}; ls; echo ':added:M::{magic}::/bin/busybox:F' >register");
    let there = privileged(&add)?;
    let added = inspected(case);
    privileged(&format!("{mounted}; echo -1 >added"))?;
    ensure!(there.lines().any(|name| name == format!("qemu-{}", OTHER.machine)), "{there}");
    let added = added?;
    ensure!(foreign::platforms(&added)?.contains(&"linux/riscv64"), "{added}");
    let removed = inspected(case)?;
    ensure!(!foreign::platforms(&removed)?.contains(&"linux/riscv64"), "{removed}");
    Ok(())
}

/// Without an emulator the kernel's words are all there is.
pub(crate) fn a_strange_one_does_not_run(case: &Case<'_>) -> Result {
    if !case.kind.is_machine() && computer_runs(STRANGE)? {
        println!("SKIPPED: {}: this computer has an emulator for {}", case.kind, STRANGE.platform);
        return Ok(());
    }
    let image = case.image("strange:1");
    foreign::image(case.docker, &image, STRANGE)?;
    let said = case.run(&["run", "--rm", "--platform", STRANGE.platform, &image, "uname", "-m"])?;
    ensure!(said.code == 255 && said.err.trim() == "exec /bin/uname: exec format error", "{said:?}");
    Ok(())
}

/// Whether this computer has an emulator that containers can use.
fn computer_runs(processor: Processor) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let there = runtime.block_on(Emulation::of_this_computer().processors());
    Ok(there.iter().any(|there| processor.platform == format!("linux/{}", there.oci)))
}
