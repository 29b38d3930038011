//! `berth cp`: a tar stream one way or the other, with docker's rules for what the copy is called.

use std::io::Write;
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::container::PathStatResponse;
use bollard::query_parameters::{ContainerArchiveInfoOptions, DownloadFromContainerOptions, UploadToContainerOptions};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use rust_i18n::t;
use tokio::io::AsyncReadExt;

use super::archive::{self, Target};
use super::args::Cp;
use super::format;
use crate::Failure;
use crate::busy::Busy;

/// Go's `os.ModeDir` and `os.ModeSymlink`, in which the engine gives file modes.
const MODE_DIR: u32 = 1 << 31;
const MODE_SYMLINK: u32 = 1 << 27;

/// One end of a copy.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Container {
        name: String,
        path: String,
    },
    Local(PathBuf),
    /// Standard input or output.
    Stream,
}

impl End {
    /// As docker decides: what begins with `.` or `/` is a path on this computer, and so is what has no colon, or begins with a drive of
    /// Windows and a separator.
    fn parse(text: &str) -> Self {
        if text == "-" {
            return Self::Stream;
        }
        if Path::new(text).has_root() || text.starts_with('.') {
            return Self::Local(text.into());
        }
        match text.split_once(':') {
            Some((name, path)) if !name.is_empty() => Self::Container { name: name.to_owned(), path: path.to_owned() },
            _ => Self::Local(text.into()),
        }
    }
}

pub(crate) async fn cp(docker: &Docker, cp: Cp) -> Result<i32, Failure> {
    let busy = Busy::begin(t!("busy.cp"));
    let copied = match (End::parse(&cp.source), End::parse(&cp.destination)) {
        (End::Local(from), End::Container { name, path }) => upload(docker, &cp, &from, &name, &path, &busy).await?,
        (End::Stream, End::Container { name, path }) => {
            send_stream(docker, &cp, &name, &path, &busy).await?;
            return Ok(0);
        }
        (End::Container { name, path }, End::Local(to)) => download(docker, &cp, &name, &path, &to, &busy).await?,
        (End::Container { name, path }, End::Stream) => {
            receive_stream(docker, &cp, &name, &path).await?;
            return Ok(0);
        }
        (End::Container { .. }, End::Container { .. }) => {
            return Err(Failure::new(1, t!("cp.two_containers").into_owned()));
        }
        _ => return Err(Failure::new(1, t!("cp.one_container").into_owned())),
    };
    drop(busy);
    if !cp.quiet {
        let size = format::size(copied);
        eprintln!("{}", t!("cp.done", size = size, destination = cp.destination));
    }
    Ok(0)
}

/// Whether a path names what a folder holds instead of the folder.
fn means_contents(path: &str) -> bool {
    path == "." || path.ends_with("/.") || (cfg!(windows) && path.ends_with("\\."))
}

async fn upload(docker: &Docker, cp: &Cp, from: &Path, name: &str, path: &str, busy: &Busy) -> Result<u64, Failure> {
    let unreadable = |error: std::io::Error| Failure::new(1, format!("{}: {error}", from.display()));
    let text = from.to_string_lossy();
    // A path that ends in a separator or a dot means what a link points to, as everywhere.
    let follow = cp.follow_link || text.ends_with('/') || means_contents(&text);
    let source = if follow { from.canonicalize().map_err(unreadable)? } else { from.to_owned() };
    let is_folder = source.symlink_metadata().map_err(unreadable)?.is_dir();
    let place = place_in(docker, name, path).await?;
    let own_name = || {
        // `..` and the root have a name of their own only in full.
        let full = std::path::absolute(from).ok().filter(|full| full.file_name().is_some());
        let full = full.or_else(|| from.canonicalize().ok());
        let name = full.and_then(|full| full.file_name().map(|name| name.to_string_lossy().into_owned()));
        name.ok_or_else(|| Failure::new(1, t!("cp.no_name", path = from.display()).into_owned()))
    };
    let (folder, entry) = match place {
        Place::Folder(folder) if is_folder && means_contents(&text) => (folder, ".".to_owned()),
        Place::Folder(folder) => (folder, own_name()?),
        Place::File(_) if is_folder => return Err(Failure::new(1, t!("cp.folder_onto_file").into_owned())),
        Place::Nothing(path) if !is_folder && path.ends_with('/') => {
            return Err(Failure::new(1, t!("cp.no_folder", path = path).into_owned()));
        }
        Place::File(path) | Place::Nothing(path) => split(&path),
    };
    let (mut writer, stream) = archive::outgoing();
    let packing = tokio::task::spawn_blocking(move || {
        let packed = archive::pack(&source, &entry, &mut writer);
        if let Err(error) = &packed {
            writer.fail(error);
        }
        packed
    });
    let sent = send(docker, cp, name, &folder, stream, busy).await;
    let packed = packing.await.map_err(|error| Failure::new(1, error.to_string()))?;
    match (sent, packed) {
        // Why the packing failed says more than that the request was broken off; unless the engine ended it.
        (_, Err(error)) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(unreadable(error)),
        (sent, _) => sent,
    }
}

