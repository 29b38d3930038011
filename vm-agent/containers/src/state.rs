//! The life of one container, as data.
//!
//! ```text
//!             start           launched            exited, policy says stay
//!   Created ---------> Starting -----> Running ------------------------------> Exited
//!      ^                  |  ^          |   ^ \                                 |  ^
//!      +--- failed -------+  |    pause |   |  \ exited, policy says restart    |  |
//!        (never ran before)  |          v   |   \                               |  |
//!                            |         Paused    +--------> Restarting          |  |
//!                            |                               |  |   |           |  |
//!                            +------------- due, start ------+  |   +-- stop ---|--+
//!                            +------------------ start ---------|---------------+
//!                                                               |               |
//!   Created, Exited -------------------- remove ----------------+---------------+--> Removing -> (gone)
//! ```
//!
//! A start that fails falls back to where it came from with the failure's exit code and text, as in dockerd.
//! Paused containers can exit too (`docker kill` thaws them first, an OOM kill does not ask).
//!
//! Pure: no clock, no lock, no I/O. The `actor` applies the returned actions in order.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Nanoseconds since the Unix epoch; 0 means "never".
pub type UnixNanos = i64;

/// Where a container is in its life. Each variant owns what exists only then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Never ran. Holds why the last start failed, when one did.
    Created(Option<Failure>),
    /// A launch is under way; holds what a failed launch falls back to.
    Starting(Before),
    Running(Process),
    Paused(Process),
    /// Ended, and the restart policy's timer is ticking.
    Restarting(Exit),
    Exited(Exit),
    /// Being taken apart; nothing but the removal may touch it.
    Removing(Exit),
}

/// What was there before a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    Created,
    Exited(Exit),
    /// The restart policy had it started: a failure ends in `Exited`, not in another round.
    Restarting(Exit),
}

/// The container's first process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id in the pid namespace of the supervisor.
    pub pid: i32,
    pub started_at: UnixNanos,
}

/// How a container's last run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// 0-255; 128 + n for signal n.
    pub code: i32,
    pub oom_killed: bool,
    pub started_at: UnixNanos,
    pub finished_at: UnixNanos,
    /// `State.Error`: why a start failed, empty after an ordinary exit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// Why a start failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// 126, 127 or 128, as dockerd derives it from the runtime's message.
    pub exit_code: i32,
    /// The whole sentence that the client sees.
    pub message: String,
}

/// What the restart policy says about an exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Stay,
    RestartAfter(Duration),
}

/// What happened, or what somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Start,
    Launched(Process),
    LaunchFailed(Failure),
    Exited {
        code: i32,
        at: UnixNanos,
        oom_killed: bool,
        verdict: Verdict,
    },
    Pause,
    Unpause,
    /// The user asked for a stop while the restart timer was ticking.
    CancelRestart,
    /// The restart timer ran out.
    RestartDue,
    Remove,
}

/// What to do to get there, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Build the root, the network and the process; answers with `Launched` or `LaunchFailed`.
    Launch,
    Freeze,
    Thaw,
    /// Give back what a run held: network, mounts, streams, execs.
    Release,
    ScheduleRestart(Duration),
    CancelRestart,
    /// Remove the container when it was created with `AutoRemove`.
    AutoRemove,
    /// Write the record; ordinary transitions need no disk flush.
    Persist,
    /// Tell the world: the action name of a Docker event.
    Emit(&'static str),
    /// Delete record, directory and anonymous volumes.
    Erase,
}

/// Why a request cannot be served now. The container stays as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("container is already running")]
    AlreadyRunning,
    #[error("container is already stopped")]
    AlreadyStopped,
    #[error("cannot start a paused container, try unpause instead")]
    StartPaused,
    #[error("container is marked for removal and cannot be started")]
    BeingRemoved,
    #[error("container is not running")]
    NotRunning,
    #[error("container is already paused")]
    AlreadyPaused,
    #[error("container is not paused")]
    NotPaused,
    #[error("container is restarting, wait until the container is running")]
    Restarting,
    #[error("container is running: stop the container before removing or force remove")]
    RemoveRunning,
    #[error("container is restarting: stop the container before removing or force remove")]
    RemoveRestarting,
    #[error("container is paused and must be unpaused first")]
    RemovePaused,
    #[error("removal is already in progress")]
    RemovalInProgress,
    #[error("the event does not belong to this state")]
    Stray,
}

