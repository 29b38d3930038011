//! Each rule on small Dockerfiles.

use super::*;
use std::collections::BTreeMap;

/// What is told of a Dockerfile on a base image that has `PATH`: names of rules, texts and lines.
fn of(text: &str, ignored: &[&str], given: &[(&str, &str)], settings: Option<&str>) -> Vec<String> {
    let base = Base { env: vec!["PATH=/bin".to_owned()], ..Base::default() };
    on(Some(base), text, ignored, given, settings)
}

fn on(base: Option<Base>, text: &str, ignored: &[&str], given: &[(&str, &str)], settings: Option<&str>) -> Vec<String> {
    let dockerfile = Dockerfile::parse(text).expect(text);
    let given: BTreeMap<_, _> =
        given.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
    let arguments = |given| Arguments::new(given, "linux/amd64", "linux/amd64").of_buildkit("");
    let stages = dockerfile.stages.len();
    let asked = Asked {
        text,
        dockerfile: &dockerfile,
        arguments: arguments(given),
        defaults: arguments(BTreeMap::new()),
        ignored: &Ignore::new(ignored.iter().copied()).expect("patterns"),
        wanted: &vec![true; stages],
        bases: &vec![base; stages],
        settings,
    };
    let checked = check(&asked).expect("valid settings");
    checked
        .warnings
        .iter()
        .map(|found| format!("{} {} {}", found.rule.name, found.lines.start(), found.detail))
        .collect()
}

fn is(text: &str, expect: &[&str]) {
    assert_eq!(of(text, &[], &[], None), expect, "{text}");
}

#[test]
fn a_good_one_has_no_warning() {
    is(
        "ARG A=b\nFROM $A AS x\nARG A\nENV V=$A P=$PATH\nWORKDIR /x\nWORKDIR y\nCOPY $V /\nCMD [\"a\"]\nEXPOSE 80/tcp 81\n",
        &[],
    );
    is("FROM --platform=$BUILDPLATFORM a AS x\nFROM --platform=linux/arm64 a AS arm64\nRUN echo $UNSET\n", &[]);
}

#[test]
fn a_base_image_is_for_what_is_built() {
    let on_one_for = |found: &str, wanted: &str| {
        let platform = |text: &str| Platform::parse(text).expect("valid");
        let (found, wanted) = (platform(found), platform(wanted));
        let platform = Some(BasePlatform { name: "a:1".to_owned(), found, wanted });
        on(
            Some(Base { platform, ..Base::default() }),
            "FROM a:$V\nRUN b\n",
            &[],
            &[("V", "1")],
            Some("skip=UndefinedArgInFrom,InvalidDefaultArgInFrom"),
        )
    };
    let words = "InvalidBaseImagePlatform 1 Base image a:1 was pulled with platform \"linux/arm64\", expected \"linux/amd64\" for current build";
    assert_eq!(on_one_for("linux/arm64", "linux/amd64"), [words]);
    assert!(on_one_for("linux/amd64", "linux/amd64").is_empty());
    assert!(on_one_for("linux/arm/v6", "linux/arm/v7").is_empty(), "variants are not compared");
}

#[test]
fn names() {
    is("FROM a AS Xy", &["StageNameCasing 1 Stage name 'Xy' should be lowercase"]);
    is("FROM a as x", &["FromAsCasing 1 'as' and 'FROM' keywords' casing do not match"]);
    is(
        "From a as x\nRUN b",
        &["ConsistentInstructionCasing 1 Command 'From' should match the case of the command majority (uppercase)"],
    );
    is(
        "from a\nrun b\nUSER c",
        &["ConsistentInstructionCasing 3 Command 'USER' should match the case of the command majority (lowercase)"],
    );
    is(
        "FROM a AS scratch",
        &["ReservedStageName 1 Stage name should not use the same name as reserved stage \"scratch\""],
    );
    assert_eq!(of("# check=experimental=all\nFROM a AS x\n", &[], &[], None), [""; 0], "a directive is no comment");
    is("FROM a AS x\nFROM b AS x", &["DuplicateStageName 2 Duplicate stage name \"x\", stage names should be unique"]);
    is(
        "FROM a\nMAINTAINER b",
        &["MaintainerDeprecated 2 Maintainer instruction is deprecated in favor of using label"],
    );
    is("FROM a\nRUN b \\\n\n c", &["NoEmptyContinuation 4 Empty continuation line"]);
    let text = "# y is\nARG x=1\n\n# x is\nFROM a AS x\n# what\nARG b c\n";
    is(text, &[]);
    assert_eq!(
        of(text, &[], &[], Some("experimental=all")),
        [
            "InvalidDefinitionDescription 2 Comment for ARG should follow the format: `# x <description>`",
            "InvalidDefinitionDescription 7 Comment for ARG should follow the format: `# <arg_key> <description>`",
        ]
    );
}

#[test]
fn bases() {
    is(
        "ARG BASE=a\nFROM $BAS",
        &[
            "InvalidDefaultArgInFrom 2 Default value for ARG $BAS results in empty or invalid base image name",
            "UndefinedArgInFrom 2 FROM argument 'BAS' is not declared (did you mean BASE?)",
        ],
    );
    is(
        "ARG V\nFROM a:$V",
        &["InvalidDefaultArgInFrom 2 Default value for ARG a:$V results in empty or invalid base image name"],
    );
    assert_eq!(of("ARG V\nFROM a:$V", &[], &[("V", "1")], None).len(), 1, "the defaults count");
    is(
        "FROM --platform=$TARGETPLATFORM a",
        &[
            "RedundantTargetPlatform 1 Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
        ],
    );
    is(
        "FROM --platform=linux/amd64 a",
        &["FromPlatformFlagConstDisallowed 1 FROM --platform flag should not use constant value \"linux/amd64\""],
    );
}

