//! Properties of the state machine: whatever happens in whatever order, nothing is lost and nothing runs twice.

use proptest::prelude::*;

use super::*;
use Accelerator::{Kvm, Tcg};

fn failed(step: Step) -> Event {
    Event::StepFailed { step, cause: "the deadline passed".to_owned(), blame: Blame::Accelerator }
}

fn died() -> Event {
    Event::Exited(InstanceExit::Died { message: "killed".to_owned() })
}

/// Plays events from `Stopped`; all must be accepted. The last actions are returned with the state.
fn play(events: &[Event]) -> (State, Vec<Action>) {
    events.iter().fold((State::Stopped, vec![]), |(state, _), event| {
        state.next(event).unwrap_or_else(|refused| panic!("{event:?} in {state:?}: {refused}"))
    })
}

fn to_running() -> Vec<Event> {
    let mut events = vec![Event::Up, Event::Checked { accelerators: vec![Kvm, Tcg], other_link: false }];
    events.extend(Step::ALL[1..].iter().map(|step| Event::Done(*step)));
    events
}

#[test]
fn a_start_goes_through_all_steps() {
    let (state, actions) = play(&to_running());
    assert_eq!(state, State::Running { accelerator: Kvm });
    assert_eq!(actions, [Action::Remember(Kvm), Action::OpenHost]);
}

#[test]
fn a_guest_that_is_not_heard_of_is_tried_with_the_next_accelerator() {
    for last in [failed(Step::Boot), died()] {
        let mut events = to_running()[..4].to_vec();
        events.push(last);
        let (state, actions) = play(&events);
        let State::Starting(start) = &state else { panic!("{state:?}") };
        assert_eq!((start.step, start.accelerators.as_slice()), (Step::Boot, &[Tcg][..]));
        assert!(matches!(
            actions.as_slice(),
            [
                Action::CancelStep,
                Action::Kill,
                Action::CloseHost,
                Action::TellFallback { from: Kvm, to: Tcg, .. },
                Action::Run(Step::Boot)
            ]
        ));
        let (state, actions) = state.next(&failed(Step::Boot)).unwrap();
        assert!(matches!(state, State::Failed(Failure { step: Some(Step::Boot), alive: false, .. })));
        assert!(actions.contains(&Action::Kill) && actions.contains(&Action::Forget));
    }
}

#[test]
fn a_hypervisor_that_dies_under_the_last_accelerator_gets_one_more_chance() {
    let mut events = vec![Event::Up, Event::Checked { accelerators: vec![Tcg], other_link: false }];
    events.extend([Step::Image, Step::Disk, Step::Boot].map(Event::Done));
    events.push(died());
    let (state, actions) = play(&events);
    assert!(matches!(&state, State::Starting(start) if start.step == Step::Boot && start.repeated), "{state:?}");
    assert_eq!(actions.last(), Some(&Action::Run(Step::Boot)));
    let (state, _) = state.next(&Event::Done(Step::Boot)).unwrap();
    let (state, _) = state.next(&died()).unwrap();
    assert!(matches!(state, State::Failed(_)), "{state:?}");
}

#[test]
fn a_failure_before_or_after_the_boot_is_not_blamed_on_the_accelerator() {
    for (done, step, alive) in [(2, Step::Image, false), (3, Step::Disk, false), (6, Step::Engine, true)] {
        let mut events = to_running()[..=done].to_vec();
        events.pop();
        events.push(failed(step));
        // `done` events were played before the failing step.
        let (state, _) = play(&events);
        assert!(matches!(&state, State::Failed(f) if f.step == Some(step) && f.alive == alive), "{state:?}");
    }
}

