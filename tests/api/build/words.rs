//! What builds say, and how they say no.

use anyhow::{Context, ensure};
use serde_json::json;
use tests::case::Case;
use tests::http::request;

use super::{Said, build, built, inspect, sh};
use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    let mut all = cases![everywhere; says_what_it_does, tells_what_is_wrong, commands_that_fail];
    all.extend(cases![not_of_dockerd; what_is_not_there_yet]);
    all
}

pub(crate) fn says_what_it_does(case: &Case<'_>) -> Result {
    let image = case.image("said:1");
    let dockerfile = format!("FROM busybox\nENV A=b{}\nRUN echo hi; echo err >&2\nCOPY f /x/\n", case.number());
    let said = built(case, &dockerfile, &[("f", "1")], &format!("t={image}&t={image}-too"))?;
    let also = case.image("said:1-too");
    let begin = format!(
        "Step 1/4 : FROM busybox\n ---> ID\nStep 2/4 : ENV A=b{}\n ---> ID\nStep 3/4 : RUN echo hi; echo err >&2\n",
        case.number()
    );
    ensure!(said.text.starts_with(&begin), "{}", said.text);
    ensure!(said.text.contains("hi\n") && said.text.contains("\u{1b}[91merr\n\u{1b}[0m"), "{}", said.text);
    let end = format!(
        " ---> ID\nStep 4/4 : COPY f /x/\n ---> ID\nSuccessfully built ID\nSuccessfully tagged {image}\nSuccessfully tagged {also}"
    );
    ensure!(said.text.ends_with(&end), "{}", said.text);
    ensure!(inspect(case, &image)?["Id"] == said.id()?.as_str() && inspect(case, &also)?["Id"] == said.id()?.as_str());
    ensure!(sh(case, &image, "cat /x/f; echo $A")? == format!("1b{}", case.number()));
    // A quiet one says the result only.
    let quiet = build(case, &dockerfile, &[("f", "1")], "q=1")?;
    ensure!(quiet.lines == [json!({ "stream": format!("{}\n", said.id()?) })], "{quiet:?}");
    Ok(())
}

