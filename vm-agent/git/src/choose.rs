//! Which ref of a repository is meant, as BuildKit chooses. Pure.

use crate::address::{Address, is_commit};
use crate::error::{Error, Result};
use crate::remote::{Ref, object};

/// What an address means at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Of the ref: a commit or an annotated tag.
    pub(crate) id: String,
    /// The commit that an annotated tag is of, if it is known already.
    pub(crate) commit: Option<String>,
    /// In full; empty where the address says a commit.
    pub(crate) name: String,
}

impl Chosen {
    /// What a checkout of it is called over several builds: changes when the ref moved.
    pub fn key(&self, address: &Address) -> String {
        let key = address.key(self.wanted(address), &self.name);
        // That a tag leads to the commit is the server's word, until it is fetched.
        match self.wanted(address).starts_with(&address.checksum) {
            true => key,
            false => format!("{key}?checksum={}", address.checksum),
        }
    }

    /// What is fetched: the tag itself only where it is kept, or where the checksum is its: what it is of has to be seen then.
    pub(crate) fn wanted(&self, address: &Address) -> &str {
        let is_enough = |commit: &&String| !address.keeps_git_dir() && commit.starts_with(&address.checksum);
        self.commit.as_ref().filter(is_enough).unwrap_or(&self.id)
    }
}

/// What needs no server: an address that says the commit.
pub(crate) fn said(address: &Address) -> Result<Option<Chosen>> {
    let Address { checksum, reference, .. } = address;
    if !checksum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::Checksum(checksum.clone()));
    }
    if is_commit(reference) {
        if !reference.starts_with(checksum) {
            return Err(Error::Mismatch { wanted: checksum.clone(), got: reference.clone() });
        }
        return Ok(Some(Chosen { id: reference.clone(), commit: None, name: String::new() }));
    }
    if address.by_commit {
        if checksum.is_empty() {
            return Err(Error::Address("fetch-by-commit requires a checksum or a commit SHA ref".to_owned()));
        }
        if !is_commit(checksum) {
            return Err(Error::Address(format!(
                "fetch-by-commit requires a full commit SHA checksum, got {checksum:?}"
            )));
        }
        let name = match reference.as_str() {
            "" => String::new(),
            name if name.starts_with("refs/") => name.to_owned(),
            name => format!("refs/heads/{name}"),
        };
        return Ok(Some(Chosen { id: checksum.clone(), commit: None, name }));
    }
    Ok(None)
}

/// What the names of refs that could be meant begin with.
pub(crate) fn prefixes(reference: &str) -> Vec<String> {
    match reference {
        "" => vec!["HEAD".to_owned()],
        name => full(name).to_vec(),
    }
}

/// Chooses among what a server has. A branch is preferred to a tag of the same name.
pub(crate) fn choose(address: &Address, shown: &str, refs: &[Ref]) -> Result<Chosen> {
    let Address { reference, checksum, .. } = address;
    let of = |name: &str| refs.iter().find(|one| one.name == name);
    let [partial, head, tag] = full(reference);
    let branch = match reference.as_str() {
        "" => {
            let head = of("HEAD").filter(|head| head.target.as_ref().is_some_and(|of| of.starts_with("refs/heads/")));
            let head = head.ok_or_else(|| Error::NoBranch(shown.to_owned()))?;
            Some(Ref { name: head.target.clone().unwrap_or_default(), ..head.clone() })
        }
        // A tag in full is one all the same.
        _ => of(&partial).filter(|found| found.name != tag).or_else(|| of(&head)).cloned(),
    };
    let chosen = match branch {
        Some(found) => Chosen { id: found.id.clone(), commit: None, name: found.name.clone() },
        None => match of(&tag) {
            Some(found) => Chosen { id: found.id.clone(), commit: found.peeled.clone(), name: found.name.clone() },
            None => return Err(Error::NoRef { name: reference.to_owned(), output: String::new() }),
        },
    };
    let all = [Some(&chosen.id), chosen.commit.as_ref()];
    for id in all.into_iter().flatten() {
        object(id).map_err(|error| match error {
            Error::Damaged(reason) => Error::Remote { remote: shown.to_owned(), reason },
            error => error,
        })?;
    }
    if !all.into_iter().flatten().any(|id| id.starts_with(checksum.as_str())) {
        let got: Vec<&str> = all.into_iter().flatten().map(String::as_str).collect();
        return Err(Error::Mismatch { wanted: checksum.clone(), got: got.join(" or ") });
    }
    Ok(chosen)
}

