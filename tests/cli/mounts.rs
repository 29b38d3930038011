//! How binds pass mounts, and mounts of images.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::json;
use tests::case::Case;
use tests::http::post;

use crate::suite::{Entry, cases, everywhere, in_machine, on_this_machine};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    [
        cases![everywhere; of_an_image, of_a_part_of_an_image, none_over_a_file],
        cases![in_machine; the_kernels_modules],
        cases![on_this_machine; pass_as_asked, a_copy_leaves_none, around_the_engine, beneath_a_bind, a_source_that_is_made],
    ]
    .concat()
}

/// The engine's mount namespace: the parent of a container's first process lives there.
struct Namespace(String);

impl Namespace {
    fn of(case: &Case<'_>, container: &str) -> anyhow::Result<Self> {
        let pid = case.ok(&["inspect", "-f", "{{.State.Pid}}", container])?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).context("a parent")?;
        Ok(Self(parent.trim().to_owned()))
    }

    fn sh(&self, script: &str) -> anyhow::Result<String> {
        let out = Command::new("nsenter").args(["-t", &self.0, "-m", "sh", "-c", script]).output()?;
        ensure!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?.trim().to_owned())
    }
}

/// A shared tmpfs in the engine's namespace, gone with this.
struct Shared<'a> {
    namespace: &'a Namespace,
    path: &'a Path,
}

impl<'a> Shared<'a> {
    fn new(namespace: &'a Namespace, path: &'a Path) -> anyhow::Result<Self> {
        let at = path.display();
        namespace.sh(&format!("mount -t tmpfs shared {at} && mount --make-shared {at}"))?;
        namespace.sh(&format!("mkdir {at}/inner {at}/outer {at}/private"))?;
        Ok(Self { namespace, path })
    }
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        let _ = self.namespace.sh(&format!("umount -R -l {}", self.path.display()));
    }
}

pub(crate) fn pass_as_asked(case: &Case<'_>) -> Result {
    let helper = case.container("helper");
    case.ok(&["run", "-d", "--name", &helper, "busybox", "sleep", "1000"])?;
    let namespace = Namespace::of(case, &helper)?;
    let dir = tempfile::tempdir()?;
    let at = dir.path().display().to_string();
    for (propagation, kind) in [("rshared", "shared"), ("slave", "shared or slave")] {
        let name = case.container(propagation);
        case.ok(&["create", "--name", &name, "-v", &format!("{at}:/x:{propagation}"), "busybox"])?;
        let said = case.run(&["start", &name])?;
        let text = format!("path {at} is mounted on ");
        let end = format!(" but it is not a {kind} mount");
        ensure!(said.code == 1 && said.err.contains(&text) && said.err.contains(&end), "{said:?}");
        ensure!(case.ok(&["inspect", "-f", "{{.State.ExitCode}}", &name])? == "128");
    }
    let shared = Shared::new(&namespace, dir.path())?;
    let mut names = Vec::new();
    for propagation in ["rshared", "rslave", "rprivate"] {
        let name = case.container(&format!("all{propagation}"));
        let bind = format!("{at}:/x:{propagation}");
        case.ok(&["run", "-d", "--privileged", "--name", &name, "-v", &bind, "busybox", "sleep", "1000"])?;
        names.push(name);
    }
    let [of_shared, of_slave, of_private] = names.as_slice() else { unreachable!("three were made") };
    let mount = |path: &str| format!("mount -t tmpfs made {path} && touch {path}/mark");
    case.ok(&["exec", of_shared, "sh", "-c", &mount("/x/inner")])?;
    case.ok(&["exec", of_slave, "sh", "-c", &mount("/x/private")])?;
    namespace.sh(&mount(&format!("{at}/outer")))?;
    let outside = |path: &str| namespace.sh(&format!("ls {at}/{path}"));
    let inside = |name: &str, path: &str| case.ok(&["exec", name, "ls", &format!("/x/{path}")]);
    ensure!(outside("inner")? == "mark", "what a container mounts on a shared bind is not seen outside");
    ensure!(outside("private")?.is_empty(), "what a container mounts on a slave is seen outside");
    for path in ["inner", "outer"] {
        ensure!(inside(of_shared, path)? == "mark" && inside(of_slave, path)? == "mark", "{path} is not passed on");
        ensure!(inside(of_private, path)?.is_empty(), "{path} is passed on to a private bind");
    }
    namespace.sh(&format!("umount {at}/outer"))?;
    ensure!(inside(of_slave, "outer")?.is_empty(), "an unmount is not passed on");
    for name in &names {
        case.ok(&["rm", "-f", name])?;
    }
    drop(shared);
    Ok(())
}

