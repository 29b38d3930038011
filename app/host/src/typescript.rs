//! The daemon's types as TypeScript, for the pages in `ui/`: written by a test, so that nothing of it is in the product.

use std::collections::BTreeMap;

use crate::daemon::protocol::{
    DaemonStatus, DaemonVersion, DiskReport, GrowRequest, Grown, LogSource, ResetRequest, SettingChange,
};
use crate::diagnostics::Check;
use crate::machine::{MachineStatus, Trimmed};
use crate::machines::snapshots::Snapshot;
use crate::machines::{Listed, Unreadable};
use crate::settings::Entry;
use crate::updates::UpdateReport;

#[test]
fn the_pages_have_the_types_as_they_are_here() {
    let (mut answers, mut requests) = (typescript::answers(), typescript::requests());
    answers.subschema_for::<DaemonVersion>();
    answers.subschema_for::<DaemonStatus>();
    answers.subschema_for::<MachineStatus>();
    answers.subschema_for::<Entry>();
    answers.subschema_for::<Check>();
    answers.subschema_for::<UpdateReport>();
    answers.subschema_for::<DiskReport>();
    answers.subschema_for::<Grown>();
    answers.subschema_for::<Trimmed>();
    answers.subschema_for::<Listed>();
    answers.subschema_for::<Unreadable>();
    answers.subschema_for::<Snapshot>();
    requests.subschema_for::<GrowRequest>();
    requests.subschema_for::<ResetRequest>();
    requests.subschema_for::<SettingChange>();
    requests.subschema_for::<LogSource>();
    let declarations = typescript::declarations(answers, requests);
    // All in one file, beside the engine's, which have names of their own: nothing is imported.
    let text = typescript::module(&typescript::head("host"), declarations.iter().collect(), |_| None);
    typescript::keep(&BTreeMap::from([("daemon.ts".to_owned(), text)]), |name| name == "daemon.ts");
}
