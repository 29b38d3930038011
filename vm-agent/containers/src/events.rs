//! Docker's events about containers.

use crate::record::Record;
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

    pub(crate) fn emit_volume(&self, action: &str, volume: &str, attributes: &[(&str, &str)]) {
        let event =
            Event::new(Kind::Volume, action, volume).with("driver", volumes::LOCAL).with_all(attributes.iter().copied());
        self.services.events.emit(event);
    }
}
