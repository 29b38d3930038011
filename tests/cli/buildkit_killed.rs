//! Builds that are cut off in the middle of a step: what is left of them, and what the next one finds.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use nix::unistd::Pid;
use serde_json::Value;
use tests::buildx::Folder;
use tests::case::Case;
use tests::engine::{Engine, Kind};
use tests::events::Listener;
use tests::http;
use tests::telling::Telling;
use tests::wait::until;

use crate::suite::{Entry, cases};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![|kind| kind == Kind::Native; with_its_client, with_its_engine]
}

/// A killed client, alone and with its plugin, takes all of its build along.
pub(crate) fn with_its_client(case: &Case<'_>) -> Result {
    in_own_sandbox(case, |engine, case| {
        let cut_off = CutOff::new(case)?;
        let before = Mounts::of(engine)?;
        let alone_and_both: [fn(Pid, Signal) -> nix::Result<()>; 2] = [kill, killpg];
        for kills in alone_and_both {
            let events = Listener::filtered(case, &["event=destroy"])?;
            let Begun { client, container } = cut_off.begin(engine, case, &before)?;
            ensure!(!cut_off.processes(engine)?.is_empty(), "no process has the mark");
            kills(client.pid(), Signal::SIGKILL)?;
            fails(client)?;
            events.destroyed(&container)?;
            cut_off.leaves_nothing(engine, case, &before)?;
        }
        cut_off.goes_on(case, &["x", "x", "mended"])?;
        cut_off.leaves_nothing(engine, case, &before)
    })
}

/// An engine that dies leaves a step's container, which the next one removes. The next build does not wait for anybody to see that.
pub(crate) fn with_its_engine(case: &Case<'_>) -> Result {
    in_own_sandbox(case, |engine, case| {
        let cut_off = CutOff::new(case)?;
        // It writes to the cache for as long as it is there.
        let writes = "while :; do echo x >>/cache/log; sleep 0.01; done";
        cut_off.write(&format!("{{ setsid sh -c '{writes}' & sleep 1; echo $MARK begun; exec sleep 1000; }}"))?;
        let before = Mounts::of(engine)?;
        let Begun { client, container } = cut_off.begin(engine, case, &before)?;
        engine.kill_engine("")?;
        fails(client)?;
        let log = cut_off.built_again(case)?;
        let (last, earlier) = log.split_last().context("a log")?;
        ensure!(last == "mended" && !earlier.is_empty() && earlier.iter().all(|line| line == "x"), "{log:?}");
        // Told to whoever comes later, too.
        Listener::filtered(case, &["event=destroy"])?.destroyed(&container)?;
        cut_off.leaves_nothing(engine, case, &before)
    })
}

/// An engine of the case's own: nobody else mounts, runs or builds anything there.
pub(super) fn in_own_sandbox(case: &Case<'_>, of: fn(&Engine, &Case<'_>) -> Result) -> Result {
    let registry = case.registry;
    let alone = || {
        tests::sandbox::enter()?;
        let engine = Engine::start(Kind::Native)?;
        of(&engine, &Case::new(&engine.docker, Kind::Native, registry)).with_context(|| engine.log())
    };
    std::thread::scope(|scope| scope.spawn(alone).join().expect("no panic"))
}

/// What builds have mounted.
#[derive(Debug)]
struct Mounts {
    /// Of what the engine keeps for builds and what clients sent, in whichever process's namespace.
    anywhere: BTreeSet<String>,
    /// Descriptors of the engine's for overlays that are mounted in no namespace: the files of images and of steps.
    detached: usize,
}

