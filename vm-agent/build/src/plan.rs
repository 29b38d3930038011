//! Which stages a build needs, and which of them wait for which. Pure.

use crate::dockerfile::{Dockerfile, Instruction, Stage, Step, trigger};
use containers::changes::Change;

/// The stages and images that COPYs and mounts take files from, variables not substituted.
fn sources(steps: &[Step]) -> impl Iterator<Item = &str> {
    let copied = steps.iter().filter_map(|step| match &step.instruction {
        Instruction::Copy(copy) => copy.from.as_deref(),
        _ => None,
    });
    copied.chain(mounts(steps).filter_map(crate::mounts::from))
}

fn mounts(steps: &[Step]) -> impl Iterator<Item = &str> {
    let mounts = steps.iter().flat_map(|step| match &step.instruction {
        Instruction::Run(run) => &run.mounts[..],
        _ => &[],
    });
    mounts.map(String::as_str)
}

/// Whether a build has more than one stage, as BuildKit counts them: whatever files are taken from is one, and what a mount begins with.
pub(crate) fn several(dockerfile: &Dockerfile) -> bool {
    let is_several = |steps: &[Step]| sources(steps).next().is_some() || mounts(steps).next().is_some();
    dockerfile.stages.len() > 1 || dockerfile.stages.iter().any(|stage| is_several(&stage.steps))
}

/// What a stage has for those on top of it to carry out. What cannot be read is told there.
pub(crate) fn triggers(stage: &Stage) -> Vec<Step> {
    let texts = stage.steps.iter().filter_map(|step| match &step.instruction {
        Instruction::Change(Change::Onbuild(text)) => Some(text),
        _ => None,
    });
    texts.filter_map(|text| trigger(text).ok()).collect()
}

/// The stage that a name means among those.
pub(crate) fn named(stages: &[Stage], name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    stages.iter().rposition(|stage| stage.name.as_deref() == Some(name.as_str()))
}

/// The earlier stages that steps take files from. `None`: that is not known before.
fn taken_from(earlier: &[Stage], steps: &[Step]) -> Option<Vec<usize>> {
    let mut taken = Vec::new();
    for from in sources(steps) {
        if from.contains('$') {
            return None;
        }
        let numbered = || from.parse().ok().filter(|number| *number < earlier.len());
        taken.extend(named(earlier, from).or_else(numbered));
    }
    Some(taken)
}

/// The earlier stages that a stage needs: the one that it is on top of, those that its steps take files from, and those that the base's
/// ONBUILD takes from. `expand` substitutes what stands for bases. `None`: that is not known before.
fn needs(stages: &[Stage], at: usize, expand: impl Fn(&str) -> Option<String>) -> Option<Vec<usize>> {
    let (earlier, stage) = (&stages[..at], &stages[at]);
    let mut needs = taken_from(earlier, &stage.steps)?;
    if let Some(base) = named(earlier, &expand(&stage.base)?) {
        needs.push(base);
        needs.extend(taken_from(earlier, &triggers(&stages[base]))?);
    }
    Some(needs)
}

/// Which stages the last one needs: these begin at once, and each waits where it comes to what another one makes. Those that are left out
/// are built when a step turns out to take from them, as with the ONBUILD of an image that is not known yet. `None`: what is needed is
/// not known before.
pub(crate) fn needed(dockerfile: &Dockerfile, expand: impl Fn(&str) -> Option<String>) -> Option<Vec<bool>> {
    let stages = &dockerfile.stages;
    let mut needed = vec![false; stages.len()];
    let mut waiting = vec![stages.len().checked_sub(1)?];
    while let Some(at) = waiting.pop() {
        if !std::mem::replace(&mut needed[at], true) {
            waiting.extend(needs(stages, at, &expand)?);
        }
    }
    Some(needed)
}

