//! What a build says of a repository, as BuildKit reads it. Pure.

use crate::error::{Error, Result};
use crate::remote::without_credentials;
use form_urlencoded::parse;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;

/// A repository, a ref and a folder in it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// Without query and fragment, with a scheme unless it is `user@host:path`.
    pub remote: String,
    /// Branch, tag or commit; empty: the branch that is the repository's own.
    pub reference: String,
    /// Within the repository, relative and without `..`; empty: all of it.
    pub folder: String,
    /// What the commit's name begins with.
    pub checksum: String,
    pub keep_git_dir: Option<bool>,
    pub submodules: Option<bool>,
    /// Files have the commit's time.
    pub commit_time: bool,
    /// The checksum is fetched, whatever the ref leads to.
    pub by_commit: bool,
    /// `github.com/x/y`, which could be a path as well.
    pub could_be_path: bool,
}

/// Says no password.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Address { reference, folder, checksum, .. } = self;
        let mut shown = f.debug_struct("Address");
        shown.field("remote", &without_credentials(&self.remote)).field("reference", reference);
        shown.field("folder", folder).field("checksum", checksum).finish_non_exhaustive()
    }
}

/// The schemes by which repositories are had.
const SCHEMES: [&str; 4] = ["http", "https", "ssh", "git"];

