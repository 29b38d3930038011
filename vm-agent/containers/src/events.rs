//! Docker's events about containers.

use crate::record::{Record, Source};
use crate::service::Inner;
use ::events::{Event, Kind};

impl Inner {
    /// Tells the world: labels, image and name go with every event.
    pub(crate) fn emit(&self, record: &Record, action: &str) {
        self.emit_with(record, action, &[]);
    }

    pub(crate) fn emit_with(&self, record: &Record, action: &str, attributes: &[(&str, String)]) {
        let event = Event::new(Kind::Container, action, record.id.as_str())
            .with_all(record.labels().iter().map(|(key, value)| (key.as_str(), value.as_str())))
            .with("image", record.config.image.as_str())
            .with("name", record.name.as_str())
            .with_all(attributes.iter().map(|(key, value)| (*key, value.as_str())));
        self.services.events.emit(event);
    }

    /// One event for each volume of a container: `mount` at its start, `unmount` at its end.
    pub(crate) fn emit_mounts(&self, record: &Record, action: &str) {
        for mount in &record.mounts {
            let Source::Volume { name, .. } = &mount.source else { continue };
            let mut attributes = vec![("container", record.id.as_str())];
            if action == "mount" {
                attributes.push(("destination", &mount.destination));
                attributes.push(("propagation", &mount.propagation));
                attributes.push(("read/write", if mount.rw { "true" } else { "false" }));
            }
            self.emit_volume(action, name, &attributes);
        }
    }

    pub(crate) fn emit_volume(&self, action: &str, volume: &str, attributes: &[(&str, &str)]) {
        let event = Event::new(Kind::Volume, action, volume)
            .with("driver", volumes::LOCAL)
            .with_all(attributes.iter().copied());
        self.services.events.emit(event);
    }
}
