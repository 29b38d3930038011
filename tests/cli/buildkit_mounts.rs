//! `RUN --mount` of files that are written to, and of caches: what they begin with, and who has one at a time.

use anyhow::{Context, ensure};
use tests::buildx::Folder;
use tests::case::Case;

use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    let mut all =
        cases![everywhere; thrown_away, nothing_mounted, first_contents, for_somebody, private_caches, mistakes];
    all.extend(cases![not_of_dockerd; not_shared_with_locked, insecure]);
    all
}

/// A cache that no other case has.
fn cache(case: &Case<'_>) -> String {
    format!("mounts-{}-{}", std::process::id(), case.number())
}

/// What is written to the context, to a stage, to an image and to a single file is seen by the step alone.
pub(crate) fn thrown_away(case: &Case<'_>) -> Result {
    let image = case.image("bkthrown:1");
    let dockerfile = "FROM busybox AS stage\nRUN mkdir -m 751 /d && echo stage >/d/f && chown 7:8 /d\n\
        FROM busybox\n\
        RUN --mount=target=/c,rw echo new >/c/made && echo changed >/c/f && rm /c/d/g && cat /c/made /c/f >/1 && ls /c/d >>/1\n\
        RUN --mount=target=/c cat /c/f /c/d/g >/2 && test ! -e /c/made\n\
        RUN --mount=source=f,target=/one,readwrite echo changed >/one && cat /one >/3\n\
        RUN --mount=target=/c cat /c/f >>/3\n\
        RUN --mount=from=stage,source=/d,target=/s,rw stat -c '%a %u %g' /s >/4 && echo changed >/s/f && cat /s/f >>/4\n\
        RUN --mount=from=stage,target=/s,rw cat /s/d/f >>/4 && rm -r /s/d && touch /s/x\n\
        RUN --mount=from=busybox,target=/b,rw rm -rf /b/bin && test ! -e /b/bin\n\
        RUN --mount=from=busybox,target=/b test -e /b/bin && test ! -e /b/x\n";
    let folder = Folder::new(&[("Dockerfile", dockerfile), ("f", "as sent\n"), ("d/g", "kept\n")])?;
    folder.built(case, &["-t", &image, "."])?;
    let seen = case.ok(&["run", "--rm", &image, "cat", "/1", "/2", "/3", "/4"])?;
    let expect = "new\nchanged\nas sent\nkept\nchanged\nas sent\n751 7 8\nchanged\nstage";
    ensure!(seen == expect, "{seen}");
    let left = case.ok(&["run", "--rm", &image, "sh", "-c", "ls -d /c /s /b /one 2>/dev/null; true"])?;
    ensure!(left.is_empty(), "where they were mounted is nothing of the image's: {left}");
    // Nor does the next build see any of it.
    let told = folder.built(case, &["-t", &image, "."])?;
    ensure!(told.matches("CACHED").count() >= 9, "{told}");
    Ok(())
}

pub(crate) fn nothing_mounted(case: &Case<'_>) -> Result {
    let dockerfile = "FROM busybox\nRUN --mount=from=scratch,target=/n test -z \"$(ls -A /n)\" && ! touch /n/f\n\
        RUN --mount=from=scratch,target=/n,rw touch /n/f && ls /n\n\
        RUN --mount=from=scratch,target=/n,rw test -z \"$(ls -A /n)\"\n";
    let folder = Folder::new(&[("Dockerfile", dockerfile)])?;
    folder.built(case, &["--no-cache", "."]).map(drop)
}