#[test]
fn only_a_cause_that_may_be_the_accelerator_s_makes_the_next_one_be_tried() {
    let accelerators = [vec![Kvm], vec![Kvm, Tcg]];
    for (step, blame, adopted) in Step::ALL.iter().flat_map(|step| {
        [Blame::Accelerator, Blame::Link, Blame::Guest, Blame::Other]
            .into_iter()
            .flat_map(move |blame| [(*step, blame, false), (*step, blame, true)])
    }) {
        for accelerators in accelerators.clone() {
            let several = accelerators.len() > 1;
            let purpose = Purpose::Use;
            let start = Start { step, accelerators, other_link: false, adopted, repeated: false, purpose };
            let event = Event::StepFailed { step, cause: "so".to_owned(), blame };
            let (state, actions) = State::Starting(start).next(&event).unwrap();
            let falls_back =
                several && !adopted && blame == Blame::Accelerator && [Step::Boot, Step::Link].contains(&step);
            let told = actions.iter().any(|action| matches!(action, Action::TellFallback { .. }));
            assert_eq!(matches!(state, State::Starting(_)), falls_back, "{step} {blame:?} adopted: {adopted}");
            let alive = adopted || step == Step::Engine;
            assert_eq!(actions.contains(&Action::Kill), falls_back || !alive, "{step} {blame:?} adopted: {adopted}");
            assert_eq!(told, falls_back, "{step} {blame:?} adopted: {adopted}");
        }
    }
}

#[test]
fn a_link_that_fails_makes_way_for_the_serial_one_once_and_for_no_other_accelerator() {
    for step in [Step::Boot, Step::Link] {
        let start = Start {
            step,
            accelerators: vec![Kvm, Tcg],
            other_link: true,
            adopted: false,
            repeated: false,
            purpose: Purpose::Use,
        };
        let event = Event::StepFailed { step, cause: "the device died".to_owned(), blame: Blame::Link };
        let (state, actions) = State::Starting(start).next(&event).unwrap();
        let change = Action::ChangeLink { cause: "the device died".to_owned() };
        assert_eq!(actions, [Action::CancelStep, change, Action::EndGuest]);
        // Whoever gives up meanwhile waits for the same end.
        assert_eq!(state.next(&Event::Down).unwrap(), (State::Stopping { then: Then::Stay }, vec![]));
        let (_, actions) = state.next(&Event::StopOverdue).unwrap();
        assert_eq!(actions, [Action::Kill, Action::CloseHost, Action::Run(Step::Boot)]);
        let (state, actions) = state.next(&died()).unwrap();
        assert_eq!(actions, [Action::CloseHost, Action::Run(Step::Boot)]);
        let State::Starting(next) = &state else { panic!("{state:?}") };
        assert_eq!((next.step, next.accelerators.as_slice()), (Step::Boot, &[Kvm, Tcg][..]));
        let event = Event::StepFailed { step: Step::Boot, cause: "again".to_owned(), blame: Blame::Link };
        assert!(matches!(state.next(&event).unwrap().0, State::Failed(_)), "there is no third link");
    }
}

#[test]
fn a_panic_that_is_reported_is_the_guest_s_and_a_reset_without_a_word_the_accelerator_s() {
    for (message, falls_back) in [("no init", false), ("", true)] {
        let mut events = to_running()[..5].to_vec();
        events.push(Event::Exited(InstanceExit::Panicked { message: message.to_owned() }));
        let (state, _) = play(&events);
        assert_eq!(matches!(state, State::Starting(_)), falls_back, "{message:?}: {state:?}");
    }
}

#[test]
fn a_machine_that_cannot_be_controlled_is_left_until_it_is_to_go() {
    let (state, actions) = play(&[Event::Stranded { cause: "it does not answer".to_owned() }]);
    assert!(matches!(&state, State::Failed(failure) if failure.alive), "{state:?}");
    assert_eq!(actions, []);
    assert_eq!(state.next(&Event::Up), Err(Refused::StillThere));
    let (state, _) = state.next(&Event::Down).unwrap();
    let (state, actions) = state.next(&Event::StopOverdue).unwrap();
    assert_eq!((state, actions[0].clone()), (State::Stopped, Action::Kill));
}