impl State {
    /// The state after `event` and what must be done to get there.
    pub fn next(&self, event: &Event) -> Result<(State, Vec<Action>), Refused> {
        match self {
            State::Created(_) => match event {
                Event::Start => Ok((State::Starting(Before::Created), vec![Action::Launch])),
                Event::Remove => Ok((State::Removing(self.last_exit()), vec![Action::Erase])),
                Event::Pause | Event::Unpause => Err(Refused::NotRunning),
                Event::CancelRestart => Err(Refused::AlreadyStopped),
                Event::Launched(_) | Event::LaunchFailed(_) | Event::Exited { .. } | Event::RestartDue => {
                    Err(Refused::Stray)
                }
            },
            State::Starting(before) => match event {
                Event::Launched(process) => {
                    Ok((State::Running(*process), vec![Action::Persist, Action::Emit("start")]))
                }
                Event::LaunchFailed(failure) => Ok(before.failed(failure)),
                // The process was found dead when an interrupted launch is recovered.
                Event::Exited { code, at, oom_killed, verdict } => Ok(ended(0, *code, *at, *oom_killed, *verdict)),
                Event::Start => Err(Refused::AlreadyRunning),
                Event::Remove => Err(Refused::RemoveRunning),
                Event::Pause | Event::Unpause => Err(Refused::NotRunning),
                Event::CancelRestart | Event::RestartDue => Err(Refused::Stray),
            },
            State::Running(process) => match event {
                Event::Start => Err(Refused::AlreadyRunning),
                Event::Pause => {
                    Ok((State::Paused(*process), vec![Action::Freeze, Action::Persist, Action::Emit("pause")]))
                }
                Event::Unpause => Err(Refused::NotPaused),
                Event::Exited { code, at, oom_killed, verdict } => {
                    Ok(ended(process.started_at, *code, *at, *oom_killed, *verdict))
                }
                Event::Remove => Err(Refused::RemoveRunning),
                Event::Launched(_) | Event::LaunchFailed(_) | Event::CancelRestart | Event::RestartDue => {
                    Err(Refused::Stray)
                }
            },
            State::Paused(process) => match event {
                Event::Start => Err(Refused::StartPaused),
                Event::Pause => Err(Refused::AlreadyPaused),
                Event::Unpause => {
                    Ok((State::Running(*process), vec![Action::Thaw, Action::Persist, Action::Emit("unpause")]))
                }
                Event::Exited { code, at, oom_killed, verdict } => {
                    Ok(ended(process.started_at, *code, *at, *oom_killed, *verdict))
                }
                Event::Remove => Err(Refused::RemovePaused),
                Event::Launched(_) | Event::LaunchFailed(_) | Event::CancelRestart | Event::RestartDue => {
                    Err(Refused::Stray)
                }
            },
            State::Restarting(exit) => match event {
                Event::RestartDue => {
                    Ok((State::Starting(Before::Restarting(exit.clone())), vec![Action::CancelRestart, Action::Launch]))
                }
                // Its end was told when it came; whoever asked for a stop tells of that.
                Event::CancelRestart => {
                    Ok((State::Exited(exit.clone()), vec![Action::CancelRestart, Action::Persist, Action::AutoRemove]))
                }
                // It counts as running for both.
                Event::Start => Err(Refused::AlreadyRunning),
                Event::Remove => Err(Refused::RemoveRestarting),
                Event::Pause | Event::Unpause => Err(Refused::Restarting),
                Event::Launched(_) | Event::LaunchFailed(_) | Event::Exited { .. } => Err(Refused::Stray),
            },
            State::Exited(exit) => match event {
                Event::Start => Ok((State::Starting(Before::Exited(exit.clone())), vec![Action::Launch])),
                Event::Remove => Ok((State::Removing(exit.clone()), vec![Action::Erase])),
                Event::Pause | Event::Unpause => Err(Refused::NotRunning),
                Event::CancelRestart => Err(Refused::AlreadyStopped),
                Event::Launched(_) | Event::LaunchFailed(_) | Event::Exited { .. } | Event::RestartDue => {
                    Err(Refused::Stray)
                }
            },
            State::Removing(_) => match event {
                Event::Start => Err(Refused::BeingRemoved),
                Event::Remove => Err(Refused::RemovalInProgress),
                Event::Pause | Event::Unpause => Err(Refused::NotRunning),
                Event::CancelRestart => Err(Refused::AlreadyStopped),
                Event::Launched(_) | Event::LaunchFailed(_) | Event::Exited { .. } | Event::RestartDue => {
                    Err(Refused::Stray)
                }
            },
        }
    }

