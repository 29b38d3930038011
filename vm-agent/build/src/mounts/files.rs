//! The files that mounts show: of the context, of stages and images, and those of caches.

use super::caches::key;
use super::prepare::{Prepared, own};
use super::{Mount, NOTHING, Owner, Sharing, What, first};
use crate::blocking;
use crate::error::{Error, Result, disk};
use crate::files::Tree;
use crate::ignore::Ignore;
use crate::paths;
use crate::sources::{Look, clean, name};
use crate::stage::Building;
use containers::{StepFiles, StepMount};
use engine_api::mount::ImageOptions;
use images::ImageId;
use layers::{Digest, OverlaySpec, UpperDir};
use std::path::{Path, PathBuf};

/// What a cache's directory has when nothing is said of it.
const OWNER: Owner = Owner { mode: 0o755, uid: 0, gid: 0 };

/// Where a mount's files lie.
enum Files {
    /// A directory of the client's.
    Sent(PathBuf),
    Image(ImageId),
    Nothing,
}

impl Building<'_, '_> {
    /// Where the client's files are that a mount takes from the context, or from a directory by name; none for stages and images.
    async fn sent(&self, from: Option<&str>, source: &str) -> Result<Option<PathBuf>> {
        match from {
            None => {
                let path = self.build.context_path(&[paths::of_mount(source)]).await?;
                path.map_or(Err(Error::NoContext("RUN")), |path| Ok(Some(path)))
            }
            Some(from) => self.build.local_path(from).await,
        }
    }

    async fn files(&self, from: Option<&str>, source: &str) -> Result<Files> {
        if from == Some(NOTHING) {
            return Ok(Files::Nothing);
        }
        if let Some(path) = self.sent(from, source).await? {
            return Ok(Files::Sent(path));
        }
        if self.foresees {
            return Err(Error::Unforeseen);
        }
        Ok(self.from(from.unwrap_or_default()).await?.map_or(Files::Nothing, Files::Image))
    }

    /// What mounts are worth for the cache: their words, and what is in those whose files are the build's.
    pub(crate) async fn mounts_made_from(&self, written: &[String], mounts: &[Mount]) -> Result<Vec<String>> {
        let mut words = Vec::new();
        for (text, mount) in written.iter().zip(mounts) {
            words.push(format!("--mount={text}"));
            let told = (&mount.what, mount.taken_from());
            if let (What::Bind { source, .. } | What::Cache { source, .. }, Some(from)) = told {
                words.extend(self.content(from.as_deref(), source).await?);
            }
        }
        Ok(words)
    }

    /// What tells apart the files that a mount takes; an image is told by its ID. Nothing has no name.
    async fn content(&self, from: Option<&str>, source: &str) -> Result<Option<String>> {
        let root = match self.files(from, source).await? {
            Files::Sent(root) => root,
            Files::Image(image) => return Ok(Some(image.to_string())),
            Files::Nothing => return Ok(None),
        };
        let (tree, source) = (self.build.sent_tree(&root).await?, source.to_owned());
        let (digests, _waits) = self.build.builds.digests.waited_for();
        let named = blocking(move || {
            let exclude = Ignore::default();
            let look = Look {
                tree: &tree,
                verb: "RUN",
                in_image: false,
                keeps_owners: false,
                parents: false,
                exclude: &exclude,
                digests: &digests,
            };
            // As it is mounted.
            let found = look.literally(&source)?;
            Ok(name(&[(found.is_directory, found.hash)]))
        });
        named.await.map(Some)
    }

    /// Files of a stage, of an image or of the client. What a command writes is seen by it, and thrown away with the step; one that
    /// `may_do_all` can write to whatever it reads, and others read it after it.
    pub(super) async fn mount_files(
        &self,
        prepared: &mut Prepared,
        mount: &Mount,
        target: String,
        may_do_all: bool,
    ) -> Result<()> {
        let What::Bind { from, source } = &mount.what else { return Ok(()) };
        let beneath = self.build.directory();
        let missing = || Error::NotInContext { verb: "RUN", path: source.clone() };
        let (lowers, subpath, chain) = match self.files(from.as_deref(), source).await? {
            Files::Nothing if clean(source).is_none_or(|path| !path.is_empty()) => return Err(not_there(source)),
            Files::Nothing => {
                let empty = tempfile::tempdir_in(beneath).map_err(disk(beneath))?;
                own(empty.path(), OWNER)?;
                let files = StepFiles::Path(empty.path().to_owned());
                prepared.own.push(StepMount { files, target, read_only: mount.read_only });
                prepared.directories.push(empty);
                return Ok(());
            }
            Files::Sent(root) => {
                let tree = Tree::open(&root).map_err(disk(&root))?;
                let path = clean(source).ok_or_else(missing)?;
                let found = tree.follow(Path::new(&path)).map_err(|_| missing())?;
                found.stat.as_ref().ok_or_else(missing)?;
                if mount.read_only && !may_do_all {
                    let files = StepFiles::Path(root.join(found.path));
                    prepared.own.push(StepMount { files, target, read_only: true });
                    return Ok(());
                }
                let subpath = found.path.into_os_string().into_string().map_err(|_| missing())?;
                (vec![root], subpath, None)
            }
            Files::Image(image) => {
                let outside = || Error::Outside { verb: "RUN", path: source.clone() };
                let subpath = clean(source.trim_start_matches('/')).ok_or_else(outside)?;
                if mount.read_only {
                    prepared.given.push(engine_api::Mount {
                        kind: "image".to_owned(),
                        source: image.to_string(),
                        target,
                        read_only: true,
                        image_options: Some(ImageOptions { subpath }),
                        ..engine_api::Mount::default()
                    });
                    return Ok(());
                }
                let chain = self.services().images.image(&image)?.chain.clone();
                (self.services().layers.overlay(&chain, None)?.lowers, subpath, Some(chain))
            }
        };
        let above = tempfile::tempdir_in(beneath).map_err(disk(beneath))?;
        let upper = UpperDir { upper: above.path().join("upper"), work: above.path().join("work") };
        match &chain {
            Some(chain) => self.services().layers.prepare_upper(chain, &upper)?,
            None => {
                for path in [&upper.upper, &upper.work] {
                    first::alike(path, &lowers[0]).map_err(disk(path))?;
                }
            }
        }
        let files = StepFiles::Above(OverlaySpec { lowers, upper: Some(upper) }, subpath);
        prepared.own.push(StepMount { files, target, read_only: mount.read_only });
        prepared.directories.push(above);
        Ok(())
    }

