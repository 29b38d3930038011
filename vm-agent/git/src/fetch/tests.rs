//! Repositories that git itself makes and serves.

use super::*;
use crate::remote::{Answer, Request};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A folder of repositories, served as a web server does it.
#[derive(Debug)]
struct Server {
    folder: TempDir,
    version: &'static str,
    /// The header that is wanted.
    wanted: Option<&'static str>,
    /// What is asked for under the first name is under the second.
    moved: Option<(&'static str, &'static str)>,
    /// What it says the first one is, of refs, is the second one.
    lie: Option<(String, String)>,
    /// What it says, whatever it is asked.
    says: Option<&'static [u8]>,
}

impl Server {
    fn new() -> Server {
        let folder = tempfile::tempdir().expect("a directory");
        Server { folder, version: "version=2", wanted: None, moved: None, lie: None, says: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn git(&self, name: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = Command::new("git");
        command.args([
            "-c",
            "init.defaultBranch=main",
            "-c",
            "protocol.file.allow=always",
            "-c",
            "commit.gpgSign=false",
        ]);
        command.args(["-c", "user.name=n", "-c", "user.email=e", "-c", "gc.auto=0"]);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        command.env("GIT_COMMITTER_DATE", "1500000000 +0000").env("GIT_AUTHOR_DATE", "1400000000 +0000");
        command.args(arguments).current_dir(self.path(name));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("git is there: tests/tidy.rs needs it, too");
        child.stdin.take().expect("piped").write_all(input).expect("written");
        let said = child.wait_with_output().expect("it ends");
        assert!(said.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
        said.stdout
    }

    fn id(&self, name: &str, arguments: &[&str], input: &[u8]) -> String {
        String::from_utf8(self.git(name, arguments, input)).expect("text").trim().to_owned()
    }

    /// A repository with files, of modes, and a first commit.
    fn make(&self, name: &str, files: &[(&str, &str)]) {
        std::fs::create_dir_all(self.path(name)).expect("made");
        self.git(name, &["init", "-q"], b"");
        self.commit(name, files);
    }

    fn commit(&self, name: &str, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            let path = self.path(name).join(path);
            std::fs::create_dir_all(path.parent().expect("in a folder")).expect("made");
            std::fs::write(&path, text).expect("written");
        }
        self.git(name, &["add", "-A"], b"");
        self.git(name, &["commit", "-qm", "m", "--allow-empty"], b"");
        self.id(name, &["rev-parse", "HEAD"], b"")
    }

    /// A commit of a tree that is given as it is.
    fn commit_raw(&self, name: &str, entries: &[(&str, &[u8], &str)]) -> String {
        let mut tree = Vec::new();
        for (mode, path, id) in entries {
            tree.extend(format!("{mode} ").as_bytes());
            tree.extend(*path);
            tree.push(0);
            tree.extend(object(id).expect("an id").as_slice());
        }
        let tree = self.id(name, &["hash-object", "-t", "tree", "--literally", "-w", "--stdin"], &tree);
        let commit = self.id(name, &["commit-tree", "-m", "m", &tree], b"");
        self.git(name, &["update-ref", "refs/heads/raw", &commit], b"");
        commit
    }
}

impl Http for Server {
    fn send(&self, request: Request<'_>) -> Result<Answer, String> {
        let mut url = request.url.to_owned();
        if let Some((from, to)) = self.moved {
            url = url.replace(from, to);
        }
        // Name and password are the client's to send.
        let host = url.strip_prefix("http://").and_then(|rest| rest.split_once('/'));
        let (_, path) =
            host.filter(|(host, _)| host.ends_with('h')).ok_or_else(|| format!("Get {url:?}: no such host"))?;
        let path = path.to_owned();
        let path = path.as_str();
        let answer = |status, content_type: &str, body: Vec<u8>| Answer {
            status,
            url: url.clone(),
            content_type: content_type.to_owned(),
            body: Box::new(Cursor::new(body)),
        };
        if self.wanted.is_some_and(|wanted| request.authorization != Some(wanted)) {
            return Ok(answer(401, "", Vec::new()));
        }
        let (name, service) = match path.split_once("/info/refs?") {
            Some((name, _)) => (name, vec!["--http-backend-info-refs"]),
            None => (path.strip_suffix("/git-upload-pack").ok_or("no such service")?, vec![]),
        };
        if let Some(said) = self.says {
            return Ok(answer(200, "application/x-git-upload-pack-advertisement", said.to_vec()));
        }
        if !self.path(name).is_dir() {
            return Ok(answer(404, "", Vec::new()));
        }
        let is_advertisement = !service.is_empty();
        let arguments = [&["upload-pack", "--stateless-rpc"][..], &service, &["."]].concat();
        let mut command = Command::new("git");
        command.args(arguments).current_dir(self.path(name)).env("GIT_PROTOCOL", self.version);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let body = request.body.unwrap_or_default();
        let mut input = child.stdin.take().expect("piped");
        // It may have refused already.
        let _ = input.write_all(&body);
        drop(input);
        let mut said = child.wait_with_output().map_err(|error| error.to_string())?.stdout;
        if let Some((truth, lie)) = self.lie.as_ref().filter(|_| body.windows(15).any(|at| at == b"command=ls-refs")) {
            said = String::from_utf8(said).expect("refs are text").replace(truth, lie).into_bytes();
        }
        Ok(match is_advertisement {
            true => {
                let mut out = b"001e# service=git-upload-pack\n0000".to_vec();
                out.extend(said);
                answer(200, "application/x-git-upload-pack-advertisement", out)
            }
            false => answer(200, "application/x-git-upload-pack-result", said),
        })
    }
}

struct Got {
    home: TempDir,
    key: String,
}

impl Got {
    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("files").join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect(name)
    }

    /// All that is there, sorted, but what is in `.git`.
    fn names(&self) -> Vec<String> {
        let (mut found, mut waiting) = (Vec::new(), vec![PathBuf::new()]);
        while let Some(at) = waiting.pop() {
            for entry in std::fs::read_dir(self.path("").join(&at)).expect("listed") {
                let entry = entry.expect("one");
                let path = at.join(entry.file_name());
                if entry.file_type().expect("known").is_dir() && entry.file_name() != ".git" {
                    waiting.push(path.clone());
                }
                found.push(path.display().to_string());
            }
        }
        found.sort();
        found
    }
}

fn fetch_as(server: &Server, text: &str, header: Option<&str>) -> Result<Got, String> {
    let stop = AtomicBool::new(false);
    let address = Address::parse(text).map_err(|error| error.to_string())?.expect("a repository");
    let credentials = header.map(|header| Credentials { header: header.to_owned() });
    let access = Access { http: server, credentials, remote: &address.remote, stop: &stop };
    let home = tempfile::tempdir().expect("a directory");
    let to = home.path().join("files");
    std::fs::create_dir(&to).expect("made");
    let mut heard = 0;
    let fetched = access.resolve(&address).and_then(|chosen| {
        let fetched = access.fetch(&address, &chosen, &to, &mut |bytes| heard = bytes);
        fetched.map(|()| chosen.key(&address))
    });
    let left: Vec<_> =
        std::fs::read_dir(home.path()).expect("listed").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["files"], "packs that nobody keeps go");
    let key = fetched.map_err(|error| error.to_string())?;
    assert!(heard > 0);
    Ok(Got { home, key })
}

