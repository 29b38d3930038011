//! `docker build --output`: files and archives for the client instead of an image for the engine.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::buildx::Folder;
use tests::case::Case;
use tests::docker::said;
use tests::limit;
use tests::telling::Telling;

use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    let mut all = cases![everywhere; a_directory, an_archive, several, a_platforms_directory, nowhere, given_up_meanwhile, a_chosen_time];
    // dockerd makes archives with containerd's store alone.
    all.extend(cases![not_of_dockerd; an_archives_digest]);
    all
}

/// Something of each kind that a layer can have, with owners, modes, times and links.
const KINDS: &str = "FROM busybox AS made\n\
    RUN mkdir -p /o/d && echo text >/o/f && head -c 300000 /dev/zero >/o/large && ln /o/f /o/d/hard && ln -s ../f /o/d/link \
    && mkfifo /o/pipe && chown 12:34 /o/f && chmod 4751 /o/f && chmod 1777 /o/d && touch -d '2001-02-03 04:05:06' /o/f\n\
    FROM scratch\nCOPY --from=made /o /\n";

/// What `stat` says of a time.
const TIME: i64 = 981_173_106;

pub(crate) fn a_directory(case: &Case<'_>) -> Result {
    let folder = Folder::new(&[("Dockerfile", KINDS)])?;
    let out = folder.path().join("out");
    let name = case.image("out");
    let told = folder.built(case, &["-t", &name, "-o", "out", "."])?;
    ensure!(told.contains("exporting to client directory") && told.contains(" copying files 30"), "{told}");
    let of = |name: &str| out.join(name).symlink_metadata().with_context(|| name.to_owned());
    ensure!(std::fs::read_to_string(out.join("f"))? == "text\n" && of("large")?.len() == 300_000);
    // The client makes everything its user's, by which a mode loses its special bits where there are any.
    ensure!(of("f")?.mode() & 0o777 == 0o751 && of("d")?.mode() & 0o1777 == 0o1777);
    ensure!(of("f")?.mtime() == TIME && of("f")?.ino() == of("d/hard")?.ino());
    ensure!(std::fs::read_link(out.join("d/link"))? == Path::new("../f") && of("pipe")?.file_type().is_fifo());
    // What is there already and not in the result stays.
    std::fs::write(out.join("own"), "")?;
    folder.built(case, &["--output", "type=local,dest=out", "."])?;
    ensure!(of("own")?.len() == 0 && of("f")?.len() == 5);
    // There is no image of it, whatever it was to be called.
    let image = case.run(&["image", "inspect", &name])?;
    ensure!(image.code == 1 && image.err.contains(&format!("No such image: {name}")), "{image:?}");
    Ok(())
}

pub(crate) fn an_archive(case: &Case<'_>) -> Result {
    let folder = Folder::new(&[("Dockerfile", KINDS)])?;
    let told = folder.built(case, &["-o", "type=tar,dest=out.tar", "."])?;
    ensure!(told.contains("exporting to client tarball") && told.contains("sending tarball"), "{told}");
    let list = |archive: &Path| -> anyhow::Result<String> {
        let mut command = Command::new("tar");
        command.args(["--numeric-owner", "--utc", "--full-time", "-tvf"]).arg(archive);
        let listed = said(limit::output(&mut command)?)?;
        ensure!(listed.code == 0, "{listed:?}");
        // Blanks put the columns in line.
        Ok(listed.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect())
    };
    let listed = list(&folder.path().join("out.tar"))?;
    for line in [
        "drwxrwxrwt 0/0 0 ",
        "-rwsr-x--x 12/34 5 2001-02-03 04:05:06 d/hard\n",
        "hrwsr-x--x 12/34 0 2001-02-03 04:05:06 f link to d/hard\n",
        " d/link -> ../f\n",
        "-rw-r--r-- 0/0 300000 ",
        "prw-r--r-- 0/0 0 ",
    ] {
        ensure!(listed.contains(line), "{line}: {listed}");
    }
    // The same to standard output, and nothing beside it.
    let mut command = folder.command(case, &["-o", "-", "."]);
    let output = limit::output(&mut command)?;
    ensure!(output.status.success(), "{output:?}");
    std::fs::write(folder.path().join("piped.tar"), &output.stdout)?;
    ensure!(list(&folder.path().join("piped.tar"))? == listed);
    Ok(())
}

pub(crate) fn several(case: &Case<'_>) -> Result {
    let image = case.image("bkseveral:1");
    let folder = Folder::new(&[("Dockerfile", "FROM busybox\nRUN echo x >/f\n")])?;
    let arguments = ["-t", &image, "-o", "type=local,dest=out", "-o", "type=tar,dest=out.tar", "-o", "type=image", "."];
    folder.built(case, &arguments)?;
    ensure!(std::fs::read_to_string(folder.path().join("out/f"))? == "x\n");
    ensure!(folder.path().join("out.tar").metadata()?.len() > 100_000);
    ensure!(case.ok(&["run", "--rm", &image, "cat", "/f"])? == "x");
    Ok(())
}

pub(crate) fn a_platforms_directory(case: &Case<'_>) -> Result {
    let dockerfile = "FROM busybox AS made\nRUN echo x >/f && mkdir /o && cd /o && ln -s /f l && echo y >g && ln g h\n\
        FROM scratch\nCOPY --from=made /o /\n";
    let folder = Folder::new(&[("Dockerfile", dockerfile)])?;
    let told = folder.built(case, &["-o", "type=local,dest=out,platform-split=true", "."])?;
    let listed: Vec<_> = std::fs::read_dir(folder.path().join("out"))?.collect::<std::io::Result<_>>()?;
    let [only] = &listed[..] else { anyhow::bail!("{listed:?}") };
    let name = only.file_name().into_string().expect("a platform is a text");
    ensure!(name.starts_with("linux_"), "{name}");
    ensure!(told.contains(&format!("copying files {}", name.replace('_', "/"))), "{told}");
    ensure!(std::fs::read_link(only.path().join("l"))? == Path::new(&format!("/{name}/f")));
    ensure!(only.path().join("g").metadata()?.ino() == only.path().join("h").metadata()?.ino());
    Ok(())
}