    /// Takes the caches among mounts. Those that a step waits for come first, in the same order for every build, or two could wait for
    /// each other.
    pub(super) async fn mount_caches(&self, prepared: &mut Prepared, mounts: &[Mount]) -> Result<()> {
        let mut all = Vec::new();
        for mount in mounts {
            if let What::Cache { id, sharing, owner, from, source } = &mount.what {
                let (key, begins) = self.cache_key(id, *owner, from.as_deref(), source).await?;
                let begins = begins.then(|| (from.as_deref(), source.clone()));
                all.push((*sharing, key, owner.unwrap_or(OWNER), begins, mount));
            }
        }
        all.sort_by_key(|(sharing, key, ..)| (*sharing != Sharing::Locked, *key));
        for (sharing, key, owner, begins, mount) in all {
            let mut path = match prepared.caches.iter().find(|used| used.key == key) {
                // A step has one alone.
                Some(used) => used.path.clone(),
                None => {
                    let caches = &self.build.builds.caches;
                    if caches.are_held() {
                        self.output
                            .warn("it waits until the container of a step is gone that an engine left which ended");
                    }
                    let used = caches.take(key, sharing).await?;
                    let path = used.path.clone();
                    let (tree, source) = match &begins {
                        Some((from, source)) => (self.tree_from(*from, source).await?, source.clone()),
                        None => (None, String::new()),
                    };
                    let used = blocking(move || {
                        used.make(|fresh| match tree {
                            None => own(fresh, owner),
                            Some(tree) => begin(&tree, &source, fresh),
                        })?;
                        Ok(used)
                    });
                    prepared.caches.push(used.await?);
                    path
                }
            };
            if begins.is_some() {
                path.push(first::CONTENT);
            }
            let (files, target) = (StepFiles::Path(path), self.target(mount));
            prepared.own.push(StepMount { files, target, read_only: mount.read_only });
        }
        Ok(())
    }

    /// What a cache goes by, and whether it begins with something.
    async fn cache_key(
        &self,
        id: &str,
        owner: Option<Owner>,
        from: Option<&str>,
        source: &str,
    ) -> Result<(Digest, bool)> {
        let part = clean(source).filter(|path| !path.is_empty());
        let content = match from {
            None => None,
            from => self.content(from, source).await?,
        };
        if part.is_some() && content.is_none() {
            return Err(not_there(source));
        }
        // One that is made for somebody begins empty, as in BuildKit, and is another one for each thing that it might have begun with.
        let begins = content.is_some() && owner.is_none();
        let told = content.map(|content| format!("{content}\0{}", part.unwrap_or_default()));
        Ok((key(id, owner, told.as_deref()), begins))
    }

    async fn tree_from(&self, from: Option<&str>, source: &str) -> Result<Option<Tree>> {
        match self.files(from, source).await? {
            Files::Sent(root) => Tree::open(&root).map_err(disk(&root)).map(Some),
            Files::Image(image) => self.tree_of(Some(image)).await.map(Some),
            Files::Nothing => Ok(None),
        }
    }
}

fn not_there(source: &str) -> Error {
    Error::NotInImage { verb: "RUN", path: source.to_owned() }
}

/// Puts what a cache begins with into its directory.
fn begin(tree: &Tree, source: &str, directory: &Path) -> Result<()> {
    let path = clean(source).ok_or_else(|| Error::Outside { verb: "RUN", path: source.to_owned() })?;
    let found = tree.follow(Path::new(&path)).map_err(disk(Path::new(source)))?;
    found.stat.as_ref().ok_or_else(|| not_there(source))?;
    let to = directory.join(first::CONTENT);
    own(directory, OWNER)?;
    first::copy(tree, &found.path, &to).map_err(disk(&to))
}
