//! Dockerfiles, good and bad.

use super::*;
use containers::changes::{Change, Command};
use proptest::prelude::*;

fn steps(text: &str) -> Vec<Instruction> {
    let parsed = Dockerfile::parse(&format!("FROM x\n{text}")).expect("a valid Dockerfile");
    parsed.stages.into_iter().flat_map(|stage| stage.steps).map(|step| step.instruction).collect()
}

fn copy(text: &str) -> Transfer {
    match &steps(text)[..] {
        [Instruction::Copy(transfer)] => transfer.clone(),
        other => panic!("{other:?}"),
    }
}

fn run(text: &str) -> Run {
    match &steps(text)[..] {
        [Instruction::Run(run)] => run.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn stages_have_bases_and_names() {
    let text = "# syntax=docker/dockerfile:1\n# check=skip=all\nARG V=1\nFROM --platform=$P base:$V AS Build\nRUN a\nfrom scratch\n";
    let parsed = Dockerfile::parse(text).expect("a valid Dockerfile");
    assert_eq!(parsed.directives[1], ("check".to_owned(), "skip=all".to_owned(), 2));
    assert_eq!((parsed.globals.len(), parsed.length()), (1, 4));
    let [build, last] = &parsed.stages[..] else { panic!("two stages") };
    assert_eq!(
        (build.base.as_str(), build.platform.as_deref(), build.name.as_deref()),
        ("base:$V", Some("$P"), Some("build"))
    );
    assert_eq!((build.text.as_str(), build.lines.clone()), ("FROM --platform=$P base:$V AS Build", 4..=4));
    assert_eq!((last.base.as_str(), last.steps.len()), ("scratch", 0));
    assert_eq!(parsed.clone().up_to("BUILD").expect("it is there").length(), 3);
    let error = parsed.up_to("0").expect_err("a number is no name").to_string();
    assert_eq!(error, "target stage \"0\" could not be found");
}

#[test]
fn transfers_have_flags() {
    let found = copy("COPY --from=a --chown=1:2 --chmod=755 --link --parents --exclude=*.o --exclude=b x y /z");
    assert_eq!((found.sources, found.destination.as_str()), (vec!["x".to_owned(), "y".to_owned()], "/z"));
    assert_eq!(
        (found.from.as_deref(), found.chown.as_deref(), found.chmod.as_deref()),
        (Some("a"), Some("1:2"), Some("755"))
    );
    assert!(found.link && found.parents && !found.adds);
    assert_eq!(found.exclude, ["*.o", "b"]);
    let found = copy("ADD --checksum=sha256:1 --keep-git-dir=true --unpack=false [\"a b\", \"c\"]");
    assert_eq!((found.sources, found.checksum.as_deref()), (vec!["a b".to_owned()], Some("sha256:1")));
    assert!(found.adds && found.keep_git_dir == Some(true) && found.unpack == Some(false));
    let found = copy("COPY <<A <<'B' c /d\n1\nA\n2\nB");
    assert_eq!(found.sources, ["c"]);
    assert_eq!(found.documents.iter().map(|document| document.expands).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn commands_have_two_forms_and_documents() {
    let found =
        run("RUN --mount=type=cache,target=/x --mount=type=tmpfs,target=/y --network=none --security=insecure a  b");
    assert_eq!(found.command, Command::Line(Some("a  b".to_owned())));
    assert_eq!(
        (found.mounts.len(), found.network.as_deref(), found.security.as_deref()),
        (2, Some("none"), Some("insecure"))
    );
    assert_eq!(run(r#"RUN ["a", "b c"]"#).command, Command::Words(vec!["a".to_owned(), "b c".to_owned()]));
    let found = run("RUN <<E\necho 1\nE");
    assert_eq!(
        (found.command, found.documents[0].content.as_str()),
        (Command::Line(Some("<<E".to_owned())), "echo 1\n")
    );
    assert_eq!(steps("ONBUILD RUN <<E\na\nE"), [Instruction::Change(Change::Onbuild("RUN <<E\na\nE".to_owned()))]);
    assert!(
        matches!(trigger("RUN <<E\na\nE").expect("valid").instruction, Instruction::Run(run) if run.documents.len() == 1)
    );
}

/// Recorded from dockerd 28.5.2; `--security`, `--parents` and `--exclude` are of the newer frontend.
#[test]
fn mistakes_are_told_as_dockerd_does() {
    for (text, expect) in [
        ("FOO bar", "2: unknown instruction: FOO (did you mean FROM?)"),
        ("XYZ bar", "2: unknown instruction: XYZ"),
        ("FROM", "2: FROM requires either one or three arguments"),
        ("FROM a b", "2: FROM requires either one or three arguments"),
        ("FROM busybox foo x", "2: FROM requires either one or three arguments"),
        ("FROM a AS 1a", "2: invalid name for build stage: \"1a\", name can't start with a number or contain symbols"),
        ("FROM --platfrm=x a", "2: unknown flag: --platfrm (did you mean platform?)"),
        (
            "COPY a",
            "2: COPY requires at least two arguments, but only one was provided. Destination could not be determined",
        ),
        (
            "ADD",
            "2: ADD requires at least two arguments, but only one was provided. Destination could not be determined",
        ),
        ("COPY --form=x a b", "2: unknown flag: --form (did you mean from?)"),
        ("COPY --from x a", "2: missing a value on flag: --from"),
        ("COPY --link=maybe f /", "2: expecting boolean value for flag --link, not: maybe"),
        ("ADD --from=x a b", "2: unknown flag: --from"),
        ("RUN --foo true", "2: unknown flag: --foo"),
        ("RUN --networ=none x", "2: unknown flag: --networ (did you mean network?)"),
        ("RUN --network x", "2: missing a value on flag: --network"),
        ("SHELL bash", "2: SHELL requires the arguments to be in JSON form"),
        ("SHELL []", "2: SHELL requires at least one argument"),
        ("MAINTAINER", "2: MAINTAINER requires exactly one argument"),
        ("ARG", "2: ARG requires at least one argument"),
        ("ARG =x", "2: ARG names can not be blank"),
        ("ENV", "2: ENV requires at least one argument"),
        ("HEALTHCHECK --intervl=3s CMD x", "2: unknown flag: --intervl (did you mean interval?)"),
        ("ONBUILD FROM x", "2: FROM isn't allowed as an ONBUILD trigger"),
    ] {
        let error = Dockerfile::parse(&format!("FROM x\n{text}\n")).expect_err(text);
        assert_eq!(error.to_string(), format!("dockerfile parse error on line {expect}"), "{text}");
    }
    for (text, expect) in [
        ("", "failed to parse Dockerfile: file with no instructions"),
        ("RUN x", "no build stage in current context"),
        ("ENV a=1\nFROM x", "no build stage in current context"),
        ("FROM x\nENV a", "failed to parse Dockerfile: ENV must have two arguments"),
        (
            "FROM x\nLABEL a=b c",
            "failed to parse Dockerfile: Syntax error - can't find = in \"c\". Must be of the form: name=value",
        ),
        (
            "FROM x\nRUN [\"a\",1]",
            "failed to parse Dockerfile: when using JSON array syntax, arrays must be comprised of strings only",
        ),
        ("# escape=x\nFROM x", "failed to parse Dockerfile: invalid escape token 'x' does not match ` or \\"),
        ("FROM x\nRUN <<E\na", "failed to parse Dockerfile: unterminated heredoc"),
    ] {
        assert_eq!(Dockerfile::parse(text).expect_err(text).to_string(), expect, "{text}");
    }
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let text = "FROM x\nRUN a\n  COPPY b \\\n c\nRUN d\nRUN e\nRUN f\n";
    let error = Dockerfile::parse(text).expect_err("a mistake");
    let expect = "\
Dockerfile:3
--------------------
   1 |     FROM x
   2 |     RUN a
   3 | >>>   COPPY b \\
     |       ^^^^^
   4 | >>>  c
   5 |     RUN d
   6 |     RUN e
--------------------
";
    assert_eq!(error.excerpt("Dockerfile", text), expect);
    assert_eq!(Dockerfile::parse("").expect_err("nothing").excerpt("Dockerfile", ""), "");
}

/// Texts that are nearly Dockerfiles.
fn nearly() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("FROM"),
        Just("RUN"),
        Just("COPY"),
        Just("ADD"),
        Just("ARG"),
        Just("ENV"),
        Just("ONBUILD"),
        Just("SHELL"),
        Just("HEALTHCHECK"),
        Just("EXPOSE"),
        Just("LABEL"),
        Just("<<E"),
        Just("<<-'E'"),
        Just("E"),
        Just("\\"),
        Just("`"),
        Just("#"),
        Just("# escape=`"),
        Just("--from="),
        Just("--mount"),
        Just("--link"),
        Just("="),
        Just("[\"a\""),
        Just("]"),
        Just("${a:-"),
        Just("}"),
        Just("\""),
        Just("'"),
        Just("\u{feff}"),
        Just("ä"),
        Just("\t"),
        Just("\r"),
    ];
    prop::collection::vec((word, prop_oneof![Just(" "), Just("\n"), Just("")]), 0..40)
        .prop_map(|words| words.into_iter().flat_map(|(word, blank)| [word, blank]).collect())
}

static CORPUS: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(corpus);

/// The Dockerfiles of the corpus.
fn corpus() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the corpus lies beside")
        .map(|entry| entry.expect("a folder").path().join("Dockerfile"))
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).expect("text")).collect()
}

/// What is done to a text, at places that are parts of its length.
#[derive(Debug, Clone)]
enum Harm {
    Cut(prop::sample::Index, prop::sample::Index),
    Double(prop::sample::Index, prop::sample::Index),
    Put(prop::sample::Index, &'static str),
    /// A line is taken elsewhere.
    Move(prop::sample::Index, prop::sample::Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<prop::sample::Index>;
    let put = prop::sample::select(vec![
        "\\\n",
        "`\n",
        "\n",
        "\r\n",
        "\0",
        "<<E",
        "<<-'E'",
        "${",
        "}",
        "$",
        "\"",
        "'",
        "[",
        "]",
        "#",
        "--",
        "=",
        "\u{feff}",
        "ü",
        "\t",
        "ONBUILD ",
        "FROM ",
        "RUN ",
        "# escape=`\n",
        "E\n",
    ]);
    prop_oneof![
        (at(), at()).prop_map(|(from, to)| Harm::Cut(from, to)),
        (at(), at()).prop_map(|(from, to)| Harm::Double(from, to)),
        (at(), put).prop_map(|(place, text)| Harm::Put(place, text)),
        (at(), at()).prop_map(|(from, to)| Harm::Move(from, to)),
    ]
}

fn harmed(text: &str, harms: &[Harm]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for harm in harms {
        let end = text.len() + 1;
        match harm {
            Harm::Cut(from, to) => {
                let from = from.index(end);
                let to = (from + to.index(40)).min(text.len());
                text.drain(from..to);
            }
            Harm::Double(from, to) => {
                let from = from.index(end);
                let to = (from + to.index(200)).min(text.len());
                let part = text[from..to].to_vec();
                text.splice(from..from, part);
            }
            Harm::Put(place, put) => {
                let place = place.index(end);
                text.splice(place..place, put.chars());
            }
            Harm::Move(from, to) => {
                let mut lines: Vec<Vec<char>> = text.split_inclusive(|c| *c == '\n').map(<[char]>::to_vec).collect();
                if !lines.is_empty() {
                    let line = lines.remove(from.index(lines.len()));
                    lines.insert(to.index(lines.len() + 1), line);
                }
                text = lines.concat();
            }
        }
    }
    text.into_iter().collect()
}

/// Reads a text that may be anything: what is found in it is told by lines that it has.
fn look_at(text: &str) -> Result<(), TestCaseError> {
    let count = text.split('\n').count();
    let mut all = Vec::new();
    match Dockerfile::parse(text) {
        Ok(parsed) => {
            all.extend(parsed.globals.iter().map(|step| step.lines.clone()));
            for stage in &parsed.stages {
                all.push(stage.lines.clone());
                all.extend(stage.steps.iter().map(|step| step.lines.clone()));
            }
        }
        Err(error) => {
            let _ = (error.to_string(), error.excerpt("x", text));
            all.extend(error.lines);
        }
    }
    for lines in all {
        prop_assert!(
            *lines.start() >= 1 && lines.start() <= lines.end() && lines.end() <= &count,
            "{:?} of {}",
            lines,
            count
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_harm_to_the_corpus_takes_the_parser_down(of in any::<prop::sample::Index>(), harms in prop::collection::vec(harm(), 0..12)) {
        let text: &String = of.get(CORPUS.as_slice());
        look_at(&harmed(text, &harms))?;
    }
}

#[test]
fn the_corpus_is_read() {
    let read = CORPUS.iter().filter(|text| Dockerfile::parse(text).is_ok()).count();
    assert!(read >= 90, "{read}");
}

proptest! {
    #[test]
    fn no_bytes_take_the_parser_down(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = Dockerfile::parse(&text) {
            let _ = (error.to_string(), error.excerpt("x", &text));
        }
    }

    #[test]
    fn nothing_that_looks_like_a_dockerfile_does(text in nearly()) {
        match Dockerfile::parse(&text) {
            Ok(parsed) => {
                let count = text.lines().count();
                for stage in &parsed.stages {
                    for lines in stage.steps.iter().map(|step| &step.lines).chain([&stage.lines]) {
                        prop_assert!(*lines.start() >= 1 && lines.end() <= &count, "{:?} of {}", lines, count);
                    }
                }
            }
            Err(error) => { let _ = (error.to_string(), error.excerpt("x", &text)); }
        }
    }
}
