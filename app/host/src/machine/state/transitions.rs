//! What follows from what: one function per state, one arm per event.

use super::{Action, Blame, During, Event, Failure, Purpose, Refused, Start, State, Step, Then};
use crate::driver::InstanceExit;
use crate::settings::Accelerator;

type Next = Result<(State, Vec<Action>), Refused>;

impl State {
    /// The state after `event` and what must be done to get there; `Refused` leaves the machine as it was.
    pub fn next(&self, event: &Event) -> Next {
        let (mut state, actions) = self.follow(event)?;
        if let State::Failed(failure) | State::Unanswered { failure, .. } = &mut state
            && !matches!(self, State::Failed(_) | State::Unanswered { .. })
        {
            failure.during = match failure.step {
                _ if self.reset_under_way().is_some() => During::Reset,
                Some(_) => During::Start,
                None => During::Run,
            };
        }
        Ok((state, actions))
    }

    fn follow(&self, event: &Event) -> Next {
        match self {
            State::Stopped => idle(event),
            State::Failed(failure) if !failure.alive => idle(event),
            State::Failed(failure) => failed_alive(failure, event),
            State::Unanswered { accelerator, .. } if *event == Event::Up => Ok(rejoin(*accelerator)),
            State::Unanswered { failure, .. } => failed_alive(failure, event),
            State::Starting(start) => starting(start, event),
            State::ChangingLink(start) => changing_link(start, event),
            State::Running { accelerator } => running(*accelerator, event),
            State::Cleaning { accelerator } => cleaning(*accelerator, event),
            State::Stopping { then } => stopping(*then, event),
            State::Erasing { then_start } => erasing(*then_start, event),
        }
    }
}

fn begin(purpose: Purpose) -> (State, Vec<Action>) {
    let start = Start {
        step: Step::Check,
        accelerators: Vec::new(),
        other_link: false,
        adopted: false,
        repeated: false,
        purpose,
    };
    (State::Starting(start), vec![Action::Run(Step::Check)])
}

/// A machine that runs is looked for.
fn rejoin(accelerator: Accelerator) -> (State, Vec<Action>) {
    let start = Start {
        step: Step::Link,
        accelerators: vec![accelerator],
        other_link: false,
        adopted: true,
        repeated: false,
        purpose: Purpose::Use,
    };
    (State::Starting(start), vec![Action::Run(Step::Link)])
}

fn stop(then: Then) -> (State, Vec<Action>) {
    (State::Stopping { then }, vec![Action::PowerOff])
}

fn erase(then_start: bool) -> (State, Vec<Action>) {
    (State::Erasing { then_start }, vec![Action::Erase])
}

fn failure(step: Option<Step>, cause: &str, alive: bool) -> State {
    State::Failed(failed_at(step, cause, alive))
}

/// What it was at is known where it came from: `State::next`.
fn failed_at(step: Option<Step>, cause: &str, alive: bool) -> Failure {
    Failure { during: During::Run, step, cause: cause.to_owned(), console: Vec::new(), alive, unanswered: false }
}

/// No guest is there.
fn idle(event: &Event) -> Next {
    match event {
        Event::Up | Event::Restart => Ok(begin(Purpose::Use)),
        Event::Down => Ok((State::Stopped, vec![])),
        Event::Reset { keep_volumes: true } => Ok(begin(Purpose::Clean)),
        Event::Reset { keep_volumes: false } => Ok(erase(false)),
        Event::Adopted { accelerator } => Ok(rejoin(*accelerator)),
        Event::Stranded { cause } => Ok((failure(Some(Step::Link), cause, true), vec![])),
        Event::Checked { .. }
        | Event::Done(_)
        | Event::StepFailed { .. }
        | Event::Exited(_)
        | Event::Refused { .. }
        | Event::EngineCame { .. }
        | Event::StopOverdue
        | Event::Cleaned
        | Event::CleanFailed { .. }
        | Event::Erased
        | Event::EraseFailed { .. } => Err(Refused::Outdated),
    }
}

