//! `docker logs`.

use anyhow::ensure;
use tests::case::Case;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; none_cannot_be_read]
}

pub(crate) fn none_cannot_be_read(case: &Case<'_>) -> Result {
    let name = case.container("silent");
    case.ok(&["run", "--log-driver", "none", "--name", &name, "busybox", "echo", "unheard"])?;
    let said = case.run(&["logs", &name])?;
    ensure!(said.code == 1 && said.err.contains("configured logging driver does not support reading"), "{said:?}");
    let answer = tests::http::request(case.host(), "GET", &format!("/v1.51/containers/{name}/logs?stdout=1"), "")?;
    ensure!(answer.status == 501, "{answer:?}");
    Ok(())
}
