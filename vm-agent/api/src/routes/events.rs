//! The stream of events.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine_api::EventMessage;
use engine_api::event::EventActor;
use events::{Event, Filter, Kind};

use super::Call;
use crate::failure::Failure;
use crate::reply::{self, Answer};

pub(super) async fn events(call: Call) -> Answer {
    let (since, until) = (call.query.time("since")?, call.query.time("until")?);
    if let (Some(first), Some(last)) = (since, until)
        && last < first
    {
        let text = |name| call.query.get(name).unwrap_or_default();
        return Err(Failure::bad_request(format!(
            "`since` time ({}) cannot be after `until` time ({})",
            text("since"),
            text("until")
        )));
    }
    let filter = Filter::new(call.query.filters()?.into_map());
    let image_create = call.since(1, 46);
    let mut subscription = match (since, until) {
        (None, None) => call.services.events.subscribe(),
        // As in dockerd an end at the epoch, or before, is none of what has happened, but no later event is waited for.
        (since, until) => call.services.events.subscribe_since(since.unwrap_or(0), until.filter(|until| *until > 0)),
    };
    let wanted = move |event: &Event| {
        filter.matches(event) && (image_create || event.kind != Kind::Image || event.action != "create")
    };
    let answer = reply::json_lines(move |sender| async move {
        let stream = async {
            let past = until.is_some_and(|until| until <= now());
            loop {
                let event = if past { subscription.replayed() } else { subscription.next().await };
                let Some(event) = event else { return };
                if wanted(&event) && sender.send(Ok(reply::line(&message(&event)))).await.is_err() {
                    return;
                }
            }
        };
        match until {
            // The sleep is the client's own deadline.
            Some(until) if until > now() => {
                let left = u64::try_from(until - now()).unwrap_or(0);
                let _ = tokio::time::timeout(Duration::from_nanos(left), stream).await;
            }
            Some(_) | None => stream.await,
        }
    });
    // A time that is to come may be years away.
    reply::ends_with_client(answer, until.is_none_or(|until| until > now()))
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

fn message(event: &Event) -> EventMessage {
    let attribute = |name: &str| event.attributes.get(name).cloned().unwrap_or_default();
    let (status, id, from) = match event.kind {
        Kind::Container => (event.action.clone(), event.actor.clone(), attribute("image")),
        Kind::Image => (event.action.clone(), event.actor.clone(), String::new()),
        Kind::Builder | Kind::Daemon | Kind::Network | Kind::Volume => Default::default(),
    };
    EventMessage {
        status,
        id,
        from,
        kind: event.kind.as_str().to_owned(),
        action: event.action.clone(),
        actor: EventActor { id: event.actor.clone(), attributes: event.attributes.clone() },
        scope: "local".to_owned(),
        time: event.time_nano.div_euclid(1_000_000_000),
        time_nano: event.time_nano,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_fields_repeat_containers_and_images_only() {
        let start = message(&Event::new(Kind::Container, "start", "abc").with("image", "busybox"));
        assert_eq!((start.status.as_str(), start.id.as_str(), start.from.as_str()), ("start", "abc", "busybox"));
        let tag = message(&Event::new(Kind::Image, "tag", "sha256:1").with("name", "busybox:1"));
        assert_eq!((tag.status.as_str(), tag.id.as_str(), tag.from.as_str()), ("tag", "sha256:1", ""));
        let create = message(&Event::new(Kind::Volume, "create", "v"));
        assert_eq!((create.status.as_str(), create.id.as_str()), ("", ""));
        assert_eq!(create.scope, "local");
    }
}
