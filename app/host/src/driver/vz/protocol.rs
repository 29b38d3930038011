//! What a machine's process and a daemon say to each other: a line of JSON each.

use serde::{Deserialize, Serialize};

use crate::driver::InstanceExit;

/// What a daemon wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Once: before it, a guest could end and nobody would hear why.
    Start,
    Pause,
    Resume,
    /// Presses the power button.
    RequestStop,
    /// Ends the guest without asking it.
    Stop,
}

/// The numbers are the daemon's, and come back with the answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) number: u64,
    pub(super) call: Call,
}

/// What the process says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// First of all, and whenever it changes.
    State(State),
    Answer {
        number: u64,
        /// Why it was not done.
        refused: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Made,
    Running {
        /// How often it went on after it had stood still: between two looks at the state it may have done so.
        resumed: u64,
    },
    Paused {
        resumed: u64,
    },
    /// The process ends after it.
    Ended(InstanceExit),
}

impl State {
    /// After `call`, which was done.
    pub(super) fn after(&self, call: Call) -> State {
        match (self, call) {
            (State::Paused { resumed }, Call::Resume) => State::Running { resumed: resumed + 1 },
            (State::Running { resumed }, Call::Pause) => State::Paused { resumed: *resumed },
            (State::Made, Call::Start) => State::Running { resumed: 0 },
            (State::Ended(_), _) | (_, Call::RequestStop | Call::Start | Call::Pause | Call::Resume) => self.clone(),
            (_, Call::Stop) => State::Ended(InstanceExit::Lost { message: "it was ended by force".to_owned() }),
        }
    }

    /// Whether `call` has nothing to do; the framework would refuse it.
    pub(super) fn is_done(&self, call: Call) -> bool {
        matches!(
            (self, call),
            (State::Running { .. }, Call::Resume) | (State::Paused { .. }, Call::Pause) | (State::Ended(_), Call::Stop)
        )
    }
}

pub(super) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("there are no maps in it");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_daemon_reads_what_an_earlier_process_says() {
        let texts = [
            (r#"{"state":{"running":{"resumed":2}}}"#, Word::State(State::Running { resumed: 2 })),
            (r#"{"state":{"ended":{"kind":"powered_off"}}}"#, Word::State(State::Ended(InstanceExit::PoweredOff))),
            (r#"{"answer":{"number":7,"refused":"no"}}"#, Word::Answer { number: 7, refused: Some("no".to_owned()) }),
        ];
        for (text, word) in texts {
            assert_eq!(line(&word), format!("{text}\n").into_bytes());
            assert_eq!(serde_json::from_str::<Word>(text).unwrap(), word);
        }
        let request = Request { number: 1, call: Call::RequestStop };
        assert_eq!(line(&request), b"{\"number\":1,\"call\":\"request_stop\"}\n");
    }

    #[test]
    fn every_time_that_it_goes_on_is_counted() {
        let calls = [Call::Start, Call::Pause, Call::Resume, Call::Pause, Call::RequestStop, Call::Resume];
        let state = calls.into_iter().fold(State::Made, |state, call| state.after(call));
        assert_eq!(state, State::Running { resumed: 2 });
        assert!(state.is_done(Call::Resume) && !state.is_done(Call::Pause));
    }

    #[test]
    fn what_ended_stays_ended() {
        let ended = State::Ended(InstanceExit::PoweredOff);
        for call in [Call::Start, Call::Pause, Call::Resume, Call::RequestStop, Call::Stop] {
            assert_eq!(ended.after(call), ended);
        }
    }
}
