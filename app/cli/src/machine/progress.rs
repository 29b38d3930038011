//! The steps of a start or stop as they happen: one line each on a terminal, one line at each end elsewhere.

use std::collections::HashSet;
use std::time::Duration;

use host::client::StatusStream;
use host::machine::{MachineStatus, Phase, Progress};
use indicatif::{ProgressBar, ProgressStyle};
use rust_i18n::t;

use crate::{Failure, language, print_json};

/// Shows `steps` until they settle in a phase that is `wanted`: another command may ask for something else meanwhile. For programs
/// nothing is shown, and a failure is printed as the JSON of the settled status.
pub(super) async fn follow(mut steps: StatusStream, silent: bool, wanted: &[Phase]) -> Result<MachineStatus, Failure> {
    let bar = if silent { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.set_style(ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("the template is constant"));
    bar.enable_steady_tick(Duration::from_millis(120));
    let mut said = HashSet::new();
    let mut last = None;
    while let Some(status) = steps.next().await? {
        if !silent {
            show(&bar, &status, &mut said);
        }
        last = Some(status);
    }
    bar.finish_and_clear();
    let last = last.ok_or_else(|| Failure::new(1, t!("machine.no_status").into_owned()))?;
    match &last.failure {
        None if wanted.contains(&last.phase) => Ok(last),
        _ if silent => {
            print_json(&last)?;
            Err(Failure::said(1))
        }
        None if last.phase == Phase::Running => Err(Failure::new(1, t!("machine.started_meanwhile").into_owned())),
        None => Err(Failure::new(1, t!("machine.stopped_meanwhile").into_owned())),
        Some(failure) => {
            let mut text = language::sentence(&failure.to_string());
            if !failure.console.is_empty() {
                text = format!("{text}\n{}\n    {}", t!("machine.console_said"), failure.console.join("\n    "));
            }
            Err(Failure::new(1, text))
        }
    }
}

fn show(bar: &ProgressBar, status: &MachineStatus, said: &mut HashSet<String>) {
    for note in unsaid_notes(status, said) {
        print(bar, &language::sentence(note));
    }
    if !matches!(status.phase, Phase::Starting | Phase::Running | Phase::Failed) {
        bar.set_message(t!("machine.stopping").into_owned());
        return;
    }
    for report in &status.steps {
        let name = t!(format!("step.{}", report.step.name())).into_owned();
        match report.progress {
            Progress::Active => {
                if let Some(doing) = report.doing.as_deref().map(language::sentence)
                    && said.insert(format!("doing {doing}"))
                {
                    print(bar, &format!("… {name}: {doing}"));
                }
                bar.set_message(name);
            }
            Progress::Done if said.insert(format!("done {}", report.step.name())) => {
                print(bar, &format!("✓ {name} ({:.1} s)", report.milliseconds as f64 / 1000.0));
            }
            // A boot that is repeated with another accelerator passes its steps again.
            Progress::Waiting => {
                said.remove(&format!("done {}", report.step.name()));
            }
            Progress::Done => (),
            Progress::Failed => print(bar, &format!("✗ {name}")),
        }
    }
}

/// In every phase: the end of a machine has its notes too.
fn unsaid_notes<'a>(status: &'a MachineStatus, said: &mut HashSet<String>) -> Vec<&'a String> {
    status.notes.iter().filter(|note| said.insert((*note).clone())).collect()
}

/// Above the bar on a terminal, a plain line where there is none.
fn print(bar: &ProgressBar, line: &str) {
    bar.suspend(|| eprintln!("{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_said_once_in_whatever_phase_it_comes() {
        for phase in [Phase::Starting, Phase::Running, Phase::Failed, Phase::Stopping, Phase::Resetting, Phase::Stopped]
        {
            let status = MachineStatus { phase, notes: vec!["it was ended".to_owned()], ..MachineStatus::stopped() };
            let mut said = HashSet::new();
            assert_eq!(unsaid_notes(&status, &mut said), ["it was ended"], "{phase:?}");
            assert!(unsaid_notes(&status, &mut said).is_empty(), "{phase:?}");
        }
    }
}
