//! What clients hear of builds: those that are known, and what becomes of them from then on.

use super::filter::Filters;
use super::record::Record;
use bollard_buildkit_proto::moby::buildkit::v1 as api;
use futures_util::stream::{self, Stream};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::broadcast;
use tonic::Status;

/// Events that wait for a client that is slow; one that is slower hears that it missed some.
const WAITING: usize = 128;

/// Something that happened to a build.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Started(Arc<Record>),
    /// It ended, or its record changed after that.
    Complete(Arc<Record>),
    Deleted(String),
}

impl Event {
    fn reference(&self) -> &str {
        match self {
            Event::Started(record) | Event::Complete(record) => &record.shown.r#ref,
            Event::Deleted(reference) => reference,
        }
    }
}

impl From<Event> for api::BuildHistoryEvent {
    fn from(event: Event) -> api::BuildHistoryEvent {
        use api::BuildHistoryEventType as Type;
        let (kind, record) = match event {
            Event::Started(record) => (Type::Started, record.shown.clone()),
            Event::Complete(record) => (Type::Complete, record.shown.clone()),
            Event::Deleted(reference) => {
                (Type::Deleted, api::BuildHistoryRecord { r#ref: reference, ..api::BuildHistoryRecord::default() })
            }
        };
        api::BuildHistoryEvent { r#type: kind as i32, record: Some(record) }
    }
}

/// Whoever listens.
#[derive(Debug)]
pub(crate) struct Listeners(broadcast::Sender<Event>);

impl Default for Listeners {
    fn default() -> Listeners {
        Listeners(broadcast::Sender::new(WAITING))
    }
}

impl Listeners {
    pub(crate) fn tell(&self, event: Event) {
        // An error means that nobody listens.
        let _ = self.0.send(event);
    }

    pub(crate) fn hear(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}

/// What a client asks to hear.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Of this build alone, if it is not empty.
    reference: String,
    active_only: bool,
    /// Only of what there is by now.
    pub(crate) early_exit: bool,
    filters: Filters,
    /// The newest ones, of those that have ended; all when it is 0.
    limit: usize,
}

impl Wanted {
    pub(crate) fn of(request: api::BuildHistoryRequest) -> Result<Wanted, Status> {
        let limit = usize::try_from(request.limit)
            .map_err(|_| Status::invalid_argument(format!("invalid limit {}", request.limit)))?;
        Ok(Wanted {
            filters: Filters::parse(&request.filter, SystemTime::now())?,
            reference: request.r#ref,
            active_only: request.active_only,
            early_exit: request.early_exit,
            limit,
        })
    }

    fn means(&self, reference: &str) -> bool {
        self.reference.is_empty() || self.reference == reference
    }

    /// What to tell of what is known. As in BuildKit, filters and limit are for what has ended.
    pub(crate) fn known<'a>(
        &self,
        active: impl Iterator<Item = &'a Arc<Record>>,
        ended: impl Iterator<Item = &'a Arc<Record>>,
    ) -> Vec<Event> {
        let is_meant = |record: &&Arc<Record>| self.means(&record.shown.r#ref);
        let mut events: Vec<Event> = active.filter(is_meant).map(|record| Event::Started(Arc::clone(record))).collect();
        if self.active_only {
            return events;
        }
        let mut ended: Vec<_> = ended.filter(is_meant).filter(|record| self.filters.mean(record)).collect();
        ended.sort_by_key(|record| std::cmp::Reverse(record.created()));
        if self.limit != 0 {
            ended.truncate(self.limit);
        }
        events.extend(ended.into_iter().map(|record| Event::Complete(Arc::clone(record))));
        events
    }

    /// What happens from now on, for as long as the client listens.
    pub(crate) fn later(self, events: broadcast::Receiver<Event>) -> impl Stream<Item = Result<Event, Status>> + Send {
        stream::unfold(Some((self, events)), |state| async move {
            let (wanted, mut events) = state?;
            loop {
                match events.recv().await {
                    Ok(event) if wanted.means(event.reference()) => return Some((Ok(event), Some((wanted, events)))),
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        let words = format!("{missed} events of builds came faster than they were read");
                        return Some((Err(Status::resource_exhausted(words)), None));
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::timestamp;
    use futures_util::StreamExt as _;
    use std::time::Duration;

    fn record(reference: &str, seconds: u64) -> Arc<Record> {
        let mut record = Record::default();
        reference.clone_into(&mut record.shown.r#ref);
        record.shown.created_at = Some(timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
        Arc::new(record)
    }

    fn told(wanted: &Wanted) -> String {
        let active = [record("running", 9)];
        let ended = [record("a", 1), record("b", 3), record("c", 2)];
        let told = wanted.known(active.iter(), ended.iter());
        let words = told.iter().map(|event| match event {
            Event::Started(record) => format!("+{}", record.shown.r#ref),
            Event::Complete(record) => record.shown.r#ref.clone(),
            Event::Deleted(reference) => format!("-{reference}"),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_known_is_told_as_it_is_wanted() {
        let wanted = |request: api::BuildHistoryRequest| told(&Wanted::of(request).expect("understood"));
        let request = api::BuildHistoryRequest::default;
        assert_eq!(wanted(request()), "+running b c a");
        assert_eq!(wanted(api::BuildHistoryRequest { limit: 2, ..request() }), "+running b c");
        assert_eq!(wanted(api::BuildHistoryRequest { active_only: true, ..request() }), "+running");
        assert_eq!(wanted(api::BuildHistoryRequest { r#ref: "c".to_owned(), ..request() }), "c");
        assert_eq!(wanted(api::BuildHistoryRequest { filter: vec!["ref==a".to_owned()], ..request() }), "+running a");
        assert!(Wanted::of(api::BuildHistoryRequest { limit: -1, ..request() }).is_err());
        assert!(Wanted::of(api::BuildHistoryRequest { filter: vec!["=".to_owned()], ..request() }).is_err());
    }

    #[tokio::test]
    async fn later_events_are_heard_of_what_is_meant() {
        let listeners = Listeners::default();
        let request = api::BuildHistoryRequest { r#ref: "a".to_owned(), ..api::BuildHistoryRequest::default() };
        let mut heard = Box::pin(Wanted::of(request).expect("understood").later(listeners.hear()));
        listeners.tell(Event::Started(record("b", 1)));
        listeners.tell(Event::Deleted("a".to_owned()));
        let event = heard.next().await.expect("one").expect("no error");
        let event = api::BuildHistoryEvent::from(event);
        assert_eq!((event.r#type, event.record.expect("one").r#ref.as_str()), (2, "a"));
        for _ in 0..=WAITING {
            listeners.tell(Event::Deleted("b".to_owned()));
        }
        assert!(heard.next().await.expect("a word").is_err());
        assert!(heard.next().await.is_none());
    }
}