/// A cache begins with what a stage has, and then is a cache like others, another one for each beginning.
pub(crate) fn first_contents(case: &Case<'_>) -> Result {
    let (image, id) = (case.image("bkfirst:1"), cache(case));
    let mount = |words: &str| format!("--mount=type=cache,id={id},target=/c,{words}");
    let (part, file, other) = (mount("from=a,source=/d"), mount("from=a,source=/d/f"), mount("from=b,source=d"));
    let whole = mount("from=a");
    let dockerfile = format!(
        "FROM busybox AS a\nRUN mkdir -m 700 /d && echo first >/d/f && ln -s f /d/l && chown 7:8 /d\n\
         FROM busybox AS b\nRUN mkdir /d && echo other >/d/f\n\
         FROM busybox\n\
         RUN {part} : {id}; stat -c '%a %u %g' /c >/1 && cat /c/l >>/1 && echo more >/c/g\n\
         RUN {part} : {id}; cat /c/f /c/g >/2\n\
         RUN {other} : {id}; cat /c/f >/3 && test ! -e /c/g\n\
         RUN {file} : {id}; cat /c >/4\n\
         RUN {whole} : {id}; cat /c/d/f >/5 && test -x /c/bin/busybox\n\
         RUN --mount=type=cache,id={id},target=/c : {id}; test -z \"$(ls -A /c)\"\n"
    );
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    folder.built(case, &["-t", &image, "."])?;
    let seen = case.ok(&["run", "--rm", &image, "cat", "/1", "/2", "/3", "/4", "/5"])?;
    ensure!(seen == "700 7 8\nfirst\nfirst\nmore\nother\nfirst\nfirst", "{seen}");
    // The next build has what this one left there, and what a stage has now begins another one.
    let text = format!(
        "FROM busybox AS a\nRUN mkdir -m 700 /d && echo first >/d/f && ln -s f /d/l && chown 7:8 /d\n\
         FROM a AS changed\nRUN echo changed >/d/f\n\
         FROM busybox\nRUN {part} : again; cat /c/g >/1\n\
         RUN {} : {id}; cat /c/f >/2 && test ! -e /c/g\n",
        part.replace("from=a", "from=changed")
    );
    folder.write("Dockerfile", &text)?;
    folder.built(case, &["-t", &image, "."])?;
    let seen = case.ok(&["run", "--rm", &image, "cat", "/1", "/2"])?;
    ensure!(seen == "more\nchanged", "{seen}");
    Ok(())
}

/// A cache that is made for somebody begins empty; a part of something has its owner already.
pub(crate) fn for_somebody(case: &Case<'_>) -> Result {
    let (image, id) = (case.image("bksomebody:1"), cache(case));
    let mount = |words: &str| format!("--mount=type=cache,id={id},target=/c,from=a,uid=5,mode=0711{words}");
    let dockerfile = format!(
        "FROM busybox AS a\nRUN mkdir -m 700 /d && echo first >/d/f\n\
         FROM busybox\n\
         RUN {} : {id}; stat -c '%a %u' /c >/1 && ls -A /c >>/1\n\
         RUN {} : {id}; stat -c '%a %u' /c >/2 && ls -A /c >>/2\n",
        mount(""),
        mount(",source=/d")
    );
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    folder.built(case, &["-t", &image, "."])?;
    let seen = case.ok(&["run", "--rm", &image, "cat", "/1", "/2"])?;
    ensure!(seen == "711 5\n700 0\nf", "{seen}");
    Ok(())
}

/// Two stages that meet in a shared cache have a private one each; whoever comes later has one of these again.
pub(crate) fn private_caches(case: &Case<'_>) -> Result {
    let (image, id) = (case.image("bkprivate:1"), cache(case));
    let own = format!("--mount=type=cache,sharing=private,id={id}-own,target=/p");
    let meet = format!("--mount=type=cache,id={id}-meet,target=/m");
    let stage = |name: &str, meeting: &str| {
        format!(
            "FROM busybox AS {name}\nRUN {own} {meet} : {id}; echo {name} >>/p/log; mkfifo /m/there /m/back 2>/dev/null; {meeting} && cp /p/log /log\n"
        )
    };
    let one = stage("one", "timeout 300 sh -c 'echo x >/m/there && cat /m/back'");
    let two = stage("two", "timeout 300 sh -c 'cat /m/there && echo x >/m/back'");
    let dockerfile = format!(
        "{one}{two}FROM busybox\nCOPY --from=one /log /1\nCOPY --from=two /log /2\n\
         RUN {own} : {id}; wc -l </p/log >/3\n\
         RUN {own} --mount=type=cache,sharing=private,id={id}-own,target=/q : {id}; echo more >>/p/log && cmp /p/log /q/log\n"
    );
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    folder.built(case, &["-t", &image, "."])?;
    let seen = case.ok(&["run", "--rm", &image, "cat", "/1", "/2", "/3"])?;
    ensure!(seen == "one\ntwo\n1", "{seen}");
    Ok(())
}

