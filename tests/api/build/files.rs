//! Where files come from, and where they go.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use anyhow::ensure;
use tests::case::Case;
use tests::git_server::GitServer;
use tests::http::request;

use super::{build, built, context, inspect, sh};
use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    let mut all = cases![everywhere; from_an_address, stages, in_place];
    all.extend(cases![not_of_dockerd; here_documents_and_modes, from_a_repository]);
    all
}

/// Every way of naming a destination, and what becomes of owners, modes, links and archives.
pub(crate) fn in_place(case: &Case<'_>) -> Result {
    let image = case.image("places:1");
    let packed = context(&[("in/", ""), ("in/tar", "t"), ("in/link -> tar", "")])?;
    let dockerfile = "FROM busybox\nRUN mkdir -m 700 /there && ln -s there /link && ln -s /there/target /file && echo old >/there/old && ln -s old /there/f\n\
        WORKDIR /srv/app\nWORKDIR sub\nCOPY f new\nCOPY f d/ ./\nCOPY d /dd/\nCOPY f /there\nCOPY f /link/via\nCOPY f /file\n\
        COPY *.txt run.sh /t/\nCOPY [\"with space\", \"/sp ace/\"]\nCOPY --chown=daemon:9 d /owned\nCOPY --chown=3:4 f /deep/er/\nADD a.tar /u/\nCOPY a.tar /v/\nCOPY lnk lnkd /w/\nCOPY . /all/\n";
    let files = [
        ("f", "1"),
        ("d/", ""),
        ("d/x", "2"),
        ("d/y/", ""),
        ("d/y/z", "3"),
        ("a.txt", "A"),
        ("b.txt", "B"),
        ("run.sh", "#!/bin/sh"),
        ("with space", "s"),
        ("a.tar", packed.as_str()),
        ("lnk -> f", ""),
        ("lnkd -> d", ""),
        (".dockerignore", "Dockerfile\n"),
    ];
    built(case, dockerfile, &files, &format!("t={image}"))?;
    let look = "cd /; stat -c '%n %u %g %a %s %F' /there /there/* /deep /deep/er /deep/er/f /t/* /owned /owned/* /u/in/* '/sp ace' '/sp ace/with space' | sort; \
        find srv dd w v | sort; ls /all; readlink /all/lnk; readlink /link; cat /there/old";
    let seen = sh(case, &image, look)?;
    let wanted = "/deep 3 4 755 4096 directory\n/deep/er 3 4 755 4096 directory\n/deep/er/f 3 4 644 1 regular file\n/owned 1 9 755 4096 directory\n/owned/x 1 9 644 1 regular file\n/owned/y 1 9 755 4096 directory\n\
        /sp ace 0 0 755 4096 directory\n/sp ace/with space 0 0 644 1 regular file\n/t/a.txt 0 0 644 1 regular file\n/t/b.txt 0 0 644 1 regular file\n\
        /t/run.sh 0 0 755 9 regular file\n/there 0 0 700 4096 directory\n/there/f 0 0 644 1 regular file\n/there/old 0 0 644 4 regular file\n\
        /there/target 0 0 644 1 regular file\n/there/via 0 0 644 1 regular file\n/u/in/link 0 0 777 3 symbolic link\n/u/in/tar 0 0 644 1 regular file\n\
        dd\ndd/x\ndd/y\ndd/y/z\nsrv\nsrv/app\nsrv/app/sub\nsrv/app/sub/f\nsrv/app/sub/new\nsrv/app/sub/x\nsrv/app/sub/y\nsrv/app/sub/y/z\n\
        v\nv/a.tar\nw\nw/lnk\nw/x\nw/y\nw/y/z\na.tar\na.txt\nb.txt\nd\nf\nlnk\nlnkd\nrun.sh\nwith space\nf\nthere\nold";
    // How large a directory is depends on the disk.
    let plain = |text: &str| -> Vec<String> {
        let sizeless = |line: &str| {
            let (rest, _size) = line.strip_suffix(" directory")?.rsplit_once(' ')?;
            Some(rest.to_owned())
        };
        text.lines().map(|line| sizeless(line).unwrap_or_else(|| line.to_owned())).collect()
    };
    ensure!(plain(&seen) == plain(wanted), "{seen}");
    Ok(())
}