/// The last stage, and those that it is on top of.
pub(crate) fn roots(dockerfile: &Dockerfile, expand: impl Fn(&str) -> Option<String>) -> Vec<bool> {
    let stages = &dockerfile.stages;
    let mut roots = vec![false; stages.len()];
    let mut next = stages.len().checked_sub(1);
    while let Some(at) = next {
        roots[at] = true;
        next = expand(&stages[at].base).and_then(|base| named(&stages[..at], &base));
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Dockerfile {
        Dockerfile::parse(text).expect("valid")
    }

    #[test]
    fn what_files_are_taken_from_is_a_stage() {
        for (text, expect) in [
            ("FROM a\nRUN b\nCOPY b c", false),
            ("FROM a\nRUN --mount=type=secret,id=s b", true),
            ("FROM a\nCOPY --from=b c d", true),
            ("FROM a\nRUN --mount=from=b,target=/b c", true),
            ("FROM a\nRUN --mount=target=/b,type=cache c", true),
            ("FROM a\nFROM b", true),
        ] {
            assert_eq!(several(&parse(text)), expect, "{text}");
        }
    }

    #[test]
    fn stages_that_nobody_needs_are_left_out() {
        for (text, expect) in [
            ("FROM a", Some(vec![true])),
            ("FROM a AS x\nFROM b", Some(vec![false, true])),
            ("FROM a AS x\nFROM b AS y\nFROM X", Some(vec![true, false, true])),
            ("FROM a\nFROM b\nFROM c\nCOPY --from=1 a b", Some(vec![false, true, true])),
            ("FROM a AS x\nFROM x AS y\nFROM c\nCOPY --from=y a b", Some(vec![true, true, true])),
            ("FROM a AS x\nFROM b AS y\nFROM $X", Some(vec![true, false, true])),
            (
                "FROM a AS x\nFROM b AS y\nFROM c\nRUN --mount=type=bind,from=y,target=/y d",
                Some(vec![false, true, true]),
            ),
            (
                "FROM a AS x\nFROM b AS y\nFROM c AS z\nONBUILD COPY --from=x a b\nFROM z",
                Some(vec![true, false, true, true]),
            ),
            ("FROM a AS x\nFROM c AS z\nONBUILD COPY --from=$X a b\nFROM z", None),
            ("FROM a AS x\nFROM c\nONBUILD COPY --from=x a b", Some(vec![false, true])),
            ("FROM a AS x\nFROM ${", None),
            ("FROM a AS x\nFROM a\nCOPY --from=$x a b", None),
        ] {
            let expand = |word: &str| (!word.contains('{')).then(|| word.replace("$X", "x"));
            assert_eq!(needed(&parse(text), expand), expect, "{text}");
        }
    }

    /// What a stage of a random Dockerfile takes from which other one.
    #[derive(Debug, Clone)]
    enum Takes {
        Base(usize),
        Copy(usize),
        Mount(usize),
        Onbuild(usize),
    }

    fn stages() -> impl Strategy<Value = Vec<Vec<Takes>>> {
        let takes = (0..4, 0..100usize).prop_map(|(kind, at)| match kind {
            0 => Takes::Base(at),
            1 => Takes::Copy(at),
            2 => Takes::Mount(at),
            _ => Takes::Onbuild(at),
        });
        prop::collection::vec(prop::collection::vec(takes, 0..4), 1..9)
    }

    /// The text, and what each stage needs.
    fn dockerfile(stages: &[Vec<Takes>]) -> (String, Vec<Vec<usize>>) {
        let (mut text, mut all) = (String::new(), Vec::new());
        let mut triggers: Vec<Vec<usize>> = Vec::new();
        for (at, takes) in stages.iter().enumerate() {
            let (mut base, mut steps, mut needs, mut own) = ("image".to_owned(), String::new(), Vec::new(), Vec::new());
            for takes in takes {
                let (Takes::Base(of) | Takes::Copy(of) | Takes::Mount(of) | Takes::Onbuild(of)) = takes;
                let Some(of) = of.checked_rem(at) else { continue };
                match takes {
                    Takes::Base(_) => base = format!("s{of}"),
                    Takes::Copy(_) => steps.push_str(&format!("COPY --from={of} a b\n")),
                    Takes::Mount(_) => steps.push_str(&format!("RUN --mount=from=S{of},target=/m a\n")),
                    Takes::Onbuild(_) => steps.push_str(&format!("ONBUILD COPY --from=s{of} a b\n")),
                }
                match takes {
                    Takes::Base(_) => {}
                    Takes::Copy(_) | Takes::Mount(_) => needs.push(of),
                    Takes::Onbuild(_) => own.push(of),
                }
            }
            if let Some(of) = base.strip_prefix('s').and_then(|of| of.parse::<usize>().ok()) {
                needs.push(of);
                needs.extend(&triggers[of]);
            }
            text.push_str(&format!("FROM {base} AS s{at}\n{steps}"));
            needs.sort_unstable();
            needs.dedup();
            all.push(needs);
            triggers.push(own);
        }
        (text, all)
    }

    proptest! {
        /// A stage waits for earlier ones alone, so that no two wait for each other; what is needed has all that it needs, and nothing
        /// else.
        #[test]
        fn plans_are_whole_and_end(stages in stages()) {
            let (text, all) = dockerfile(&stages);
            let parsed = parse(&text);
            let expand = |word: &str| Some(word.to_owned());
            for (at, expect) in all.iter().enumerate() {
                let mut found = needs(&parsed.stages, at, expand).expect("known");
                found.sort_unstable();
                found.dedup();
                prop_assert_eq!(&found, expect, "{} of {}", at, text);
                prop_assert!(found.iter().all(|needed| *needed < at));
            }
            let needed = needed(&parsed, expand).expect("known");
            let last = needed.len() - 1;
            for at in 0..=last {
                let is_needed = at == last || (at..=last).any(|of| needed[of] && all[of].contains(&at));
                prop_assert_eq!(needed[at], is_needed, "{} of {}", at, text);
            }
        }
    }

    #[test]
    fn the_result_and_what_it_is_on_top_of_are_roots() {
        let text = "FROM x AS one\nFROM one AS two\nFROM x AS three\nFROM $B\nCOPY --from=three a b\n";
        let dockerfile = Dockerfile::parse(text).expect("valid");
        let expand = |base: &str| Some(base.replace("$B", "two"));
        assert_eq!(roots(&dockerfile, expand), [true, true, false, true]);
        // What nobody knows is nothing to be on top of.
        assert_eq!(
            roots(&dockerfile, |base| Some(base.to_owned()).filter(|base| base != "$B")),
            [false, false, false, true]
        );
    }
}
