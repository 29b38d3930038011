//! ps, images, inspect, and templates: the same words as docker's.

use anyhow::ensure;
use tests::berth::Berth;
use tests::case::Case;

type Result = anyhow::Result<()>;

/// Both commands say the same.
fn same(berth: &Berth, case: &Case<'_>, arguments: &[&str]) -> Result {
    let (ours, theirs) = (berth.ok(arguments)?, case.ok(arguments)?);
    ensure!(ours == theirs, "{}\n--- berth\n{ours}\n--- docker\n{theirs}", arguments.join(" "));
    Ok(())
}

pub(crate) fn ps_like_docker(berth: &Berth, case: &Case<'_>) -> Result {
    let (up, ended) = (case.container("up"), case.container("ended"));
    let port = format!("127.0.0.1:{}:80", case.port());
    case.ok(&["run", "-d", "--name", &up, "-p", &port, "--label", "suite=ps", "busybox", "sleep", "1000"])?;
    case.ok(&["run", "--name", &ended, "--label", "suite=ps", "busybox", "sh", "-c", "echo much >/file"])?;
    let fields =
        "{{.ID}} {{.Image}} {{.Command}} {{.State}} {{.Names}} {{.Ports}} {{.Labels}} {{.Networks}} {{.Mounts}}";
    let filter = ["--filter", "label=suite=ps"];
    for options in [
        &["-a", "--no-trunc", "--format", fields][..],
        &["-q"],
        &["-aq", "--no-trunc"],
        &["-a", "--filter", "status=exited", "--format", "{{.Names}}"],
        &["-a", "--format", "table {{.ID}}\\t{{.Names}}\\t{{.Image}}"],
        &["-a", "--format", "{{json .Names}}"],
        &["-as", "--format", "{{.Names}} {{.Size}}"],
    ] {
        same(berth, case, &[&["ps"], options, &filter].concat())?;
    }
    ensure!(berth.ok(&["ps", "-l", "-q"])?.lines().count() == 1);
    ensure!(berth.ok(&["ps", "-n", "2", "-q"])?.lines().count() == 2);
    let table = berth.ok(&["ps", "-a", "--filter", "label=suite=ps"])?;
    let theirs = case.ok(&["ps", "-a", "--filter", "label=suite=ps"])?;
    // How far apart they are depends on ages, which differ by the moment.
    let titles =
        |table: &str| table.lines().next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(titles(&table) == titles(&theirs), "{table}\n{theirs}");
    let said = berth.run(&["ps", "-f", "nonsense"])?;
    ensure!(said.code == 1 && said.err.contains("nonsense"), "{said:?}");
    Ok(())
}

pub(crate) fn images_like_docker(berth: &Berth, case: &Case<'_>) -> Result {
    let tag = case.image("tagged:1");
    case.ok(&["tag", "busybox", &tag])?;
    let repository = tag.split(':').next().unwrap_or_default();
    for options in [
        &["--format", "{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}", repository][..],
        &["-q", repository],
        &["--no-trunc", "-q", repository],
        &["--digests", "--format", "{{.Digest}}", repository],
        &["-f", "reference=busybox:latest", "--format", "{{.Repository}}"],
        &["-a", "--format", "table {{.Repository}}\\t{{.Tag}}", repository],
        &["--digests", "no/such/repository"],
        &[repository],
    ] {
        same(berth, case, &[&["images"], options].concat())?;
    }
    ensure!(berth.ok(&["rmi", "--no-prune", &tag])? == format!("Untagged: {tag}"));
    Ok(())
}