    /// `State.Status` on the wire.
    pub fn status(&self) -> &'static str {
        match self {
            State::Created(_) | State::Starting(Before::Created) => "created",
            State::Starting(Before::Exited(_)) | State::Exited(_) => "exited",
            State::Starting(Before::Restarting(_)) | State::Restarting(_) => "restarting",
            State::Running(_) => "running",
            State::Paused(_) => "paused",
            State::Removing(_) => "removing",
        }
    }

    /// The first process, while there is one.
    pub fn process(&self) -> Option<Process> {
        match self {
            State::Running(process) | State::Paused(process) => Some(*process),
            State::Created(_) | State::Starting(_) | State::Restarting(_) | State::Exited(_) | State::Removing(_) => {
                None
            }
        }
    }

    /// Running in dockerd's sense for clients: paused and restarting containers count too.
    pub fn counts_as_running(&self) -> bool {
        matches!(
            self,
            State::Running(_) | State::Paused(_) | State::Restarting(_) | State::Starting(Before::Restarting(_))
        )
    }

    /// How the last run ended; all zero when there was none or one is under way.
    pub fn last_exit(&self) -> Exit {
        match self {
            State::Created(Some(failure)) => {
                Exit { code: failure.exit_code, error: failure.message.clone(), ..Exit::default() }
            }
            State::Created(None) | State::Starting(Before::Created) => Exit::default(),
            State::Starting(Before::Exited(exit) | Before::Restarting(exit))
            | State::Restarting(exit)
            | State::Exited(exit)
            | State::Removing(exit) => exit.clone(),
            State::Running(process) | State::Paused(process) => {
                Exit { started_at: process.started_at, ..Exit::default() }
            }
        }
    }
}

impl Before {
    fn failed(&self, failure: &Failure) -> (State, Vec<Action>) {
        let actions = vec![Action::Release, Action::Persist, Action::AutoRemove];
        let state = match self {
            Before::Created => State::Created(Some(failure.clone())),
            Before::Exited(exit) | Before::Restarting(exit) => State::Exited(Exit {
                code: failure.exit_code,
                error: failure.message.clone(),
                oom_killed: false,
                ..exit.clone()
            }),
        };
        (state, actions)
    }
}