fn fetch(server: &Server, text: &str) -> Result<Got, String> {
    fetch_as(server, text, None)
}

/// A repository of everything.
fn everything() -> (Server, BTreeMap<&'static str, String>) {
    let server = Server::new();
    let long: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    server.make("x.git", &[("a", "one\n"), ("d/e/f", "deep\n"), ("d/long", &long)]);
    let first = server.id("x.git", &["rev-parse", "HEAD"], b"");
    std::os::unix::fs::symlink("../../out", server.path("x.git/d/link")).expect("linked");
    std::fs::write(server.path("x.git/run"), "#!/bin/sh\n").expect("written");
    std::fs::set_permissions(server.path("x.git/run"), std::fs::Permissions::from_mode(0o755)).expect("set");
    // Versions of one file, each a delta on another.
    for number in 0..5 {
        server.commit(
            "x.git",
            &[("d/long", &format!("{number}\n{long}{number}\n")), (&format!("l{number}"), &format!("{long}{number}"))],
        );
    }
    let second = server.commit("x.git", &[("a", "two\n")]);
    server.git("x.git", &["branch", "other/branch", &first], b"");
    server.git("x.git", &["tag", "light", &first], b"");
    server.git("x.git", &["tag", "-a", "-m", "t", "v1", &first], b"");
    server.git("x.git", &["repack", "-adfq", "--depth=50"], b"");
    let tag = server.id("x.git", &["rev-parse", "v1"], b"");
    (server, BTreeMap::from([("first", first), ("second", second), ("tag", tag)]))
}

