//! `berth exec`.

use bollard::Docker;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};

use super::args::Exec;
use super::create;
use super::detach::DetachKeys;
use super::streams::{Attached, End, Input, Raw, copy, follow_size};
use crate::Failure;
use crate::busy::answered;

pub(crate) async fn exec(docker: &Docker, exec: Exec) -> Result<i32, Failure> {
    let wrong = |text| Failure::new(1, text);
    let keys = DetachKeys::parse(exec.detach_keys.as_deref()).map_err(wrong)?;
    if exec.tty && exec.interactive && !exec.detach && !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return Err(Failure::new(1, rust_i18n::t!("run.no_terminal").into_owned()));
    }
    let options = CreateExecOptions {
        attach_stdin: Some(exec.interactive && !exec.detach),
        attach_stdout: Some(!exec.detach),
        attach_stderr: Some(!exec.detach),
        tty: Some(exec.tty),
        env: Some(create::environment(&exec.env_file, &exec.env).map_err(wrong)?),
        cmd: Some(exec.command.clone()),
        privileged: Some(exec.privileged),
        user: exec.user.clone(),
        working_dir: exec.workdir.clone(),
        detach_keys: exec.detach_keys.clone(),
    };
    let id = answered(docker.create_exec(&exec.container, options)).await?.id;
    let start = StartExecOptions { detach: exec.detach, tty: exec.tty, output_capacity: None };
    match answered(docker.start_exec(&id, Some(start))).await? {
        StartExecResults::Detached => return Ok(0),
        StartExecResults::Attached { output, input } => {
            let raw = Raw::enter(exec.tty && exec.interactive)?;
            let resize = |columns, lines| {
                let id = id.clone();
                // A process that has just ended cannot be resized, and need not be.
                async move { drop(docker.resize_exec(&id, ResizeExecOptions { height: lines, width: columns }).await) }
            };
            let copying = copy(Attached { output, input }, Input::of(exec.interactive, exec.tty, keys));
            let end = if exec.tty {
                tokio::select! {
                    end = copying => end,
                    () = follow_size(resize) => Ok(End::Output),
                }
            } else {
                copying.await
            };
            drop(raw);
            if end? == End::Detached {
                return Ok(0);
            }
        }
    }
    let code = answered(docker.inspect_exec(&id)).await?.exit_code.unwrap_or(0);
    Ok(i32::try_from(code).unwrap_or(1))
}
