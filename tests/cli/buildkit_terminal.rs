//! `docker build` in a terminal, where it draws its steps one over the other.

use anyhow::ensure;
use tests::case::Case;
use tests::terminal::Terminal;

use crate::suite::{Entry, cases, everywhere};
use tests::buildx::Folder;

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; drawn, a_drawn_failure]
}

/// A build to its end: its exit code and what is on the screen then.
fn screen(case: &Case<'_>, folder: &Folder, arguments: &[&str]) -> anyhow::Result<(i32, String)> {
    let path = folder.path().display().to_string();
    let mut command = folder.command(case, &[arguments, &["--progress=tty", &path]].concat());
    command.env("BUILDKIT_PROGRESS", "tty");
    let terminal = Terminal::open(&command)?;
    let code = terminal.wait_exit()?;
    Ok((code, terminal.screen()))
}

/// Steps that are done say how long they took; of others nothing stays.
fn all_done(screen: &str) -> Result {
    let steps: Vec<&str> = screen.lines().filter(|line| line.starts_with(" => ")).collect();
    let is_done = |line: &&str| {
        let time = line.split_whitespace().last().and_then(|word| word.strip_suffix('s'));
        time.is_some_and(|time| time.parse::<f32>().is_ok())
    };
    ensure!(!steps.is_empty() && steps.iter().all(is_done), "{screen}");
    // How many there are, and how many of them are done.
    let head = screen.lines().find(|line| line.starts_with("[+] Building")).unwrap_or_default();
    let counts =
        head.split_once('(').and_then(|(_, rest)| rest.split_once(')')).and_then(|(counts, _)| counts.split_once('/'));
    ensure!(counts.is_some_and(|(done, all)| done == all), "{head}: {screen}");
    Ok(())
}

pub(crate) fn drawn(case: &Case<'_>) -> Result {
    let image = case.image("bkdrawn:1");
    let dockerfile = format!("FROM busybox\nCOPY f /f\nRUN echo {}-{}\n", std::process::id(), case.number());
    let folder = Folder::new(&[("Dockerfile", &dockerfile), ("f", "drawn\n")])?;
    for cached in [false, true] {
        let (code, screen) = screen(case, &folder, &["-t", &image])?;
        ensure!(code == 0 && screen.contains("[+] Building ") && screen.contains(" FINISHED"), "{screen}");
        ensure!(screen.contains(" => CACHED [3/3] RUN") == cached, "{screen}");
        for words in [
            " => [internal] load build definition from Dockerfile",
            " => => transferring dockerfile: ",
            " => exporting to image",
            &format!(" => => naming to docker.io/library/{image}"),
        ] {
            ensure!(screen.contains(words), "{words}: {screen}");
        }
        all_done(&screen)?;
    }
    Ok(())
}

pub(crate) fn a_drawn_failure(case: &Case<'_>) -> Result {
    let dockerfile = format!("FROM busybox\nRUN echo why {}; echo because >&2; exit 7\n", case.number());
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    let (code, screen) = screen(case, &folder, &["--no-cache"])?;
    ensure!(code == 1 && screen.contains("[+] Building "), "{screen}");
    for words in [
        " => ERROR [2/2] RUN echo why",
        &format!(" why {}\n", case.number()),
        " because\n",
        "------\n > [2/2] RUN echo why",
        "Dockerfile:2\n",
        ">>> RUN echo why",
        // The rest of it is on the line before.
        "id not complete successfully: exit code: 7\n",
    ] {
        ensure!(screen.contains(words), "{words}: {screen}");
    }
    all_done(&screen)
}
