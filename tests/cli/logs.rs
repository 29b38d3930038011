//! `docker logs`.

use anyhow::ensure;
use tests::case::Case;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; follow_ends_with_container, tail_since_timestamps, order_and_bytes, rotated_and_packed, the_oldest_go, attributes_by_pattern, options_by_driver]
}

/// Those that keep something, in files of their own kinds.
const DRIVERS: [&str; 2] = ["json-file", "local"];

pub(crate) fn follow_ends_with_container(case: &Case<'_>) -> Result {
    for driver in DRIVERS {
        let name = case.container(driver);
        case.ok(&[
            "run",
            "-d",
            "-i",
            "--log-driver",
            driver,
            "--name",
            &name,
            "busybox",
            "sh",
            "-c",
            "echo first; read line; echo second",
        ])?;
        let follower = case.piped(&["logs", "-f", &name])?;
        let said = case.fed(b"go\n", &["attach", &name])?;
        ensure!(said.code == 0, "{said:?}");
        let out = follower.wait_with_output()?;
        ensure!(out.stdout == b"first\nsecond\n", "{out:?}");
    }
    Ok(())
}

pub(crate) fn tail_since_timestamps(case: &Case<'_>) -> Result {
    for driver in DRIVERS {
        let name = case.container(driver);
        case.ok(&[
            "run",
            "--log-driver",
            driver,
            "--name",
            &name,
            "busybox",
            "sh",
            "-c",
            "for i in 1 2 3 4 5; do echo line$i; done",
        ])?;
        ensure!(case.ok(&["logs", "--tail", "2", &name])? == "line4\nline5");
        ensure!(case.ok(&["logs", "--tail", "0", &name])?.is_empty());
        let stamped = case.ok(&["logs", "-t", &name])?;
        ensure!(
            stamped.lines().count() == 5
                && stamped.lines().all(|line| line.as_bytes()[10] == b'T' && line.contains("Z line")),
            "{stamped}"
        );
        let third = stamped.lines().nth(2).and_then(|line| line.split(' ').next()).unwrap_or_default();
        let since = case.ok(&["logs", "--since", third, &name])?;
        ensure!(since == "line3\nline4\nline5", "{since}");
        let until = case.ok(&["logs", "--until", "2001-01-01T00:00:00Z", &name])?;
        ensure!(until.is_empty(), "{until}");
    }
    Ok(())
}

pub(crate) fn order_and_bytes(case: &Case<'_>) -> Result {
    for driver in DRIVERS {
        let name = case.container(driver);
        // A line longer than the 16 KiB that one log record holds, bytes that are not UTF-8, and a last line without its end.
        let script = "dd if=/dev/zero bs=1000 count=40 2>/dev/null | tr '\\0' x; echo; printf 'caf\\303\\251\\n'; printf 'no end'";
        case.ok(&["run", "--log-driver", driver, "--name", &name, "busybox", "sh", "-c", script])?;
        let out = case.ok(&["logs", &name])?;
        let lines: Vec<&str> = out.lines().collect();
        ensure!(
            lines.len() == 3 && lines[0].len() == 40_000 && lines[1] == "café" && lines[2] == "no end",
            "{} lines",
            lines.len()
        );
    }
    Ok(())
}

pub(crate) fn rotated_and_packed(case: &Case<'_>) -> Result {
    for driver in DRIVERS {
        let name = case.container(driver);
        let options = ["--log-opt", "max-size=20k", "--log-opt", "max-file=100", "--log-opt", "compress=true"];
        let mut arguments = vec!["run", "--log-driver", driver, "--name", &name];
        arguments.extend(options);
        arguments.extend(["busybox", "seq", "1", "3000"]);
        case.ok(&arguments)?;
        let expected: String = (1..=3000).map(|n| format!("{n}\n")).collect();
        ensure!(case.ok(&["logs", &name])? == expected.trim_end(), "lines are missing");
        ensure!(case.ok(&["logs", "--tail", "2500", &name])?.lines().next() == Some("501"));
    }
    Ok(())
}