#[test]
fn a_reset_stops_the_machine_and_then_erases() {
    let reset = Event::Reset { keep_volumes: false };
    let mut events = to_running();
    events.push(reset.clone());
    let (state, actions) = play(&events);
    assert_eq!(actions, [Action::PowerOff]);
    let (state, actions) = state.next(&Event::Exited(InstanceExit::PoweredOff)).unwrap();
    assert_eq!((&state, actions.last()), (&State::Erasing { then_start: false }, Some(&Action::Erase)));
    assert_eq!(state.next(&Event::Erased), Ok((State::Stopped, vec![])));
    // Asked for in between, a start comes after, with an empty disk.
    let (state, _) = state.next(&Event::Up).unwrap();
    assert_eq!(state.next(&Event::Erased).unwrap().1, [Action::Run(Step::Check)]);
    // Before anything was heard of the guest nobody can be asked.
    let (state, actions) = play(&[Event::Up, reset.clone()]);
    assert_eq!(state, State::Erasing { then_start: false });
    assert_eq!(actions[..2], [Action::CancelStep, Action::Kill]);
    assert_eq!(play(&[reset]), (State::Erasing { then_start: false }, vec![Action::Erase]));
}

#[test]
fn a_reset_that_keeps_volumes_cleans_and_starts_again() {
    let reset = Event::Reset { keep_volumes: true };
    // A machine that does not run is started for it, and is not offered before it is clean.
    let mut events = to_running();
    events[0] = reset.clone();
    assert_eq!(play(&events), (State::Cleaning { accelerator: Kvm }, vec![Action::Remember(Kvm), Action::Clean]));
    let mut events = to_running();
    events.extend([reset, Event::Cleaned]);
    let (state, actions) = play(&events);
    assert_eq!(actions, [Action::PowerOff]);
    let (state, actions) = state.next(&Event::Exited(InstanceExit::PoweredOff)).unwrap();
    assert!(matches!(&state, State::Starting(start) if start.purpose == Purpose::Use), "{state:?}");
    assert_eq!(actions.last(), Some(&Action::Run(Step::Check)));
}

#[test]
fn a_guest_that_gives_up_is_not_blamed_on_the_accelerator() {
    let mut events = to_running()[..5].to_vec();
    events.push(Event::Exited(InstanceExit::GaveUp { message: "the data disk is damaged".to_owned() }));
    let (state, _) = play(&events);
    let State::Failed(failure) = state else { panic!("{state:?}") };
    assert_eq!((failure.step, failure.cause.as_str()), (Some(Step::Link), "the data disk is damaged"));
}

#[test]
fn an_adopted_machine_is_never_killed_by_a_failure() {
    let (state, actions) = play(&[Event::Adopted { accelerator: Tcg }, failed(Step::Link)]);
    assert!(matches!(&state, State::Unanswered { failure, .. } if failure.alive), "{state:?}");
    assert!(!actions.contains(&Action::Kill));
    // It may only have been slow.
    let (again, actions) = state.next(&Event::Up).unwrap();
    assert!(matches!(&again, State::Starting(start) if start.adopted && start.step == Step::Link), "{again:?}");
    assert_eq!(actions, [Action::Run(Step::Link)]);
    let (state, actions) = state.next(&Event::Down).unwrap();
    assert_eq!((state, actions), (State::Stopping { then: Then::Stay }, vec![Action::PowerOff]));
}

#[test]
fn the_end_of_a_running_machine_closes_everything() {
    let mut events = to_running();
    events.push(died());
    let (state, actions) = play(&events);
    assert!(matches!(&state, State::Failed(f) if f.step.is_none() && f.cause.contains("killed")));
    assert_eq!(actions, [Action::CloseHost, Action::Forget]);
}

#[test]
fn a_restart_starts_again_after_the_end() {
    let mut events = to_running();
    events.extend([Event::Restart, Event::StopOverdue]);
    let (state, actions) = play(&events);
    assert!(matches!(state, State::Starting(_)));
    assert_eq!(actions, [Action::Kill, Action::CloseHost, Action::Forget, Action::Run(Step::Check)]);
}

fn any_event() -> impl Strategy<Value = Event> {
    let step = prop::sample::select(Step::ALL.to_vec());
    prop_oneof![
        Just(Event::Up),
        Just(Event::Down),
        Just(Event::Restart),
        Just(Event::Adopted { accelerator: Tcg }),
        any::<bool>().prop_map(|other_link| Event::Checked { accelerators: vec![Kvm, Tcg], other_link }),
        step.clone().prop_map(Event::Done),
        step.clone().prop_map(failed),
        step.prop_map(|step| Event::StepFailed { step, cause: "the device died".to_owned(), blame: Blame::Link }),
        Just(died()),
        Just(Event::Refused { cause: "another version".to_owned() }),
        Just(Event::EngineCame { accelerator: Tcg }),
        Just(Event::StopOverdue),
        any::<bool>().prop_map(|keep_volumes| Event::Reset { keep_volumes }),
        Just(Event::Stranded { cause: "it does not answer".to_owned() }),
        Just(Event::Cleaned),
        Just(Event::CleanFailed { cause: "the engine refused".to_owned() }),
        Just(Event::Erased),
        Just(Event::EraseFailed { cause: "not permitted".to_owned() }),
    ]
}

