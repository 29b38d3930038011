//! One server: what refs a repository has, and one commit of it as a pack. Version 2 of the protocol, and the one before for those that
//! do not know it.

use crate::address::is_secure_shell;
use crate::error::{Error, Result};
use crate::fetch::Access;
use crate::packets::{Bands, Packets, delimiter, flush, line};
use gix_hash::ObjectId;
use std::fmt::Debug;
use std::io::Read;
use url::{Origin, Url};

/// What is asked for over HTTP.
pub struct Request<'a> {
    pub url: &'a str,
    /// The header of that name.
    pub authorization: Option<&'a str>,
    /// What is sent, which makes it a POST of `application/x-git-upload-pack-request`.
    pub body: Option<Vec<u8>>,
}

/// Says no password.
impl Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("url", &without_credentials(self.url)).finish_non_exhaustive()
    }
}

/// What comes back.
pub struct Answer {
    pub status: u16,
    /// Where it came from, after redirections.
    pub url: String,
    pub content_type: String,
    pub body: Box<dyn Read + Send>,
}

impl Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("url", &without_credentials(&self.url))
            .finish_non_exhaustive()
    }
}

/// Who carries requests. Each has `Git-Protocol: version=2` among its headers. Redirections are followed, and credentials are not taken
/// along to another host.
pub trait Http: Debug + Send + Sync {
    /// # Errors
    ///
    /// The reason in words, without a password, when nobody answers; a status is no error.
    fn send(&self, request: Request<'_>) -> Result<Answer, String>;
}

/// A ref that a server tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ref {
    pub(crate) name: String,
    pub(crate) id: String,
    /// What an annotated tag is of.
    pub(crate) peeled: Option<String>,
    /// What it is another name of.
    pub(crate) target: Option<String>,
}

const INFO: &str = "/info/refs?service=git-upload-pack";

/// Bytes of a list of refs: half a million of them.
const LONGEST_LIST: usize = 64 << 20;

/// Frames before a pack; each commit whose parents are left out has one.
const MOST_BEFORE_PACK: usize = 10_000;

const AGENT: &str = concat!("agent=berth/", env!("CARGO_PKG_VERSION"));

/// A repository whose server answered.
pub(crate) struct Remote<'a> {
    access: &'a Access<'a>,
    /// As it is called, without a password.
    pub(crate) shown: String,
    base: String,
    authorization: Option<String>,
    speech: Speech,
}

/// Says no password.
impl Debug for Remote<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("shown", &self.shown).field("speech", &self.speech).finish_non_exhaustive()
    }
}

/// How its server speaks.
#[derive(Debug)]
enum Speech {
    Two,
    /// It told all refs at once.
    Zero {
        refs: Vec<Ref>,
        can: Vec<String>,
    },
}

