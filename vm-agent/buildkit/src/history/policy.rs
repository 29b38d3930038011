//! Which records go. Pure.

use super::record::Record;
use std::time::{Duration, SystemTime};

/// How many records stay, and for how long: one that is beyond both goes. They are BuildKit's.
const ENTRIES: usize = 50;
const AGE: Duration = Duration::from_hours(48);

/// How many stay whatever their age, and how many bytes of what they told: they are in memory and on the disk.
const MOST: usize = 500;
const ROOM: u64 = 256 << 20;

/// A record with the bytes that it takes on the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) record: &'a Record,
    pub(crate) size: u64,
}

/// The references of what goes; what is pinned stays, and counts nowhere.
pub(crate) fn beyond<'a>(all: impl Iterator<Item = Candidate<'a>>, now: SystemTime) -> Vec<String> {
    let mut all: Vec<_> = all.filter(|candidate| !candidate.record.shown.pinned).collect();
    all.sort_by_key(|candidate| std::cmp::Reverse(candidate.record.completed()));
    let mut room = ROOM;
    let mut goes = Vec::new();
    for (number, Candidate { record, size }) in all.into_iter().enumerate() {
        let is_old =
            record.completed().is_some_and(|completed| now.duration_since(completed).is_ok_and(|age| age > AGE));
        // The last one stays in any case.
        let is_much = number > 0 && size > room;
        room = room.saturating_sub(size);
        if number >= MOST || is_much || number >= ENTRIES && is_old {
            goes.push(record.shown.r#ref.clone());
        }
    }
    goes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::timestamp;

    fn records(count: usize, hours: u64, now: SystemTime) -> Vec<Record> {
        let record = |number: usize| {
            let mut record = Record::default();
            record.shown.r#ref = format!("{hours}h{number}");
            let age = Duration::from_hours(hours) + Duration::from_secs(number as u64);
            record.shown.completed_at = Some(timestamp(now - age));
            record
        };
        (0..count).map(record).collect()
    }

    fn gone(all: &[Record], size: u64, now: SystemTime) -> Vec<String> {
        beyond(all.iter().map(|record| Candidate { record, size }), now)
    }

    #[test]
    fn a_record_goes_that_is_beyond_number_and_age() {
        let now = SystemTime::now();
        assert!(gone(&records(50, 1000, now), 1, now).is_empty(), "few stay for ever");
        assert!(gone(&records(400, 47, now), 1, now).is_empty(), "young ones stay");
        let mut all = records(52, 49, now);
        all.extend(records(5, 1, now));
        let gone_now = gone(&all, 1, now);
        assert_eq!(gone_now, (45..52).map(|number| format!("49h{number}")).collect::<Vec<_>>());
        for record in &mut all {
            record.shown.pinned = true;
        }
        assert!(gone(&all, 1, now).is_empty(), "pinned ones stay");
    }

    #[test]
    fn there_is_an_end_to_all_of_them() {
        let now = SystemTime::now();
        assert_eq!(gone(&records(502, 1, now), 1, now), ["1h500", "1h501"]);
        assert_eq!(gone(&records(9, 1, now), ROOM / 8, now), ["1h8"]);
        assert!(gone(&records(1, 1, now), ROOM + 1, now).is_empty());
    }
}
