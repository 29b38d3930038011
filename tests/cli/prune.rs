//! Which of a noun's things a prune takes, by what becomes of them. All have a label of the case's own: others' are beside them.

use std::time::Duration;

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::wait::until;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; containers_by_age, networks_by_age, images_by_age, by_labels, images_without_a_name, volumes_without_a_name]
}

/// The label of the case's own, as `KEY=VALUE`.
fn mark(case: &Case<'_>) -> String {
    format!("pruned.by={}", case.number())
}

/// Prunes what has the case's label and passes the filters; answers what was said.
fn prune(case: &Case<'_>, noun: &str, options: &[&str], filters: &[&str]) -> anyhow::Result<String> {
    let mark = format!("label={}", mark(case));
    let mut arguments = vec![noun, "prune", "--force", "--filter", &mark];
    arguments.extend(options);
    arguments.extend(filters.iter().flat_map(|filter| ["--filter", filter]));
    // There is one of each noun at a time, and other cases prune, too.
    let said = until("a turn", Duration::from_secs(120), || {
        let said = case.run(&arguments);
        let is_turned_away = |said: &tests::docker::Said| said.err.contains("a prune operation is already running");
        Some(said).filter(|said| !said.as_ref().is_ok_and(is_turned_away))
    })??;
    ensure!(said.code == 0, "{arguments:?}: {said:?}");
    Ok(said.out)
}

fn is_there(case: &Case<'_>, noun: &str, name: &str) -> anyhow::Result<bool> {
    Ok(case.run(&[noun, "inspect", name])?.code == 0)
}

/// Of two things, of which the first is older, takes none, the first, and both.
fn by_age(case: &Case<'_>, noun: &str, names: [&str; 2], options: &[&str]) -> Result {
    let there =
        || -> anyhow::Result<[bool; 2]> { Ok([is_there(case, noun, names[0])?, is_there(case, noun, names[1])?]) };
    for spares_all in ["until=1h", "until=2001-01-01", "until=2001-01-01T10:00:00Z", "until=1000000000"] {
        prune(case, noun, options, &[spares_all])?;
        ensure!(there()? == [true, true], "{noun} {spares_all}");
    }
    // As old as the time that is asked for is old enough.
    let created = case.ok(&[noun, "inspect", "--format", "{{json .Created}}", names[0]])?;
    prune(case, noun, options, &[&format!("until={}", created.trim_matches('"'))])?;
    ensure!(there()? == [false, true], "{noun} {created}: {:?}", there()?);
    prune(case, noun, options, &["until=-1h"])?;
    ensure!(there()? == [false, false], "{noun} until in an hour");
    Ok(())
}

pub(crate) fn containers_by_age(case: &Case<'_>) -> Result {
    let (names, mark) = (["old", "new"].map(|name| case.container(name)), mark(case));
    for name in &names {
        case.ok(&["create", "--name", name, "--label", &mark, "busybox"])?;
    }
    by_age(case, "container", [&names[0], &names[1]], &[])
}

pub(crate) fn networks_by_age(case: &Case<'_>) -> Result {
    let (names, mark) = (["old", "new"].map(|name| case.network(name)), mark(case));
    for name in &names {
        case.ok(&["network", "create", "--label", &mark, name])?;
    }
    by_age(case, "network", [&names[0], &names[1]], &[])
}

/// An image of the case's own with this name, or without any; its ID.
fn image(case: &Case<'_>, label: &str, name: Option<&str>) -> anyhow::Result<String> {
    let container = case.container(&format!("of-{}", name.unwrap_or(label).replace([':', '=', '.', ' '], "-")));
    case.ok(&["create", "--name", &container, "busybox", "true"])?;
    let (mark, label) = (format!("LABEL {}", mark(case)), format!("LABEL {label}"));
    let mut arguments = vec!["commit", "--change", &mark, "--change", &label, &container];
    arguments.extend(name);
    let id = case.ok(&arguments)?;
    case.ok(&["rm", &container])?;
    Ok(id)
}

pub(crate) fn images_by_age(case: &Case<'_>) -> Result {
    let names = ["old:1", "new:1"].map(|name| case.image(name));
    for name in &names {
        image(case, &format!("only={name}"), Some(name))?;
    }
    by_age(case, "image", [&names[0], &names[1]], &["--all"])
}

