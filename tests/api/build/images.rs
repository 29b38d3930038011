//! What images say of themselves.

use anyhow::{Context, ensure};
use serde_json::json;
use tests::case::Case;

use super::{built, inspect, sh};
use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; arguments_and_labels, described, triggers]
}

pub(crate) fn arguments_and_labels(case: &Case<'_>) -> Result {
    let image = case.image("arguments:1");
    let dockerfile = "ARG V=latest\nARG G=1\nFROM busybox:$V\nARG V\nARG W=${V}-w X=x\nENV E=$W F=${G:-none} A=\"d e\" X=env\n\
        LABEL l=\"m n\" k=$E\nRUN echo \"$V $W $X ${G:-unset} $HTTP_PROXY\" >/seen\n";
    let arguments = "%7B%22W%22%3A%22given%22%2C%22HTTP_PROXY%22%3A%22p%22%2C%22Y%22%3A%22y%22%2C%22Z%22%3Anull%7D";
    let labels = "%7B%22one%22%3A%22a%20%24b%20'c'%22%2C%22two%22%3A%22%22%7D";
    let said = built(case, dockerfile, &[], &format!("t={image}&buildargs={arguments}&labels={labels}"))?;
    ensure!(said.text.contains("[Warning] One or more build-args [Y"), "{}", said.text);
    ensure!(said.text.contains("Step 9/10 : LABEL one=a $b 'c'\n"), "{}", said.text);
    ensure!(sh(case, &image, "cat /seen")? == "latest given env unset p", "{}", sh(case, &image, "cat /seen")?);
    let config = inspect(case, &image)?["Config"].take();
    let env = config["Env"].as_array().context("variables")?;
    for wanted in ["E=given", "F=none", "A=d e", "X=env"] {
        ensure!(env.contains(&wanted.into()), "{wanted}: {config}");
    }
    ensure!(
        !env.iter().any(|variable| variable.as_str().is_some_and(|text| text.starts_with("HTTP_PROXY"))),
        "{config}"
    );
    let labels = &config["Labels"];
    ensure!(
        labels["l"] == "m n" && labels["k"] == "given" && labels["one"] == "a $b 'c'" && labels["two"] == "",
        "{config}"
    );
    Ok(())
}

pub(crate) fn described(case: &Case<'_>) -> Result {
    let image = case.image("described:1");
    let dockerfile = "FROM busybox\nMAINTAINER me <x>\nENV X=80 Y=\"d e\"\nLABEL l=$X\nCMD [\"old\"]\nSHELL [\"/bin/sh\", \"-ec\"]\nUSER 1:2\nEXPOSE $X 90/udp\nVOLUME /v /w2\nWORKDIR /srv\n\
        CMD x y\nENTRYPOINT [\"e\"]\nSTOPSIGNAL SIGINT\nHEALTHCHECK --interval=3s CMD t\nONBUILD RUN echo on\n";
    built(case, dockerfile, &[], &format!("t={image}"))?;
    let inspect = inspect(case, &image)?;
    let config = &inspect["Config"];
    for (key, wanted) in [
        ("Cmd", json!(["/bin/sh", "-ec", "x y"])),
        ("Entrypoint", json!(["e"])),
        ("Shell", json!(["/bin/sh", "-ec"])),
        ("User", json!("1:2")),
        ("ExposedPorts", json!({ "80/tcp": {}, "90/udp": {} })),
        ("Volumes", json!({ "/v": {}, "/w2": {} })),
        ("WorkingDir", json!("/srv")),
        ("StopSignal", json!("SIGINT")),
        ("Healthcheck", json!({ "Test": ["CMD-SHELL", "t"], "Interval": 3_000_000_000_i64 })),
        ("OnBuild", json!(["RUN echo on"])),
    ] {
        ensure!(config[key] == wanted, "{key}: {} is not {wanted}", config[key]);
    }
    ensure!(inspect["Author"] == "me <x>", "{inspect}");
    let history = case.ok(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", &image])?;
    let history: Vec<&str> = history.lines().collect();
    for words in ["VOLUME [/v /w2]", "EXPOSE 80 90/udp", "USER 1:2", "ENV X=80 Y=d e", "LABEL l=80"] {
        ensure!(history.iter().any(|line| line.ends_with(&format!("#(nop)  {words}"))), "{words}: {history:?}");
    }
    ensure!(history[0] == "/bin/sh -ec #(nop)  ONBUILD RUN echo on", "{history:?}");
    ensure!(
        history[3] == "/bin/sh -ec #(nop)  ENTRYPOINT [\"e\"]"
            && history[4] == "/bin/sh -ec #(nop)  CMD [\"/bin/sh\" \"-ec\" \"x y\"]",
        "{history:?}"
    );
    Ok(())
}

/// What an image has for the builds on top of it happens in the first of them, and not in those on top of that.
pub(crate) fn triggers(case: &Case<'_>) -> Result {
    let (base, child, third) = (case.image("base:1"), case.image("child:1"), case.image("third:1"));
    built(
        case,
        "FROM busybox\nONBUILD RUN echo on >/on\nONBUILD COPY f /copied\n",
        &[("f", "1")],
        &format!("t={base}"),
    )?;
    let said = built(
        case,
        &format!("FROM {base}\nRUN cat /on /copied\n"),
        &[("f", "content")],
        &format!("t={child}&nocache=1"),
    )?;
    ensure!(said.text.contains("# Executing 2 build triggers\n") && said.text.contains("on\ncontent"), "{}", said.text);
    let said = built(case, &format!("FROM {child}\nLABEL a=b\n"), &[], &format!("t={third}"))?;
    ensure!(!said.text.contains("Executing"), "{}", said.text);
    // The last first.
    for image in [&third, &child] {
        case.ok(&["rmi", image])?;
    }
    Ok(())
}