pub(crate) fn inspect_like_docker(berth: &Berth, case: &Case<'_>) -> Result {
    let name = case.container("inspected");
    case.ok(&["create", "--name", &name, "--label", "a.b=c", "busybox", "true"])?;
    same(berth, case, &["inspect", &name])?;
    // An image of this case alone: others tag, push and pull busybox meanwhile, which its inspect shows.
    let image = case.image("inspected:1");
    case.ok(&["commit", "-c", "LABEL c.d=e", &name, &image])?;
    same(berth, case, &["inspect", &image])?;
    same(berth, case, &["inspect", "-f", "{{.State.Status}} {{.HostConfig.Privileged}} {{json .Config.Cmd}}", &name])?;
    same(berth, case, &["inspect", "-f", "{{index .Config.Labels \"a.b\"}} {{.Config.Cmd}}", &name])?;
    same(berth, case, &["inspect", "-f", "{{.Id}}", "--type", "image", "busybox"])?;
    same(berth, case, &["inspect", "-f", "{{.Driver}}", "--type", "network", "bridge"])?;
    ensure!(berth.ok(&["inspect", "-s", "-f", "{{.SizeRootFs}}", &name])?.parse::<u64>()? > 0);
    let said = berth.run(&["inspect", "--type", "container", "busybox"])?;
    ensure!(said.code == 1 && said.err.contains("No such container: busybox"), "{said:?}");
    Ok(())
}

pub(crate) fn templates_that_are_not_known(berth: &Berth, _: &Case<'_>) -> Result {
    for (template, named) in [("{{range .Names}}x{{end}}", "{{range .Names}}"), ("{{upper .ID}}", "{{upper .ID}}")] {
        let said = berth.run(&["ps", "--format", template])?;
        ensure!(said.code == 1 && said.err.contains(named) && said.out.is_empty(), "{template}: {said:?}");
    }
    let said = berth.run(&["images", "--format", "{{.Colour}}"])?;
    ensure!(said.code == 1 && said.err.contains(".Colour") && said.err.contains("Repository"), "{said:?}");
    Ok(())
}

pub(crate) fn push_and_pull(berth: &Berth, case: &Case<'_>) -> Result {
    let repository = format!("{}/pushed", case.registry.address());
    let (one, two) = (format!("{repository}:one"), format!("{repository}:two"));
    for tag in [&one, &two] {
        case.ok(&["tag", "busybox", tag])?;
    }
    ensure!(berth.ok(&["push", "-q", "-a", &repository])? == repository);
    berth.ok(&["rmi", &one, &two])?;
    ensure!(berth.ok(&["pull", "-q", &one])? == one);
    ensure!(berth.ok(&["images", "-q", &repository])?.lines().count() == 1);
    berth.ok(&["pull", "-a", &repository])?;
    ensure!(berth.ok(&["images", "--format", "{{.Tag}}", &repository])?.lines().count() == 2);
    let said = berth.run(&["pull", "-a", &one])?;
    ensure!(said.code == 1 && said.err.contains("--all-tags"), "{said:?}");
    berth.ok(&["rmi", "-f", &one, &two])?;
    Ok(())
}

/// Docker's `rmi -f` says what was not there and is content; one that may not be removed is a failure with it, too.
pub(crate) fn removing_images_that_are_not_there(berth: &Berth, case: &Case<'_>) -> Result {
    let (name, image) = (case.container("user"), case.image("user:1"));
    // Of this case alone: the refusal names one of the containers that run it.
    tests::image::derive(case.docker, "busybox", &image, &serde_json::json!({ "Labels": { "of": image } }))?;
    case.ok(&["run", "-d", "--name", &name, &image, "sleep", "1000"])?;
    let id = case.ok(&["inspect", "-f", "{{.Image}}", &name])?;
    for arguments in
        [&["rmi", "no-such:1"][..], &["rmi", "-f", "no-such:1", "other:2"], &["rmi", "-f", "no-such:1", &id]]
    {
        let (ours, theirs) = (berth.run(arguments)?, case.run(arguments)?);
        ensure!(ours.code == theirs.code, "{arguments:?}: {ours:?}\n{theirs:?}");
        ensure!(ours.out == theirs.out, "{arguments:?}: {ours:?}\n{theirs:?}");
        for line in theirs.err.lines() {
            let line = line.trim_start_matches("Error response from daemon: ");
            ensure!(ours.err.contains(line), "{arguments:?}: {ours:?}\n{theirs:?}");
        }
    }
    Ok(())
}
