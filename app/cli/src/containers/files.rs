//! `berth cp`: a tar stream one way or the other.

use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::query_parameters::{ContainerArchiveInfoOptions, DownloadFromContainerOptions, UploadToContainerOptions};
use bytes::Bytes;
use futures_util::TryStreamExt;

use super::args::Cp;
use crate::Failure;

/// One end of a copy.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Container { name: String, path: String },
    Local(PathBuf),
}

impl End {
    /// `NAME:PATH` unless the part before the colon is a path or a drive letter, as docker decides.
    fn parse(text: &str) -> Self {
        match text.split_once(':') {
            Some((name, path)) if name.len() > 1 && !name.contains(['/', '\\', '.']) => {
                Self::Container { name: name.to_owned(), path: path.to_owned() }
            }
            _ => Self::Local(text.into()),
        }
    }
}

pub(crate) async fn cp(docker: &Docker, cp: Cp) -> Result<i32, Failure> {
    match (End::parse(&cp.source), End::parse(&cp.destination)) {
        (End::Local(from), End::Container { name, path }) => upload(docker, &from, &name, &path).await?,
        (End::Container { name, path }, End::Local(to)) => download(docker, &name, &path, &to).await?,
        _ => return Err(Failure::new(1, rust_i18n::t!("cp.one_container").into_owned())),
    }
    Ok(0)
}

async fn upload(docker: &Docker, from: &Path, name: &str, path: &str) -> Result<(), Failure> {
    // A folder that exists takes the source under its own name; anything else names the copy.
    let inside = is_folder(docker, name, path).await;
    let own_name =
        || from.canonicalize().ok().and_then(|full| full.file_name().map(|n| n.to_string_lossy().into_owned()));
    let (folder, entry) = if inside || path.ends_with('/') {
        let entry = own_name()
            .ok_or_else(|| Failure::new(1, rust_i18n::t!("cp.no_name", path = from.display()).into_owned()))?;
        (path.to_owned(), entry)
    } else {
        let (folder, entry) = path.rsplit_once('/').unwrap_or(("", path));
        (if folder.is_empty() { "/".to_owned() } else { folder.to_owned() }, entry.to_owned())
    };
    let source = from.to_owned();
    let tar = tokio::task::spawn_blocking(move || archive(&source, &entry)).await;
    let tar = tar.map_err(|error| Failure::new(1, error.to_string()))?;
    let tar = tar.map_err(|error| Failure::new(1, format!("{}: {error}", from.display())))?;
    let options = UploadToContainerOptions { path: folder, ..UploadToContainerOptions::default() };
    docker.upload_to_container(name, Some(options), bollard::body_full(Bytes::from(tar))).await?;
    Ok(())
}

fn archive(source: &Path, entry: &str) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    if source.is_dir() {
        builder.append_dir_all(entry, source)?;
    } else {
        builder.append_path_with_name(source, entry)?;
    }
    builder.into_inner()
}

async fn is_folder(docker: &Docker, name: &str, path: &str) -> bool {
    let options = ContainerArchiveInfoOptions { path: path.to_owned() };
    /// Go's `os.ModeDir`, in which the engine gives file modes.
    const MODE_DIR: u32 = 1 << 31;
    match docker.get_container_archive_info(name, Some(options)).await {
        Ok(info) => info.file_mode & MODE_DIR != 0,
        Err(_) => false,
    }
}

async fn download(docker: &Docker, name: &str, path: &str, to: &Path) -> Result<(), Failure> {
    let options = DownloadFromContainerOptions { path: path.to_owned() };
    let mut stream = Box::pin(docker.download_from_container(name, Some(options)));
    let mut tar = Vec::new();
    while let Some(piece) = stream.try_next().await? {
        tar.extend_from_slice(&piece);
    }
    if to == Path::new("-") {
        use std::io::Write;
        return std::io::stdout().write_all(&tar).map_err(|error| Failure::new(1, error.to_string()));
    }
    let to = to.to_owned();
    let done = tokio::task::spawn_blocking(move || extract(&tar, &to).map_err(|error| (to, error))).await;
    let done = done.map_err(|error| Failure::new(1, error.to_string()))?;
    done.map_err(|(to, error)| Failure::new(1, format!("{}: {error}", to.display())))
}

/// Unpacks what is one file or one folder: into `to` when that is a folder, else as `to`.
fn extract(tar: &[u8], to: &Path) -> std::io::Result<()> {
    if to.is_dir() {
        return tar::Archive::new(tar).unpack(to);
    }
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Beside the destination, so that the last step is a rename within one file system.
    let fresh = parent.join(format!(".berth-cp-{}", std::process::id()));
    std::fs::create_dir(&fresh)?;
    let unpacked = tar::Archive::new(tar).unpack(&fresh).and_then(|()| {
        let first =
            std::fs::read_dir(&fresh)?.next().ok_or_else(|| std::io::Error::other("the archive is empty"))??;
        std::fs::rename(first.path(), to)
    });
    let removed = std::fs::remove_dir_all(&fresh);
    unpacked.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let check = |text: &str, container: bool| {
            assert_eq!(matches!(End::parse(text), End::Container { .. }), container, "{text}");
        };
        check("web:/etc", true);
        check("./web:x", false);
        check("C:\\data", false);
        check("/a:b", false);
        check("plain", false);
    }

    #[test]
    fn a_file_goes_there_and_back() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("leaf"), "green").unwrap();
        let tar = archive(&dir.path().join("leaf"), "renamed").unwrap();
        extract(&tar, &dir.path().join("back")).unwrap();
        assert_eq!(std::fs::read(dir.path().join("back")).unwrap(), b"green");
    }
}
