//! A shell, or any program, on a terminal of its own for the host.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use control::mux::MuxStream;
use control::shell::{DATA_MAX, Frame, Size, Start, receive, send};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{Winsize, openpty};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::{Child, Command};
use tracing::debug;

use crate::memory;

/// How long the host may take to say what to run.
const START: Duration = Duration::from_secs(10);
/// Where programs of the guest are.
const PATH: &str = "/bin:/sbin:/usr/bin:/usr/sbin";

nix::ioctl_write_ptr_bad!(
    /// Sets a terminal's window size: ioctl_tty(2), TIOCSWINSZ.
    tiocswinsz,
    nix::libc::TIOCSWINSZ,
    Winsize
);

/// Serves one stream to its end.
pub(crate) async fn serve(mut stream: MuxStream) {
    let first = tokio::time::timeout(START, receive(&mut stream)).await;
    let Ok(Ok(Some(Frame::Start(start)))) = first else { return };
    let last = match spawn(&start) {
        Ok((child, master)) => match run(&mut stream, child, master).await {
            Ok(code) => Frame::Exited(code),
            Err(error) => {
                debug!(%error, "a shell's stream broke");
                return;
            }
        },
        Err(error) => Frame::Failed(format!("{}: {error}", program(&start).0)),
    };
    let sent = send(&mut stream, &last).await;
    if sent.is_ok() {
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
    }
}

fn program(start: &Start) -> (&str, &[String]) {
    match start.argv.split_first() {
        Some((program, arguments)) => (program, arguments),
        None => ("/bin/sh", &[]),
    }
}

fn spawn(start: &Start) -> io::Result<(Child, AsyncFd<OwnedFd>)> {
    let pty = openpty(&winsize(start.size), None)?;
    let (master, slave) = (pty.master, pty.slave);
    // The program has the terminal as its standard streams only: what it starts in the background, with streams elsewhere, must
    // not hold the terminal, and with it the session, open.
    for end in [&master, &slave] {
        fcntl(end, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
    }
    fcntl(&master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let (name, arguments) = program(start);
    let mut command = Command::new(name);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("TERM", &start.term)
        .stdin(Stdio::from(slave.try_clone()?))
        .stdout(Stdio::from(slave.try_clone()?))
        .stderr(Stdio::from(slave))
        .kill_on_drop(true);
    // SAFETY: setsid, ioctl, prctl, open and write are async-signal-safe, and nothing else is called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            // Refused where it was refused to this process, too.
            let _ = memory::carries_nothing();
            nix::unistd::setsid()?;
            // Standard input is the terminal: make it the controlling one of the new session.
            if nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) == -1 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let child = command.spawn()?;
    // `command` holds copies of the slave; only without them does the master see the end.
    drop(command);
    // SAFETY: the descriptor is owned by the AsyncFd from here on, so it is open for as long as it is registered.
    Ok((child, unsafe { AsyncFd::register(master) }?))
}

/// Moves bytes until the program ended and its last output is sent; its exit code as a shell says it.
async fn run(stream: &mut MuxStream, mut child: Child, master: AsyncFd<OwnedFd>) -> control::Result<i32> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let inward = async {
        while let Some(frame) = receive(&mut reader).await? {
            match frame {
                Frame::Data(bytes) => match write_all(&master, &bytes).await {
                    // Nobody has the terminal open any more: the other direction tells what the program said last, and ends.
                    Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => {}
                    written => written?,
                },
                Frame::Resize(size) => {
                    // SAFETY: the descriptor is open and the structure is what TIOCSWINSZ reads.
                    unsafe { tiocswinsz(master.as_raw_fd(), &winsize(size)) }.map_err(io::Error::from)?;
                }
                Frame::Start(_) | Frame::Exited(_) | Frame::Failed(_) => {}
            }
        }
        Ok::<_, control::Error>(())
    };
    let outward = async {
        let mut buffer = vec![0; DATA_MAX];
        loop {
            match read(&master, &mut buffer).await {
                // EIO: no process has the terminal open any more (pty(7)).
                Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => return Ok::<_, control::Error>(()),
                Err(error) => return Err(error.into()),
                Ok(0) => return Ok(()),
                Ok(n) => send(&mut writer, &Frame::Data(buffer[..n].to_vec())).await?,
            }
        }
    };
    tokio::pin!(inward, outward);
    tokio::select! {
        ended = &mut outward => ended?,
        ended = &mut inward => ended?,
    }
    // Either the terminal has no user left, or the host is gone: then the program must go too.
    let _ = master_hangup(&child);
    let status = child.wait().await?;
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}

/// Tells the program's session that its terminal is gone.
fn master_hangup(child: &Child) -> nix::Result<()> {
    match child.id().and_then(|id| i32::try_from(id).ok()) {
        Some(id) => nix::sys::signal::kill(nix::unistd::Pid::from_raw(-id), nix::sys::signal::Signal::SIGHUP),
        None => Ok(()),
    }
}

async fn read(master: &AsyncFd<OwnedFd>, buffer: &mut [u8]) -> io::Result<usize> {
    master.async_io(Interest::READABLE, |fd| Ok(nix::unistd::read(fd, buffer)?)).await
}

/// Fails with EIO when no process has the terminal open any more.
async fn write_all(master: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let mut ready = master.writable().await?;
        let hung_up = ready.ready().is_write_closed();
        match ready.try_io(|fd| Ok(nix::unistd::write(fd, bytes)?)) {
            Ok(written) => bytes = &bytes[written?..],
            // Then it counts as writable for ever, though its queue may be full for ever.
            Err(_) if hung_up => return Err(nix::errno::Errno::EIO.into()),
            Err(_) => {}
        }
    }
    Ok(())
}

fn winsize(size: Size) -> Winsize {
    Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 }
}