#[test]
fn refs_lead_to_files() {
    let (mut server, ids) = everything();
    for version in ["version=2", "version=1", ""] {
        server.version = version;
        for (text, expect, commit) in [
            ("", "two\n", "second"),
            ("#main", "two\n", "second"),
            ("#other/branch", "one\n", "first"),
            ("#light", "one\n", "first"),
            ("#v1", "one\n", "first"),
            ("?tag=v1", "one\n", "first"),
        ] {
            let got = fetch(&server, &format!("http://h/x.git{text}")).expect(text);
            assert_eq!((got.text("a").as_str(), &got.key), (expect, &ids[commit]), "{version} {text}");
        }
    }
    server.version = "version=2";
    let got = fetch(&server, &format!("http://h/x.git#{}", ids["first"])).expect("a commit");
    assert_eq!(got.names(), ["a", "d", "d/e", "d/e/f", "d/long"]);
    let got = fetch(&server, "http://h/x.git?mtime=commit").expect("fetched");
    let meta = |name: &str| got.path(name).symlink_metadata().expect(name);
    assert_eq!((meta("run").mode(), meta("a").mode(), meta("d").mode()), (0o100_755, 0o100_644, 0o40755));
    assert_eq!(std::fs::read_link(got.path("d/link")).expect("a link"), Path::new("../../out"));
    assert!(got.text("l3").ends_with("line 19999\n3") && got.text("d/long").starts_with("4\nline 0\n"));
    for name in ["", "d", "d/e/f", "d/link", "run"] {
        assert_eq!(meta(name).mtime(), 1_500_000_000, "{name}");
    }
}