fn starting(start: &Start, event: &Event) -> Next {
    match event {
        Event::Up => Ok((State::Starting(start.clone()), vec![])),
        Event::Restart => Err(Refused::Starting),
        Event::Down => Ok(give_up(start, Then::Stay)),
        Event::Reset { keep_volumes: true } => {
            Ok((State::Starting(Start { purpose: Purpose::Clean, ..start.clone() }), vec![]))
        }
        Event::Reset { keep_volumes: false } => Ok(give_up(start, Then::Erase { then_start: false })),
        Event::Checked { accelerators, other_link } if start.step == Step::Check && !accelerators.is_empty() => {
            let (accelerators, other_link) = (accelerators.clone(), *other_link);
            let next = Start { step: Step::Image, accelerators, other_link, ..start.clone() };
            Ok((State::Starting(next), vec![Action::Run(Step::Image)]))
        }
        Event::Done(step) if *step == start.step && *step != Step::Check => Ok(step_done(start)),
        Event::StepFailed { step, cause, blame } if *step == start.step => Ok(step_failed(start, cause, *blame, true)),
        // It ran before: what failed is the machine, not the step that looked for it again.
        Event::Exited(exit) if start.adopted => Ok(ended(exit, vec![Action::CancelStep])),
        Event::Exited(exit @ (InstanceExit::PoweredOff | InstanceExit::GaveUp { .. })) => {
            // The agent was reached and decided so: another accelerator would not change its mind.
            let failed = failure(Some(start.step), &exit.to_string(), false);
            Ok((failed, vec![Action::CancelStep, Action::CloseHost, Action::Forget]))
        }
        Event::Exited(exit @ InstanceExit::Died { .. }) if start.accelerators.len() == 1 && !start.repeated => {
            Ok(repeat(start, &exit.to_string()))
        }
        // A kernel that says why it panics was run well enough; one that is reset without a word may not have been.
        Event::Exited(exit @ InstanceExit::Panicked { message }) if !message.is_empty() => {
            Ok(step_failed(start, &exit.to_string(), Blame::Guest, false))
        }
        Event::Exited(
            exit @ (InstanceExit::Panicked { .. } | InstanceExit::Died { .. } | InstanceExit::Lost { .. }),
        ) => Ok(step_failed(start, &exit.to_string(), Blame::Accelerator, false)),
        Event::Refused { cause } if start.step == Step::Engine => Ok(step_failed(start, cause, Blame::Other, true)),
        Event::Checked { .. }
        | Event::Done(_)
        | Event::StepFailed { .. }
        | Event::Refused { .. }
        | Event::EngineCame { .. }
        | Event::StopOverdue
        | Event::Adopted { .. }
        | Event::Stranded { .. }
        | Event::Cleaned
        | Event::CleanFailed { .. }
        | Event::Erased
        | Event::EraseFailed { .. } => Err(Refused::Outdated),
    }
}

/// The guest of the link that failed is about to end.
fn changing_link(start: &Start, event: &Event) -> Next {
    let boot = |mut actions: Vec<Action>| {
        actions.extend([Action::CloseHost, Action::Run(Step::Boot)]);
        Ok((State::Starting(start.clone()), actions))
    };
    match event {
        Event::Exited(_) => boot(vec![]),
        Event::StopOverdue => boot(vec![Action::Kill]),
        Event::Up => Ok((State::ChangingLink(start.clone()), vec![])),
        Event::Restart => Err(Refused::Starting),
        Event::Down => Ok((State::Stopping { then: Then::Stay }, vec![])),
        Event::Reset { keep_volumes: true } => {
            Ok((State::ChangingLink(Start { purpose: Purpose::Clean, ..start.clone() }), vec![]))
        }
        Event::Reset { keep_volumes: false } => {
            Ok((State::Stopping { then: Then::Erase { then_start: false } }, vec![]))
        }
        Event::Checked { .. }
        | Event::Done(_)
        | Event::StepFailed { .. }
        | Event::Refused { .. }
        | Event::EngineCame { .. }
        | Event::Adopted { .. }
        | Event::Stranded { .. }
        | Event::Cleaned
        | Event::CleanFailed { .. }
        | Event::Erased
        | Event::EraseFailed { .. } => Err(Refused::Outdated),
    }
}

/// A guest that was not heard of yet cannot be asked to stop; one that was is.
fn give_up(start: &Start, then: Then) -> (State, Vec<Action>) {
    if start.step == Step::Engine || start.adopted {
        return (State::Stopping { then }, vec![Action::CancelStep, Action::PowerOff]);
    }
    let (state, more) = after(then);
    let mut actions = vec![Action::CancelStep, Action::Kill, Action::CloseHost, Action::Forget];
    actions.extend(more);
    (state, actions)
}

fn step_done(start: &Start) -> (State, Vec<Action>) {
    match (start.step.following(), start.accelerators.first()) {
        (Some(step), _) => (State::Starting(Start { step, ..start.clone() }), vec![Action::Run(step)]),
        (None, Some(accelerator)) => {
            let accelerator = *accelerator;
            match start.purpose {
                Purpose::Use => (State::Running { accelerator }, vec![Action::Remember(accelerator), Action::OpenHost]),
                Purpose::Clean => (State::Cleaning { accelerator }, vec![Action::Remember(accelerator), Action::Clean]),
            }
        }
        (None, None) => unreachable!("`Checked` and `Adopted` name an accelerator before any later step"),
    }
}

