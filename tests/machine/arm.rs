//! The guest for arm64: emulated where this computer's processor is another, with the same agent, engine and images.

use std::time::Duration;

use anyhow::ensure;
use serde_json::Value;
use tests::docker::Docker;
use tests::engine::Machine;
use tests::foreign::{self, AMD64};
use tests::wait::until;

type Result = anyhow::Result<()>;

/// One boot for all that may differ by processor.
pub(crate) fn guest_runs(machine: &Machine) -> Result {
    std::fs::create_dir(machine.shared())?;
    machine.berth(&["config", "set", "shares", &machine.shared().display().to_string()])?;
    let up: Value = serde_json::from_str(&machine.berth(&["up", "--json"])?)?;
    says_what_it_is(&up)?;
    ensure!(machine.berth(&["shell", "uname", "-m"])?.trim() == "aarch64");

    let docker = Docker::new(machine.docker_host()?)?;
    names_its_architecture(&docker)?;
    runs_containers(&docker)?;
    builds(&docker)?;
    runs_the_other_processors(&docker)?;
    filters_calls(&docker)?;
    shares_folders(machine, &docker)?;
    serves_and_keeps(machine, &docker)
}

fn says_what_it_is(up: &Value) -> Result {
    ensure!(up["phase"] == "running", "{up}");
    if cfg!(target_arch = "aarch64") {
        return Ok(());
    }
    let said = up["hypervisor"].as_str().unwrap_or_default();
    ensure!(up["accelerator"] == "tcg" && said.ends_with(" for aarch64"), "{up}");
    let notes = up["notes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let told =
        notes.iter().filter_map(Value::as_str).filter(|note| note.starts_with("the guest image is for aarch64 "));
    ensure!(told.count() == 1, "{up}");
    Ok(())
}

fn names_its_architecture(docker: &Docker) -> Result {
    let info = docker.ok(&["info", "--format", "{{.OSType}}/{{.Architecture}}"])?;
    ensure!(info == "linux/aarch64", "{info}");
    let version = docker.ok(&["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"])?;
    ensure!(version == "linux/arm64", "{version}");
    for image in ["busybox", "hello-world"] {
        let platform = docker.ok(&["image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", image])?;
        ensure!(platform == "linux/arm64", "{image}: {platform}");
    }
    Ok(())
}

fn runs_containers(docker: &Docker) -> Result {
    let hello = docker.ok(&["run", "--rm", "hello-world"])?;
    ensure!(hello.contains("Hello from Berth!") && hello.contains("Seen from inside: container "), "{hello}");
    let machine =
        docker.ok(&["run", "--rm", "--init", "-e", "A=b c", "busybox", "sh", "-c", "uname -m; echo \"$A\""])?;
    ensure!(machine == "aarch64\nb c", "{machine}");
    let code = docker.run(&["run", "--rm", "--memory", "64m", "--cpus", "0.5", "busybox", "sh", "-c", "exit 7"])?.code;
    ensure!(code == 7, "{code}");
    Ok(())
}

/// By the emulator in the guest.
fn runs_the_other_processors(docker: &Docker) -> Result {
    foreign::image(docker, "other:1", AMD64)?;
    let said = docker.ok(&["run", "--rm", "--platform", AMD64.platform, "other:1", "uname", "-m"])?;
    ensure!(said == AMD64.machine, "{said}");
    let dockerfile = "FROM other:1\nRUN uname -m >/made\n";
    let build = ["build", "-q", "--platform", AMD64.platform, "-t", "other:2", "-"];
    docker.fed(dockerfile.as_bytes(), &build)?;
    let made = docker.ok(&["run", "--rm", "--platform", AMD64.platform, "other:2", "cat", "/made"])?;
    ensure!(made == AMD64.machine, "{made}");
    Ok(())
}

/// For what builds make an image when nobody says it.
fn builds(docker: &Docker) -> Result {
    let dockerfile = "FROM busybox\nARG TARGETPLATFORM\nRUN echo \"$TARGETPLATFORM $(uname -m)\" >/made\n";
    docker.fed(dockerfile.as_bytes(), &["build", "-q", "-t", "made", "-"])?;
    let platform = docker.ok(&["image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", "made"])?;
    ensure!(platform == "linux/arm64", "{platform}");
    let made = docker.ok(&["run", "--rm", "made", "cat", "/made"])?;
    ensure!(made == "linux/arm64 aarch64", "{made}");
    Ok(())
}

/// By the numbers that this processor's calls have: a user namespace is refused by the filter and by nothing else.
fn filters_calls(docker: &Docker) -> Result {
    let namespace = ["busybox", "unshare", "-U", "true"];
    let filtered = docker.run(&[&["run", "--rm"][..], &namespace].concat())?;
    ensure!(filtered.code != 0 && filtered.err.contains("Operation not permitted"), "{filtered:?}");
    let free = docker.run(&[&["run", "--rm", "--security-opt", "seccomp=unconfined"][..], &namespace].concat())?;
    ensure!(free.code == 0, "{free:?}");
    let devices =
        docker.run(&["run", "--rm", "--cap-add", "MKNOD", "busybox", "sh", "-c", "mknod /d b 7 0 && cat /d"])?;
    ensure!(devices.code != 0 && devices.err.contains("Operation not permitted"), "{devices:?}");
    Ok(())
}

/// Over FUSE, whose words about files are the guest's.
fn shares_folders(machine: &Machine, docker: &Docker) -> Result {
    let mount = format!("{}:/s", machine.shared().display());
    let script = "cd /s && cp /bin/busybox b && cmp b /bin/busybox && mkdir d && ln -s ../b d/l && cat d/l | cmp - b && \
                  echo one >f && echo two >>f && cat f && ls d";
    let said = docker.ok(&["run", "--rm", "-v", &mount, "busybox", "sh", "-c", script])?;
    ensure!(said == "one\ntwo\nl", "{said}");
    ensure!(std::fs::read_to_string(machine.shared().join("f"))? == "one\ntwo\n");
    Ok(())
}

fn serves_and_keeps(machine: &Machine, docker: &Docker) -> Result {
    let port = tests::ports::next();
    let publish = format!("{port}:80");
    docker.ok(&[
        "run",
        "-d",
        "--name",
        "web",
        "-p",
        &publish,
        "-v",
        "kept:/kept",
        "busybox",
        "httpd",
        "-f",
        "-h",
        "/var/www",
    ])?;
    docker.ok(&["exec", "web", "sh", "-c", "echo still >/kept/here"])?;
    let page = until("the published port", Duration::from_secs(120), || {
        tests::http::page(&format!("http://127.0.0.1:{port}/"))
    })?;
    ensure!(page.contains("busybox"), "{page}");
    let down: Value = serde_json::from_str(&machine.berth(&["down", "--json"])?)?;
    ensure!(down["phase"] == "stopped" && down["notes"].as_array().is_some_and(Vec::is_empty), "{down}");
    machine.berth(&["up"])?;
    ensure!(docker.ok(&["run", "--rm", "-v", "kept:/kept", "busybox", "cat", "/kept/here"])? == "still");
    Ok(())
}
