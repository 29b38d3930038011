//! The corpus of Dockerfiles (`corpus/`, whose README tells what lies where): each is built with the stock CLI, and what became of it
//! is compared with what BuildKit makes of it, which is recorded beside it.

mod build;
mod image;
mod pages;
mod plan;
mod tree;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::engine::Kind;

use self::build::{Builder, Outcome};
use self::plan::{Plan, TEN};
use crate::suite::{Entry, cases, everywhere, is_long};

type Result = anyhow::Result<()>;

/// More than one at a time: most of a build is waiting for others.
const AT_A_TIME: usize = 3;

pub(crate) fn cases() -> Vec<Entry> {
    let mut all = cases![everywhere; ten];
    all.extend(cases![|kind| kind == Kind::Reference || (is_long() && kind != Kind::Serial); whole]);
    all
}

/// Those that have most in them.
pub(crate) fn ten(case: &Case<'_>) -> Result {
    compare(case, &TEN.iter().map(|name| Plan::read(name)).collect::<anyhow::Result<Vec<_>>>()?)
}

/// All, or those that `BERTH_TEST_CORPUS` names.
pub(crate) fn whole(case: &Case<'_>) -> Result {
    let mut plans = plan::all()?;
    let bad = plans.iter().filter(|plan| plan.fails).count();
    ensure!(plans.len() - bad >= 91 && bad >= 37, "{} plans, of which {bad} are to fail", plans.len());
    if let Ok(names) = std::env::var("BERTH_TEST_CORPUS") {
        let unknown = names.split(',').find(|name| plans.iter().all(|plan| plan.name != *name));
        ensure!(unknown.is_none(), "BERTH_TEST_CORPUS: the corpus has no {unknown:?}");
        plans.retain(|plan| names.split(',').any(|name| name == plan.name));
    }
    compare(case, &plans)
}

fn compare(case: &Case<'_>, plans: &[Plan]) -> Result {
    let builder = Builder::new(case)?;
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = builder.build(plan);
                    outcomes.lock().expect("nobody panics with it").insert(plan.name.clone(), outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("nobody panicked with it");
    let mut wrong = String::new();
    let mut images = Vec::new();
    for outcome in outcomes.values() {
        images.extend(outcome.as_ref().ok().and_then(Outcome::image));
    }
    let mut shown = image::shown(case.docker, &images)?;
    for plan in plans {
        let text = match &outcomes[&plan.name] {
            Ok(Outcome::Failed(text)) => text.clone(),
            Ok(Outcome::Built(image)) => shown.remove(image).with_context(|| format!("{image} was not saved"))?,
            Err(error) => {
                wrong += &format!("=== {}: {error:#}\n", plan.name);
                continue;
            }
        };
        if case.kind == Kind::Reference && std::env::var_os("BERTH_WRITE_PAGES").is_some() {
            plan.record(&text)?;
        } else if let Err(error) = plan.compare(&text, case.kind) {
            wrong += &format!("=== {}: {error:#}\n", plan.name);
        }
    }
    ensure!(wrong.is_empty(), "{wrong}");
    Ok(())
}