fn ended(started_at: UnixNanos, code: i32, at: UnixNanos, oom: bool, verdict: Verdict) -> (State, Vec<Action>) {
    let exit = Exit { code, oom_killed: oom, started_at, finished_at: at, error: String::new() };
    match verdict {
        Verdict::Stay => {
            (State::Exited(exit), vec![Action::Persist, Action::Emit("die"), Action::Release, Action::AutoRemove])
        }
        Verdict::RestartAfter(delay) => (
            State::Restarting(exit),
            vec![Action::Persist, Action::Emit("die"), Action::Release, Action::ScheduleRestart(delay)],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PROCESS: Process = Process { pid: 7, started_at: 100 };

    fn exited(code: i32, verdict: Verdict) -> Event {
        Event::Exited { code, at: 200, oom_killed: false, verdict }
    }

    fn walk(events: &[Event]) -> State {
        events.iter().fold(State::Created(None), |state, event| state.next(event).expect("legal walk").0)
    }

    #[test]
    fn run_to_the_end() {
        let state = walk(&[Event::Start, Event::Launched(PROCESS), exited(3, Verdict::Stay)]);
        let exit = Exit { code: 3, started_at: 100, finished_at: 200, ..Exit::default() };
        assert_eq!(state, State::Exited(exit));
        assert_eq!(state.status(), "exited");
    }

    #[test]
    fn a_failed_first_start_stays_created_and_keeps_its_exit_code() {
        let failure = Failure { exit_code: 127, message: "exec: \"nope\": executable file not found in $PATH".into() };
        let state = walk(&[Event::Start, Event::LaunchFailed(failure.clone())]);
        assert_eq!(state.status(), "created");
        assert_eq!(state.last_exit().code, 127);
        assert_eq!(state.last_exit().error, failure.message);
        assert_eq!(state.next(&Event::Start).expect("may be tried again").0.status(), "created");
    }

    #[test]
    fn a_failed_later_start_stays_exited() {
        let failure = Failure { exit_code: 126, message: "permission denied".into() };
        let state = walk(&[
            Event::Start,
            Event::Launched(PROCESS),
            exited(0, Verdict::Stay),
            Event::Start,
            Event::LaunchFailed(failure),
        ]);
        assert_eq!(state.status(), "exited");
        assert_eq!(state.last_exit().code, 126);
        assert_eq!(state.last_exit().finished_at, 200);
    }

    #[test]
    fn a_restarting_container_counts_as_running() {
        let verdict = Verdict::RestartAfter(Duration::from_millis(100));
        let state = walk(&[Event::Start, Event::Launched(PROCESS), exited(1, verdict)]);
        assert_eq!(state.status(), "restarting");
        assert!(state.counts_as_running());
        assert_eq!(state.next(&Event::RestartDue).expect("due").0.status(), "restarting");
        assert_eq!(state.next(&Event::Start).expect_err("refused"), Refused::AlreadyRunning);
        assert_eq!(
            state.next(&Event::Remove).expect_err("refused").to_string(),
            "container is restarting: stop the container before removing or force remove"
        );
        let (stopped, actions) = state.next(&Event::CancelRestart).expect("stop");
        assert_eq!(stopped.status(), "exited");
        assert!(!actions.iter().any(|action| matches!(action, Action::Emit(_))), "{actions:?}");
    }

    #[test]
    fn refusals_are_dockerds() {
        fn check(events: &[Event], request: Event, expected: &str) {
            assert_eq!(walk(events).next(&request).expect_err("refused").to_string(), expected);
        }
        let running = [Event::Start, Event::Launched(PROCESS)];
        let paused = [Event::Start, Event::Launched(PROCESS), Event::Pause];
        check(&running, Event::Start, "container is already running");
        check(&running, Event::Remove, "container is running: stop the container before removing or force remove");
        check(&paused, Event::Start, "cannot start a paused container, try unpause instead");
        check(&paused, Event::Remove, "container is paused and must be unpaused first");
        check(&[Event::Remove], Event::Start, "container is marked for removal and cannot be started");
        check(&[], Event::Pause, "container is not running");
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Start),
            (1..100i32, 1..1000i64).prop_map(|(pid, started_at)| Event::Launched(Process { pid, started_at })),
            (125..129i32).prop_map(|exit_code| Event::LaunchFailed(Failure { exit_code, message: "x".into() })),
            (0..256i32, any::<bool>(), any::<bool>()).prop_map(|(code, oom_killed, again)| Event::Exited {
                code,
                at: 5000,
                oom_killed,
                verdict: if again { Verdict::RestartAfter(Duration::from_secs(1)) } else { Verdict::Stay },
            }),
            Just(Event::Pause),
            Just(Event::Unpause),
            Just(Event::CancelRestart),
            Just(Event::RestartDue),
            Just(Event::Remove),
        ]
    }

    proptest! {
        /// Whatever happens: what a run took is given back exactly once, removal is final, records survive JSON.
        #[test]
        fn every_walk_is_sound(events in prop::collection::vec(any_event(), 0..60)) {
            let mut state = State::Created(None);
            let mut held = false;
            let mut timer = false;
            for event in events {
                let Ok((next, actions)) = state.next(&event) else { continue };
                prop_assert!(!matches!(state, State::Removing(_)), "nothing happens after removal");
                for action in &actions {
                    match action {
                        Action::Launch => { prop_assert!(!held); held = true; }
                        Action::Release => { prop_assert!(held); held = false; }
                        Action::ScheduleRestart(_) => { prop_assert!(!timer); timer = true; }
                        Action::CancelRestart => { prop_assert!(timer); timer = false; }
                        Action::Erase => { prop_assert!(!held && !timer); }
                        Action::Freeze | Action::Thaw => prop_assert!(held),
                        Action::AutoRemove | Action::Persist | Action::Emit(_) => {}
                    }
                }
                prop_assert_eq!(next.process().is_some() || matches!(next, State::Starting(_)), held);
                prop_assert_eq!(matches!(next, State::Restarting(_)), timer);
                let json = serde_json::to_string(&next).expect("states are JSON");
                prop_assert_eq!(serde_json::from_str::<State>(&json).expect("and back"), next.clone());
                state = next;
            }
        }
    }
}