/// Containers get the modules of the kernel that they run on and can load them, whatever the host has; nobody can change them.
pub(crate) fn the_kernels_modules(case: &Case<'_>) -> Result {
    let written = "for file in new $(uname -r)/modules.dep; do touch /m/$file 2>&1 || true; done";
    for bind in ["/lib/modules:/m:ro", "/lib/modules:/m"] {
        let run = |script: &str| case.ok(&["run", "--rm", "-v", bind, "busybox", "sh", "-ec", script]);
        let known = run("grep -o '^kernel/.*/bridge.ko: .*/stp.ko' /m/$(uname -r)/modules.dep")?;
        ensure!(known.starts_with("kernel/net/bridge/bridge.ko: kernel/net/"), "{known}");
        let said = run(written)?;
        ensure!(said.matches("Read-only file system").count() == 2, "{bind}: {said}");
    }
    let kernel = ["run", "--rm", "--privileged", "-v", "/lib/modules:/lib/modules", "-v", "/lib/modules:/m"];
    let run = |script: &str| case.ok(&[kernel.as_slice(), &["busybox", "sh", "-ec", script]].concat());
    let said = run(&format!("mount -o remount,rw /m 2>/dev/null || true; {written}"))?;
    ensure!(said.matches("Read-only file system").count() == 2, "{said}");
    // No other case uses this one. The engine may still be loading it, so it is taken away only when it is there for sure.
    run(
        "modprobe br_netfilter; modprobe nft_numgen; rmmod nft_numgen; modprobe nft_numgen; grep -q nft_numgen /proc/modules",
    )?;
    run("! modprobe ip_vs 2>/dev/null")?;
    // Another kernel's are not there, and nothing is made for them.
    let missing = case.run(&["run", "--rm", "-v", "/lib/modules/1.0/kernel:/m", "busybox", "true"])?;
    let text = "error while creating mount source path '/lib/modules/1.0/kernel': mkdir /lib/modules/1.0: read-only file system";
    ensure!(missing.code == 125 && missing.err.contains(text), "{missing:?}");
    Ok(())
}

/// A copy out of a stopped container puts its mounts together somewhere else: nothing of that shows at their sources.
pub(crate) fn a_copy_leaves_none(case: &Case<'_>) -> Result {
    let (helper, name, volume) = (case.container("helper"), case.container("stopped"), case.volume("nested"));
    case.ok(&["run", "-d", "--name", &helper, "busybox", "sleep", "1000"])?;
    let namespace = Namespace::of(case, &helper)?;
    let dir = tempfile::tempdir()?;
    let at = dir.path().display().to_string();
    let shared = Shared::new(&namespace, dir.path())?;
    let (bind, nested) = (format!("{at}:/data"), format!("{volume}:/data/inner"));
    case.ok(&["create", "--name", &name, "-v", &bind, "-v", &nested, "busybox"])?;
    let mounts = || namespace.sh(&format!("grep -c ' {at}' /proc/self/mountinfo"));
    let before = mounts()?;
    case.ok(&["cp", &format!("{name}:/data"), "-"])?;
    ensure!(mounts()? == before, "{before} mounts before, {} after", mounts()?);
    case.ok(&["rm", "-f", &name, &helper])?;
    drop(shared);
    Ok(())
}

/// A bind that contains the engine's own directory passes on what is unmounted there.
pub(crate) fn around_the_engine(case: &Case<'_>) -> Result {
    let root = case.ok(&["info", "-f", "{{.DockerRootDir}}"])?;
    let name = case.container("around");
    let propagation = "{{(index .Mounts 0).Propagation}}";
    for (bind, expect) in [("/:/host", "rslave"), ("/:/host:rshared", "rshared"), ("/usr:/host", "rprivate")] {
        case.ok(&["create", "--name", &name, "-v", bind, "busybox"])?;
        let found = case.ok(&["inspect", "-f", propagation, &name])?;
        ensure!(found == expect, "{bind}: {found}");
        case.ok(&["rm", &name])?;
    }
    let said = case.run(&["create", "-v", &format!("{root}:/host:private"), "busybox"])?;
    let text = format!(
        "invalid mount config: must use either propagation mode \"rslave\" or \"rshared\" when mount source is within the \
         daemon root, daemon root: {root:?}, bind mount source: {root:?}, propagation: \"private\""
    );
    ensure!(said.code == 1 && said.err.contains(&text), "{said:?}");
    // Nobody asked for a slave: where the root is none the bind is private.
    ensure!(case.ok(&["run", "--rm", "-v", "/:/host:ro", "busybox", "echo", "ran"])? == "ran");
    Ok(())
}