/// Before anything is done, and within a step; each with dockerd's words.
pub(crate) fn tells_what_is_wrong(case: &Case<'_>) -> Result {
    for (dockerfile, query, status, words) in [
        (
            "FROM busybox\nFOO bar",
            "",
            400,
            "dockerfile parse error on line 2: unknown instruction: FOO (did you mean FROM?)",
        ),
        ("FROM busybox\nENV a", "", 400, "failed to parse Dockerfile: ENV must have two arguments"),
        ("# x", "", 400, "failed to parse Dockerfile: file with no instructions"),
        ("", "", 400, "the Dockerfile (Dockerfile) cannot be empty"),
        ("RUN x", "", 400, "no build stage in current context"),
        ("FROM busybox", "target=none", 400, "target stage \"none\" could not be found"),
        ("FROM busybox", "dockerfile=D", 500, "Cannot locate specified Dockerfile: D"),
        ("FROM $X", "", 200, "base name ($X) should not be blank"),
        ("FROM scratch", "", 200, "No image was generated. Is your Dockerfile empty?"),
        ("FROM busybox AS a\nFROM busybox AS A", "", 200, "a stage name already used"),
        (
            "FROM busybox\nCOPY nothere /",
            "",
            200,
            "COPY failed: file not found in build context or excluded by .dockerignore: stat nothere: file does not exist",
        ),
        (
            "FROM busybox\nCOPY out /",
            "",
            200,
            "COPY failed: file not found in build context or excluded by .dockerignore: stat out: file does not exist",
        ),
        ("FROM busybox\nCOPY ../x /", "", 200, "COPY failed: forbidden path outside the build context: ../x ()"),
        ("FROM busybox\nCOPY none* /", "", 200, "COPY failed: no source files were specified"),
        (
            "FROM busybox\nCOPY f g /x",
            "",
            200,
            "When using COPY with more than one source file, the destination must be a directory and end with a /",
        ),
        ("FROM busybox\nCOPY --from=busybox /nope /x", "", 200, "COPY failed: stat nope: file does not exist"),
        ("FROM busybox\nCOPY --from=0 /a /", "", 200, "invalid from flag value 0: refers to current build stage"),
        (
            "FROM busybox\nCOPY --chown=nouser f /",
            "",
            200,
            "unable to convert uid/gid chown string to host mapping: can't find uid for user nouser: no such user: nouser",
        ),
        ("FROM busybox\nUSER ${x:?need}", "", 200, "failed to process \"${x:?need}\": x: need"),
        ("FROM busybox\nSTOPSIGNAL x", "", 200, "invalid signal: x"),
        ("FROM busybox\nEXPOSE x", "", 200, "Invalid containerPort: x"),
    ] {
        let said = build(case, dockerfile, &[("f", "1"), ("g", "2"), ("out -> /etc/passwd", "")], query)?;
        ensure!(said.status == status && said.error() == words, "{dockerfile:?} {query}: {said:?}");
    }
    // What is asked wrong, of whatever.
    for (path, status, words) in [
        ("build?version=3", 400, "invalid version \"3\""),
        ("build?squash=1", 400, "squash is only supported with experimental mode"),
        ("build?securityopt=", 400, "security options are not supported on linux"),
        ("build?shmsize=x", 500, "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ("build?remote=x", 500, "remoteURL (x) could not be recognized as URL"),
        (
            "build?remote=client-session",
            400,
            "experimental session with v1 builder is no longer supported, use builder version v2 (BuildKit) instead",
        ),
        ("build/cancel", 400, "build ID not provided"),
    ] {
        let answer = request(case.host(), "POST", &format!("/v1.51/{path}"), "")?;
        ensure!(answer.status == status && answer.message() == words, "{path}: {answer:?}");
    }
    Ok(())
}

pub(crate) fn commands_that_fail(case: &Case<'_>) -> Result {
    let dockerfile = format!("FROM busybox\nRUN echo oops{}; exit 3", case.number());
    let words = format!("The command '/bin/sh -c echo oops{}; exit 3' returned a non-zero code: 3", case.number());
    let last = json!({ "errorDetail": { "code": 3, "message": words }, "error": words });
    let containers = || case.ok(&["ps", "-aq", "--no-trunc"]);
    let running = |said: &Said| -> anyhow::Result<String> {
        let lines = said.lines.iter().filter_map(|line| line["stream"].as_str());
        let found = lines.filter_map(|line| line.strip_prefix(" ---> Running in ")).next_back();
        Ok(found.with_context(|| format!("no container: {said:?}"))?.trim().to_owned())
    };
    // A container whose command failed stays, to be looked at.
    let said = build(case, &dockerfile, &[], "rm=1")?;
    let id = running(&said)?;
    ensure!(said.lines.last() == Some(&last) && said.text.contains(&format!("oops{}", case.number())), "{said:?}");
    ensure!(containers()?.contains(&id), "it is gone");
    ensure!(case.ok(&["inspect", "--format", "{{.State.ExitCode}}", &id])? == "3");
    case.ok(&["rm", &id])?;
    // Unless nothing shall.
    let said = build(case, &dockerfile, &[], "forcerm=1&q=1")?;
    ensure!(said.lines.last() == Some(&last) && said.text.contains("Step 2/2"), "{said:?}");
    ensure!(!containers()?.contains(&running(&said)?), "it stayed");
    // Or everything.
    let said = built(case, &format!("FROM busybox\nRUN echo {}", case.number()), &[], "rm=0")?;
    case.ok(&["rm", &running(&said)?])?;
    case.ok(&["rmi", &said.id()?])?;
    Ok(())
}

/// Refused in words, never left out in silence.
pub(crate) fn what_is_not_there_yet(case: &Case<'_>) -> Result {
    for (dockerfile, query, status, words) in [
        (
            "FROM busybox",
            "remote=git@localhost:x",
            501,
            "git@localhost:x: this engine fetches repositories by https:// and http://, not by SSH",
        ),
        (
            "# syntax=some/frontend\nFROM busybox",
            "",
            501,
            "# syntax=some/frontend: this builder reads Dockerfiles itself",
        ),
        (
            "FROM busybox\nRUN --mount=type=ssh true",
            "",
            200,
            "--mount=type=ssh: clients of the classic builder have no SSH agent for it",
        ),
        ("FROM busybox\nRUN --security=insecure true", "", 200, "security.insecure is not allowed: "),
        (
            "FROM busybox\nADD git://localhost/x.git /",
            "",
            200,
            "failed to load cache key: git://localhost/x.git: this engine fetches repositories by https:// and http://",
        ),
        (
            "FROM busybox\nADD --checksum=sha256:1 f /",
            "",
            200,
            "ADD failed: f: a checksum can be given for what is downloaded only",
        ),
    ] {
        let said = build(case, dockerfile, &[("f", "1")], query)?;
        ensure!(said.status == status && said.error().starts_with(words), "{dockerfile:?} {query}: {said:?}");
    }
    Ok(())
}
