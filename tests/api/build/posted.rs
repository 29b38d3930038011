//! `POST /build?version=2`: by BuildKit, in one request.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::case::Case;
use tests::git_server::GitServer;
use tests::http::{head, request};

use super::{Said, build, built, context, inspect, sh};
use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    let mut all = cases![everywhere; builds_by_buildkit, fails_in_buildkits_words, is_cancelled_by_its_name, takes_a_context_of_its_own_request];
    // dockerd has no exporter of no name, and answers 200 and nothing else; of a repository it builds the image and says nothing, not
    // even what failed.
    all.extend(cases![not_of_dockerd; is_for_one_output, says_what_it_cannot_find, takes_a_repository]);
    all
}

/// What a build tells, as text that names of steps and their output are in.
fn traced(lines: &[Value]) -> anyhow::Result<String> {
    let mut text = String::new();
    for line in lines.iter().filter(|line| line["id"] == "moby.buildkit.trace") {
        let bytes = STANDARD.decode(line["aux"].as_str().context("base64")?)?;
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    Ok(text)
}

fn last(said: &Said) -> &Value {
    said.lines.last().unwrap_or(&Value::Null)
}

pub(crate) fn builds_by_buildkit(case: &Case<'_>) -> Result {
    let (image, other) = (case.image("posted:1"), case.image("posted:2"));
    let dockerfile = "FROM busybox AS one\nARG WHO\nRUN --mount=target=/in cat /in/file >/read; echo $WHO >>/read; echo told\n\
                      RUN grep host.of.mine /etc/hosts >>/read; ulimit -n >>/read\nFROM one\nRUN exit 1\n";
    let query = format!(
        "version=2&t={image}&t={other}&target=one&nocache=1&dockerfile=d/Other&buildargs={{\"WHO\":\"me\",\"NONE\":null}}&labels={{\"a\":\"b\"}}\
         &extrahosts=host.of.mine:10.1.2.3&ulimits=[{{\"Name\":\"nofile\",\"Soft\":123,\"Hard\":123}}]&networkmode=none"
    );
    let files = [("d/Other", dockerfile), ("file", "content ")];
    let said = built(case, "FROM nothing\n", &files, &encoded(&query))?;
    let id = last(&said)["aux"]["ID"].as_str().unwrap_or_default().to_owned();
    ensure!(*last(&said) == json!({ "id": "moby.image.id", "aux": { "ID": id } }), "{:?}", last(&said));
    ensure!(said.lines.iter().rev().skip(1).all(|line| line["id"] == "moby.buildkit.trace"), "{said:?}");
    let traced = traced(&said.lines)?;
    for words in ["[internal] load remote build context", "RUN --mount=target=/in", "told\n", "exporting to image"] {
        ensure!(traced.contains(words), "{words:?} is not told: {traced:?}");
    }
    for name in [&image, &other] {
        let found = inspect(case, name)?;
        ensure!(found["Id"] == *id && found["Config"]["Labels"]["a"] == "b", "{name}: {found}");
    }
    let read = sh(case, &image, "cat /read")?;
    ensure!(
        read.split_whitespace().collect::<Vec<_>>() == ["content", "me", "10.1.2.3", "host.of.mine", "123"],
        "{read}"
    );
    // Quietly, from the cache of the first.
    let said = built(case, "FROM nothing\n", &files, &encoded(&query.replace("nocache=1", "q=1")))?;
    ensure!(said.lines == [json!({ "stream": format!("{id}\n") })], "{said:?}");
    // In the machine's own network because the request says so.
    built(case, "FROM busybox\nRUN true\n", &[], "version=2&networkmode=host")?;
    Ok(())
}

pub(crate) fn is_for_one_output(case: &Case<'_>) -> Result {
    let image = case.image("output:1");
    let outputs = |json: &str| encoded(&format!("version=2&t={image}&outputs={json}"));
    let dockerfile = format!("FROM busybox\nRUN echo {} >/file\n", case.number());
    let said = built(case, &dockerfile, &[], &outputs("[{\"Type\":\"cacheonly\"}]"))?;
    ensure!(last(&said)["id"] == "moby.buildkit.trace", "{said:?}");
    ensure!(case.run(&["image", "inspect", &image])?.code == 1, "there is an image");
    let said = built(case, &dockerfile, &[], &outputs("[{\"Type\":\"moby\",\"Attrs\":null}]"))?;
    ensure!(inspect(case, &image)?["Id"] == last(&said)["aux"]["ID"], "{said:?}");
    Ok(())
}

pub(crate) fn fails_in_buildkits_words(case: &Case<'_>) -> Result {
    for (dockerfile, words) in [
        ("FROM busybox\nRUN exit 3\n", "process \"/bin/sh -c exit 3\" did not complete successfully: exit code: 3"),
        ("FROMM busybox\n", "dockerfile parse error on line 1: unknown instruction: FROMM (did you mean FROM?)"),
    ] {
        let said = build(case, dockerfile, &[], "version=2")?;
        let wanted = json!({ "errorDetail": { "message": words }, "error": words });
        ensure!(said.status == 200 && *last(&said) == wanted, "{dockerfile:?}: {said:?}");
    }
    let said = build(case, "FROM busybox\n", &[], "version=2&dockerfile=none")?;
    ensure!(said.error() == "failed to read dockerfile: open none: no such file or directory", "{said:?}");
    for (query, status, words) in [
        ("networkmode=foo", 500, "network mode \"foo\" not supported by buildkit"),
        ("squash=1", 400, "squash is only supported with experimental mode"),
        ("outputs=x", 400, "invalid outputs specified: "),
        ("isolation=hyperv", 400, "unsupported isolation: \"hyperv\""),
    ] {
        let said = build(case, "FROM busybox\n", &[], &format!("version=2&{query}"))?;
        ensure!(said.status == status && said.error().starts_with(words), "{query}: {said:?}");
    }
    Ok(())
}

pub(crate) fn says_what_it_cannot_find(case: &Case<'_>) -> Result {
    for (query, words) in [
        ("outputs=%5B%7B%7D%2C%7B%7D%5D", "multiple outputs not supported"),
        ("remote=upload-request&buildid=alone", "context deadline exceeded"),
        ("buildid=upload-request%3Aalone", "context deadline exceeded"),
    ] {
        let said = build(case, "FROM busybox\n", &[], &format!("version=2&{query}"))?;
        ensure!(said.status == 500 && said.error() == words, "{query}: {said:?}");
    }
    let said = build(case, "FROM busybox\n", &[], "version=2&remote=ftp%3A%2F%2Fexample.org%2Fx")?;
    ensure!(said.status == 400 && said.error().contains("is no address of a repository"), "{said:?}");
    Ok(())
}

/// A build that is under way.
struct Running(BufReader<UnixStream>);

impl Running {
    fn start(case: &Case<'_>, query: &str, context: &str) -> anyhow::Result<Running> {
        let mut stream = UnixStream::connect(case.host().strip_prefix("unix://").context("a socket")?)?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(120)))?;
        write!(
            stream,
            "POST /v1.51/build?{query} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n{context}",
            context.len()
        )?;
        Ok(Running(BufReader::new(stream)))
    }

    fn line(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        ensure!(self.0.read_line(&mut line)? > 0, "it ended");
        Ok(serde_json::from_str(&line)?)
    }

    fn rest(mut self) -> anyhow::Result<Vec<Value>> {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut self.0, &mut text)?;
        Ok(serde_json::Deserializer::from_str(&text).into_iter().collect::<std::result::Result<_, _>>()?)
    }
}

