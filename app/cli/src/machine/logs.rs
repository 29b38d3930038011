//! `berth machine logs`.

use std::io::Write;

use host::client::Client;
use host::daemon::protocol::LogSource;
use host::paths::Paths;

use crate::Failure;

pub(crate) async fn logs(paths: Paths, follow: bool, json: bool) -> Result<i32, Failure> {
    let file = paths.console_log();
    let client = match Client::connect(paths).await {
        Ok(client) => client,
        // Without a daemon the file of the last boot still tells.
        Err(host::Error::NoDaemon) if !follow => {
            let text = std::fs::read(&file).map_err(host::Error::file("read", &file))?;
            return write(&text, json).map(|()| 0);
        }
        Err(error) => return Err(error.into()),
    };
    let mut text = client.logs(LogSource::Console, follow).await?;
    while let Some(piece) = text.next().await? {
        write(&piece, json)?;
    }
    Ok(0)
}

fn write(piece: &[u8], json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let result = if json {
        String::from_utf8_lossy(piece).lines().try_for_each(|line| writeln!(out, "{}", serde_json::Value::from(line)))
    } else {
        out.write_all(piece)
    };
    result.and_then(|()| out.flush()).map_err(|error| Failure::new(1, error.to_string()))
}