/// What a name may stand for.
fn full(name: &str) -> [String; 3] {
    let with = |prefix: &str| format!("{prefix}{}", name.strip_prefix(prefix).unwrap_or(name));
    [with("refs/"), with("refs/heads/"), with("refs/tags/")]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of an object that begins so.
    fn id(start: &str) -> String {
        start.repeat(20)
    }

    fn refs() -> Vec<Ref> {
        let one = |name: &str, start: &str, peeled: Option<&str>, target: Option<&str>| Ref {
            name: name.to_owned(),
            id: id(start),
            peeled: peeled.map(id),
            target: target.map(str::to_owned),
        };
        vec![
            one("HEAD", "a1", None, Some("refs/heads/main")),
            one("refs/heads/main", "a1", None, None),
            one("refs/heads/both", "b1", None, None),
            one("refs/tags/both", "b2", None, None),
            one("refs/tags/v1", "c1", Some("c2"), None),
            one("refs/pull/1/head", "d1", None, None),
        ]
    }

    fn address(text: &str) -> Address {
        Address::parse(&format!("https://h/x.git{text}")).expect("valid").expect("a repository")
    }

    #[test]
    fn branches_come_before_tags() {
        let keeps = |text: &str| Address { keep_git_dir: Some(true), ..address(text) };
        for (address, name, key) in [
            (address(""), "refs/heads/main", "a1"),
            (address("#main"), "refs/heads/main", "a1"),
            (address("#heads/main"), "refs/heads/main", "a1"),
            (address("#refs/heads/main"), "refs/heads/main", "a1"),
            (address("#both"), "refs/heads/both", "b1"),
            (address("?tag=both"), "refs/tags/both", "b2"),
            (address("#v1:d"), "refs/tags/v1", "c2:d"),
            (address("?tag=v1"), "refs/tags/v1", "c2"),
            (keeps("#v1"), "refs/tags/v1", "c1.git#refs/tags/v1"),
            (keeps("?checksum=c1#v1"), "refs/tags/v1", "c1.git#refs/tags/v1"),
            // That it leads there is not seen yet.
            (keeps("?checksum=c2#v1"), "refs/tags/v1", "c1.git#refs/tags/v1?checksum=c2"),
            (address("#pull/1/head"), "refs/pull/1/head", "d1"),
            (address("?checksum=c2#v1"), "refs/tags/v1", "c2"),
            (address("?checksum=c1#v1"), "refs/tags/v1", "c1"),
        ] {
            let chosen = choose(&address, "x", &refs()).expect("there");
            let key = format!("{}{}", id(&key[..2]), &key[2..]);
            assert_eq!((chosen.name.as_str(), chosen.key(&address)), (name, key), "{address:?}");
        }
        let fails = |text: &str, refs: &[Ref]| choose(&address(text), "x", refs).expect_err(text).to_string();
        assert_eq!(fails("#nope", &refs()), r#"repository does not contain ref nope, output: """#);
        assert_eq!(
            fails("?checksum=ff#v1", &refs()),
            format!("expected checksum to match ff, got {} or {}", id("c1"), id("c2"))
        );
        let mut odd = refs();
        odd[4].peeled = Some("\u{1b}[2J".to_owned());
        assert_eq!(fails("?checksum=ff#v1", &odd), r#"failed to fetch remote x: "\u{1b}[2J" is no name of an object"#);
        assert_eq!(fails("", &refs()[1..]), "could not find default branch for repository: x");
        assert_eq!(prefixes("v1"), ["refs/v1", "refs/heads/v1", "refs/tags/v1"]);
    }

    #[test]
    fn a_commit_asks_nobody() {
        let id = "0a".repeat(20);
        let commit = |text: &str| said(&address(text)).map_err(|error| error.to_string());
        let chosen = commit(&format!("#{id}:d")).expect("valid").expect("said");
        assert_eq!((chosen.id, chosen.name), (id.clone(), String::new()));
        let chosen = commit(&format!("?fetch-by-commit&checksum={id}#m")).expect("valid").expect("said");
        assert_eq!((chosen.id, chosen.name.as_str()), (id.clone(), "refs/heads/m"));
        assert_eq!(commit("#main"), Ok(None));
        for (text, expect) in [
            ("?checksum=xyz#main".to_owned(), "invalid checksum xyz for Git URL, expected hex commit hash".to_owned()),
            (format!("?checksum=1#{id}"), format!("expected checksum to match 1, got {id}")),
            ("?fetch-by-commit#m".to_owned(), "fetch-by-commit requires a checksum or a commit SHA ref".to_owned()),
            (
                "?fetch-by-commit&checksum=1".to_owned(),
                "fetch-by-commit requires a full commit SHA checksum, got \"1\"".to_owned(),
            ),
        ] {
            assert_eq!(commit(&text), Err(expect));
        }
    }
}