/// Who shares a cache has another one than who has it alone meanwhile.
pub(crate) fn not_shared_with_locked(case: &Case<'_>) -> Result {
    let (image, id) = (case.image("bklockedalone:1"), cache(case));
    let meet = format!("--mount=type=cache,id={id}-meet,target=/m");
    let stage = |name: &str, sharing: &str, before: &str, after: &str| {
        format!(
            "FROM busybox AS {name}\nRUN {meet} : {id}; mkfifo /m/taken /m/left 2>/dev/null; {before}\n\
             RUN --mount=type=cache,sharing={sharing},id={id},target=/p {meet} : {id}; echo {name} >>/p/log; {after} && cp /p/log /log\n"
        )
    };
    let alone = stage("alone", "locked", "true", "timeout 300 sh -c 'echo x >/m/taken && cat /m/left'");
    let shares = stage("shares", "shared", "timeout 300 cat /m/taken", "timeout 300 sh -c 'echo x >/m/left'");
    let dockerfile = format!("{alone}{shares}FROM busybox\nCOPY --from=alone /log /1\nCOPY --from=shares /log /2\n");
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    folder.built(case, &["-t", &image, "."])?;
    let seen = case.ok(&["run", "--rm", &image, "cat", "/1", "/2"])?;
    ensure!(seen == "alone\nshares", "{seen}");
    Ok(())
}

pub(crate) fn mistakes(case: &Case<'_>) -> Result {
    let folder = Folder::new(&[])?;
    for (mount, words) in [
        ("type=cache,target=/c,sharing=other", "unsupported sharing value \"other\""),
        ("type=bind,target=/c,sharing=locked", "invalid cache sharing set for bind mount"),
        ("type=secret,id=s,sharing=locked", "secret mount should not define sharing"),
        ("type=cache,target=/c,source=/none", "/none"),
        ("type=cache,target=/c,from=busybox,source=/none", "/none"),
        ("target=/c,source=none,rw", "none"),
    ] {
        folder.write("Dockerfile", &format!("FROM busybox\nRUN --mount={mount} true\n"))?;
        let said = folder.build(case, &["."])?;
        ensure!(said.code == 1 && said.err.contains(words), "{mount}: {said:?}");
        ensure!(said.err.contains(">>> RUN --mount"), "{mount}: {said:?}");
    }
    Ok(())
}

/// Without the engine's own leave nobody gets a step that may do everything.
pub(crate) fn insecure(case: &Case<'_>) -> Result {
    let folder = Folder::new(&[("Dockerfile", "FROM busybox\nRUN --security=insecure true\n")])?;
    let said = folder.build(case, &["--allow", "security.insecure", "."])?;
    let words = "granting entitlement security.insecure is not allowed by build daemon configuration";
    ensure!(said.code == 1 && said.err.contains(words), "{said:?}");
    let said = folder.build(case, &["."])?;
    ensure!(said.code == 1 && said.err.contains("security.insecure is not allowed"), "{said:?}");
    let line = said.err.lines().find(|line| line.contains(">>> RUN")).context("no line")?;
    ensure!(line.contains("--security=insecure"), "{line}");
    folder.write("Dockerfile", "FROM busybox\nRUN --device=vendor.example/x=all true\n")?;
    let said = folder.build(case, &["."])?;
    ensure!(said.code == 1 && said.err.contains("gives no devices to steps"), "{said:?}");
    Ok(())
}