#[test]
fn steps() {
    is(
        "FROM a\nCMD b",
        &[
            "JSONArgsRecommended 2 JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
        ],
    );
    is("FROM a\nSHELL [\"b\"]\nENTRYPOINT c", &[]);
    is(
        "FROM a\nCMD [\"b\"]\nCMD [\"c\"]",
        &[
            "MultipleInstructionsDisallowed 2 Multiple CMD instructions should not be used in the same stage because only the last one will be used",
        ],
    );
    is(
        "FROM a\nENV b c",
        &["LegacyKeyValueFormat 2 \"ENV key=value\" should be used instead of legacy \"ENV key value\" format"],
    );
    is(
        "FROM a\nWORKDIR b\nWORKDIR c",
        &["WorkdirRelativePath 2 Relative workdir \"b\" can have unexpected results if the base image changes"],
    );
    is("FROM a AS b\nWORKDIR /\nFROM b\nWORKDIR c", &[]);
    is(
        "FROM a\nCOPY $b /\nUSER $PAHT\nENV A=1 B=$A",
        &[
            "UndefinedVar 2 Usage of undefined variable '$b'",
            "UndefinedVar 3 Usage of undefined variable '$PAHT' (did you mean $PATH?)",
            "UndefinedVar 4 Usage of undefined variable '$A'",
        ],
    );
    is("FROM a AS b\nARG c\nENV d=1\nFROM b\nUSER $c$d", &[]);
    is(
        "FROM a\nARG API_KEY\nENV TOKEN_FILE=x PASSWORD=y",
        &[
            "SecretsUsedInArgOrEnv 2 Do not use ARG or ENV instructions for sensitive data (ARG \"API_KEY\")",
            "SecretsUsedInArgOrEnv 3 Do not use ARG or ENV instructions for sensitive data (ENV \"PASSWORD\")",
        ],
    );
    is(
        "FROM a\nEXPOSE 80/TCP 1.2.3.4:80:81",
        &[
            "ExposeInvalidFormat 2 EXPOSE instruction should not define an IP address or host-port mapping, found '1.2.3.4:80:81'",
            "ExposeProtoCasing 2 Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
        ],
    );
    let copies = "FROM a\nCOPY b c/d ok .\nADD https://x/b ./b .\nCOPY --from=x b .\nCOPY . .\n";
    assert_eq!(
        of(copies, &["b", "c"], &[], None),
        [
            "CopyIgnoredFile 2 Attempting to Copy file \"b\" that is excluded by .dockerignore",
            "CopyIgnoredFile 2 Attempting to Copy file \"c/d\" that is excluded by .dockerignore",
            "CopyIgnoredFile 3 Attempting to Add file \"b\" that is excluded by .dockerignore",
        ]
    );
    assert!(of(copies, &["b", "!b"], &[], None).is_empty());
}

#[test]
fn of_a_base_that_is_not_known_nothing_is_guessed() {
    let told = |text: &str| on(None, text, &["x", "y/"], &[("G", "/g")], None);
    for text in [
        "FROM a\nENV APP=/app\nWORKDIR $APP\n",
        "FROM a\nARG APP=/app\nWORKDIR $APP\n",
        "FROM a\nARG G=$OF_BASE\nWORKDIR $G\n",
        "FROM a\nWORKDIR ${OF_BASE}\nCOPY x$OF_BASE /\n",
        "FROM a\nENV APP=$OF_BASE\nWORKDIR $APP\n",
        "FROM a\nARG APP=$OF_BASE\nWORKDIR $APP\n",
        "FROM a AS b\nENV APP=/$OF_BASE\nFROM b\nWORKDIR $APP\n",
        "FROM a\nCMD b\n",
    ] {
        assert_eq!(told(text), [""; 0], "{text}");
    }
    // What the Dockerfile says itself is known.
    for (text, expect) in [
        ("FROM a\nENV APP=app\nWORKDIR $APP\n", "WorkdirRelativePath 3"),
        ("FROM a\nENV TOKEN=$OF_BASE\n", "SecretsUsedInArgOrEnv 2"),
        ("FROM a\nENV D=y\nCOPY --chown=1 a $D/f /\n", "CopyIgnoredFile 3"),
    ] {
        let told = told(text);
        assert!(told.len() == 1 && told[0].starts_with(expect), "{text}: {told:?}");
    }
}

/// `ARG` without a value leaves what ENV said.
#[test]
fn arguments_and_variables_have_an_order() {
    is("FROM a AS b\nARG D=x\nENV D=/d\nFROM b\nARG D\nWORKDIR $D\n", &[]);
}

#[test]
fn rules_are_skipped() {
    let text = "# check=skip=JSONArgsRecommended;error=true\nFROM a AS X\nCMD b\n";
    is(text, &["StageNameCasing 2 Stage name 'X' should be lowercase"]);
    assert_eq!(of(text, &[], &[], Some("skip=all")), [""; 0]);
    let dockerfile = Dockerfile::parse(text).expect("valid");
    let asked = Asked {
        text,
        dockerfile: &dockerfile,
        arguments: Arguments::default(),
        defaults: Arguments::default(),
        ignored: &Ignore::default(),
        wanted: &[true],
        bases: &[None],
        settings: None,
    };
    let failure = check(&asked).expect("valid").failure();
    assert_eq!(failure.as_deref(), Some("lint violation found for rules: StageNameCasing"));
    let told = check(&Asked { settings: Some("x"), ..asked }).map(|_| ());
    assert_eq!(told, Err("failed to parse check options: invalid check option \"x\"".to_owned()));
}