/// Whether a name is that of a commit, in full: nobody has to be asked what it leads to.
pub fn is_commit(name: &str) -> bool {
    matches!(name.len(), 40 | 64) && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Address {
    /// Reads the address of a repository; `None` if it is of something else.
    ///
    /// # Errors
    ///
    /// What is said beside where it is cannot be.
    pub fn parse(text: &str) -> Result<Option<Address>> {
        let text_with_scheme;
        let (could_be_path, text) = match text.strip_prefix("github.com/") {
            Some(_) => {
                text_with_scheme = format!("https://{text}");
                (true, text_with_scheme.as_str())
            }
            None => (false, text),
        };
        let (bare, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (remote, query) = bare.split_once('?').unwrap_or((bare, ""));
        let is_repository = match remote.split_once("://") {
            Some((scheme, rest)) => {
                let scheme = scheme.to_ascii_lowercase();
                let path = rest.split_once('/').map_or("", |(_, path)| path);
                let is_web = matches!(scheme.as_str(), "http" | "https");
                SCHEMES.contains(&scheme.as_str()) && (!is_web || could_be_path || path.ends_with(".git"))
            }
            None => is_secure_shell(remote),
        };
        if !is_repository {
            return Ok(None);
        }
        let mut address = Address { remote: remote.to_owned(), could_be_path, ..Address::default() };
        let fragment = match remote.contains("://") {
            true => percent_decode_str(fragment).decode_utf8_lossy().into_owned(),
            false => fragment.to_owned(),
        };
        let (reference, folder) = fragment.split_once(':').unwrap_or((&fragment, ""));
        reference.clone_into(&mut address.reference);
        address.folder = join(folder);
        address.read_query(query)?;
        if address.reference.starts_with('-') {
            return Err(Error::Ref(address.reference));
        }
        Ok(Some(address))
    }

    fn read_query(&mut self, query: &str) -> Result<()> {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in parse(query.as_bytes()) {
            values.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        let (mut tag, mut branch) = (None, None);
        for (name, all) in values {
            let [value] = &all[..] else {
                return Err(Error::Address(format!("query {name:?} has multiple values")));
            };
            let truth = || match value.as_str() {
                "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
                _ => Err(Error::Address(format!("invalid {name} value: {value:?}"))),
            };
            match name.as_str() {
                "submodules" => self.submodules = Some(truth()?),
                "keep-git-dir" => self.keep_git_dir = Some(truth()?),
                "fetch-by-commit" => self.by_commit = truth()?,
                _ if value.is_empty() => return Err(Error::Address(format!("query {name:?} has no value"))),
                "ref" => self.refer(value)?,
                "tag" => tag = Some(full("refs/tags/", value)),
                "branch" => branch = Some(full("refs/heads/", value)),
                "subdir" => {
                    let folder = join(value);
                    if !self.folder.is_empty() && self.folder != folder {
                        return Err(Error::Address(format!("subdir conflicts: {:?} vs {value:?}", self.folder)));
                    }
                    self.folder = folder;
                }
                "checksum" | "commit" => value.clone_into(&mut self.checksum),
                "mtime" => match value.as_str() {
                    "checkout" => self.commit_time = false,
                    "commit" => self.commit_time = true,
                    _ => {
                        let reason = r#"(must be "checkout" or "commit")"#;
                        return Err(Error::Address(format!("invalid mtime value: {value:?} {reason}")));
                    }
                },
                _ => return Err(Error::Address(format!("unexpected query {name:?}"))),
            }
        }
        if tag.is_some() && branch.is_some() {
            return Err(Error::Address("branch conflicts with tag".to_owned()));
        }
        tag.or(branch).map_or(Ok(()), |name| self.refer(&name))
    }

    fn refer(&mut self, name: &str) -> Result<()> {
        if !self.reference.is_empty() && self.reference != name {
            return Err(Error::Address(format!("ref conflicts: {:?} vs {name:?}", self.reference)));
        }
        name.clone_into(&mut self.reference);
        Ok(())
    }

    /// What a checkout of a commit is the same for, beside the commit. `name`: of the ref that was chosen.
    pub fn key(&self, commit: &str, name: &str) -> String {
        let mut key = commit.to_owned();
        if self.keeps_git_dir() {
            key.push_str(".git");
            if !name.is_empty() {
                key.push_str(&format!("#{name}"));
            }
        }
        if !self.folder.is_empty() {
            key.push_str(&format!(":{}", self.folder));
        }
        if self.submodules == Some(false) {
            key.push_str("(skip-submodules)");
        }
        if self.commit_time {
            key.push_str("(mtime=commit)");
        }
        key
    }

    /// As in BuildKit there is none beside a folder.
    pub(crate) fn keeps_git_dir(&self) -> bool {
        self.keep_git_dir == Some(true) && self.folder.is_empty()
    }

    /// With the port, if it says one.
    pub fn host(&self) -> &str {
        let rest = self.remote.split_once("://").map_or(self.remote.as_str(), |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        authority.rsplit('@').next().unwrap_or_default()
    }
}

fn full(prefix: &str, name: &str) -> String {
    if name.starts_with(prefix) { name.to_owned() } else { format!("{prefix}{name}") }
}

/// `user@host:path`
pub(crate) fn is_secure_shell(remote: &str) -> bool {
    let Some((user, rest)) = remote.split_once('@') else { return false };
    let Some((host, _)) = rest.split_once(':') else { return false };
    let is_name = |text: &str, also: &[char]| {
        !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || also.contains(&letter))
    };
    is_name(user, &['-', '_']) && is_name(host, &['-', '.'])
}

/// Relative and clean; what would lead above the root stays at it.
fn join(folder: &str) -> String {
    let mut parts = Vec::new();
    for part in folder.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Address {
        Address::parse(text).expect("valid").expect("a repository")
    }

    /// Remote, ref and folder.
    #[test]
    fn addresses_are_read_as_buildkit_does() {
        for (text, remote, reference, folder) in [
            ("https://example.com/foo.git", "https://example.com/foo.git", "", ""),
            ("https://example.com/foo.git#deadbeef", "https://example.com/foo.git", "deadbeef", ""),
            ("https://example.com/foo.git#release/1.2", "https://example.com/foo.git", "release/1.2", ""),
            ("git://example.com/foo", "git://example.com/foo", "", ""),
            ("github.com/moby/buildkit", "https://github.com/moby/buildkit", "", ""),
            ("github.com/moby/buildkit#master", "https://github.com/moby/buildkit", "master", ""),
            ("github.com/moby/buildkit?tag=v1", "https://github.com/moby/buildkit", "refs/tags/v1", ""),
            ("https://foo:bar@github.com/x/y.git", "https://foo:bar@github.com/x/y.git", "", ""),
            ("git@github.com:moby/buildkit", "git@github.com:moby/buildkit", "", ""),
            ("ssh://git@host:22/x", "ssh://git@host:22/x", "", ""),
            ("https://h/bar.git#baz/qux:quux/quuz", "https://h/bar.git", "baz/qux", "quux/quuz"),
            ("https://h/docker.git#:myfolder", "https://h/docker.git", "", "myfolder"),
            ("https://h/d.git#:../a/../../b/./", "https://h/d.git", "", "b"),
            ("https://h/d.git?ref=v1.0.0&subdir=/subdir", "https://h/d.git", "v1.0.0", "subdir"),
            ("https://h/d.git?subdir=/subdir#v1.0.0", "https://h/d.git", "v1.0.0", "subdir"),
            ("https://h/d.git?branch=v1.0", "https://h/d.git", "refs/heads/v1.0", ""),
            ("git@h:d.git?subdir=/s#v1", "git@h:d.git", "v1", "s"),
            ("HTTPS://h/d.git#a%20b", "HTTPS://h/d.git", "a b", ""),
        ] {
            let address = read(text);
            let told = (address.remote.as_str(), address.reference.as_str(), address.folder.as_str());
            assert_eq!(told, (remote, reference, folder), "{text}");
            assert_eq!(address.could_be_path, text.starts_with("github"), "{text}");
        }
        for text in [
            "https://example.com/",
            "https://example.com/foo",
            "https://example.com/foo.git/",
            "https://example.com/foo.git.bar",
            "custom.xyz/moby/buildkit.git",
            "https://github.com/moby/buildkit",
            "http://github.com/docker/docker.git:#branch",
            "./.git",
            ".git",
            "../x@y:z",
            "file:///x.git",
            "@h:x",
        ] {
            assert_eq!(Address::parse(text).expect("nothing wrong"), None, "{text}");
        }
    }

    #[test]
    fn queries_say_more() {
        let long = read("https://h/d.git?mtime=commit&keep-git-dir=1&submodules=false&commit=abc&fetch-by-commit#m");
        assert!(long.commit_time && long.by_commit && long.checksum == "abc");
        assert_eq!((long.keep_git_dir, long.submodules), (Some(true), Some(false)));
        assert_eq!(long.key("c", "refs/heads/m"), "c.git#refs/heads/m(skip-submodules)(mtime=commit)");
        let folder = read("https://h/d.git?keep-git-dir#m:a/b");
        assert_eq!((folder.keep_git_dir, folder.key("c", "m")), (Some(true), "c:a/b".to_owned()));
        for (query, expect) in [
            ("ref=v1.0.0#v1.2.3", r#"ref conflicts: "v1.2.3" vs "v1.0.0""#),
            ("ref=v1.0.0&tag=v1.2.3", r#"ref conflicts: "v1.0.0" vs "refs/tags/v1.2.3""#),
            ("tag=v1.0.0&branch=v1.0", "branch conflicts with tag"),
            ("mtime=x", r#"invalid mtime value: "x" (must be "checkout" or "commit")"#),
            ("fetch-by-commit=x", r#"invalid fetch-by-commit value: "x""#),
            ("invalid=123", r#"unexpected query "invalid""#),
            ("ref=", r#"query "ref" has no value"#),
            ("ref=a&ref=a", r#"query "ref" has multiple values"#),
            ("subdir=a#x:b", r#"subdir conflicts: "b" vs "a""#),
            ("ref=-u", r#"invalid git ref "-u""#),
        ] {
            let text = format!("https://h/d.git?{query}");
            assert_eq!(Address::parse(&text).expect_err(query).to_string(), expect);
        }
    }

    #[test]
    fn hosts_and_commits() {
        for (text, host) in [("https://u:p@h:8080/x.git", "h:8080"), ("git@h:x", "h:x"), ("http://h/x.git", "h")] {
            assert_eq!(read(text).host(), host);
        }
        assert!(is_commit(&"0a".repeat(20)) && is_commit(&"0a".repeat(32)));
        assert!(!is_commit(&"0A".repeat(20)) && !is_commit("0a0a0a0"));
    }
}