impl Mounts {
    fn of(engine: &Engine) -> anyhow::Result<Mounts> {
        let root = engine.home().context("a native engine has a home")?.join("root");
        // Binds have the path from their file system's root, and overlays the directories that they show.
        let home =
            Path::new(root.parent().and_then(Path::file_name).context("a home has a name")?).display().to_string();
        let places = ["builds", "sessions"].map(|folder| format!("/{home}/root/{folder}/"));
        let mut anywhere = BTreeSet::new();
        for process in names(Path::new("/proc"))?.iter().filter(|name| name.bytes().all(|c| c.is_ascii_digit())) {
            // It may have ended.
            let table = std::fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap_or_default();
            let own = table.lines().filter(|line| places.iter().any(|place| line.contains(place)));
            // Behind numbers that every namespace has of its own.
            anywhere.extend(own.map(|line| line.split(' ').skip(3).collect::<Vec<_>>().join(" ")));
        }
        let own = format!("/proc/{}", engine.roles()?.engine);
        let table = std::fs::read_to_string(format!("{own}/mountinfo"))?;
        let attached: BTreeSet<&str> = table.lines().filter_map(|line| line.split(' ').next()).collect();
        let is_detached = |descriptor: &str| {
            let is_overlay = statfs(&*format!("{own}/fd/{descriptor}"))
                .is_ok_and(|found| found.filesystem_type() == OVERLAYFS_SUPER_MAGIC);
            let told = std::fs::read_to_string(format!("{own}/fdinfo/{descriptor}")).unwrap_or_default();
            let mount = told.lines().find_map(|line| line.strip_prefix("mnt_id:"));
            is_overlay && mount.is_some_and(|mount| !attached.contains(mount.trim()))
        };
        let detached = names(&Path::new(&own).join("fd"))?.iter().filter(|name| is_detached(name)).count();
        Ok(Mounts { anywhere, detached })
    }
}

/// Its plugin says nothing more, either.
fn fails(client: Telling) -> Result {
    let (status, said) = client.ended()?;
    ensure!(!status.success(), "{said}");
    Ok(())
}