/// Of what there is no room for, the first is lost, and nothing in between.
pub(crate) fn the_oldest_go(case: &Case<'_>) -> Result {
    const LAST: usize = 20_000;
    for driver in DRIVERS {
        let name = case.container(driver);
        let options = ["--log-driver", driver, "--log-opt", "max-size=20k", "--log-opt", "max-file=2"];
        let count = format!("seq 1 {LAST}");
        case.ok(&[&["run", "-d", "--name", &name], &options[..], &["busybox", "sh", "-c", &count]].concat())?;
        case.ok(&["wait", &name])?;
        let kept = case.ok(&["logs", &name])?;
        let kept: Vec<usize> = kept.lines().map(str::parse).collect::<std::result::Result<_, _>>()?;
        let first = kept.first().copied().unwrap_or_default();
        ensure!(kept.iter().copied().eq(first..=LAST), "{driver}: lines are missing between {first} and {LAST}");
        // One file at least, and two at most, of lines that take six bytes and a few dozen for what is kept of each.
        ensure!((100..4_000).contains(&kept.len()), "{driver}: {} lines", kept.len());
        let tail = case.ok(&["logs", "--tail", "3", &name])?;
        ensure!(tail == format!("{}\n{}\n{LAST}", LAST - 2, LAST - 1), "{driver}: {tail}");
        let followed = case.ok(&["logs", "-f", &name])?;
        ensure!(followed.lines().count() == kept.len() && followed.ends_with(&LAST.to_string()), "{driver}");
        // What it says when it runs again comes behind.
        case.ok(&["start", &name])?;
        case.ok(&["wait", &name])?;
        let again = case.ok(&["logs", &name])?;
        ensure!(again.lines().count() < 4_000 && again.lines().last() == Some(&LAST.to_string()), "{driver}: again");
    }
    Ok(())
}

/// Each has its own, and keeps both streams.
pub(crate) fn options_by_driver(case: &Case<'_>) -> Result {
    let name = case.container("streams");
    let script = "echo out; echo err >&2";
    case.ok(&["run", "--name", &name, "--log-driver", "local", "busybox", "sh", "-c", script])?;
    let said = case.run(&["logs", &name])?;
    ensure!(said.out == "out\n" && said.err == "err\n", "{said:?}");
    let shown = case.ok(&["inspect", "-f", "{{.HostConfig.LogConfig.Type}} [{{.LogPath}}]", &name])?;
    ensure!(shown == "local []", "{shown}");
    for option in ["env=A", "tag=x", "labels-regex=x"] {
        let key = option.split_once('=').map_or(option, |(key, _)| key);
        let said = case.run(&["create", "--log-driver", "local", "--log-opt", option, "busybox"])?;
        let words = format!("unknown log opt '{key}' for log driver local");
        ensure!(said.code == 1 && said.err.contains(&words), "{said:?}");
    }
    let one = ["run", "--rm", "--log-driver", "local", "--log-opt", "max-file=1"];
    let said = case.run(&[&one[..], &["busybox", "true"]].concat())?;
    let words = "failed to initialize logging driver: compression cannot be enabled when max file count is 1";
    ensure!(said.code != 0 && said.err.contains(words), "{said:?}");
    case.ok(&[&one[..], &["--log-opt", "compress=false", "busybox", "true"]].concat())?;
    Ok(())
}

pub(crate) fn attributes_by_pattern(case: &Case<'_>) -> Result {
    let name = case.container("attributes");
    let options = ["--log-opt", "labels-regex=^team\\.", "--log-opt", "env-regex=^(A|B)$", "--log-opt", "env=C"];
    let mut arguments = vec!["run", "--name", &name];
    arguments.extend(options);
    arguments.extend(["--label", "team.name=blue", "--label", "other=x", "-e", "A=1", "-e", "C=3", "-e", "AB=no"]);
    arguments.extend(["busybox", "echo", "said"]);
    case.ok(&arguments)?;
    ensure!(
        case.ok(&["logs", "--details", &name])? == "A=1,C=3,team.name=blue said",
        "{}",
        case.ok(&["logs", "--details", &name])?
    );
    Ok(())
}
