//! `berth diagnose`: needs neither daemon nor machine.

use host::diagnostics::{self, Verdict};
use host::paths::Paths;
use rust_i18n::t;

use crate::args::DiagnoseArgs;
use crate::busy::Busy;
use crate::{Failure, language, print_json};

pub(crate) async fn diagnose(paths: Paths, args: DiagnoseArgs) -> Result<i32, Failure> {
    let busy = Busy::begin(t!("busy.diagnose"));
    let checks = diagnostics::checks(&paths).await;
    let folder = args.output.unwrap_or_else(|| ".".into());
    let archive = diagnostics::archive(&paths, &checks, &folder).await?;
    drop(busy);
    let bad = checks.iter().any(|check| check.verdict == Verdict::Bad);
    if args.json {
        print_json(&serde_json::json!({ "checks": checks, "archive": archive }))?;
    } else {
        for check in &checks {
            let mark = match check.verdict {
                Verdict::Good => "✓",
                Verdict::Notice => "!",
                Verdict::Bad => "✗",
            };
            println!("{mark} {}: {}", language::sentence(&check.name), language::sentence(&check.finding));
        }
        println!("{}", t!("diagnose.written", path = archive.display()));
    }
    Ok(i32::from(bad))
}
