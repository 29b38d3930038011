//! `berth volume export`, `import`, `clone`: tar streams between a volume and a file, or another volume; a few pieces are in memory at a time.

mod keeper;
mod made;
mod place;
mod stop;
mod users;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{DownloadFromContainerOptions, UploadToContainerOptions};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use rust_i18n::t;
use tokio::sync::mpsc;

use super::args::{CloneVolume, ExportVolume, ImportVolume, VolumeVerb};
use super::engine::encoded;
use super::format;
use crate::Failure;
use crate::busy::Busy;
use keeper::{Keeper, ROOT};
use made::Made;
use place::{Sink, Source};
use stop::Stop;
use users::Work;

/// Labels of volumes that these verbs made; the first is the window's, too.
const CLONE: &str = "berth.clone";
const IMPORT: &str = "berth.import";
/// Pieces under way from one volume to another.
const PIECES: usize = 8;

pub(crate) async fn volume(docker: &Docker, verb: VolumeVerb) -> Result<i32, Failure> {
    let stop = Stop::listen().map_err(|error| Failure::new(1, error.to_string()))?;
    match verb {
        VolumeVerb::Export(args) => export(docker, args, stop).await,
        VolumeVerb::Import(args) => import(docker, args, stop).await,
        VolumeVerb::Clone(args) => clone(docker, args, stop).await,
    }
}

async fn export(docker: &Docker, args: ExportVolume, mut stop: Stop) -> Result<i32, Failure> {
    let name = &args.name;
    let readied = async {
        docker.inspect_volume(&encoded(name)).await?;
        if !args.force {
            users::none(docker, name, Work::Read).await?;
        }
        Sink::open(args.output.as_deref()).await
    };
    let mut sink = stop.or(readied).await?;
    let busy = Busy::begin(t!("busy.volume_export", name = name));
    let keeper = Keeper::open(docker, name, false).await?;
    let id = keeper.id.clone();
    let write = async {
        let mut pieces = std::pin::pin!(content(docker, &id));
        while let Some(piece) = pieces.try_next().await? {
            busy.counter().add(piece.len());
            sink.write(&piece).await?;
        }
        sink.finish().await
    };
    let written = stop.or(write).await;
    keeper.close(docker).await;
    written?;
    let size = format::size(busy.counter().bytes());
    drop(busy);
    if let Some(file) = args.output {
        eprintln!("{}", t!("volume.exported", name = name, file = file.display(), size = size));
    }
    Ok(0)
}

async fn import(docker: &Docker, args: ImportVolume, mut stop: Stop) -> Result<i32, Failure> {
    let name = &args.name;
    // Before anything is made.
    let readied = async {
        let source = Source::open(args.file.as_deref()).await?;
        let is_there = exists(docker, name).await?;
        if is_there && !args.force {
            users::none(docker, name, Work::Write).await?;
        }
        Ok((source, is_there))
    };
    let (source, is_there) = stop.or(readied).await?;
    let made = match is_there {
        true => None,
        false => Some(Made::make(docker, name, IMPORT).await?),
    };
    let busy = Busy::begin(t!("busy.volume_import", name = name));
    let counter = busy.counter();
    let tar = source.pieces().inspect_ok(move |piece| counter.add(piece.len()));
    let written = match Keeper::open(docker, name, true).await {
        Ok(keeper) => {
            let id = keeper.id.clone();
            let written = stop.or(unpack(docker, &id, tar)).await;
            keeper.close(docker).await;
            written
        }
        Err(failure) => Err(failure),
    };
    let size = format::size(busy.counter().bytes());
    drop(busy);
    if written.is_err() {
        match made {
            Some(made) => made.discard(docker).await,
            None => eprintln!("{}", t!("volume.import_stays", name = name)),
        }
    }
    written?;
    eprintln!("{}", t!("volume.imported", name = name, size = size));
    Ok(0)
}

async fn clone(docker: &Docker, args: CloneVolume, mut stop: Stop) -> Result<i32, Failure> {
    let (from, to) = (&args.source, &args.name);
    let readied = async {
        docker.inspect_volume(&encoded(from)).await?;
        if !args.force {
            users::none(docker, from, Work::Read).await?;
        }
        match exists(docker, to).await? {
            true => Err(Failure::new(1, t!("volume.taken", name = to).into_owned())),
            false => Ok(()),
        }
    };
    stop.or(readied).await?;
    // Not the labels of the original: those of a project would make the clone its volume.
    let made = Made::make(docker, to, CLONE).await?;
    let busy = Busy::begin(t!("busy.volume_clone", name = from));
    let copied = copy(docker, from, to, &busy, &mut stop).await;
    let size = format::size(busy.counter().bytes());
    drop(busy);
    if copied.is_err() {
        made.discard(docker).await;
    }
    copied?;
    eprintln!("{}", t!("volume.cloned", from = from, name = to, size = size));
    Ok(0)
}

async fn copy(docker: &Docker, from: &str, to: &str, busy: &Busy, stop: &mut Stop) -> Result<(), Failure> {
    let source = Keeper::open(docker, from, false).await?;
    let target = match Keeper::open(docker, to, true).await {
        Ok(target) => target,
        Err(failure) => {
            source.close(docker).await;
            return Err(failure);
        }
    };
    let (pieces, tar) = passage();
    let both = async {
        let (read, written) = tokio::join!(pump(docker, &source.id, pieces, busy), unpack(docker, &target.id, tar));
        read.and(written)
    };
    let copied = stop.or(both).await;
    source.close(docker).await;
    target.close(docker).await;
    copied
}

type Piece = std::io::Result<Bytes>;

fn passage() -> (mpsc::Sender<Piece>, impl Stream<Item = Piece> + Send + 'static) {
    let (to, from) = mpsc::channel(PIECES);
    (to, futures_util::stream::unfold(from, async |mut from: mpsc::Receiver<Piece>| Some((from.recv().await?, from))))
}

/// Reads one side of a clone until it ends, or the other side does, which then says why.
async fn pump(docker: &Docker, id: &str, to: mpsc::Sender<Piece>, busy: &Busy) -> Result<(), Failure> {
    let mut pieces = std::pin::pin!(content(docker, id));
    loop {
        match pieces.try_next().await {
            Ok(Some(piece)) => {
                busy.counter().add(piece.len());
                if to.send(Ok(piece)).await.is_err() {
                    return Ok(());
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                // So that the other side does not take a part for the whole.
                let _ = to.send(Err(std::io::Error::other(error.to_string()))).await;
                return Err(error.into());
            }
        }
    }
}

/// What is in the keeper's volume, without the folder itself as a name before it.
fn content(docker: &Docker, id: &str) -> impl Stream<Item = Result<Bytes, Error>> {
    docker.download_from_container(id, Some(DownloadFromContainerOptions { path: format!("{ROOT}/.") }))
}

async fn unpack(docker: &Docker, id: &str, tar: impl Stream<Item = Piece> + Send + 'static) -> Result<(), Failure> {
    let options = UploadToContainerOptions { path: ROOT.to_owned(), ..UploadToContainerOptions::default() };
    Ok(docker.upload_to_container(id, Some(options), bollard::body_try_stream(tar)).await?)
}

async fn exists(docker: &Docker, name: &str) -> Result<bool, Failure> {
    match docker.inspect_volume(&encoded(name)).await {
        Ok(_) => Ok(true),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
