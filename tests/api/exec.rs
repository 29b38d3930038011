//! `docker exec`.

use anyhow::ensure;
use tests::case::Case;
use tests::http::request;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; unknown_user_is_told_at_once]
}

/// Nobody has to start it to learn that.
pub(crate) fn unknown_user_is_told_at_once(case: &Case<'_>) -> Result {
    let name = case.container("users");
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    for (user, message) in [
        ("nobody-here", "unable to find user nobody-here: no matching entries in passwd file"),
        ("0:nobody-here", "unable to find group nobody-here: no matching entries in group file"),
        ("-5", "uids and gids must be in range 0-2147483647"),
        ("4294967296", "uids and gids must be in range 0-2147483647"),
    ] {
        let body = serde_json::json!({"Cmd": ["true"], "User": user}).to_string();
        let answer = request(case.host(), "POST", &format!("/v1.51/containers/{name}/exec"), &body)?;
        let said: serde_json::Value = serde_json::from_str(&answer.body)?;
        ensure!(answer.status == 400 && said["message"] == message, "{user}: {}", answer.body);
    }
    ensure!(case.ok(&["exec", "-u", "99999", &name, "id", "-u"])? == "99999");
    Ok(())
}