/// What has a label, has it with a value, has several, and has one and not another.
pub(crate) fn by_labels(case: &Case<'_>) -> Result {
    let mark = mark(case);
    for (noun, options) in [("container", &[][..]), ("network", &[]), ("image", &["--all"]), ("volume", &["--all"])] {
        let [red, blue, kept, both] = ["red", "blue", "kept", "both"].map(|name| match noun {
            "container" => case.container(name),
            "network" => case.network(name),
            "image" => case.image(name),
            _ => case.volume(name),
        });
        let all = [&red, &blue, &kept, &both];
        for (name, labels) in
            all.into_iter().zip([&["colour=red"][..], &["colour=blue"], &["keep=yes"], &["colour=red", "keep=yes"]])
        {
            let labelled: Vec<&str> = labels.iter().flat_map(|label| ["--label", label]).collect();
            match noun {
                "image" => drop(image(case, &labels.join(" "), Some(name))?),
                "container" => {
                    drop(case.ok(&[&["create", "--name", name, "--label", &mark], &labelled[..], &["busybox"]].concat())?);
                }
                _ => drop(case.ok(&[&[noun, "create", "--label", &mark], &labelled[..], &[name]].concat())?),
            }
        }
        let there =
            || -> anyhow::Result<Vec<bool>> { all.into_iter().map(|name| is_there(case, noun, name)).collect() };
        for (filters, expect) in [
            (&["label=colour=green"][..], [true, true, true, true]),
            // All of the labels are asked for.
            (&["label=colour", "label=absent"], [true, true, true, true]),
            (&["label=colour=red", "label!=keep"], [false, true, true, true]),
            (&["label!=colour"], [false, true, false, true]),
            // What has all of these is spared, and not what has one.
            (&["label!=colour", "label!=keep=yes"], [false, false, false, true]),
            (&["label=colour", "label=keep"], [false, false, false, false]),
        ] {
            prune(case, noun, options, filters)?;
            ensure!(there()? == expect, "{noun} {filters:?}: {:?}", there()?);
        }
    }
    Ok(())
}

pub(crate) fn images_without_a_name(case: &Case<'_>) -> Result {
    let used = case.container("user");
    let named = case.image("named:1");
    image(case, "only=named", Some(&named))?;
    for (options, filters, goes) in [
        (&[][..], &[][..], false),
        (&[], &["dangling=true"], false),
        (&[], &["dangling=1"], false),
        // One that a container has is not taken, whoever asks.
        (&["--all"], &[], true),
    ] {
        let nameless = image(case, &format!("only={}", filters.len()), None)?;
        case.ok(&["create", "--name", &used, &named])?;
        let said = prune(case, "image", options, filters)?;
        ensure!(said.contains(&format!("deleted: {nameless}")), "{options:?} {filters:?}: {said}");
        ensure!(!is_there(case, "image", &nameless)? && is_there(case, "image", &named)?, "{options:?} {filters:?}");
        case.ok(&["rm", &used])?;
        if goes {
            let said = prune(case, "image", options, filters)?;
            ensure!(said.contains(&format!("untagged: {named}")) && !is_there(case, "image", &named)?, "{said}");
        }
    }
    // The filter says the same as the option.
    image(case, "only=again", Some(&named))?;
    let filters = format!(r#"{{"dangling":["false"],"label":["{}"]}}"#, mark(case));
    let query: String = filters.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = tests::http::request(case.host(), "POST", &format!("/v1.51/images/prune?filters={query}"), "")?;
    ensure!(answer.status == 200 && !is_there(case, "image", &named)?, "{answer:?}");
    Ok(())
}

/// Named volumes go with `--all` only, as they do for all that ask in an older version.
pub(crate) fn volumes_without_a_name(case: &Case<'_>) -> Result {
    let (mark, named, user) = (mark(case), case.volume("named"), case.container("user"));
    case.ok(&["volume", "create", "--label", &mark, &named])?;
    let nameless = case.ok(&["volume", "create", "--label", &mark])?;
    case.ok(&["create", "--name", &user, "-v", &format!("{nameless}:/x"), "busybox"])?;
    prune(case, "volume", &[], &[])?;
    ensure!(is_there(case, "volume", &nameless)?, "one that a container has");
    case.ok(&["rm", &user])?;
    let said = prune(case, "volume", &[], &[])?;
    ensure!(
        said.contains(&nameless) && !is_there(case, "volume", &nameless)? && is_there(case, "volume", &named)?,
        "{said}"
    );
    let filter = format!("label={mark}");
    let older = ["volume", "prune", "--force", "--filter", &filter];
    until("a turn", Duration::from_secs(120), || {
        let out = case.command(older).env("DOCKER_API_VERSION", "1.41").output().ok()?;
        out.status.success().then_some(())
    })?;
    ensure!(!is_there(case, "volume", &named)?, "in an older version");
    let refused = case.run(&["volume", "prune", "--force", "--filter", "until=1h"])?;
    let words = refused.err.lines().next().context("words")?;
    ensure!(words == "Error response from daemon: invalid filter 'until'", "{refused:?}");
    Ok(())
}