/// What the task would have, were the actions carried out.
#[derive(Debug, Default)]
struct World {
    /// A step is being run.
    busy: bool,
    /// Host listeners are open.
    open: bool,
    /// The engine removes what is not a volume.
    cleaning: bool,
}

proptest! {
    #[test]
    fn any_sequence_keeps_the_promises(events in prop::collection::vec(any_event(), 0..60)) {
        let mut state = State::Stopped;
        let mut world = World::default();
        for event in events {
            if matches!(event, Event::Done(_) | Event::StepFailed { .. } | Event::Checked { .. }) {
                // Such an event is sent by the running step only, which ends with it.
                let current = match (&state, &event) {
                    (State::Starting(start), Event::Done(step) | Event::StepFailed { step, .. }) => start.step == *step,
                    (State::Starting(start), _) => start.step == Step::Check,
                    _ => false,
                };
                if !current { continue; }
            }
            let Ok((next, actions)) = state.next(&event) else { continue };
            if matches!(event, Event::Cleaned | Event::CleanFailed { .. }) { world.cleaning = false; }
            if matches!(event, Event::Done(_) | Event::StepFailed { .. } | Event::Checked { .. }) && next != state {
                world.busy = false;
            }
            for action in &actions {
                match action {
                    Action::Run(_) => { prop_assert!(!world.busy, "two steps at once"); world.busy = true; }
                    Action::CancelStep => world.busy = false,
                    Action::OpenHost => world.open = true,
                    Action::CloseHost => world.open = false,
                    Action::Clean => { world.open = true; world.cleaning = true; }
                    Action::CancelClean => world.cleaning = false,
                    Action::PowerOff | Action::Erase | Action::Kill | Action::EndGuest | Action::Remember(_)
                    | Action::TellFallback { .. }
                    | Action::TellRepeat { .. } | Action::ChangeLink { .. } | Action::Forget => {}
                }
            }
            match &next {
                State::Starting(start) => {
                    prop_assert!(world.busy, "{start:?} after {event:?}");
                    prop_assert!(start.step <= Step::Image || !start.accelerators.is_empty());
                }
                State::Running { .. } => prop_assert!(world.open && !world.busy),
                State::Cleaning { .. } => prop_assert!(world.cleaning && !world.busy),
                State::Erasing { .. } => {
                    let erased_before = matches!(state, State::Erasing { .. });
                    prop_assert!(!world.open && !world.busy);
                    prop_assert_eq!(actions.contains(&Action::Erase), !erased_before);
                }
                State::Stopped => prop_assert!(!world.open && !world.busy),
                State::Failed(failure) => prop_assert!(!world.busy && (failure.alive || !world.open)),
                State::Unanswered { failure, .. } => prop_assert!(!world.busy && failure.alive),
                State::Stopping { .. } | State::ChangingLink(_) => prop_assert!(!world.busy),
            }
            let cleaning = matches!(next, State::Cleaning { .. });
            prop_assert_eq!(world.cleaning, cleaning);
            state = next;
        }
    }

    #[test]
    fn down_always_leads_to_stopped(events in prop::collection::vec(any_event(), 0..40)) {
        let mut state = State::Stopped;
        for event in events {
            if let Ok((next, _)) = state.next(&event) { state = next; }
        }
        if let Ok((next, _)) = state.next(&Event::Down) { state = next; }
        if let State::Stopping { .. } = state { state = state.next(&Event::StopOverdue).unwrap().0; }
        if let State::Erasing { .. } = state { state = state.next(&Event::Erased).unwrap().0; }
        prop_assert_eq!(state, State::Stopped);
    }
}
