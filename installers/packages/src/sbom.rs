//! The bill of materials: CycloneDX 1.6 as JSON (<https://cyclonedx.org/docs/1.6/json/>).

use serde_json::{Value, json};

use crate::components::{Component, Components, Origin};

/// The document for the artefacts of `version`, whose files are of the date `date` (seconds since 1970).
pub fn text(version: &str, date: u32, components: &Components) -> String {
    let own = format!("pkg:generic/berth@{version}");
    let mut dependencies = vec![json!({ "ref": own, "dependsOn": components.direct })];
    dependencies.extend(
        components.all.iter().map(|component| json!({ "ref": component.reference(), "dependsOn": component.needs })),
    );
    let document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": timestamp(date),
            "component": {
                "type": "application",
                "bom-ref": own,
                "purl": own,
                "name": "berth",
                "version": version,
                "licenses": [{ "license": { "id": "Apache-2.0" } }],
            },
        },
        "components": components.all.iter().map(entry).collect::<Vec<_>>(),
        "dependencies": dependencies,
    });
    format!("{document:#}\n")
}

fn entry(component: &Component) -> Value {
    let reference = component.reference();
    let place = match component.origin {
        Origin::Debian { .. } => "guest image",
        Origin::Crate | Origin::Rust => "programs and the guest's agent",
        Origin::Npm => "pages of the window",
    };
    let mut properties = vec![json!({ "name": "berth:place", "value": place })];
    if let Origin::Debian { source, source_version, linked, .. } = &component.origin {
        properties.push(json!({ "name": "berth:source", "value": format!("{source} {source_version}") }));
        properties.extend(linked.iter().map(|linked| json!({ "name": "berth:linked-source", "value": linked })));
    }
    let mut entry = json!({
        "type": "library",
        "bom-ref": reference,
        "purl": reference,
        "name": component.name,
        "version": component.version,
        "licenses": [{ "expression": component.licence }],
        "properties": properties,
    });
    if let Some(digest) = &component.sha256 {
        entry["hashes"] = json!([{ "alg": "SHA-256", "content": digest }]);
    }
    if !component.repository.is_empty() {
        entry["externalReferences"] = json!([{ "type": "vcs", "url": component.repository }]);
    }
    entry
}

/// RFC 3339, in UTC.
pub(crate) fn timestamp(date: u32) -> String {
    let (days, seconds) = (date / 86_400, date % 86_400);
    let (mut year, mut left) = (1970, days);
    let is_leap = |year: u32| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while left >= 365 + u32::from(is_leap(year)) {
        left -= 365 + u32::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for days in [31, 28 + u32::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_out() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(guest_image::EPOCH as u32), guest_image::CREATED);
        assert_eq!(timestamp(1_709_251_199), "2024-02-29T23:59:59Z");
        assert_eq!(timestamp(1_735_689_599), "2024-12-31T23:59:59Z");
    }
}
