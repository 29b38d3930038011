//! Which steps are taken from the cache.

use anyhow::{Context, ensure};
use tests::case::Case;

use super::{built, inspect, sh};
use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; by_content, of_named_images, for_another_platform]
}

/// What was copied decides, not when or under which name; and an argument that a command sees.
pub(crate) fn by_content(case: &Case<'_>) -> Result {
    let dockerfile =
        format!("FROM busybox\nLABEL of={}\nARG V=1\nCOPY f d /x/\nRUN echo $V >/v; date +%s%N >>/v\n", case.number());
    let files = [("f", "1"), ("d/", ""), ("d/g", "2")];
    let make = |files: &[(&str, &str)], query: &str| -> anyhow::Result<(String, usize)> {
        let said = built(case, &dockerfile, files, query)?;
        Ok((said.id()?, said.text.matches(" ---> Using cache").count()))
    };
    let first = make(&files, "")?;
    ensure!(first.1 == 0 && make(&files, "")? == (first.0.clone(), 4), "not all is cached");
    // Another order on the way, another file beside.
    ensure!(make(&[("d/", ""), ("other", "3"), ("d/g", "2"), ("f", "1")], "")? == (first.0.clone(), 4));
    let (changed, cached) = make(&[("f", "1"), ("d/", ""), ("d/g", "9")], "")?;
    ensure!(changed != first.0 && cached == 2, "{cached}");
    let (argument, cached) = make(&files, "buildargs=%7B%22V%22%3A%222%22%7D")?;
    ensure!(argument != first.0 && cached == 3, "{cached}");
    ensure!(sh(case, &argument, "head -n 1 /v")? == "2");
    let (anew, cached) = make(&files, "nocache=1")?;
    ensure!(anew != first.0 && cached == 0, "{cached}");
    for id in [first.0, changed, argument, anew] {
        case.ok(&["rmi", &id])?;
    }
    // What keeps its name in the image is another file under another one.
    let image = case.image("named:1");
    let dockerfile = format!("FROM busybox\nCOPY n* /{}/\n", case.number());
    for name in ["n1", "n2"] {
        built(case, &dockerfile, &[(name, "same")], &format!("t={image}"))?;
        ensure!(sh(case, &image, &format!("ls /{}", case.number()))? == name);
    }
    Ok(())
}

/// Steps of images that came from elsewhere count when the request names these, and only then.
pub(crate) fn of_named_images(case: &Case<'_>) -> Result {
    let (image, scratch) = (case.image("source:1"), case.image("scratch:1"));
    let dockerfile = format!(
        "FROM busybox\nENV A={0}\nARG V=1\nCOPY f /{0}\nRUN echo $V; date +%s%N >/v\nLABEL a=$A\n",
        case.number()
    );
    let make = |text: &str, query: &str| -> anyhow::Result<(String, usize)> {
        let said = built(case, &dockerfile, &[("f", text)], query)?;
        Ok((said.id()?, said.text.matches(" ---> Using cache").count()))
    };
    let (id, _) = make("1", &format!("t={image}"))?;
    let alone = |query: &str| built(case, "FROM scratch\nCOPY f /f\n", &[("f", &format!("{}", case.number()))], query);
    alone(&format!("t={scratch}"))?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("saved.tar");
    let file = file.to_str().context("a path")?;
    case.ok(&["save", "-o", file, &image, &scratch])?;
    case.ok(&["rmi", &image, &scratch])?;
    case.ok(&["load", "-q", "-i", file])?;
    // It says of itself that it was made from the same, which anybody could say.
    ensure!(!alone("")?.text.contains("Using cache"), "an image from elsewhere was believed");
    let (anew, cached) = make("1", "nocache=1")?;
    ensure!(anew != id && cached == 0);
    case.ok(&["rmi", &anew])?;
    let named = format!("cachefrom=%5B%22{image}%22%2C%22none%22%5D");
    ensure!(make("1", &named)? == (id.clone(), 5), "not all is cached: {:?}", make("1", &named)?);
    let (changed, cached) = make("2", &named)?;
    ensure!(changed != id && cached == 2, "{cached}");
    let (argument, cached) = make("1", &format!("{named}&buildargs=%7B%22V%22%3A%222%22%7D"))?;
    ensure!(argument != id && cached == 3, "{cached}");
    let (other, cached) = make("1", "cachefrom=%5B%22none%22%5D")?;
    ensure!(other != id && cached == 0, "{cached}");
    Ok(())
}

/// Nothing was made for it, so that the request's word counts; and it is nobody else's cache.
pub(crate) fn for_another_platform(case: &Case<'_>) -> Result {
    let image = case.image("platform:1");
    let dockerfile = format!("FROM scratch\nCOPY f /{}\n", case.number());
    // An engine that is there for longer may have the steps of a run before.
    let content = std::process::id().to_string();
    for (query, architecture, cached) in
        [("platform=linux/arm64", "arm64", 0), ("", "amd64", 0), ("platform=linux/arm64", "arm64", 1), ("", "amd64", 1)]
    {
        let said = built(case, &dockerfile, &[("f", &content)], &format!("t={image}&{query}"))?;
        ensure!(said.text.matches("Using cache").count() == cached, "{query}: {said:?}");
        let is = inspect(case, &image)?["Architecture"].take();
        ensure!(is == architecture, "{query}: {is}");
    }
    Ok(())
}