/// What `--metadata-file` says of an archive is what its index names.
pub(crate) fn an_archives_digest(case: &Case<'_>) -> Result {
    let folder = Folder::new(&[("Dockerfile", KINDS)])?;
    folder.built(case, &["-o", "type=oci,dest=out.tar", "--metadata-file", "told.json", "."])?;
    let told: Value = serde_json::from_slice(&std::fs::read(folder.path().join("told.json"))?)?;
    let mut unpack = Command::new("tar");
    let index = limit::output(unpack.args(["-xOf", "out.tar", "index.json"]).current_dir(folder.path()))?;
    let index: Value = serde_json::from_slice(&index.stdout)?;
    let named = &index["manifests"][0]["digest"];
    ensure!(named.is_string() && told["containerimage.digest"] == *named, "{told} {index}");
    ensure!(told["containerimage.config.digest"].is_string(), "{told}");
    Ok(())
}

/// A client that cannot take what it asked for says why.
pub(crate) fn nowhere(case: &Case<'_>) -> Result {
    let folder = Folder::new(&[("Dockerfile", KINDS)])?;
    let failed = folder.build(case, &["-o", "type=local,dest=/proc/nowhere", "."])?;
    ensure!(failed.code == 1 && failed.err.contains("failed to create synctarget dest dir"), "{failed:?}");
    ensure!(failed.err.contains("> exporting to client directory:"), "{failed:?}");
    // What is in the way of something that comes.
    std::fs::create_dir_all(folder.path().join("out/f/x"))?;
    std::fs::create_dir_all(folder.path().join("out/f/y"))?;
    let mut command = folder.command(case, &["-o", "out", "."]);
    ensure!(said(limit::output(&mut command)?)?.code == 0);
    ensure!(folder.path().join("out/f").is_file());
    Ok(())
}

/// A client that goes away while it is sent something is let go.
pub(crate) fn given_up_meanwhile(case: &Case<'_>) -> Result {
    let folder = Folder::new(&[("Dockerfile", "FROM busybox\nRUN head -c 200000000 /dev/zero >/large\n")])?;
    folder.built(case, &["."])?;
    // Nobody reads it.
    let mut command = folder.command(case, &["-o", "-", "."]);
    let mut build = Telling::unread(&mut command)?;
    build.until(|line| line.contains("exporting to client tarball"))?;
    build.interrupt()?;
    let (status, said) = build.ended()?;
    ensure!(!status.success(), "{said}");
    // The engine goes on.
    folder.built(case, &["-o", "type=tar,dest=out.tar", "."])?;
    ensure!(folder.path().join("out.tar").metadata()?.len() > 200_000_000);
    Ok(())
}

/// `SOURCE_DATE_EPOCH`: when everything is said to be made.
pub(crate) fn a_chosen_time(case: &Case<'_>) -> Result {
    let (image, other) = (case.image("bktime:1"), case.image("bktime:2"));
    let dockerfile = "FROM busybox AS base\nCOPY f /f\nFROM base\nENV A=b\nCMD [\"x\"]\n";
    let folder = Folder::new(&[("Dockerfile", dockerfile), ("f", "")])?;
    let argument = format!("SOURCE_DATE_EPOCH={TIME}");
    folder.built(case, &["-t", &image, "--build-arg", &argument, "."])?;
    let time = "2001-02-03T04:05:06Z";
    ensure!(case.ok(&["inspect", "--format", "{{.Created}}", &image])? == time);
    let times = case.ok(&["history", "--human=false", "--format", "{{.CreatedAt}}", &image])?;
    let base = case.ok(&["history", "--human=false", "--format", "{{.CreatedAt}}", "busybox"])?;
    // What the base image says of itself stays.
    ensure!(times == format!("{time}\n{time}\n{time}\n{base}"), "{times}");
    // Nothing in it tells when and where it was made.
    folder.built(case, &["-t", &other, "--no-cache", "--build-arg", &argument, "."])?;
    let id = |image: &str| case.ok(&["inspect", "--format", "{{.Id}}", image]);
    ensure!(id(&image)? == id(&other)?, "{} {}", id(&image)?, id(&other)?);
    folder.built(case, &["-o", "out", "--build-arg", &argument, "."])?;
    ensure!(folder.path().join("out/f").metadata()?.mtime() == TIME);
    folder.built(case, &["-o", "type=tar,dest=out.tar", "--build-arg", &argument, "."])?;
    let mut list = Command::new("tar");
    let listed = said(limit::output(list.args(["--utc", "-tvf"]).arg(folder.path().join("out.tar")))?)?;
    let dated = listed.out.lines().filter(|line| line.contains(" 2001-02-03 04:05 ")).count();
    ensure!(listed.code == 0 && dated > 100 && dated == listed.out.lines().count(), "{listed:?}");
    let failed = folder.build(case, &["--build-arg", "SOURCE_DATE_EPOCH=now", "."])?;
    ensure!(failed.code == 1 && failed.err.contains("invalid SOURCE_DATE_EPOCH: now"), "{failed:?}");
    // None is chosen.
    folder.built(case, &["-t", &other, "--build-arg", "SOURCE_DATE_EPOCH=", "."])?;
    ensure!(case.ok(&["inspect", "--format", "{{.Created}}", &other])? != time);
    Ok(())
}