pub(crate) fn stages(case: &Case<'_>) -> Result {
    let image = case.image("stages:1");
    let dockerfile = "ARG BASE=busybox\nFROM $BASE AS First\nRUN echo one >/1; chown 5:6 /1; mkdir /d; echo two >/d/2; ln -s 2 /d/l\n\
        FROM busybox AS second\nCOPY --from=first /1 /d /got/\nCOPY --from=0 --chown=7:8 /1 /owned\nCOPY --from=busybox /bin/busybox /bb\n\
        FROM second\nRUN test ! -e /1\nFROM scratch\nCOPY --from=first /d/l /only\n";
    let said = built(case, dockerfile, &[], &format!("t={image}&target=second"))?;
    ensure!(
        said.text.contains("Step 6/7 : COPY --from=0")
            && said.lines.iter().filter(|line| line["aux"].is_object()).count() == 2,
        "{said:?}"
    );
    let look =
        "cat /got/1 /got/2 /got/l; readlink /got/l; stat -c '%u %g' /got/1 /owned; cmp /bb /bin/busybox && echo same";
    ensure!(sh(case, &image, look)? == "one\ntwo\ntwo\n2\n5 6\n7 8\nsame", "{}", sh(case, &image, look)?);
    let said = built(case, dockerfile, &[], &format!("t={image}"))?;
    let config = inspect(case, &image)?;
    ensure!(
        config["Parent"] == "" && config["RootFS"]["Layers"].as_array().is_some_and(|layers| layers.len() == 1),
        "{config}"
    );
    let container = case.container("stages");
    case.ok(&["create", "--name", &container, &said.id()?, "x"])?;
    let out = case.command(["export", &container]).output()?;
    let mut archive = tar::Archive::new(&out.stdout[..]);
    let mut only = archive
        .entries()?
        .filter_map(std::result::Result::ok)
        .find(|entry| entry.path().is_ok_and(|path| path.ends_with("only")));
    let content = only.as_mut().map(std::io::read_to_string).transpose()?;
    ensure!(content.as_deref() == Some("two\n"), "a link at the end is followed: {content:?}");
    Ok(())
}

pub(crate) fn here_documents_and_modes(case: &Case<'_>) -> Result {
    let image = case.image("documents:1");
    let dockerfile = "FROM busybox\nENV A=b\nRUN <<E\necho one >/1\ncd /tmp\npwd >>/1\nE\nRUN cat <<-E >/2\n\ttwo $A\n\tE\n\
        RUN <<E\n#!/bin/sh -e\necho \"three $0\" >/3\nE\nCOPY --chmod=751 <<E <<'F' /docs/\n\"$A\" ${none:-none}\nE\n$A\nF\nCOPY --exclude=*.o --chmod=700 d /d\nCOPY --parents --chmod=u=rwX,go= p/./q/r/*.c /p/\nRUN --network=none ip -o link | wc -l >/links\n";
    let files = [("d/", ""), ("d/a.o", ""), ("d/b", ""), ("p/q/r/x.c", ""), ("p/q/r/y", "")];
    built(case, dockerfile, &files, &format!("t={image}"))?;
    let look = "cat /1 /2 /docs/E /docs/F /links; ls -a / | grep build-script; stat -c '%a' /docs/E /d/b /p/q /p/q/r/x.c; ls /d /p/q/r; cut -d' ' -f1 /3";
    let seen = sh(case, &image, look)?;
    ensure!(seen == "one\n/tmp\ntwo b\n\"b\" none\n$A\n1\n751\n700\n700\n600\n/d:\nb\n\n/p/q/r:\nx.c\nthree", "{seen}");
    Ok(())
}

/// Serves pages until so many were asked for; which.
fn serve(
    pages: Vec<(&'static str, Vec<u8>)>,
    count: usize,
) -> anyhow::Result<(SocketAddr, JoinHandle<std::io::Result<Vec<String>>>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let server = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for _ in 0..count {
            let (mut stream, _) = listener.accept()?;
            let head = tests::http::head(&mut stream).map_err(std::io::Error::other)?;
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let (status, page) = match pages.iter().find(|(name, _)| *name == path) {
                Some((_, page)) => ("200 OK", page.as_slice()),
                None => ("404 Not Found", &b"gone\n"[..]),
            };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", page.len())?;
            stream.write_all(page)?;
            asked.push(path);
        }
        Ok(asked)
    });
    Ok((address, server))
}

