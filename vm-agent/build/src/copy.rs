//! COPY and ADD in a stage: their words, what they download, and from where they take the rest.

use crate::blocking;
use crate::cache::keys;
use crate::describe::Work;
use crate::dockerfile::Transfer;
use crate::error::{Error, Result};
use crate::paths;
use crate::stage::Building;
use crate::transfer::{Checkout, Content, Made, Plan, Sources, Taken};
use crate::{Address, Repository};
use containers::changes::{Budget, Document, InvalidChange, Words, join};
use images::{Detail, Progress, redact};
use tokio::io::AsyncWriteExt as _;

impl Building<'_, '_> {
    pub(crate) async fn copy(&mut self, transfer: &Transfer) -> Result<()> {
        let verb = if transfer.adds { "ADD" } else { "COPY" };
        let mut transfer = transfer.clone();
        let is_lenient = self.output.watch().is_some();
        for option in [&mut transfer.chown, &mut transfer.chmod, &mut transfer.checksum] {
            if let Some(text) = option.take() {
                *option = Some(self.expand(&text)?).filter(|text| !text.is_empty());
            }
        }
        let written = self.expand(&transfer.destination)?;
        let mut destination = join(&self.config.working_dir, &written);
        let is_directory = written.ends_with('/') || written == "." || written.ends_with("/.");
        if is_directory && !destination.ends_with('/') {
            destination.push('/');
        }
        let (mut words, mut made, mut repositories) = (Vec::new(), Vec::new(), Vec::new());
        for word in &transfer.sources {
            let word = self.expand(word)?;
            let address = if transfer.adds { repository(&word, &transfer)? } else { None };
            if address.is_none() && !(transfer.adds && is_download(&word)) {
                // What would lead out of the root stays at it.
                words.push(if is_lenient && !transfer.parents { format!("/{word}") } else { word });
            } else if self.foresees {
                return Err(Error::Unforeseen);
            } else if let Some(address) = address {
                let client = self.output.watch();
                repositories.push(self.build.builds.find_repository(&address, client.map(|client| &**client)).await?);
            } else {
                made.push(self.download(&word, is_directory, &transfer, made.len()).await?);
            }
        }
        if transfer.checksum.is_some() && !words.is_empty() {
            let reason = "a checksum can be given for what is downloaded only".to_owned();
            return Err(Error::Source { verb, path: words.swap_remove(0), reason });
        }
        for document in &transfer.documents {
            made.push(self.document(document)?);
        }
        let mut flags = String::new();
        for (name, value) in [("chown", &transfer.chown), ("chmod", &transfer.chmod)] {
            if let Some(value) = value {
                flags.push_str(&format!("--{name}={value} "));
            }
        }
        let flagged = [
            ("unpack=false", transfer.unpack == Some(false)),
            ("unpack", transfer.unpack == Some(true)),
            ("parents", transfer.parents),
        ];
        for (name, set) in flagged {
            if set {
                flags.push_str(&format!("--{name} "));
            }
        }
        let text = |name: &str| format!("{verb} {flags}{name} in {written} ");
        let mut by = keys::Words::default();
        let (tree, in_image) = match &transfer.from {
            None => {
                let wanted: Vec<String> = words.iter().map(|word| paths::of_word(word)).collect();
                (self.build.context_tree(&wanted).await?.ok_or(Error::NoContext(verb))?, false)
            }
            Some(from) => {
                let from = self.expand(from)?;
                match self.build.local_path(&from).await? {
                    Some(path) => (self.build.sent_tree(&path).await?, false),
                    None => {
                        // What is copied from a stage is told by what the stage goes by, too, and known without it then.
                        if let Some(at) = self.build.stage_of(&from, self.number)? {
                            let of = self.stage_key(at).await?;
                            let made = made.iter().map(Made::hash).collect::<Result<Vec<_>>>()?;
                            let words = text(&format!("{} {words:?} {:?} {made:?}", of.hex(), transfer.exclude));
                            if self.unseen(at, &words, &text).await? {
                                return Ok(());
                            }
                            by.instead = Some(words);
                        }
                        if self.foresees {
                            return Err(Error::Unforeseen);
                        }
                        (self.tree_of(self.from(&from).await?).await?, true)
                    }
                }
            }
        };
        let (of, to) = (transfer.clone(), destination.clone());
        let of_commit = |repository: &Repository| Checkout::new(&repository.commit_key(), &transfer.exclude);
        let checkouts = repositories.iter().map(of_commit).collect();
        // Who drops this build reads nothing on.
        let (digests, _waits) = self.build.builds.digests.waited_for();
        let found = Sources { tree, words, made, checkouts, in_image, is_lenient, digests };
        let taken = blocking(move || Taken::new(&of, found, &to)).await?;
        let names = text(&taken.names());
        if by.instead.is_some() {
            by.too = Some(names);
        } else {
            by.instead = Some(names);
        }
        if self.foresees {
            return self.describe_by(String::new(), by, Work::Describe).await;
        }
        let image = self.tree().await?;
        let of = transfer.clone();
        let mut plan = blocking(move || Plan::new(&of, taken, &destination, &image)).await?;
        by.name = Some(plan.name.clone());
        if !repositories.is_empty() {
            // What it is, is known without its files.
            let made_from = self.described(format!("#(nop) {}", text(&plan.name)));
            if self.cached(&made_from, by.clone()).await? {
                return Ok(());
            }
            plan = self.check_out(&repositories, plan).await?;
        }
        self.describe_by(text(&plan.name), by, Work::Copy(Box::new(plan))).await
    }