fn names(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// A build whose last step waits for ever, with everything that can be mounted into it.
struct CutOff {
    folder: Folder,
    mark: String,
    secret: String,
    image: String,
}

/// It has come to that step.
struct Begun {
    client: Telling,
    container: String,
}

impl CutOff {
    fn new(case: &Case<'_>) -> anyhow::Result<CutOff> {
        let mark = format!("killed-{}-{}", std::process::id(), case.number());
        let secret = format!("hidden-{mark}");
        let folder = Folder::new(&[("d/f", "context\n"), ("secret", &secret)])?;
        let cut_off = CutOff { folder, mark, secret, image: case.image("bkkilled:1") };
        // What does not end with its shell is killed, too.
        cut_off.write("echo x >>/cache/log && { setsid sleep 1000 & echo $MARK begun; exec sleep 1000; }")?;
        Ok(cut_off)
    }

    fn write(&self, last: &str) -> Result {
        let CutOff { mark, .. } = self;
        let mounts = [
            &format!("type=cache,id={mark},sharing=locked,target=/cache"),
            "type=secret,id=s,target=/secret",
            "type=bind,source=d,target=/bound",
            "type=bind,source=d,target=/written,rw",
            "type=bind,from=tool,source=/t,target=/tool",
            "type=bind,from=tool,target=/tools,rw",
            "type=tmpfs,target=/memory",
        ];
        let mounts: String = mounts.iter().map(|mount| format!("--mount={mount} ")).collect();
        let all =
            "test -s /secret && cat /bound/f /tool && cp /tool /written/made && rm /tools/t && cp /bound/f /memory/f";
        let text = format!(
            "FROM busybox AS tool\nRUN echo tool >/t\nFROM busybox\nENV MARK={mark}\nWORKDIR /w\nRUN echo $MARK >/before\n\
             COPY d /d\nRUN {mounts}{all} && {last}\n"
        );
        self.folder.write("Dockerfile", &text)
    }

    fn arguments(&self) -> [&str; 5] {
        ["-t", &self.image, "--secret", "id=s,src=secret", "."]
    }

    /// Builds until the last step says that it waits.
    fn begin(&self, engine: &Engine, case: &Case<'_>, before: &Mounts) -> anyhow::Result<Begun> {
        let mut client = Telling::start(&mut self.folder.command(case, &self.arguments()))?;
        let words = format!(" {} begun", self.mark);
        client.until(|line| line.ends_with(&words))?;
        let container = case.ok(&["ps", "--no-trunc", "--format", "{{.ID}}"])?;
        ensure!(container.lines().count() == 1, "not one container, but {container:?}");
        // What is looked for behind its end is found before.
        let now = Mounts::of(engine)?;
        for folder in ["/root/builds/caches/", "/root/builds/contexts/", "/root/sessions/"] {
            ensure!(now.anywhere.iter().any(|mount| mount.contains(folder)), "nothing of {folder} in {now:#?}");
        }
        ensure!(now.detached > before.detached, "mounted before: {before:#?}\nnow: {now:#?}");
        Ok(Begun { client, container })
    }

    /// All that were started by its steps, wherever they have got to.
    fn processes(&self, engine: &Engine) -> anyhow::Result<Vec<String>> {
        let mark = format!("MARK={}", self.mark);
        let script = format!("grep -lszx {mark} /proc/[0-9]*/environ; true");
        Ok(engine.script(&script)?.lines().map(str::to_owned).collect())
    }

    /// Nothing is left but the steps before, and what is kept for the next build.
    fn leaves_nothing(&self, engine: &Engine, case: &Case<'_>, before: &Mounts) -> Result {
        let containers = case.ok(&["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Command}}"])?;
        ensure!(containers.is_empty(), "{containers}");
        let processes = self.processes(engine)?;
        ensure!(processes.is_empty(), "{processes:?}");
        let root = engine.home().context("a native engine has a home")?.join("root");
        // What the step had goes behind its container.
        for folder in ["builds/contexts", "builds/steps", "builds/caches/.nameless"] {
            let folder = root.join(folder);
            let mut left = BTreeSet::new();
            let emptied = until("an empty folder", Duration::from_secs(60), || {
                left = names(&folder).ok()?;
                left.is_empty().then_some(())
            });
            emptied.with_context(|| format!("{}: {left:?}", folder.display()))?;
        }
        let mut now = Mounts::of(engine)?;
        let unmounted = until("no mount", Duration::from_secs(60), || {
            now = Mounts::of(engine).ok()?;
            (now.anywhere.is_empty() && now.detached <= before.detached).then_some(())
        });
        unmounted.with_context(|| format!("mounted before: {before:#?}\nnow: {now:#?}"))?;
        let script = format!("grep -rls {} {} /dev/shm; true", self.secret, root.display());
        let found = engine.script(&script)?;
        ensure!(found.is_empty(), "the secret is in {found}");
        // The directory of the cache, and what clients sent: what is shown, and nothing besides.
        let caches = names(&root.join("builds/caches"))?;
        ensure!(caches.iter().filter(|name| !name.starts_with('.')).count() == 1, "{caches:?}");
        let sent = names(&root.join("sessions"))?;
        let answer = http::request(case.docker.host(), "GET", "/v1.48/system/df?type=build-cache", "")?;
        let shown: Value = serde_json::from_str(&answer.body)?;
        let shown: BTreeSet<&str> =
            shown["BuildCache"].as_array().into_iter().flatten().filter_map(|item| item["ID"].as_str()).collect();
        let left: Vec<_> = sent.iter().filter(|name| !shown.contains(name.as_str())).collect();
        ensure!(left.is_empty(), "{left:?} of {sent:?} are not shown: {shown:?}");
        Ok(())
    }

    /// The same build goes on behind the steps that were made, and has the locked cache as those left it that were killed.
    fn goes_on(&self, case: &Case<'_>, log: &[&str]) -> Result {
        let seen = self.built_again(case)?;
        ensure!(seen == log, "{seen:?}");
        Ok(())
    }

    /// What the locked cache has, a while after the same build came to write to it.
    fn built_again(&self, case: &Case<'_>) -> anyhow::Result<Vec<String>> {
        self.write("echo mended >>/cache/log && sleep 1 && cp /cache/log /log")?;
        let told = self.folder.built(case, &self.arguments())?;
        for step in ["[tool 2/2] RUN", "[stage-1 2/5] WORKDIR", "[stage-1 3/5] RUN", "[stage-1 4/5] COPY"] {
            let next = told.split(step).nth(1).and_then(|rest| rest.lines().nth(1));
            ensure!(next.is_some_and(|line| line.ends_with("CACHED")), "{step}: {told}");
        }
        // Of what was mounted nothing is there.
        let look = "cat /log /before; ls -d /cache /secret /bound /written /tool /tools /memory 2>/dev/null; true";
        let seen = case.ok(&["run", "--rm", &self.image, "sh", "-c", look])?;
        let mut lines: Vec<String> = seen.lines().map(str::to_owned).collect();
        ensure!(lines.pop().as_ref() == Some(&self.mark), "{seen}");
        Ok(lines)
    }
}