/// What is at a path in the container.
enum Place {
    Folder(String),
    File(String),
    Nothing(String),
}

/// Looks at `path`, and at what a link there points to.
async fn place_in(docker: &Docker, name: &str, path: &str) -> Result<Place, Failure> {
    let path = if path.is_empty() { "/" } else { path };
    let Some(there) = stat(docker, name, path).await? else { return Ok(Place::Nothing(path.to_owned())) };
    if there.file_mode & MODE_SYMLINK != 0 && !there.link_target.is_empty() {
        let target = beside(path, &there.link_target);
        return Ok(match stat(docker, name, &target).await? {
            Some(there) if there.file_mode & MODE_DIR != 0 => Place::Folder(target),
            Some(_) => Place::File(target),
            None => Place::Nothing(target),
        });
    }
    let is_folder = there.file_mode & MODE_DIR != 0;
    Ok(if is_folder { Place::Folder(path.to_owned()) } else { Place::File(path.to_owned()) })
}

/// `None` when there is nothing at `path`.
async fn stat(docker: &Docker, name: &str, path: &str) -> Result<Option<PathStatResponse>, Failure> {
    let options = ContainerArchiveInfoOptions { path: path.to_owned() };
    match docker.get_container_archive_info(name, Some(options)).await {
        Ok(there) => Ok(Some(there)),
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => {
            // A HEAD request's answer has no words: the container may be what is missing.
            docker.inspect_container(name, None).await?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// The target of a link at `path`, from the root.
fn beside(path: &str, target: &str) -> String {
    if target.starts_with('/') {
        target.to_owned()
    } else {
        format!("{}/{target}", split(path).0.trim_end_matches('/'))
    }
}

/// Folder and name of a path in a container.
fn split(path: &str) -> (String, String) {
    let path = path.trim_end_matches('/');
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    (if folder.is_empty() { "/".to_owned() } else { folder.to_owned() }, name.to_owned())
}

/// Sends a tar stream into a folder of the container; how many bytes it was.
async fn send(
    docker: &Docker,
    cp: &Cp,
    name: &str,
    folder: &str,
    stream: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    busy: &Busy,
) -> Result<u64, Failure> {
    let options = UploadToContainerOptions {
        path: folder.to_owned(),
        no_overwrite_dir_non_dir: Some("true".to_owned()),
        copy_uidgid: cp.archive.then(|| "true".to_owned()),
    };
    let counter = busy.counter();
    let counted = stream.inspect_ok(move |piece| counter.add(piece.len()));
    docker.upload_to_container(name, Some(options), bollard::body_try_stream(counted)).await?;
    Ok(busy.counter().bytes())
}

/// `cp - CONTAINER:FOLDER`: standard input is a tar stream.
async fn send_stream(docker: &Docker, cp: &Cp, name: &str, path: &str, busy: &Busy) -> Result<(), Failure> {
    let Place::Folder(folder) = place_in(docker, name, path).await? else {
        return Err(Failure::new(1, t!("cp.no_folder", path = path).into_owned()));
    };
    let stream = futures_util::stream::try_unfold(tokio::io::stdin(), |mut stdin| async {
        let mut piece = vec![0; 64 << 10];
        let length = stdin.read(&mut piece).await?;
        piece.truncate(length);
        Ok((length > 0).then(|| (Bytes::from(piece), stdin)))
    });
    send(docker, cp, name, &folder, stream, busy).await.map(drop)
}

/// `cp CONTAINER:PATH -`: a tar stream to standard output.
async fn receive_stream(docker: &Docker, cp: &Cp, name: &str, path: &str) -> Result<(), Failure> {
    let (path, _) = followed(docker, cp, name, path).await?;
    let mut stream = std::pin::pin!(docker.download_from_container(name, Some(DownloadFromContainerOptions { path })));
    let mut out = std::io::stdout().lock();
    while let Some(piece) = stream.try_next().await? {
        out.write_all(&piece).map_err(|error| Failure::new(1, error.to_string()))?;
    }
    out.flush().map_err(|error| Failure::new(1, error.to_string()))
}

/// The path to ask for, and the name that the copy is to have when that differs: with `-L`, what a link points to.
async fn followed(docker: &Docker, cp: &Cp, name: &str, path: &str) -> Result<(String, Option<String>), Failure> {
    if cp.follow_link
        && let Some(there) = stat(docker, name, path).await?
        && there.file_mode & MODE_SYMLINK != 0
    {
        return Ok((beside(path, &there.link_target), Some(split(path).1)));
    }
    Ok((path.to_owned(), None))
}

async fn download(docker: &Docker, cp: &Cp, name: &str, path: &str, to: &Path, busy: &Busy) -> Result<u64, Failure> {
    let contents = means_contents(path) || path.is_empty() || path == "/";
    // The folder itself is asked for in every spelling: its entries then begin with its name.
    let asked = path.strip_suffix("/.").unwrap_or(path).trim_end_matches('/');
    let (asked, entry_name) = followed(docker, cp, name, if asked.is_empty() { "/" } else { asked }).await?;
    let target = if to.is_dir() {
        if contents {
            Target::ContentsInto(to.to_owned())
        } else {
            Target::Into { folder: to.to_owned(), name: entry_name }
        }
    } else {
        let ends_as_folder = to.to_string_lossy().ends_with(std::path::is_separator);
        let source_is_folder = stat(docker, name, &asked).await?.is_some_and(|there| there.file_mode & MODE_DIR != 0);
        if ends_as_folder && !source_is_folder {
            return Err(Failure::new(1, t!("cp.no_folder", path = to.display()).into_owned()));
        }
        Target::As(to.to_owned())
    };
    let (pieces, reader) = archive::incoming();
    let unpacking = tokio::task::spawn_blocking(move || archive::unpack(reader, &target));
    let mut stream =
        std::pin::pin!(docker.download_from_container(name, Some(DownloadFromContainerOptions { path: asked })));
    let counter = busy.counter();
    let mut received = Ok(());
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => {
                counter.add(piece.len());
                if pieces.send(piece).await.is_err() {
                    // The unpacking ended, and says why.
                    break;
                }
            }
            Err(error) => {
                received = Err(Failure::from(error));
                break;
            }
        }
    }
    drop(pieces);
    let unpacked = unpacking.await.map_err(|error| Failure::new(1, error.to_string()))?;
    received?;
    unpacked.map_err(|error| Failure::new(1, format!("{}: {error}", to.display())))?;
    Ok(counter.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let container = |text: &str| matches!(End::parse(text), End::Container { .. });
        for text in ["web:/etc", "w:etc", "my.web:/etc", "web-1.2:relative", "web:"] {
            assert!(container(text), "{text}");
        }
        for drive in ["w:/etc", r"W:\etc"] {
            assert_eq!(container(drive), !cfg!(windows), "{drive}");
        }
        for text in ["./web:x", "../web:x", "/a:b", "plain", ":x"] {
            assert!(matches!(End::parse(text), End::Local(_)), "{text}");
        }
        assert_eq!(End::parse("-"), End::Stream);
    }

    #[test]
    fn links_and_names_in_a_container() {
        assert_eq!(beside("/a/link", "b"), "/a/b");
        assert_eq!(beside("/link", "/b"), "/b");
        assert_eq!(split("/a/b/"), ("/a".to_owned(), "b".to_owned()));
        assert_eq!(split("b"), ("/".to_owned(), "b".to_owned()));
        assert!(means_contents("dir/.") && !means_contents("dir") && !means_contents("dir."));
    }
}
