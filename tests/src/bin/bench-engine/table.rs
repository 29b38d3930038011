//! Samples to medians and ratios, as a table and as JSON.

use std::fmt::Write;

/// One measured thing: samples of both engines, taken in turns; milliseconds where `what` names no unit.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) subject: Vec<f64>,
    pub(crate) reference: Vec<f64>,
}

impl Row {
    /// Subject to reference. On a machine that does other things, too, the least samples tell more than the medians.
    fn ratio(&self, of: fn(&[f64]) -> f64) -> f64 {
        of(&self.subject) / of(&self.reference)
    }
}

pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn least(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::INFINITY, f64::min)
}

pub(crate) fn text(names: &[String], rows: &[Row]) -> String {
    let mut text = names.join("\n") + "\n\n";
    let _ = writeln!(
        text,
        "{:<50} {:>20} {:>20} {:>16}",
        "milliseconds or as said: median (least)", "subject", "reference", "ratio"
    );
    for row in rows {
        let cell = |samples: &[f64]| format!("{:.2} ({:.2})", median(samples), least(samples));
        let ratio = format!("{:.3} ({:.3})", row.ratio(median), row.ratio(least));
        let _ = writeln!(text, "{:<50} {:>20} {:>20} {ratio:>16}", row.what, cell(&row.subject), cell(&row.reference));
    }
    text
}

pub(crate) fn json(names: &[String], rows: &[Row]) -> serde_json::Value {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "what": row.what, "subject": row.subject, "reference": row.reference,
                "subject_median": median(&row.subject), "reference_median": median(&row.reference),
                "ratio": row.ratio(median), "ratio_of_least": row.ratio(least),
            })
        })
        .collect();
    serde_json::json!({ "engines": names, "rows": rows })
}
