//! The engine reached from elsewhere: over ssh, and by `docker system dial-stdio`, which that starts.

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::engine::Kind;
use tests::remote::{dial, exercise};
use tests::sshd::Sshd;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; over_ssh, input_that_ends_drops_no_answer]
}

pub(crate) fn over_ssh(case: &Case<'_>) -> Result {
    let sshd = Sshd::start(case.docker)?;
    let docker = sshd.docker()?;
    let same = |docker: &tests::docker::Docker| docker.ok(&["info", "--format", "{{.ID}}"]);
    let (there, here) = (same(&docker).with_context(|| sshd.log())?, same(case.docker)?);
    ensure!(there == here, "{there} is not {here}");
    exercise(&docker, &case.container("over-ssh")).with_context(|| sshd.log())
}

pub(crate) fn input_that_ends_drops_no_answer(case: &Case<'_>) -> Result {
    let name = case.container("dialled");
    let script =
        "trap 'exit 0' TERM; yes 0123456789012345678901234567890123456789 | head -n 50000; echo end; sleep 1000 & wait";
    case.ok(&["run", "-d", "--name", &name, "busybox", "sh", "-c", script])?;
    tests::wait::until("the last line", std::time::Duration::from_secs(300), || {
        case.ok(&["logs", "--tail", "1", &name]).ok().filter(|last| last == "end")
    })?;
    let ask = |request: String| dial(case.docker, &request);
    let archive = ask(format!("GET /containers/{name}/archive?path=/bin/busybox"))?;
    ensure!(archive.starts_with(b"HTTP/1.1 200 OK") && archive.ends_with(b"\r\n0\r\n\r\n"), "{} bytes", archive.len());
    ensure!(archive.len() > 1_000_000, "{} bytes", archive.len());
    // dockerd gives up what its client asked for when the client's direction ends.
    if case.kind != Kind::Reference {
        let logs = ask(format!("GET /containers/{name}/logs?stdout=1"))?;
        ensure!(logs.ends_with(b"\r\n0\r\n\r\n"), "{} bytes", logs.len());
        ensure!(logs.windows(41).filter(|line| line.ends_with(b"789\n")).count() == 50_000, "{} bytes", logs.len());
        for path in [format!("/containers/{name}/export"), "/images/busybox/get".to_owned(), "/system/df".to_owned()] {
            let answer = ask(format!("GET {path}"))?;
            ensure!(answer.starts_with(b"HTTP/1.1 200 OK"), "{path}: {} bytes", answer.len());
        }
    }
    // What has no end ends there.
    ask(format!("GET /containers/{name}/logs?stdout=1&follow=1"))?;
    ask("GET /events".to_owned())?;
    let stopped = ask(format!("POST /containers/{name}/stop"))?;
    ensure!(stopped.starts_with(b"HTTP/1.1 204 No Content"), "{}", String::from_utf8_lossy(&stopped));
    Ok(())
}