/// A volume of the configuration needs a folder, or nothing, where it comes.
pub(crate) fn none_over_a_file(case: &Case<'_>) -> Result {
    let name = case.container("over");
    let said = case.run(&["create", "--name", &name, "-v", "/etc/passwd", "busybox"])?;
    let words = "cannot mount volume over existing file, file exists ";
    ensure!(said.code == 1 && said.err.contains(words) && said.err.contains("/etc/passwd"), "{said:?}");
    ensure!(case.run(&["inspect", &name])?.code == 1, "the container is there");
    case.ok(&["create", "--name", &name, "-v", "/etc", "-v", "/absent/folder", "busybox"])?;
    case.ok(&["rm", "-v", &name])?;
    Ok(())
}

pub(crate) fn of_an_image(case: &Case<'_>) -> Result {
    let (image, name) = (case.image("mounted"), case.container("looks"));
    case.ok(&["tag", "hello-world", &image])?;
    let mount = format!("type=image,source={image},target=/image");
    case.ok(&["run", "-d", "--name", &name, "--mount", &mount, "busybox", "sleep", "1000"])?;
    ensure!(case.ok(&["exec", &name, "ls", "/image"])?.contains("hello"));
    let shown = case.ok(&["inspect", "-f", "{{with index .Mounts 0}}{{.Type}} {{.Name}} {{.RW}}{{end}}", &name])?;
    ensure!(shown == format!("image {image} false"), "{shown}");
    Ok(())
}

/// A folder, or a file, which nobody can change.
pub(crate) fn of_a_part_of_an_image(case: &Case<'_>) -> Result {
    let run = |part: &str, script: &str| {
        let mount = format!("type=image,source=busybox,target=/part,image-subpath={part}");
        case.run(&["run", "--rm", "--mount", &mount, "busybox", "sh", "-c", script])
    };
    let whole = case.ok(&["run", "--rm", "busybox", "md5sum", "/etc/passwd"])?;
    let folder = run("etc", "cd /part && ls && md5sum passwd")?;
    let is_there = |name: &str| folder.out.lines().any(|line| line == name);
    let sum = whole.split_whitespace().next().context("a sum")?;
    ensure!(is_there("group") && is_there(&format!("{sum}  passwd")), "{folder:?}, not {whole}");
    // Those of the container itself are not among them.
    ensure!(!is_there("resolv.conf"), "{folder:?}");
    let file = run("etc/passwd", "cd / && cmp part etc/passwd && echo same; echo x >/part")?;
    ensure!(file.out == "same\n" && file.code == 1 && file.err.contains("Read-only file system"), "{file:?}");
    let missing = run("etc/nope/more", "true")?;
    let words = missing.err.lines().find_map(|line| line.split_once("daemon: ")).context("words")?.1;
    ensure!(missing.code == 127 && words.starts_with("cannot access path /"), "{missing:?}");
    ensure!(
        words.ends_with("/etc/nope: no such file or directory") && words.contains("/etc/nope/more: lstat /"),
        "{words}"
    );
    for outside in ["../etc", "/etc"] {
        let said = run(outside, "true")?;
        let words = "invalid mount config for type \"image\": subpath must be a relative path within the volume";
        ensure!(said.code == 125 && said.err.contains(words), "{said:?}");
    }
    Ok(())
}

