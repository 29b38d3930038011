//! Files of a folder of this computer in the container, by the link and by virtiofs.

use super::{Bench, SHARED, VIRTIOFS};
use crate::cases::{push, rows};
use crate::table::Row;

/// Words of the measuring program, and of what each of them tells the names with their headings.
const PASSES: [(&str, &[(&str, &str)]); 3] = [
    (
        "cached",
        &[
            ("stat", "stat, cached, µs"),
            ("negative", "stat of a missing name, cached, µs"),
            ("readdir", "readdir of 10,000, again, µs"),
            ("read", "read of 4 KB, cached, µs"),
        ],
    ),
    (
        "uncached",
        &[
            ("stat", "stat, uncached, µs"),
            ("negative", "stat of a missing name, uncached, µs"),
            ("readdir", "readdir of 10,000, uncached, µs"),
            ("read", "open and read of 4 KB, uncached, µs"),
        ],
    ),
    ("make", &[("make", "create and delete, µs")]),
];

pub(super) fn files(bench: &Bench, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut all = Vec::new();
    for (pass, parts) in PASSES {
        let headings: Vec<String> = parts.iter().map(|(_, heading)| (*heading).to_owned()).collect();
        let mut rows = rows(&headings);
        // The first round warms both up.
        for round in 0..=rounds {
            for (nth, folder) in [SHARED, VIRTIOFS].into_iter().enumerate() {
                let samples = bench.within(&[pass, folder])?;
                if round == 0 {
                    continue;
                }
                for (row, (name, _)) in rows.iter_mut().zip(parts) {
                    push(row, nth, samples[*name] / 1e3);
                }
            }
        }
        all.extend(rows);
    }
    Ok(all)
}
