//! Objects that came. Each is found by its name, which was computed of its content when the pack came.

use crate::bounds::{Bounded, Limits};
use crate::error::{Error, Result, disk};
use gix_hash::{Kind, ObjectId, oid};
use gix_object::{CommitRefIter, TagRefIter};
use gix_pack::Bundle;
use gix_pack::bundle::write::Options;
use gix_pack::cache::Never;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of whatever is allocated at once: of one object, as [`Limits`] has it.
const LARGEST: usize = 512 << 20;

/// Bytes of a pack.
const LARGEST_PACK: u64 = 8 << 30;

/// Tags of tags of …
const MOST_TAGS: usize = 16;

/// The objects of one pack, which stays on the disk.
pub(crate) struct Pack(Bundle);

impl std::fmt::Debug for Pack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pack").field(&self.0.index.num_objects()).finish()
    }
}

/// A commit with what it is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) id: ObjectId,
    pub(crate) tree: ObjectId,
    /// When it was committed, in seconds since 1970.
    pub(crate) time: i64,
}

impl Pack {
    /// Receives a pack into a directory, and lists it by the names of its objects. `told` hears the bytes that came so far.
    ///
    /// # Errors
    ///
    /// What comes is damaged, too large, or has not all that it is made from; or `stop` was set.
    pub(crate) fn receive(
        from: impl Read,
        directory: &Path,
        stop: &AtomicBool,
        told: &mut dyn FnMut(u64),
    ) -> Result<Pack> {
        let options = Options { thread_limit: Some(1), alloc_limit_bytes: Some(LARGEST), ..Options::default() };
        let mut bounded = Bounded::new(Counted { from, count: 0, told }, Limits::default());
        let received = Bundle::write_to_directory(
            &mut BufReader::with_capacity(64 << 10, &mut bounded),
            Some(directory),
            &mut gix_utils::progress::Discard,
            stop,
            None::<gix_object::find::Never>,
            Kind::Sha1,
            options,
        );
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        if let Some(error) = bounded.wrong {
            return Err(error);
        }
        if bounded.from.count > LARGEST_PACK {
            return Err(Error::TooLarge(format!("its pack has more than {LARGEST_PACK} bytes")));
        }
        let received = received.map_err(|error| Error::Damaged(chain(&error)))?;
        if let Some(keep) = &received.keep_path {
            std::fs::remove_file(keep).map_err(disk(keep))?;
        }
        let bundle = received.to_bundle().ok_or_else(|| Error::Damaged("the pack is empty".to_owned()))?;
        let Bundle { pack, index } = bundle.map_err(|error| Error::Damaged(chain(&error)))?;
        Ok(Pack(Bundle { pack: pack.with_alloc_limit_bytes(Some(LARGEST)), index }))
    }

    /// An object of that kind; `content` becomes what is in it.
    pub(crate) fn read(&self, id: &oid, kind: gix_object::Kind, content: &mut Vec<u8>) -> Result<()> {
        let found = self.find(id, content)?;
        if found == kind { Ok(()) } else { Err(Error::Damaged(format!("{id} is a {found}, not a {kind}"))) }
    }

    fn find(&self, id: &oid, content: &mut Vec<u8>) -> Result<gix_object::Kind> {
        let found = self.0.find(id, content, &mut Default::default(), &mut Never);
        let found = found.map_err(|error| Error::Damaged(format!("{id}: {}", chain(&error))))?;
        Ok(found.ok_or_else(|| Error::Damaged(format!("{id} is missing")))?.0.kind)
    }

    /// The commit that a name means: itself, or through tags.
    pub(crate) fn commit(&self, id: ObjectId) -> Result<Commit> {
        let (mut id, mut content) = (id, Vec::new());
        for _ in 0..MOST_TAGS {
            let damaged = |error: &dyn std::error::Error| Error::Damaged(format!("{id}: {}", chain(error)));
            match self.find(&id, &mut content)? {
                gix_object::Kind::Commit => {
                    let read = CommitRefIter::from_bytes(&content, Kind::Sha1).tree_id();
                    let tree = read.map_err(|error| damaged(&error))?;
                    let committer = CommitRefIter::from_bytes(&content, Kind::Sha1).committer();
                    let time = committer.map_err(|error| damaged(&error))?.seconds();
                    return Ok(Commit { id, tree, time });
                }
                gix_object::Kind::Tag => {
                    let target = TagRefIter::from_bytes(&content, Kind::Sha1).target_id();
                    id = target.map_err(|error| damaged(&error))?;
                }
                other => return Err(Error::Damaged(format!("expected commit or tag object, got {other}"))),
            }
        }
        Err(Error::Damaged(format!("{id} is a tag of more than {MOST_TAGS} tags")))
    }
}

/// An error with all that it was caused by.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

/// Counts what comes, and ends when it is too much.
struct Counted<'a, R> {
    from: R,
    count: u64,
    told: &'a mut dyn FnMut(u64),
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.count += count as u64;
        (self.told)(self.count);
        if self.count > LARGEST_PACK { Err(io::Error::other("the pack is too large")) } else { Ok(count) }
    }
}
