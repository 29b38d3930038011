//! What becomes of a reset: it is asked for in one state, waits through others, and may be given up on the way.

use serde::{Deserialize, Serialize};

use super::{Event, Purpose, Start, State, Then};

/// How far the latest reset came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    UnderWay,
    Done,
    /// It was called off, or failed, before anything was removed.
    NotBegun,
    /// It was called off, or failed, on its way: part of what was to go may be gone.
    Incomplete,
}

/// A reset, for as long as it is the last thing of note that was asked: the next start that is not part of it forgets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ResetReport {
    pub keep_volumes: bool,
    pub outcome: Outcome,
}

/// A reset that a state is on the way to, or in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnderWay {
    keep_volumes: bool,
    removes: bool,
}

impl State {
    pub(super) fn reset_under_way(&self) -> Option<UnderWay> {
        let (keep_volumes, removes) = match self {
            State::Starting(Start { purpose: Purpose::Clean, .. })
            | State::ChangingLink(Start { purpose: Purpose::Clean, .. })
            | State::Stopping { then: Then::Start(Purpose::Clean) } => (true, false),
            State::Cleaning { .. } => (true, true),
            State::Stopping { then: Then::Erase { .. } } => (false, false),
            State::Erasing { .. } => (false, true),
            State::Stopped
            | State::Starting(_)
            | State::ChangingLink(_)
            | State::Running { .. }
            | State::Stopping { then: Then::Stay | Then::Start(Purpose::Use) }
            | State::Failed(_)
            | State::Unanswered { .. } => return None,
        };
        Some(UnderWay { keep_volumes, removes })
    }

    /// What is said of the latest reset once `event` led from this state to `next`.
    pub fn reset_after(&self, event: &Event, next: &State, said: Option<ResetReport>) -> Option<ResetReport> {
        if let Some(UnderWay { keep_volumes, .. }) = next.reset_under_way() {
            return Some(ResetReport { keep_volumes, outcome: Outcome::UnderWay });
        }
        if let Some(UnderWay { keep_volumes, removes }) = self.reset_under_way() {
            let outcome = if matches!(event, Event::Cleaned | Event::Erased) {
                Outcome::Done
            } else if removes {
                Outcome::Incomplete
            } else {
                Outcome::NotBegun
            };
            return Some(ResetReport { keep_volumes, outcome });
        }
        let settled =
            matches!(self, State::Stopped | State::Running { .. } | State::Failed(_) | State::Unanswered { .. });
        let starts = *event == Event::Restart || (*event == Event::Up && self != next);
        said.filter(|_| !(settled && starts))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Blame, During, Failure, Step};
    use super::*;
    use crate::settings::Accelerator::Kvm;

    /// Plays `events`; the state and what is said of a reset.
    fn play(events: &[Event]) -> (State, Option<(bool, Outcome)>) {
        let (state, said) = events.iter().fold((State::Stopped, None), |(state, said), event| {
            let (next, _) = state.next(event).unwrap_or_else(|refused| panic!("{event:?} in {state:?}: {refused}"));
            let said = state.reset_after(event, &next, said);
            (next, said)
        });
        (state, said.map(|ResetReport { keep_volumes, outcome }| (keep_volumes, outcome)))
    }

    fn steps() -> Vec<Event> {
        let mut events = vec![Event::Checked { accelerators: vec![Kvm], other_link: false }];
        events.extend(Step::ALL[1..].iter().map(|step| Event::Done(*step)));
        events
    }

    fn started(with: Event) -> Vec<Event> {
        [vec![with], steps()].concat()
    }

    fn check(events: &[&[Event]], expect: Option<(bool, Outcome)>) -> State {
        let events = events.concat();
        let (state, said) = play(&events);
        assert_eq!(said, expect, "{events:?}");
        state
    }

    const KEEP: Event = Event::Reset { keep_volumes: true };
    const ALL: Event = Event::Reset { keep_volumes: false };
    const EXITED: Event = Event::Exited(crate::driver::InstanceExit::PoweredOff);

    #[test]
    fn a_reset_is_done_when_it_went_all_its_way_and_called_off_when_it_did_not() {
        use Outcome::{Done, Incomplete, NotBegun, UnderWay};
        let running = started(Event::Up);
        let cleaning = started(KEEP);
        check(&[&running], None);
        check(&[&[KEEP]], Some((true, UnderWay)));
        check(&[&[KEEP, Event::Down]], Some((true, NotBegun)));
        check(&[&running, &[KEEP]], Some((true, UnderWay)));
        check(&[&cleaning, &[Event::Down, EXITED]], Some((true, Incomplete)));
        check(&[&cleaning, &[Event::Restart, EXITED], &steps()], Some((true, Incomplete)));
        check(&[&cleaning, &[Event::Cleaned, EXITED], &steps()], Some((true, Done)));
        check(&[&running, &[ALL]], Some((false, UnderWay)));
        check(&[&running, &[ALL, EXITED, Event::Erased]], Some((false, Done)));
        check(&[&[ALL, Event::Up, Event::Erased], &steps()], Some((false, Done)));
        // A stop that somebody else's reset waits for may be made a plain one.
        check(&[&running, &[Event::Down, KEEP, Event::Down, EXITED]], Some((true, NotBegun)));
        // What comes next is no part of it.
        check(&[&[KEEP, Event::Down, Event::Down]], Some((true, NotBegun)));
        check(&[&[KEEP, Event::Down, Event::Up]], None);
        check(&[&cleaning, &[Event::Cleaned, EXITED], &steps(), &[Event::Up]], Some((true, Done)));
        check(&[&cleaning, &[Event::Cleaned, EXITED], &steps(), &[Event::Restart, EXITED]], None);
    }

    #[test]
    fn a_reset_that_fails_is_told_from_a_start_and_a_run_that_do() {
        use Outcome::{Incomplete, NotBegun};
        let failed = |state: State| {
            let State::Failed(Failure { during, step, .. }) = state else { panic!("{state:?}") };
            (during, step)
        };
        let broken = |step| Event::StepFailed { step, cause: "no".to_owned(), blame: Blame::Other };
        let cause = || "no".to_owned();
        let state = check(&[&[KEEP, broken(Step::Check)]], Some((true, NotBegun)));
        assert_eq!(failed(state), (During::Reset, Some(Step::Check)));
        let state = check(&[&started(KEEP), &[Event::CleanFailed { cause: cause() }]], Some((true, Incomplete)));
        assert_eq!(failed(state), (During::Reset, None));
        let state = check(&[&started(KEEP), &[EXITED]], Some((true, Incomplete)));
        assert_eq!(failed(state), (During::Reset, None));
        let state = check(&[&[ALL, Event::EraseFailed { cause: cause() }]], Some((false, Incomplete)));
        assert_eq!(failed(state), (During::Reset, None));
        // All that was to go is gone: what fails is the start after it.
        let state =
            check(&[&started(KEEP), &[Event::Cleaned, EXITED, broken(Step::Check)]], Some((true, Outcome::Done)));
        assert_eq!(failed(state), (During::Start, Some(Step::Check)));
        assert_eq!(failed(check(&[&[Event::Up, broken(Step::Check)]], None)), (During::Start, Some(Step::Check)));
        assert_eq!(failed(check(&[&started(Event::Up), &[EXITED]], None)), (During::Run, None));
        // That it ends later does not change what it failed at.
        let clean_failed = Event::CleanFailed { cause: cause() };
        let state = check(&[&started(KEEP), &[clean_failed, EXITED]], Some((true, Incomplete)));
        assert_eq!(failed(state), (During::Reset, None));
    }
}