/// What is mounted beneath the source of a bind: whether it is there, and whether it can be written to.
pub(crate) fn beneath_a_bind(case: &Case<'_>) -> Result {
    let script =
        "for at in /x /x/pts; do grep \" $at \" /proc/self/mountinfo | cut -d ' ' -f 6 | cut -d , -f 1 | sort -u; done";
    for (options, expect) in [
        ("", "rw\nrw"),
        ("readonly", "ro\nro"),
        ("bind-recursive=enabled", "rw\nrw"),
        ("readonly,bind-recursive=enabled", "ro\nro"),
        ("bind-recursive=disabled", "rw"),
        ("readonly,bind-recursive=disabled", "ro"),
        ("readonly,bind-recursive=writable", "ro\nrw"),
        ("readonly,bind-propagation=rprivate,bind-recursive=readonly", "ro\nro"),
    ] {
        let mount = format!("type=bind,source=/dev,target=/x,{options}");
        let mount = mount.trim_end_matches(',');
        let seen = case.ok(&["run", "--rm", "--mount", mount, "busybox", "sh", "-c", script])?;
        ensure!(seen == expect, "{options}: {seen}");
    }
    // What the CLI would not ask for.
    let conflict = |text: &str| format!("mount options conflict: {text}");
    for (read_only, options, words) in [
        (false, json!({"ReadOnlyForceRecursive": true}), conflict("!ReadOnly && BindOptions.ReadOnlyForceRecursive")),
        (false, json!({"ReadOnlyNonRecursive": true}), conflict("!ReadOnly && BindOptions.ReadOnlyNonRecursive")),
        (
            true,
            json!({"ReadOnlyNonRecursive": true, "ReadOnlyForceRecursive": true}),
            conflict("ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive"),
        ),
        (true, json!({"ReadOnlyForceRecursive": true, "NonRecursive": true}), String::new()),
    ] {
        let name = case.container("conflict");
        let mount =
            json!({"Type": "bind", "Source": "/dev", "Target": "/x", "ReadOnly": read_only, "BindOptions": options});
        let body = json!({"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Mounts": [mount]}});
        let made = post(case.host(), &format!("/v1.51/containers/create?name={name}"), &body)?;
        ensure!(made.status == 201, "{options}: {}", made.message());
        let started = post(case.host(), &format!("/v1.51/containers/{name}/start"), &serde_json::Value::Null)?;
        let status = if words.is_empty() { 204 } else { 500 };
        ensure!(started.status == status && started.message() == words, "{options}: {started:?}");
        let code = case.ok(&["inspect", "-f", "{{.State.ExitCode}}", &name])?;
        ensure!(words.is_empty() || code == "128", "{options}: {code}");
        case.ok(&["rm", "-f", &name])?;
    }
    Ok(())
}

/// A bind's source that is not there is made if it is asked for, and is an error else.
pub(crate) fn a_source_that_is_made(case: &Case<'_>) -> Result {
    let folder = tempfile::tempdir()?;
    let (source, name) = (folder.path().join("not/there").display().to_string(), case.container("made"));
    let create = |kind: &str, options: serde_json::Value| {
        let mount = json!({"Type": kind, "Source": source, "Target": "/x", "BindOptions": options});
        let command = ["sh", "-c", "stat -c '%F %a %u %g' /x; touch /x/file"];
        let body = json!({"Image": "busybox", "Cmd": command, "HostConfig": {"Mounts": [mount]}});
        post(case.host(), &format!("/v1.51/containers/create?name={name}"), &body)
    };
    for options in [json!({}), json!({"CreateMountpoint": false})] {
        let refused = create("bind", options)?;
        let words = format!("invalid mount config for type \"bind\": bind source path does not exist: {source}");
        ensure!(refused.status == 400 && refused.message() == words, "{refused:?}");
    }
    let refused = create("volume", json!({"CreateMountpoint": true}))?;
    let words = "BindOptions must not be specified on mount type \"volume\"";
    ensure!(refused.status == 400 && refused.message().ends_with(words), "{refused:?}");
    ensure!(!folder.path().join("not").exists(), "a refusal left something");
    let made = create("bind", json!({"CreateMountpoint": true}))?;
    ensure!(made.status == 201, "{made:?}");
    let said = case.ok(&["start", "-a", &name])?;
    ensure!(said == "directory 755 0 0" && folder.path().join("not/there/file").exists(), "{said}");
    let asked = "{{with index .HostConfig.Mounts 0}}{{.BindOptions.CreateMountpoint}}{{end}}";
    ensure!(case.ok(&["inspect", "-f", asked, &name])? == "true");
    Ok(())
}