#[test]
fn folders_and_what_is_missing() {
    let (server, ids) = everything();
    let got = fetch(&server, "http://h/x.git?keep-git-dir=1#v1:d/e").expect("a folder");
    assert_eq!((got.names(), &got.key), (vec!["f".to_owned()], &format!("{}:d/e", ids["first"])));
    for (text, expect) in [
        ("x.git#nope", r#"repository does not contain ref nope, output: """#),
        ("x.git#:nope/x", r#"invalid subdir nope/x: failed to lstat "nope": statat nope: no such file or directory"#),
        ("x.git#:a", r#"invalid subdir a: git subpath "a" contains non-directory "a""#),
        ("x.git#:d/link", r#"invalid subdir d/link: git subpath "d/link" contains non-directory "d/link""#),
        ("y.git", "failed to fetch remote http://h/y.git: repository 'http://h/y.git' not found"),
        ("x.git?checksum=12345", &format!("expected checksum to match 12345, got {}", ids["second"])),
        (
            "x.git#0123456789012345678901234567890123456789",
            "remote error: upload-pack: not our ref 0123456789012345678901234567890123456789",
        ),
    ] {
        let told = fetch(&server, &format!("http://h/{text}")).err().expect(text);
        assert!(told.ends_with(expect), "{text}: {told}");
    }
    let tag = &ids["tag"];
    for checksum in [&tag[..7], &ids["first"][..7], &ids["first"]] {
        fetch(&server, &format!("http://h/x.git?tag=v1&checksum={checksum}")).expect("the right one");
    }
}

/// A checksum is of what comes, not of what the server says of it.
#[test]
fn a_lie_about_a_tag_is_seen() {
    let (mut server, ids) = everything();
    let (tag, first, second) = (&ids["tag"], &ids["first"], &ids["second"]);
    let get = |server: &Server, query: &str, checksum: &str| {
        fetch(server, &format!("http://h/x.git?{query}&checksum={checksum}#v1")).map(|got| got.text("a"))
    };
    // The tag is another commit's.
    server.lie = Some((format!("peeled:{first}"), format!("peeled:{second}")));
    for query in ["", "keep-git-dir=1"] {
        assert_eq!(get(&server, query, tag), Ok("one\n".to_owned()), "{query}");
    }
    let got = fetch(&server, "http://h/x.git#v1").expect("nobody says what it is");
    assert_eq!((got.text("a").as_str(), &got.key), ("two\n", second));
    let told = get(&server, "keep-git-dir=1", second).expect_err("another one");
    assert_eq!(told, format!("expected checksum to match {second}, got {tag} or {first}"));
    // Another object is the tag: it is what is fetched.
    server.lie = Some((format!("{tag} "), format!("{second} ")));
    assert_eq!(get(&server, "", second), Ok("two\n".to_owned()));
}

#[test]
fn a_refusal_says_whose_it_is() {
    let mut server = Server::new();
    for said in [&b"000eERR no way"[..], b"001e# service=git-upload-pack\n0000000eERR no way"] {
        server.says = Some(said);
        let told = fetch(&server, "http://u:hidden@h/x.git").err().expect("refused");
        assert!(told.starts_with("failed to fetch remote http://h/x.git: ") && told.contains("no way"), "{told}");
    }
}

#[test]
fn nothing_shows_a_password() {
    let address = Address::parse("http://u:hidden@other/x.git#main").expect("valid").expect("a repository");
    let server = Server::new();
    let stop = AtomicBool::new(false);
    let access = Access { http: &server, credentials: None, remote: &address.remote, stop: &stop };
    let request = Request { url: &address.remote, authorization: Some("hidden"), body: None };
    let shown = format!("{address:?} {access:?} {request:?}");
    assert!(shown.contains("http://other/x.git") && !shown.contains("hidden"), "{shown}");
    let told = fetch(&server, "http://u:hidden@other/x.git").err().expect("nobody is there");
    assert!(told.ends_with("Get \"http://other/x.git/info/refs?service=git-upload-pack\": no such host"), "{told}");
}

#[test]
fn credentials_are_for_their_repository() {
    let (mut server, _) = everything();
    server.make("outer.git", &[(".gitmodules", "[submodule \"x\"]\npath = x\nurl = ../x.git\n")]);
    server.wanted = Some("basic eA==");
    let told = fetch(&server, "http://h/x.git").err().expect("refused");
    assert!(told.contains("could not read Username for 'http://h': "), "{told}");
    let told = fetch(&server, "http://u:hidden@h/x.git").err().expect("refused");
    assert_eq!(told, "failed to fetch remote http://h/x.git: Authentication failed for 'http://h/x.git'");
    fetch_as(&server, "http://u:hidden@h/x.git", server.wanted).expect("allowed");
    let told = fetch_as(&server, "http://h/x.git", Some("basic eQ==")).err().expect("refused");
    assert_eq!(told, "failed to fetch remote http://h/x.git: Authentication failed for 'http://h/x.git'");
    // A redirection to the same host keeps them, and what is sent then goes there at once.
    server.moved = Some(("/old.git/info", "/x.git/info"));
    assert_eq!(fetch_as(&server, "http://h/old.git", server.wanted).expect("moved").text("a"), "two\n");
    let access = |remote: &'static str| Access {
        http: &server,
        credentials: Some(Credentials { header: "h".to_owned() }),
        remote,
        stop: Box::leak(Box::new(AtomicBool::new(false))),
    };
    for (remote, url, is_for) in [
        ("http://h/x.git", "http://h/x.git", true),
        ("http://h/x.git", "http://h/x.git/y.git", true),
        ("http://h/x.git", "http://h/x.gity", false),
        ("http://h/x.git", "http://h/y.git", false),
        ("http://h/x.git", "http://h/x.git/../y.git", false),
        ("http://h/x.git", "http://h/x.git/%2E./y.git", false),
        ("https://github.com/x/y.git", "https://github.com/z/a.git", true),
        ("https://github.com/x/y.git", "https://github.com.evil/z/a.git", false),
    ] {
        assert_eq!(access(remote).authorization(url).is_some(), is_for, "{remote} {url}");
    }
}

#[test]
fn git_knows_what_is_kept() {
    let (server, ids) = everything();
    for (text, name, describe) in [
        ("keep-git-dir#main", "refs/heads/main", None),
        ("keep-git-dir#v1", "refs/tags/v1", Some("v1")),
        (&*format!("keep-git-dir#{}", ids["first"]), "", None),
    ] {
        let got = fetch(&server, &format!("http://u:p@h/x.git?{text}")).expect(text);
        let git = |arguments: &[&str]| {
            let mut command = Command::new("git");
            command.args(["-c", "safe.directory=*"]).args(arguments).current_dir(got.path(""));
            let said = command.output().expect("git runs");
            assert!(said.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
            String::from_utf8(said.stdout).expect("text").trim().to_owned()
        };
        assert_eq!(git(&["status", "--porcelain"]), "", "{text}");
        git(&["fsck", "--strict"]);
        let commit = if name.ends_with("main") { &ids["second"] } else { &ids["first"] };
        assert_eq!(&git(&["rev-parse", "HEAD"]), commit);
        if !name.is_empty() {
            assert_eq!(git(&["for-each-ref", "--format=%(refname)"]), name);
        }
        if let Some(describe) = describe {
            assert_eq!(git(&["describe"]), describe);
        }
        assert_eq!(git(&["config", "remote.origin.url"]), "http://h/x.git");
        assert_eq!(git(&["ls-files", "-s"]).lines().count(), if commit == &ids["first"] { 3 } else { 10 });
    }
}

#[test]
fn submodules_come_along() {
    let (server, ids) = everything();
    server.make("inner.git", &[("i", "inner\n")]);
    let add = |name: &str, path: &str, url: &str| {
        let from = server.path("x.git").display().to_string();
        server.git(name, &["submodule", "--quiet", "add", &from, path], b"");
        server.git(name, &["config", "-f", ".gitmodules", &format!("submodule.{path}.url"), url], b"");
        server.commit(name, &[])
    };
    add("inner.git", "deep/x", "../x.git");
    server.make("outer.git", &[("o", "outer\n")]);
    let from = server.path("inner.git").display().to_string();
    server.git("outer.git", &["submodule", "--quiet", "add", &from, "libs/inner"], b"");
    server.git("outer.git", &["config", "-f", ".gitmodules", "submodule.libs/inner.url", "http://h/inner.git"], b"");
    server.commit("outer.git", &[]);
    let got = fetch(&server, "http://h/outer.git").expect("fetched");
    assert_eq!((got.text("o"), got.text("libs/inner/i")), ("outer\n".into(), "inner\n".into()));
    assert_eq!(got.text("libs/inner/deep/x/a"), "two\n");
    let got = fetch(&server, "http://h/outer.git#:libs").expect("fetched");
    assert_eq!(got.text("inner/deep/x/a"), "two\n");
    let got = fetch(&server, "http://h/outer.git?submodules=0").expect("fetched");
    assert_eq!(got.names(), [".gitmodules", "libs", "libs/inner", "o"]);
    let told = |url: &str, update: &str| {
        let set = |key: &str, value: &str| {
            server.git(
                "outer.git",
                &["config", "-f", ".gitmodules", &format!("submodule.libs/inner.{key}"), value],
                b"",
            );
        };
        set("url", url);
        set("update", update);
        server.commit("outer.git", &[]);
        fetch(&server, "http://h/outer.git").map(|got| got.names())
    };
    let failed = told("git@h:inner.git", "checkout").expect_err("no way");
    assert!(
        failed.starts_with("failed to update submodules for http://h/outer.git: libs/inner: git@h:inner.git: "),
        "{failed}"
    );
    assert!(failed.contains("not by SSH"), "{failed}");
    assert_eq!(told("git@h:inner.git", "none").expect("left out"), [".gitmodules", "libs", "libs/inner", "o"]);
    // What is left out counts, too: each is looked at.
    let many: Vec<String> = (0..=MOST_MODULES).map(|number| format!("m{number:04}")).collect();
    let links: Vec<_> = many.iter().map(|path| ("160000", path.as_bytes(), ids["second"].as_str())).collect();
    let sections = many.iter().map(|path| format!("[submodule \"{path}\"]\npath = {path}\nurl = x\nupdate = none\n"));
    let sections: String = sections.collect();
    let file = server.id("x.git", &["hash-object", "-w", "--stdin"], sections.as_bytes());
    for (count, is_fine) in [(MOST_MODULES, true), (MOST_MODULES + 1, false)] {
        let entries = [&[("100644", &b".gitmodules"[..], file.as_str())], &links[..count]].concat();
        let commit = server.commit_raw("x.git", &entries);
        let told = fetch(&server, &format!("http://h/x.git#{commit}")).map(drop);
        assert_eq!(told.is_ok(), is_fine, "{told:?}");
    }
    // One that is within itself for ever.
    let own = server.commit_raw("x.git", &[("160000", b"x", &ids["second"])]);
    let failed = fetch(&server, &format!("http://h/x.git#{own}")).err().expect("no url");
    assert!(failed.ends_with("x: no url found for submodule path 'x' in .gitmodules"), "{failed}");
}

#[test]
fn trees_lead_nowhere_else() {
    let (server, _) = everything();
    let blob = server.id("x.git", &["hash-object", "-w", "--stdin"], b"../..");
    let empty = server.id("x.git", &["hash-object", "-t", "tree", "-w", "--stdin"], b"");
    let inner = server.id("x.git", &["mktree"], format!("100644 blob {blob}\tx\n").as_bytes());
    for (entries, expect) in [
        (vec![("100644", &b".."[..], &blob)], "invalid path \"..\""),
        (vec![("40000", b"..", &inner)], "invalid path \"..\""),
        (vec![("100644", b"a/b", &blob)], "invalid path \"a/b\""),
        (vec![("40000", b".git", &inner)], "invalid path \".git\""),
        (vec![("40000", b".GiT", &inner)], "invalid path \".GiT\""),
        (vec![("40000", b"git~1", &inner)], "invalid path \"git~1\""),
        (vec![("40000", ".g\u{200c}it".as_bytes(), &inner)], "The .git name may never be used"),
        (vec![("120000", b".gitmodules", &blob)], "invalid path \".gitmodules\""),
        (vec![("120000", b"a", &blob), ("40000", b"a", &inner)], "File exists"),
        (vec![("100644", b"a", &blob), ("100644", b"a", &blob)], "File exists"),
        (vec![("100644", b"a", &inner)], "is a tree, not a blob"),
        (vec![("40000", b"a", &blob)], "is a blob, not a tree"),
    ] {
        let list: Vec<_> = entries.iter().map(|(mode, name, id)| (*mode, *name, id.as_str())).collect();
        server.commit_raw("x.git", &list);
        // A tree that names nothing of the right kind is not packed.
        let told = fetch(&server, "http://h/x.git#raw").err().expect(expect);
        let is_other = told.contains("broke off") || told.contains("sends no pack") || told.contains("remote error");
        assert!(told.contains(expect) || expect.starts_with("is a") && is_other, "{expect}: {told}");
    }
    server.commit_raw("x.git", &[("40000", b"aux.con:", &empty), ("120000", b"up", &blob)]);
    let got = fetch(&server, "http://h/x.git#raw").expect("fine here");
    assert_eq!(got.names(), ["aux.con:", "up"]);
}

/// A pack of all of a repository, and a commit in it with its file.
fn pack() -> (Vec<u8>, ObjectId, String) {
    let (server, ids) = everything();
    let pack = server.git("x.git", &["pack-objects", "--all", "--stdout", "-q", "--depth=50"], b"");
    let long = std::fs::read_to_string(server.path("x.git/d/long")).expect("read");
    (pack, object(&ids["second"]).expect("an id"), long)
}

/// What is in the commit's file, by way of a pack.
fn long_of(bytes: &[u8], commit: ObjectId) -> Result<String> {
    let home = tempfile::tempdir().expect("a directory");
    let packs = home.path().join("packs");
    let to = home.path().join("files");
    for path in [&packs, &to] {
        std::fs::create_dir(path).expect("made");
    }
    let stop = AtomicBool::new(false);
    let pack = Pack::receive(bytes, &packs, &stop, &mut |_| {})?;
    let tree = pack.commit(commit)?.tree;
    Checkout { pack: &pack, to: &to, time: None, stop: &stop }.write(tree, &mut Budget::default())?;
    Ok(std::fs::read_to_string(to.join("d/long")).expect("read"))
}

#[test]
fn packs_are_verified() {
    let (pack, commit, long) = pack();
    assert_eq!(long_of(&pack, commit).expect("whole"), long);
    for length in [0, 4, 12, 20, pack.len() / 2, pack.len() - 20, pack.len() - 1] {
        assert!(long_of(&pack[..length], commit).is_err(), "{length} of {}", pack.len());
    }
    let mut damaged = pack.clone();
    let middle = pack.len() / 2;
    damaged[middle] ^= 0x10;
    assert!(long_of(&damaged, commit).is_err());
    // Of many objects, of which there are none.
    let mut many = pack.clone();
    many[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(long_of(&many, commit), Err(Error::TooLarge(_))), "it is told before anything is kept");
    let stop = AtomicBool::new(true);
    let home = tempfile::tempdir().expect("a directory");
    let stopped = Pack::receive(&pack[..], home.path(), &stop, &mut |_| {});
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert!(std::fs::read_dir(home.path()).expect("listed").next().is_none(), "nothing stays");
}

#[test]
fn a_budget_bounds_what_is_written() {
    let mut budget = Budget::default();
    budget.take(1, 1 << 30).expect("room");
    assert!((0..16).try_for_each(|_| budget.take(1, 1 << 30)).is_err());
    let mut budget = Budget::default();
    assert!((0..70_000).try_for_each(|_| budget.take(4000, 0)).is_err());
}

/// One that is not what it was comes to nothing, or to the same.
#[test]
fn damaged_packs_harm_nobody() {
    let (pack, commit, long) = pack();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 150, ..ProptestConfig::default() });
    let changes = proptest::collection::vec((0..pack.len(), any::<u8>()), 1..6);
    let strategy = (changes, proptest::option::of(0..pack.len()), any::<bool>());
    runner
        .run(&strategy, |(changes, cut, mends)| {
            let mut bytes = pack.clone();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            bytes.truncate(cut.unwrap_or(pack.len()).max(32));
            if mends {
                // The sum is right: what is within has to be looked at.
                let end = bytes.len() - 20;
                let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
                hasher.update(&bytes[..end]);
                let sum = hasher.try_finalize().expect("no attack");
                bytes[end..].copy_from_slice(sum.as_slice());
            }
            if let Ok(found) = long_of(&bytes, commit) {
                prop_assert_eq!(&found, &long);
            }
            Ok(())
        })
        .expect("no panic");
}