    /// Fetches the files of commits into directories of the build's own.
    async fn check_out(&self, repositories: &[Repository], mut plan: Plan) -> Result<Plan> {
        for (number, repository) in repositories.iter().enumerate() {
            let files = tempfile::Builder::new().prefix("repository-").tempdir_in(self.build.directory());
            // It goes with the build's own directory.
            let files = files.map_err(crate::error::disk(self.build.directory()))?.keep();
            let sink = self.output.sink();
            let told = move |bytes| {
                let detail = Some(Detail { current: Some(bytes), total: None });
                let (id, status) = (Some("repository".to_owned()), "transferring".to_owned());
                sink.send(Progress::Status { id, status, detail });
            };
            repository.fetch(files.clone(), self.build.context.hold(), told).await?;
            plan = blocking(move || plan.look(number, &files).map(|()| plan)).await?;
        }
        Ok(plan)
    }

    fn document(&self, document: &Document) -> Result<Made> {
        let [env, outer] = self.variables();
        let budget = Budget::default();
        let text = if document.expands {
            let words = Words::new(&document.content, [&env, &outer], self.build.escape, &budget);
            words.text().map_err(|reason| InvalidChange::Word { word: document.content.clone(), reason })?
        } else {
            document.content.clone()
        };
        let modified = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
        Ok(Made { name: document.name.clone().into_bytes(), content: Content::Text(text), mode: 0o644, modified })
    }

    /// Fetches what a URL gives into a file of the build's own.
    async fn download(&self, url: &str, into_directory: bool, transfer: &Transfer, number: usize) -> Result<Made> {
        let failed = |reason: String| Error::Download { verb: "ADD", reason };
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let name = path.splitn(4, '/').nth(3).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        if name.is_empty() && into_directory {
            return Err(failed(format!("cannot determine filename from url: {}", redact::web_address(url))));
        }
        let images = &self.services().images;
        let source = images.download(url, &self.output.sink()).await.map_err(|error| failed(error.to_string()))?;
        let file = self.build.directory().join(format!("download-{}-{number}", self.number));
        let mut body = source.into_reader();
        let mut out = tokio::fs::File::create(&file).await.map_err(crate::error::disk(&file))?;
        tokio::io::copy(&mut body, &mut out).await.map_err(|error| failed(error.to_string()))?;
        out.flush().await.map_err(crate::error::disk(&file))?;
        if let Some(wanted) = &transfer.checksum {
            let right: layers::Digest = wanted.parse().map_err(|_| Error::Checksum(wanted.clone()))?;
            let of = file.clone();
            let actual = blocking(move || {
                let mut file = std::fs::File::open(&of).map_err(crate::error::disk(&of))?;
                crate::digests::of_content(&mut file).map_err(crate::error::disk(&of))
            })
            .await?;
            if actual != right {
                return Err(Error::Mismatch { actual: actual.to_string(), wanted: wanted.clone() });
            }
        }
        // The time of the download would make each of them another file.
        Ok(Made { name: name.as_bytes().to_vec(), content: Content::File(file), mode: 0o600, modified: 0 })
    }
}

/// Whether a source of ADD is elsewhere than in the context. What is no valid address of a repository ends the build in any case.
pub(crate) fn is_remote(word: &str) -> bool {
    is_download(word)
        || Address::parse(word).map_or(true, |address| address.is_some_and(|address| !address.could_be_path))
}

fn is_download(word: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| word.starts_with(scheme))
}

/// The repository that a word of ADD means, with what its options say of it.
fn repository(word: &str, transfer: &Transfer) -> Result<Option<Address>> {
    let refused = |reason: String| Error::Repository(git::Error::Address(reason));
    let address = Address::parse(word).map_err(Error::Repository)?;
    // What could be a path is one here.
    let Some(mut address) = address.filter(|address| !address.could_be_path) else { return Ok(None) };
    match (transfer.keep_git_dir, address.keep_git_dir) {
        (Some(one), Some(other)) if one != other => {
            return Err(refused("inconsistent keep-git-dir configuration".to_owned()));
        }
        (said, None) => address.keep_git_dir = said,
        (_, Some(_)) => {}
    }
    if let Some(checksum) = &transfer.checksum {
        if !address.checksum.is_empty() && address.checksum != *checksum {
            return Err(refused(format!("checksum mismatch {checksum:?} != {:?}", address.checksum)));
        }
        checksum.clone_into(&mut address.checksum);
    }
    Ok(Some(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_elsewhere_are_told_apart() {
        let transfer = |checksum: Option<&str>, keep_git_dir| Transfer {
            checksum: checksum.map(str::to_owned),
            keep_git_dir,
            ..Transfer::default()
        };
        let of = |word: &str| repository(word, &transfer(None, None)).expect("valid").is_some();
        for (word, download, repository) in [
            ("https://x/y.tar", true, false),
            ("https://x/y.git#main:dir", true, true),
            ("git@x:y", false, true),
            ("github.com/x/y", false, false),
            ("http", false, false),
        ] {
            assert_eq!((is_download(word), of(word)), (download, repository), "{word}");
        }
        let said = repository("https://x/y.git", &transfer(Some("abc"), Some(true))).expect("valid").expect("one");
        assert_eq!((said.checksum.as_str(), said.keep_git_dir), ("abc", Some(true)));
        for (word, expect) in [
            ("https://x/y.git?keep-git-dir=0", "inconsistent keep-git-dir configuration"),
            ("https://x/y.git?checksum=d", "checksum mismatch \"abc\" != \"d\""),
        ] {
            let refused = repository(word, &transfer(Some("abc"), Some(true))).expect_err(word);
            assert_eq!(refused.to_string(), expect);
        }
    }
}
