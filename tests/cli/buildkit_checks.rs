//! What `docker build` tells of a Dockerfile: warnings, beside a build or without one, and what can be asked about it.

use anyhow::{Context, ensure};
use tests::buildx::Folder;
use tests::case::Case;
use tests::docker::said;
use tests::limit;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; warnings, errors, beside_a_build, another_platform, chosen, outlines]
}

/// Nothing in it is a mistake.
const BAD: &str = "ARG BASE=busybox\n\
    FROM ${BASE} as Base\n\
    maintainer me\n\
    RUN true \\\n\n && true\n\
    ENV a b\n\
    ENV API_KEY=x\n\
    WORKDIR rel\n\
    COPY $nope /x/\n\
    CMD echo $PAHT\n\
    CMD [\"x\"]\n\
    From --platform=linux busybox AS scratch\n\
    ENTRYPOINT foo\n\
    FROM base AS next\n\
    USER $PAHT\n\
    FROM --platform=$TARGETPLATFORM $BASE AS next\n\
    LABEL x y\n\
    FROM busybox AS last\n\
    ARG PASSWORD=$BASE\n";

/// Lines and rules, in the order of the lines.
const FOUND: [(u64, &str); 21] = [
    (2, "FromAsCasing"),
    (2, "StageNameCasing"),
    (3, "ConsistentInstructionCasing"),
    (3, "MaintainerDeprecated"),
    (6, "NoEmptyContinuation"),
    (7, "LegacyKeyValueFormat"),
    (8, "SecretsUsedInArgOrEnv"),
    (9, "WorkdirRelativePath"),
    (10, "UndefinedVar"),
    (11, "JSONArgsRecommended"),
    (11, "MultipleInstructionsDisallowed"),
    (13, "ConsistentInstructionCasing"),
    (13, "FromPlatformFlagConstDisallowed"),
    (13, "ReservedStageName"),
    (14, "JSONArgsRecommended"),
    (16, "UndefinedVar"),
    (17, "DuplicateStageName"),
    (17, "RedundantTargetPlatform"),
    (18, "LegacyKeyValueFormat"),
    (20, "SecretsUsedInArgOrEnv"),
    (20, "UndefinedVar"),
];

/// What a check answers, as JSON.
fn checked(case: &Case<'_>, folder: &Folder, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
    let arguments = [&["--call", "check,format=json"], arguments, &["."]].concat();
    let said = folder.build(case, &arguments)?;
    serde_json::from_str(&said.out).with_context(|| format!("{said:?}"))
}

fn rules(checked: &serde_json::Value) -> anyhow::Result<Vec<(u64, &str)>> {
    let mut rules = Vec::new();
    // dockerd has nothing in the place of none.
    for warning in checked["warnings"].as_array().into_iter().flatten() {
        let line = warning["location"]["ranges"][0]["start"]["line"].as_u64().context("a line")?;
        rules.push((line, warning["ruleName"].as_str().context("a name")?));
    }
    rules.sort_unstable();
    Ok(rules)
}

pub(crate) fn warnings(case: &Case<'_>) -> Result {
    let folder = Folder::new(&[("Dockerfile", BAD)])?;
    let told = checked(case, &folder, &["--target", "last"])?;
    let of_the_last = rules(&told)?;
    ensure!(of_the_last.iter().all(|found| FOUND.contains(found)), "{told}");
    ensure!(of_the_last.contains(&(20, "UndefinedVar")) && !of_the_last.contains(&(10, "UndefinedVar")), "{told}");
    let told = checked(case, &folder, &[])?;
    ensure!(rules(&told)? == FOUND, "{told}");
    let text = told.to_string();
    for words in [
        "'as' and 'FROM' keywords' casing do not match",
        "Command 'maintainer' should match the case of the command majority (uppercase)",
        "Usage of undefined variable '$PAHT' (did you mean $PATH?)",
        "https://docs.docker.com/go/dockerfile/rule/from-as-casing/",
    ] {
        ensure!(text.contains(words), "{words}: {text}");
    }
    let said = folder.build(case, &["--check", "."])?;
    ensure!(said.code == 1 && said.out.contains("WARNING: StageNameCasing - https://"), "{said:?}");
    ensure!(said.out.contains(">>> FROM ${BASE} as Base"), "{said:?}");
    ensure!((said.out + &said.err).contains("21 warnings have been found!"), "how many there are is not said");
    let good = Folder::new(&[("Dockerfile", "FROM busybox\nCOPY . /x\n")])?;
    let said = good.build(case, &["--check", "."])?;
    ensure!(said.code == 0 && (said.out + &said.err).contains("no warnings found."));
    Ok(())
}

/// What ends a check is told with what was found before.
pub(crate) fn errors(case: &Case<'_>) -> Result {
    let folder = Folder::new(&[("Dockerfile", "FROM busybox AS X\nUSER $nope\nFROM $none\n")])?;
    let told = checked(case, &folder, &[])?;
    let expect = [(1, "StageNameCasing"), (3, "InvalidDefaultArgInFrom"), (3, "UndefinedArgInFrom")];
    ensure!(rules(&told)? == expect, "{told}");
    let error = &told["buildError"];
    ensure!(error["message"] == "base name ($none) should not be blank", "{told}");
    ensure!(error["location"]["ranges"][0]["start"]["line"] == 3, "{told}");
    folder.write("Dockerfile", "FROM busybox\nRUNN x\n")?;
    let said = folder.build(case, &["--check", "."])?;
    let words = "dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)";
    ensure!(said.code == 1 && said.err.contains(words), "{said:?}");
    Ok(())
}

