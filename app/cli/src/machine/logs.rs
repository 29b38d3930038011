//! `berth machine logs`.

use std::io::Write;

use host::daemon::protocol::LogSource;
use host::paths::Paths;

use super::reach;
use crate::Failure;
use crate::args::LogKind;

pub(crate) async fn logs(paths: Paths, kind: LogKind, follow: bool, json: bool) -> Result<i32, Failure> {
    let source = match kind {
        LogKind::Console => LogSource::Console,
        LogKind::Daemon => LogSource::Daemon,
        LogKind::Qemu => LogSource::Qemu,
        LogKind::Vsock => LogSource::Vsock,
    };
    let file = source.file(&paths);
    let Some(client) = reach(&paths).await? else {
        if follow {
            return Err(host::Error::NoDaemon.into());
        }
        // Without a daemon the file of the last boot still tells.
        let text = std::fs::read(&file).map_err(host::Error::file("read", &file))?;
        if !json {
            return put(&text).map(|()| 0);
        }
        let mut lines = Lines::default();
        let whole = lines.feed(&text);
        return whole.into_iter().chain(lines.rest()).try_for_each(|line| put_json(&line)).map(|()| 0);
    };
    let mut text = client.logs(source, follow).await?;
    let mut lines = Lines::default();
    while let Some(piece) = text.next().await? {
        if json {
            lines.feed(&piece).iter().try_for_each(|line| put_json(line))?;
        } else {
            put(&piece)?;
        }
    }
    lines.rest().iter().try_for_each(|line| put_json(line)).map(|()| 0)
}

fn put(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Failure::new(1, error.to_string()))
}

fn put_json(line: &str) -> Result<(), Failure> {
    put(format!("{}\n", serde_json::Value::from(line)).as_bytes())
}

/// Whole lines out of pieces that begin and end anywhere.
#[derive(Debug, Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// The lines that `piece` completes, without their ends.
    fn feed(&mut self, piece: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(piece);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }

    /// What came after the last end of line.
    fn rest(self) -> Option<String> {
        (!self.rest.is_empty()).then(|| String::from_utf8_lossy(&self.rest).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_wherever_the_pieces_end() {
        let text = "erste Zeile\nzweite: ä\r\n\nend".as_bytes();
        for at in 0..text.len() {
            let mut lines = Lines::default();
            let mut all = lines.feed(&text[..at]);
            all.extend(lines.feed(&text[at..]));
            all.extend(lines.rest());
            assert_eq!(all, ["erste Zeile", "zweite: ä", "", "end"], "split at {at}");
        }
    }
}