impl<'a> Remote<'a> {
    /// Asks the server what it can.
    pub(crate) fn meet(access: &'a Access<'a>, url: &str) -> Result<Remote<'a>> {
        check_way(url)?;
        let shown = without_credentials(url);
        let authorization = access.authorization(url);
        // A header takes the place of what is in the address.
        let asked = if authorization.is_some() { shown.clone() } else { url.to_owned() };
        let asked = asked.trim_end_matches('/');
        let mut remote = Remote { access, shown, base: asked.to_owned(), authorization, speech: Speech::Two };
        let mut answer = remote.ask(&format!("{asked}{INFO}"), None)?;
        let there = answer.url.strip_suffix(INFO).ok_or_else(|| remote.failed("it redirects to something else"))?;
        if is_same_server(asked, there) {
            remote.base = with_credentials_of(asked, there);
        } else {
            // What the credentials are for is not there.
            remote.authorization = None;
            there.clone_into(&mut remote.base);
        }
        if !answer.content_type.starts_with("application/x-git-upload-pack-advertisement") {
            return Err(remote.failed("the server does not speak git's smart protocol there"));
        }
        let mut packets = Packets(&mut answer.body);
        let mut lines = packets.lines(LONGEST_LIST).map_err(|error| remote.with_name(error))?;
        if lines.first().is_some_and(|line| line.starts_with("# service=")) {
            lines = packets.lines(LONGEST_LIST).map_err(|error| remote.with_name(error))?;
        }
        let can: Vec<String> = match lines.first().map(String::as_str) {
            Some("version 2") => lines[1..].to_vec(),
            Some(line) if line.starts_with("version ") && line != "version 1" => {
                return Err(remote.failed(&format!("the server speaks {line} of git's protocol")));
            }
            first => {
                if first == Some("version 1") {
                    lines.remove(0);
                }
                let words = lines.first().and_then(|line| line.split_once('\0')).map_or("", |(_, words)| words);
                let can: Vec<String> = words.split(' ').map(str::to_owned).collect();
                remote.speech = Speech::Zero { refs: advertised(&lines, &can), can: can.clone() };
                can
            }
        };
        if can.iter().any(|word| word == "object-format=sha256") {
            return Err(remote.failed("its objects are named by SHA-256, which this engine does not read"));
        }
        Ok(remote)
    }

    fn failed(&self, reason: &str) -> Error {
        Error::Remote { remote: self.shown.clone(), reason: reason.to_owned() }
    }

    fn ask(&self, url: &str, body: Option<Vec<u8>>) -> Result<Answer> {
        let request = Request { url, authorization: self.authorization.as_deref(), body };
        let answer = self.access.http.send(request).map_err(|reason| {
            // Clients like to say what they were asked for.
            self.failed(&reason.replace(url, &without_credentials(url)))
        })?;
        let origin = || {
            let end = self.shown.find("://").map_or(0, |at| at + 3);
            let length = self.shown[end..].find('/').unwrap_or(self.shown.len() - end);
            &self.shown[..end + length]
        };
        match answer.status {
            200 => Ok(answer),
            401 if self.authorization.is_none() && without_credentials(&self.base) == self.base => Err(self.failed(&format!(
                "could not read Username for '{}': the server asks for credentials, which a build gives by --secret id=GIT_AUTH_TOKEN",
                origin()
            ))),
            401 => Err(self.failed(&format!("Authentication failed for '{}'", self.shown))),
            404 => Err(self.failed(&format!("repository '{}' not found", self.shown))),
            status => Err(self.failed(&format!("the server answers with status {status}"))),
        }
    }

    fn post(&self, body: Vec<u8>) -> Result<Answer> {
        let answer = self.ask(&format!("{}/git-upload-pack", self.base), Some(body))?;
        match answer.content_type.starts_with("application/x-git-upload-pack-result") {
            true => Ok(answer),
            false => Err(self.failed("the server does not speak git's smart protocol there")),
        }
    }

    /// The refs whose names begin so.
    pub(crate) fn refs(&self, prefixes: &[String]) -> Result<Vec<Ref>> {
        if let Speech::Zero { refs, .. } = &self.speech {
            let is_meant = |one: &&Ref| prefixes.iter().any(|prefix| one.name.starts_with(prefix));
            return Ok(refs.iter().filter(is_meant).cloned().collect());
        }
        let mut body = Vec::new();
        line(&mut body, "command=ls-refs");
        line(&mut body, AGENT);
        delimiter(&mut body);
        line(&mut body, "peel");
        line(&mut body, "symrefs");
        for prefix in prefixes {
            line(&mut body, &format!("ref-prefix {prefix}"));
        }
        flush(&mut body);
        let mut answer = self.post(body)?;
        let lines = Packets(&mut answer.body).lines(LONGEST_LIST).map_err(|error| self.with_name(error))?;
        Ok(lines.iter().filter_map(|line| told(line)).collect())
    }

    /// An error of the answer's bytes, with where they came from.
    fn with_name(&self, error: Error) -> Error {
        match error {
            Error::Damaged(reason) => self.failed(&reason),
            error => error,
        }
    }

    /// Asks for one commit without those before it: the names of commits whose parents are left out, and the pack.
    pub(crate) fn commit(&self, id: &ObjectId) -> Result<(Vec<ObjectId>, Box<dyn Read + Send>)> {
        let mut body = Vec::new();
        let two = match &self.speech {
            Speech::Two => {
                line(&mut body, "command=fetch");
                line(&mut body, AGENT);
                delimiter(&mut body);
                for word in ["ofs-delta", "no-progress", &format!("want {id}"), "deepen 1", "done"] {
                    line(&mut body, word);
                }
                flush(&mut body);
                true
            }
            Speech::Zero { can, .. } => {
                let can = |word: &str| can.iter().any(|known| known == word);
                if !can("side-band-64k") {
                    return Err(self.failed("the server speaks an old protocol, without side-band-64k"));
                }
                let words = ["ofs-delta", "no-progress", "shallow"].into_iter().filter(|word| can(word));
                let words: Vec<&str> = words.collect();
                line(&mut body, &format!("want {id} side-band-64k {} {AGENT}", words.join(" ")));
                // Without it all history comes along, which nobody needs.
                if can("shallow") {
                    line(&mut body, "deepen 1");
                }
                flush(&mut body);
                line(&mut body, "done");
                false
            }
        };
        let answer = self.post(body)?;
        self.open(Packets(answer.body), two).map_err(|error| self.with_name(error))
    }

    fn open(
        &self,
        mut packets: Packets<Box<dyn Read + Send>>,
        two: bool,
    ) -> Result<(Vec<ObjectId>, Box<dyn Read + Send>)> {
        use crate::packets::{Packet, text};
        let mut shallow = Vec::new();
        for _ in 0..MOST_BEFORE_PACK {
            match packets.next()? {
                Packet::Flush if two => return Err(Error::Damaged("the server sends no pack".to_owned())),
                Packet::Flush | Packet::Delimiter => {}
                Packet::Data(bytes) => {
                    let said = text(&bytes);
                    if let Some(id) = said.strip_prefix("shallow ") {
                        shallow.push(object(id)?);
                    } else if said == "packfile" || said == "NAK" {
                        return Ok((shallow, Box::new(Bands::new(packets))));
                    }
                    // Titles of other parts.
                }
            }
        }
        Err(Error::Damaged("the server sends no pack".to_owned()))
    }
}

