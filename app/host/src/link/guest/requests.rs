//! Requests to the guest that wait for their answers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control::{GuestMessage, HostMessage};
use tokio::sync::{mpsc, oneshot};

use super::super::LinkError;

/// Who waits for what, and the way to the guest while there is one.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    out: Option<mpsc::UnboundedSender<HostMessage>>,
    waiting: HashMap<u64, oneshot::Sender<GuestMessage>>,
}

impl Requests {
    /// From now on messages go to `out`.
    pub(super) fn attach(&self, out: mpsc::UnboundedSender<HostMessage>) {
        self.lock().out = Some(out);
    }

    /// There is no way to the guest any more: whoever waits fails.
    pub(super) fn detach(&self) {
        let mut state = self.lock();
        state.out = None;
        state.waiting.clear();
    }

    /// Sends a message that has no answer.
    pub(super) fn tell(&self, message: HostMessage) -> Result<(), LinkError> {
        let state = self.lock();
        let out = state.out.as_ref().ok_or(LinkError::Down)?;
        out.send(message).map_err(|_| LinkError::Down)
    }

    /// Sends a request, made with its id, and waits for the answer.
    pub(super) async fn ask(
        &self,
        patience: Duration,
        request: impl FnOnce(u64) -> HostMessage,
    ) -> Result<GuestMessage, LinkError> {
        let (tell, answer) = oneshot::channel();
        let id = {
            let mut state = self.lock();
            state.next_id += 1;
            let id = state.next_id;
            state.waiting.insert(id, tell);
            id
        };
        if let Err(error) = self.tell(request(id)) {
            self.lock().waiting.remove(&id);
            return Err(error);
        }
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(LinkError::Down),
            Err(_) => {
                self.lock().waiting.remove(&id);
                Err(LinkError::NoAnswer)
            }
        }
    }

    /// Hands an answer to whoever waits for it.
    pub(super) fn answer(&self, id: u64, answer: GuestMessage) {
        let waiting = self.lock().waiting.remove(&id);
        if let Some(waiting) = waiting {
            let _ = waiting.send(answer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