/// A boot with no other accelerator left is tried once more: QEMU's emulator of several processors sometimes crashes
/// (`iotlb_to_section`, <https://gitlab.com/qemu-project/qemu/-/issues/1921>), or loses a guest's timer, which then never
/// speaks.
fn repeat(start: &Start, cause: &str) -> (State, Vec<Action>) {
    let next = Start { step: Step::Boot, repeated: true, ..start.clone() };
    let tell = Action::TellRepeat { cause: cause.to_owned() };
    let actions = vec![Action::CancelStep, Action::Kill, Action::CloseHost, tell, Action::Run(Step::Boot)];
    (State::Starting(next), actions)
}

/// `alive`: the hypervisor may still be there.
fn step_failed(start: &Start, cause: &str, blame: Blame, alive: bool) -> (State, Vec<Action>) {
    let boots = start.step.tries_the_accelerator() && !start.adopted;
    let may_be_the_accelerator = boots && blame == Blame::Accelerator;
    if boots && blame == Blame::Link && start.other_link {
        let next = Start { step: Step::Boot, other_link: false, ..start.clone() };
        let change = Action::ChangeLink { cause: cause.to_owned() };
        // That guest may be up, and its containers at work.
        return (State::ChangingLink(next), vec![Action::CancelStep, change, Action::EndGuest]);
    }
    match start.accelerators.as_slice() {
        [from, to, ..] if may_be_the_accelerator => {
            let accelerators = start.accelerators[1..].to_vec();
            let next = Start { step: Step::Boot, accelerators, repeated: false, ..start.clone() };
            let tell = Action::TellFallback { from: *from, to: *to, cause: cause.to_owned() };
            let actions = vec![Action::CancelStep, Action::Kill, Action::CloseHost, tell, Action::Run(Step::Boot)];
            (State::Starting(next), actions)
        }
        // Alive: a panic is the guest's own word, and would come again.
        [Accelerator::Tcg]
            if boots && blame != Blame::Other && alive && start.step == Step::Link && !start.repeated =>
        {
            repeat(start, cause)
        }
        [accelerator, ..] if alive && start.adopted && start.step == Step::Link && blame != Blame::Other => {
            let cause = format!("{cause} (`berth up` tries again)");
            let failure = Failure { unanswered: true, ..failed_at(Some(Step::Link), &cause, true) };
            (State::Unanswered { failure, accelerator: *accelerator }, vec![Action::CancelStep])
        }
        // The guest is up, as far as we know: not ours to throw away.
        _ if alive && (start.adopted || start.step == Step::Engine) => {
            (failure(Some(start.step), cause, true), vec![Action::CancelStep])
        }
        _ => {
            let actions = vec![Action::CancelStep, Action::Kill, Action::CloseHost, Action::Forget];
            (failure(Some(start.step), cause, false), actions)
        }
    }
}

fn running(accelerator: Accelerator, event: &Event) -> Next {
    match event {
        Event::Up => Ok((State::Running { accelerator }, vec![])),
        Event::Down => Ok(stop(Then::Stay)),
        Event::Restart => Ok(stop(Then::Start(Purpose::Use))),
        Event::Reset { keep_volumes: true } => Ok((State::Cleaning { accelerator }, vec![Action::Clean])),
        Event::Reset { keep_volumes: false } => Ok(stop(Then::Erase { then_start: false })),
        Event::Exited(exit) => Ok(ended(exit, vec![])),
        Event::Refused { cause } => Ok((failure(None, cause, true), vec![Action::CloseHost])),
        Event::Adopted { .. }
        | Event::Stranded { .. }
        | Event::Checked { .. }
        | Event::Done(_)
        | Event::StepFailed { .. }
        | Event::EngineCame { .. }
        | Event::StopOverdue
        | Event::Cleaned
        | Event::CleanFailed { .. }
        | Event::Erased
        | Event::EraseFailed { .. } => Err(Refused::Outdated),
    }
}

fn cleaning(accelerator: Accelerator, event: &Event) -> Next {
    let cancel = |then| (State::Stopping { then }, vec![Action::CancelClean, Action::PowerOff]);
    match event {
        Event::Up | Event::Reset { keep_volumes: true } => Ok((State::Cleaning { accelerator }, vec![])),
        Event::Down => Ok(cancel(Then::Stay)),
        Event::Restart => Ok(cancel(Then::Start(Purpose::Use))),
        Event::Reset { keep_volumes: false } => Ok(cancel(Then::Erase { then_start: false })),
        // Started again: only a boot brings the images that ship with the machine back.
        Event::Cleaned => Ok(stop(Then::Start(Purpose::Use))),
        Event::CleanFailed { cause } => Ok((failure(None, cause, true), vec![])),
        Event::Exited(exit) => Ok(ended(exit, vec![Action::CancelClean])),
        Event::Refused { cause } => Ok((failure(None, cause, true), vec![Action::CancelClean, Action::CloseHost])),
        Event::Adopted { .. }
        | Event::Stranded { .. }
        | Event::Checked { .. }
        | Event::Done(_)
        | Event::StepFailed { .. }
        | Event::EngineCame { .. }
        | Event::StopOverdue
        | Event::Erased
        | Event::EraseFailed { .. } => Err(Refused::Outdated),
    }
}