/// The name of an object.
pub(crate) fn object(text: &str) -> Result<ObjectId> {
    let read = ObjectId::from_hex(text.as_bytes()).ok().filter(|_| text.len() == 40);
    read.ok_or_else(|| Error::Damaged(format!("{text:?} is no name of an object")))
}

/// A line of version 2: `ID NAME[ symref-target:NAME][ peeled:ID]`.
fn told(line: &str) -> Option<Ref> {
    let mut words = line.split(' ');
    let (id, name) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut told = Ref { name, id, peeled: None, target: None };
    for word in words {
        match word.split_once(':') {
            Some(("peeled", id)) => told.peeled = Some(id.to_owned()),
            Some(("symref-target", name)) => told.target = Some(name.to_owned()),
            _ => {}
        }
    }
    // HEAD of a repository without commits is unborn.
    (told.id != "unborn").then_some(told)
}

/// Lines of the version before: `ID NAME`, with what is behind a tag as `NAME^{}`.
fn advertised(lines: &[String], can: &[String]) -> Vec<Ref> {
    let mut refs: Vec<Ref> = Vec::new();
    for line in lines {
        let line = line.split('\0').next().unwrap_or_default();
        let Some((id, name)) = line.split_once(' ') else { continue };
        if let Some(tag) = name.strip_suffix("^{}") {
            // It comes behind its tag.
            if let Some(known) = refs.last_mut().filter(|known| known.name == tag) {
                known.peeled = Some(id.to_owned());
            }
            continue;
        }
        let target =
            can.iter().find_map(|word| word.strip_prefix("symref=")?.split_once(':').filter(|(of, _)| *of == name));
        let target = target.map(|(_, target)| target.to_owned());
        refs.push(Ref { name: name.to_owned(), id: id.to_owned(), peeled: None, target });
    }
    refs
}

/// Refuses the ways that are not gone here.
fn check_way(url: &str) -> Result<()> {
    // Whoever connects may see another host in them than who says what credentials are for.
    if url.chars().any(|letter| letter == '\\' || letter.is_control()) {
        return Err(Error::Address("the address of a repository has no backslash and no control character".to_owned()));
    }
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let shown = without_credentials(url);
    match scheme.as_deref() {
        Some("http" | "https") => Ok(()),
        Some("git") => Err(Error::NotSpoken(format!(
            "{shown}: this engine fetches repositories by https:// and http://, not by git://: write an address of these, or send a checkout as the context"
        ))),
        Some(other) if other != "ssh" => Err(Error::NotSpoken(format!(
            "{shown}: this engine fetches repositories by https:// and http://, not by {other}://"
        ))),
        None if !is_secure_shell(url) => {
            Err(Error::NotSpoken(format!("{shown}: this engine fetches repositories by https:// and http:// only")))
        }
        _ => Err(Error::NotSpoken(format!(
            "{shown}: this engine fetches repositories by https:// and http://, not by SSH: write the https:// address, with --secret id=GIT_AUTH_TOKEN if it is private, or send a checkout as the context"
        ))),
    }
}