/// A repository as the context, and in ADD.
pub(crate) fn from_a_repository(case: &Case<'_>) -> Result {
    let image = case.image("cloned:1");
    let server = GitServer::start()?;
    server.commit("x.git", &[("sub/Own", "FROM busybox\nCOPY . /app\n"), ("sub/f", "old")])?;
    server.git("x.git", &["tag", "v1"])?;
    server.commit("x.git", &[("sub/f", "new")])?;
    let fetch = |query: &str| request(case.host(), "POST", &format!("/v1.51/build?t={image}&{query}"), "");
    for (what, expect) in [("%23:sub", "new"), ("%23v1:sub", "old"), ("?ref=v1%26subdir=sub", "old")] {
        let answer = fetch(&format!("dockerfile=Own&remote={}", server.url(&format!("x.git{what}"))))?;
        ensure!(answer.status == 200 && answer.body.contains("Successfully tagged"), "{what}: {answer:?}");
        ensure!(sh(case, &image, "cat /app/f; ls -A /app")? == format!("{expect}Own\nf"), "{what}");
    }
    let answer = fetch(&format!("remote={}%23nope", server.url("x.git")))?;
    let words = r#"repository does not contain ref nope, output: """#;
    ensure!(answer.status == 500 && answer.message() == words, "{answer:?}");
    let dockerfile = format!("FROM busybox\nADD {}#v1:sub /added\n", server.url("x.git"));
    server.fetches();
    for count in [1, 0] {
        let said = build(case, &dockerfile, &[], &format!("t={image}"))?;
        ensure!(said.error().is_empty() && server.fetches() == count, "{said:?}");
    }
    ensure!(sh(case, &image, "cat /added/f")? == "old");
    Ok(())
}

/// A context that is an archive, one that is a Dockerfile alone, and a file.
pub(crate) fn from_an_address(case: &Case<'_>) -> Result {
    let image = case.image("fetched:1");
    let packed = context(&[("sub/Other", "FROM busybox\nCOPY f /f\n"), ("f", "packed")])?;
    let alone = format!("FROM busybox\nRUN echo alone{} >/f\n", case.number());
    let pages = vec![
        ("/c.tar", packed.into_bytes()),
        ("/Dockerfile", alone.into_bytes()),
        ("/copies", b"FROM busybox\nCOPY f /\n".to_vec()),
        ("/dir/file", b"added".to_vec()),
    ];
    let (address, server) = serve(pages, 7)?;
    let fetch =
        |path: &str| request(case.host(), "POST", &format!("/v1.51/build?t={image}&remote=http://{address}{path}"), "");
    let answer = fetch("/c.tar&dockerfile=sub/Other")?;
    ensure!(answer.status == 200 && answer.body.contains("Successfully tagged"), "{answer:?}");
    ensure!(sh(case, &image, "cat /f")? == "packed");
    let answer = fetch("/Dockerfile")?;
    ensure!(answer.status == 200 && answer.body.contains("Successfully tagged"), "{answer:?}");
    ensure!(sh(case, &image, "cat /f")? == format!("alone{}", case.number()));
    let answer = fetch("/copies")?;
    ensure!(answer.body.contains("\"error\":\"COPY failed: missing build context\""), "{answer:?}");
    let answer = fetch("/none")?;
    let words = format!(
        "error downloading remote context http://{address}/none: failed to GET http://{address}/none with status 404 Not Found: gone"
    );
    ensure!(answer.status == 404 && answer.message() == words, "{answer:?}");
    let add = |url: &str, to: &str| {
        build(case, &format!("FROM busybox\nADD http://{address}{url} {to}\n"), &[], &format!("t={image}"))
    };
    ensure!(add("/dir/file?x=y", "/added/")?.error().contains("failed to GET"), "a query is a part of an address");
    let said = add("/dir/file", "/added/")?;
    ensure!(said.error().is_empty(), "{said:?}");
    ensure!(sh(case, &image, "cat /added/file; stat -c ' %a %u' /added/file")? == "added 600 0");
    // Asked again, since it may have changed; it has not.
    let again = add("/dir/file", "/added/")?;
    ensure!(again.text.contains("Using cache"), "{again:?}");
    let asked = server.join().expect("the server does not panic")?;
    ensure!(
        asked == ["/c.tar", "/Dockerfile", "/copies", "/none", "/dir/file?x=y", "/dir/file", "/dir/file"],
        "{asked:?}"
    );
    Ok(())
}