pub(crate) fn is_cancelled_by_its_name(case: &Case<'_>) -> Result {
    let name = format!("cancelled-{}", case.number());
    let dockerfile = "FROM busybox\nRUN echo be''gun; sleep 1000\n";
    let query = format!("version=2&nocache=1&buildid={name}");
    let mut running = Running::start(case, &query, &context(&[("Dockerfile", dockerfile)])?)?;
    let answered = head(&mut running.0)?;
    ensure!(answered.contains(" 200 "), "{answered}");
    while !traced(&[running.line()?])?.contains("begun\n") {}
    let answer = request(case.host(), "POST", &format!("/v1.51/build/cancel?id={name}"), "")?;
    ensure!(answer.status == 200 && answer.body.is_empty(), "{answer:?}");
    let rest = running.rest()?;
    let error = rest.last().and_then(|last| last["error"].as_str()).unwrap_or_default();
    ensure!(error.contains("context canceled"), "{rest:?}");
    // Nobody is hurt.
    let answer = request(case.host(), "POST", &format!("/v1.51/build/cancel?id={name}"), "")?;
    ensure!(answer.status == 200 && answer.body.is_empty(), "{answer:?}");
    Ok(())
}

pub(crate) fn takes_a_context_of_its_own_request(case: &Case<'_>) -> Result {
    let name = format!("lent-{}", case.number());
    let running = Running::start(case, &format!("version=2&remote=upload-request&buildid={name}"), "")?;
    let dockerfile = format!("FROM busybox\nCOPY file /lent\nRUN echo {}\n", case.number());
    let context = context(&[("Dockerfile", &dockerfile), ("file", "lent")])?;
    let lending = Running::start(case, &format!("version=2&buildid=upload-request:{name}"), &context)?;
    let (mut running, mut lending) = (running, lending);
    let (lent, answered) = (head(&mut lending.0)?, head(&mut running.0)?);
    ensure!(lent.contains(" 200 ") && answered.contains(" 200 "), "{lent}{answered}");
    let rest = running.rest()?;
    let id = rest.last().and_then(|last| last["aux"]["ID"].as_str()).with_context(|| format!("no image: {rest:?}"))?;
    ensure!(sh(case, id, "cat /lent")? == "lent");
    case.ok(&["rmi", id])?;
    Ok(())
}

pub(crate) fn takes_a_repository(case: &Case<'_>) -> Result {
    let image = case.image("postedgit:1");
    let server = GitServer::start()?;
    server.commit("x.git", &[("sub/Own", "FROM busybox\nCOPY f /f\n"), ("sub/f", "old")])?;
    server.git("x.git", &["tag", "v1"])?;
    server.commit("x.git", &[("sub/f", "new")])?;
    let fetch = |what: &str| {
        let remote = server.url(&format!("x.git{what}"));
        build(case, "FROM nothing\n", &[], &encoded(&format!("version=2&t={image}&dockerfile=Own&remote={remote}")))
    };
    for (what, expect) in [("#:sub", "new"), ("#v1:sub", "old")] {
        let said = fetch(what)?;
        ensure!(
            said.error().is_empty() && inspect(case, &image)?["Id"] == last(&said)["aux"]["ID"],
            "{what}: {said:?}"
        );
        ensure!(traced(&said.lines)?.contains("[internal] load git source http://"), "{said:?}");
        ensure!(sh(case, &image, "cat /f")? == expect, "{what}");
    }
    let said = fetch("#nope")?;
    let words =
        "failed to read dockerfile: failed to load cache key: repository does not contain ref nope, output: \"\"";
    ensure!(said.error() == words, "{said:?}");
    Ok(())
}

/// What a query may not have as it is.
fn encoded(query: &str) -> String {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
