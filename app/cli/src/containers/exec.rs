//! `berth exec`.

use bollard::Docker;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};

use super::args::Exec;
use super::streams::{Attached, Raw, copy, follow_size};
use crate::Failure;

pub(crate) async fn exec(docker: &Docker, exec: Exec) -> Result<i32, Failure> {
    let options = CreateExecOptions {
        attach_stdin: Some(exec.interactive && !exec.detach),
        attach_stdout: Some(!exec.detach),
        attach_stderr: Some(!exec.detach),
        tty: Some(exec.tty),
        env: Some(exec.env.clone()),
        cmd: Some(exec.command.clone()),
        privileged: Some(exec.privileged),
        user: exec.user.clone(),
        working_dir: exec.workdir.clone(),
        detach_keys: None,
    };
    let id = docker.create_exec(&exec.container, options).await?.id;
    let start = StartExecOptions { detach: exec.detach, tty: exec.tty, output_capacity: None };
    match docker.start_exec(&id, Some(start)).await? {
        StartExecResults::Detached => return Ok(0),
        StartExecResults::Attached { output, input } => {
            let raw = Raw::enter(exec.tty && exec.interactive)?;
            let resize = |columns, lines| {
                let id = id.clone();
                // A process that has just ended cannot be resized, and need not be.
                async move { drop(docker.resize_exec(&id, ResizeExecOptions { height: lines, width: columns }).await) }
            };
            let copying = copy(Attached { output, input }, exec.interactive);
            if exec.tty {
                tokio::select! {
                    result = copying => result?,
                    () = follow_size(resize) => (),
                }
            } else {
                copying.await?;
            }
            drop(raw);
        }
    }
    let code = docker.inspect_exec(&id).await?.exit_code.unwrap_or(0);
    Ok(i32::try_from(code).unwrap_or(1))
}