/// The end of a machine that ran. A guest that powered itself off did what it was told by somebody inside.
fn ended(exit: &InstanceExit, mut actions: Vec<Action>) -> (State, Vec<Action>) {
    actions.extend([Action::CloseHost, Action::Forget]);
    (failure(None, &exit.to_string(), false), actions)
}

/// What comes when no guest is there any more.
fn after(then: Then) -> (State, Vec<Action>) {
    match then {
        Then::Stay => (State::Stopped, vec![]),
        Then::Start(purpose) => begin(purpose),
        Then::Erase { then_start } => erase(then_start),
    }
}

fn stopping(then: Then, event: &Event) -> Next {
    let stopped = |mut actions: Vec<Action>| {
        actions.extend([Action::CloseHost, Action::Forget]);
        let (state, more) = after(then);
        actions.extend(more);
        (state, actions)
    };
    let on = |then| Ok((State::Stopping { then }, vec![]));
    match event {
        Event::Exited(_) => Ok(stopped(vec![])),
        Event::StopOverdue => Ok(stopped(vec![Action::Kill])),
        Event::Up | Event::Restart => on(match then {
            Then::Stay => Then::Start(Purpose::Use),
            Then::Start(purpose) => Then::Start(purpose),
            Then::Erase { .. } => Then::Erase { then_start: true },
        }),
        Event::Down => on(match then {
            Then::Stay | Then::Start(_) => Then::Stay,
            Then::Erase { .. } => Then::Erase { then_start: false },
        }),
        Event::Reset { keep_volumes: false } => on(Then::Erase { then_start: false }),
        Event::Reset { keep_volumes: true } => on(match then {
            Then::Stay | Then::Start(_) => Then::Start(Purpose::Clean),
            Then::Erase { .. } => Then::Erase { then_start: true },
        }),
        Event::Refused { .. } => on(then),
        Event::Adopted { .. }
        | Event::Stranded { .. }
        | Event::Checked { .. }
        | Event::Done(_)
        | Event::StepFailed { .. }
        | Event::EngineCame { .. }
        | Event::Cleaned
        | Event::CleanFailed { .. }
        | Event::Erased
        | Event::EraseFailed { .. } => Err(Refused::Outdated),
    }
}

fn erasing(then_start: bool, event: &Event) -> Next {
    let on = |then_start| Ok((State::Erasing { then_start }, vec![]));
    match event {
        Event::Up | Event::Restart | Event::Reset { keep_volumes: true } => on(true),
        Event::Down | Event::Reset { keep_volumes: false } => on(false),
        Event::Erased if then_start => Ok(begin(Purpose::Use)),
        Event::Erased => Ok((State::Stopped, vec![])),
        Event::EraseFailed { cause } => Ok((failure(None, cause, false), vec![])),
        Event::Adopted { .. }
        | Event::Stranded { .. }
        | Event::Checked { .. }
        | Event::Done(_)
        | Event::StepFailed { .. }
        | Event::Exited(_)
        | Event::Refused { .. }
        | Event::EngineCame { .. }
        | Event::StopOverdue
        | Event::Cleaned
        | Event::CleanFailed { .. } => Err(Refused::Outdated),
    }
}

fn failed_alive(failed: &Failure, event: &Event) -> Next {
    match event {
        Event::Up => Err(Refused::StillThere),
        Event::Down => Ok(stop(Then::Stay)),
        Event::Restart => Ok(stop(Then::Start(Purpose::Use))),
        Event::Reset { keep_volumes: true } => Ok(stop(Then::Start(Purpose::Clean))),
        Event::Reset { keep_volumes: false } => Ok(stop(Then::Erase { then_start: false })),
        Event::Exited(_) => {
            let failed = Failure { alive: false, unanswered: false, ..failed.clone() };
            Ok((State::Failed(failed), vec![Action::CloseHost, Action::Forget]))
        }
        Event::EngineCame { accelerator } => {
            let accelerator = *accelerator;
            Ok((State::Running { accelerator }, vec![Action::Remember(accelerator), Action::OpenHost]))
        }
        // There is no use in looking for it again.
        Event::Refused { .. } => Ok((State::Failed(Failure { unanswered: false, ..failed.clone() }), vec![])),
        Event::Adopted { .. }
        | Event::Stranded { .. }
        | Event::Checked { .. }
        | Event::Done(_)
        | Event::StepFailed { .. }
        | Event::StopOverdue
        | Event::Cleaned
        | Event::CleanFailed { .. }
        | Event::Erased
        | Event::EraseFailed { .. } => Err(Refused::Outdated),
    }
}
