//! From an edit on this computer to inotify in the container.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::Bench;
use crate::cases::milliseconds;
use crate::table::Row;

/// An edit is several changes; nothing comes of it any more when nothing came for so long.
const QUIET: Duration = Duration::from_millis(200);

/// From the edit until the container's program, having heard of it, has told it over its published port; against a byte to that program and
/// back. Half of such a way is in the subject, too.
pub(super) fn told(bench: &Bench, rounds: usize) -> anyhow::Result<Row> {
    let mut row =
        Row { what: "host edit to inotify / a byte there and back".into(), subject: Vec::new(), reference: Vec::new() };
    let port = bench.beside.published();
    let open = |what: u8| -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.write_all(&[what])?;
        Ok(stream)
    };
    let (mut watcher, mut echo) = (open(b'w')?, open(b'e')?);
    watcher.read_exact(&mut [0]).context("the container's program watches")?;
    let file = bench.machine.shared().join("watched/file");
    for round in 0..rounds + 2 {
        let begun = Instant::now();
        echo.write_all(b"x")?;
        echo.read_exact(&mut [0])?;
        let there_and_back = milliseconds(begun);
        let begun = Instant::now();
        fs::write(&file, round.to_string())?;
        watcher.set_read_timeout(None)?;
        watcher.read_exact(&mut [0])?;
        let heard = milliseconds(begun);
        rest(&mut watcher)?;
        if round >= 2 {
            row.subject.push(heard);
            row.reference.push(there_and_back);
        }
    }
    Ok(row)
}

/// Reads what else comes of the last edit.
fn rest(watcher: &mut TcpStream) -> anyhow::Result<()> {
    watcher.set_read_timeout(Some(QUIET))?;
    loop {
        match watcher.read(&mut [0; 64]) {
            Ok(0) => bail!("the container's program is gone"),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