/// An address without name and password. Where what seems a port is none, a password has a slash in it.
pub(crate) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    let port = rest[..end].rsplit_once(':').map_or("", |(_, port)| port);
    let is_host = rest[..end].contains('@') || port.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit());
    let end = if is_host { end } else { rest.len() };
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// An address with name and password of another one, if that has any.
fn with_credentials_of(other: &str, url: &str) -> String {
    let credentials = other.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'));
    match (credentials, without_credentials(url).split_once("://")) {
        (Some((credentials, _)), Some((scheme, rest))) => format!("{scheme}://{credentials}@{rest}"),
        _ => url.to_owned(),
    }
}

/// Whether what answered is where it was asked for: the same scheme, host and port, however they are written.
fn is_same_server(asked: &str, there: &str) -> bool {
    let origin = |url: &str| Url::parse(url).ok().map(|url| url.origin()).filter(Origin::is_tuple);
    origin(asked).is_some_and(|asked| origin(there) == Some(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, id: &str, peeled: Option<&str>, target: Option<&str>) -> Ref {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ref { name: name.to_owned(), id: id.to_owned(), peeled: owned(peeled), target: owned(target) }
    }

    #[test]
    fn refs_are_told_in_two_ways() {
        assert_eq!(told("1 refs/tags/v peeled:2"), Some(one("refs/tags/v", "1", Some("2"), None)));
        let head = one("HEAD", "1", None, Some("refs/heads/m"));
        assert_eq!(told("1 HEAD symref-target:refs/heads/m"), Some(head.clone()));
        assert_eq!(told("unborn HEAD symref-target:refs/heads/m"), None);
        let lines = ["1 HEAD\0symref=HEAD:refs/heads/m shallow", "1 refs/heads/m", "3 refs/tags/v", "4 refs/tags/v^{}"];
        let lines = lines.map(str::to_owned);
        let can = ["symref=HEAD:refs/heads/m".to_owned()];
        let expect = [head, one("refs/heads/m", "1", None, None), one("refs/tags/v", "3", Some("4"), None)];
        assert_eq!(advertised(&lines, &can), expect);
    }

    #[test]
    fn credentials_stay_with_their_host() {
        assert_eq!(without_credentials("https://u:p@w@h/x@y"), "https://h/x@y");
        assert_eq!(without_credentials("https://u:p/w@h/x"), "https://h/x");
        assert_eq!(without_credentials("https://[::1]:80/x@y"), "https://[::1]:80/x@y");
        assert_eq!(without_credentials("https://[::1]/x@y"), "https://[::1]/x@y");
        assert_eq!(with_credentials_of("https://u:p@h/x@y", "https://h/z"), "https://u:p@h/z");
        assert_eq!(with_credentials_of("https://h/x@y", "https://h/z"), "https://h/z");
        for (from, to, may) in [
            ("https://h/x.git", "https://h/y", true),
            ("https://u:p@h:443/x.git", "https://h/x.git", true),
            ("http://u:p@H:80/x.git", "http://h/x.git", true),
            ("http://[::1]:80/x.git", "http://[::1]/x.git", true),
            ("http://[::1]/x.git", "https://[::2]/x.git", false),
            ("http://[::1]/x.git", "http://[::2]/x.git", false),
            ("http://h/x.git", "https://h/x.git", false),
            ("https://h/x.git", "http://h/x.git", false),
            ("https://h/x.git", "https://h:444/x.git", false),
            ("https://h/x.git", "https://hh/x.git", false),
            ("https://h/x.git", "https://h@evil/x.git", false),
        ] {
            assert_eq!(is_same_server(from, to), may, "{from} {to}");
        }
    }

    #[test]
    fn other_ways_are_refused_in_words() {
        assert!(check_way("HTTP://h/x.git").is_ok());
        for url in ["git://u:p@h/x", "ssh://git@h/x", "git@h:x"] {
            let words = check_way(url).expect_err(url).to_string();
            assert!(words.contains("write") && !words.contains("u:p"), "{words}");
        }
        for (url, words) in [
            ("file:///etc", "not by file://"),
            ("ext::sh -c true", "by https:// and http:// only"),
            ("/srv/x.git", "by https:// and http:// only"),
            ("https://evil\\@h/x.git", "no backslash"),
            ("https://h\t/x.git", "no control character"),
        ] {
            assert!(check_way(url).expect_err(url).to_string().contains(words), "{url}");
        }
    }
}