pub(crate) fn beside_a_build(case: &Case<'_>) -> Result {
    let dockerfile = "FROM busybox as x\nENV KEY=1\nFROM busybox AS unused\nCMD x\nFROM x\n";
    let folder = Folder::new(&[("Dockerfile", dockerfile)])?;
    let told = folder.built(case, &["."])?;
    ensure!(told.contains("2 warnings found (use docker --debug to expand):"), "{told}");
    ensure!(told.contains("- FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)"), "{told}");
    ensure!(told.contains("(ENV \"KEY\") (line 2)") && !told.contains("JSONArgs"), "{told}");
    Ok(())
}

/// A registry may have an image for another platform alone.
pub(crate) fn another_platform(case: &Case<'_>) -> Result {
    let name = format!("{}/foreign{}:1", case.registry.address(), case.number());
    let folder = Folder::new(&[("Dockerfile", "FROM scratch\nCOPY f /f\n"), ("f", "")])?;
    folder.built(case, &["-t", &name, "--platform", "linux/s390x", "--push", "."])?;
    case.ok(&["rmi", "-f", &name])?;
    let host = match std::env::consts::ARCH {
        "aarch64" => "linux/arm64",
        _ => "linux/amd64",
    };
    folder.write("Dockerfile", &format!("ARG NAME={name}\nFROM $NAME\nCOPY f /g\n"))?;
    let words =
        format!("Base image {name} was pulled with platform \"linux/s390x\", expected \"{host}\" for current build");
    let told = folder.built(case, &["."])?;
    ensure!(told.contains(&format!("- InvalidBaseImagePlatform: {words} (line 2)")), "{told}");
    let told = checked(case, &folder, &[])?;
    ensure!(
        rules(&told)? == [(2, "InvalidBaseImagePlatform")] && told["warnings"][0]["detail"] == words.as_str(),
        "{told}"
    );
    // It has no page.
    ensure!(told["warnings"][0]["url"].is_null(), "{told}");
    let told = folder.build(case, &["--check", "."])?;
    ensure!(told.out.contains(&format!("WARNING: InvalidBaseImagePlatform\n{words}\n")), "{told:?}");
    case.ok(&["rmi", "-f", &name])?;
    Ok(())
}

pub(crate) fn chosen(case: &Case<'_>) -> Result {
    let text = "# check=skip=JSONArgsRecommended;error=true\nFROM busybox AS X\nRUN exit 9\nCMD y\n";
    let folder = Folder::new(&[("Dockerfile", text)])?;
    let failed = folder.build(case, &["."])?;
    let words = "lint violation found for rules: StageNameCasing";
    ensure!(failed.code == 1 && failed.err.contains(words), "{failed:?}");
    ensure!(!failed.err.contains("exit code: 9"), "nothing is built: {failed:?}");
    let told = checked(case, &folder, &[])?;
    ensure!(told["buildError"]["message"] == words && rules(&told)?.len() == 1, "{told}");
    let told = checked(case, &folder, &["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all"])?;
    ensure!(rules(&told)?.is_empty() && told["buildError"].is_null(), "{told}");
    folder.write("Dockerfile", "# check=what=x\nFROM busybox\n")?;
    let failed = folder.build(case, &["."])?;
    ensure!(failed.code == 1 && failed.err.contains("invalid check option \"what\""), "{failed:?}");
    Ok(())
}

pub(crate) fn outlines(case: &Case<'_>) -> Result {
    let text = "ARG BASE=busybox\nARG NOT\n# one is the first\nFROM $BASE AS one\n# V is a value\nARG V=1\n\
        FROM one AS two\nARG BASE\nRUN --mount=type=secret,id=s,required --mount=type=secret,target=/x/t true\n";
    let folder = Folder::new(&[("Dockerfile", text)])?;
    let ask = |arguments: &[&str]| -> anyhow::Result<String> {
        let said = said(limit::output(&mut folder.command(case, &[arguments, &["."]].concat()))?)?;
        ensure!(said.code == 0, "{said:?}");
        Ok(said.out)
    };
    let told = ask(&["--call", "targets"])?;
    ensure!(told == "TARGET        DESCRIPTION\none           is the first\ntwo (default) \n", "{told}");
    let told = ask(&["--call", "outline"])?;
    let expect = "TARGET: two\n\nBUILD ARG   VALUE     DESCRIPTION\nBASE        busybox   \nV           1         is a value\n\n\
        SECRET   REQUIRED\ns        true\nt        \n";
    ensure!(told.trim_end() == expect.trim_end(), "{told}");
    let told = ask(&["--call", "outline", "--target", "one", "--build-arg", "V=2"])?;
    ensure!(told.contains("DESCRIPTION: is the first") && told.contains("V           2 "), "{told}");
    let told = ask(&["--call", "subrequests.describe"])?;
    ensure!(told.contains("outline              1.0.0   List all"), "{told}");
    Ok(())
}
