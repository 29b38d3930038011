//! `docker build --ssh`: steps that ask their client's SSH agent.

use anyhow::ensure;
use tests::buildx::Folder;
use tests::case::Case;
use tests::fixture;
use tests::ssh_agent::SshAgent;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; lent, not_lent]
}

/// A folder with a program that asks an agent for its keys.
fn folder(dockerfile: &str) -> anyhow::Result<Folder> {
    let folder = Folder::new(&[("Dockerfile", dockerfile)])?;
    std::fs::copy(fixture::program("agent_keys")?, folder.path().join("keys"))?;
    Ok(folder)
}

/// A build with the client's own agent, and with a key out of a file.
pub(crate) fn lent(case: &Case<'_>) -> Result {
    let image = case.image("bkagents:1");
    let dockerfile = "FROM busybox\nWORKDIR /w\n\
        RUN --mount=source=keys,target=/keys --mount=type=ssh \
        echo $SSH_AUTH_SOCK >/seen && stat -c '%F %a %u %g' $SSH_AUTH_SOCK >>/seen && /keys $SSH_AUTH_SOCK >>/seen\n\
        RUN --mount=source=keys,target=/keys --mount=type=ssh,id=file,target=own/agent,required --mount=type=ssh,mode=641,uid=7 \
        echo $SSH_AUTH_SOCK >>/seen && stat -c '%a %u %g' /w/own/agent /run/buildkit/ssh_agent.1 >>/seen && \
        for i in 1 2 3 4; do /keys /w/own/agent >/$i & done; wait; cat /1 /2 /3 /4 | sort -u >>/seen; rm /1 /2 /3 /4\n\
        USER 7\n\
        RUN --mount=source=keys,target=/keys --mount=type=ssh,uid=7 --mount=type=ssh,id=file \
        /keys /run/buildkit/ssh_agent.0 && ! /keys /run/buildkit/ssh_agent.1\n\
        USER 0\n\
        RUN echo \"<$SSH_AUTH_SOCK>\" >>/seen\n\
        ENV SSH_AUTH_SOCK=/mine\n\
        RUN --mount=type=ssh echo $SSH_AUTH_SOCK >>/seen\n";
    let folder = folder(dockerfile)?;
    let (agent, file) = (SshAgent::start("from-the-agent")?, SshAgent::start("from-a-file")?);
    let (agent_at, file_at) =
        (format!("default={}", agent.socket().display()), format!("file={}", file.key().display()));
    let arguments = ["-t", &image, "--ssh", &agent_at, "--ssh", &file_at, "."];
    folder.built(case, &arguments)?;
    let seen = case.ok(&["run", "--rm", &image, "cat", "/seen"])?;
    // A key that is read from a file has no name.
    let expect = "/run/buildkit/ssh_agent.0\nsocket 600 0 0\nfrom-the-agent\nown/agent\n600 0 0\n641 7 0\n\n<>\n/mine";
    ensure!(seen == expect, "{seen}");
    let left = case.ok(&["run", "--rm", &image, "sh", "-c", "ls -d /run/buildkit /w/own 2>/dev/null; true"])?;
    ensure!(left.is_empty(), "{left}");
    let told = folder.built(case, &["-t", &image, "."])?;
    ensure!(told.matches("CACHED").count() >= 5, "{told}");
    Ok(())
}

/// A step without an agent goes on without, unless it says that it needs one.
pub(crate) fn not_lent(case: &Case<'_>) -> Result {
    let folder = folder("FROM busybox\nRUN --mount=type=ssh test ! -e \"$SSH_AUTH_SOCK\" && echo at $SSH_AUTH_SOCK\n")?;
    let told = folder.built(case, &["--no-cache", "--progress", "plain", "."])?;
    ensure!(told.contains(" at /run/buildkit/ssh_agent.0\n"), "{told}");
    let agent = SshAgent::start("a")?;
    let lent = format!("default={}", agent.socket().display());
    for (words, lent, expect) in [
        // buildx offers the service to every build, and no agent on it.
        ("required", None, "unset ssh forward key default"),
        ("id=x,required", None, "unset ssh forward key x"),
        ("id=x,required", Some(&*lent), "unset ssh forward key x"),
        ("source=x", None, "ssh does not support source"),
    ] {
        folder.write("Dockerfile", &format!("FROM busybox\nRUN --mount=type=ssh,{words} true\n"))?;
        let lent = lent.map_or(vec![], |lent| vec!["--ssh", lent]);
        let said = folder.build(case, &[&["--no-cache"], &lent[..], &["."]].concat())?;
        let expect = format!("ERROR: failed to build: failed to solve: {expect}\n");
        ensure!(said.code == 1 && said.err.contains(&expect), "{words}: {said:?}");
        ensure!(said.err.contains(">>> RUN --mount=type=ssh"), "{said:?}");
    }
    Ok(())
}
