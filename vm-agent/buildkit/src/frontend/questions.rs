//! What is told of a Dockerfile beside its build, and what clients ask about it instead of one.

use super::Client;
use crate::failure::{self, Source};
use crate::subrequests::{self, Answer, Subrequest};
use build::checks::{Checked, Warning};
use build::{Builds, Check, Error, Watch};
use std::sync::Arc;
use tonic::Status;

impl Client {
    /// What the Dockerfile is to be checked for.
    async fn checks(&self, source: &Source, alone: bool) -> Result<Check, Status> {
        let ignored = match build::checks::needs_ignored(&source.text) {
            true => self.ignored().await?.clone(),
            false => Vec::new(),
        };
        Ok(Check { text: source.text.clone(), ignored, settings: self.options.checks.clone(), alone })
    }

    /// Tells what checks find beside what was `told` already, and answers all of it.
    pub(super) async fn check(
        self: &Arc<Self>,
        builds: &Builds,
        source: &Source,
        told: &[Warning],
    ) -> Result<Vec<Warning>, Status> {
        let check = self.checks(source, false).await?;
        let watch = Arc::clone(self) as Arc<dyn Watch>;
        let checked = match builds.check(&self.options.request, &check, watch).await {
            Ok(checked) => checked,
            Err(error @ Error::Checks(_)) => return Err(self.status(&error)),
            // The build says what is wrong.
            Err(_) => return Ok(told.to_vec()),
        };
        let step = self.progress.named(&self.definition()).unwrap_or_default();
        for warning in checked.warnings.iter().filter(|warning| !told.contains(warning)) {
            self.progress.warn(subrequests::warning(source, warning, step.clone()));
        }
        match checked.failure() {
            Some(failure) => Err(self.status(&Error::Checks(failure))),
            None => Ok(checked.warnings),
        }
    }

    /// Answers what is asked about the Dockerfile.
    pub(super) async fn answer(
        self: &Arc<Self>,
        builds: &Builds,
        source: &Source,
        subrequest: Subrequest,
    ) -> Result<Answer, Status> {
        let invalid = |error: build::dockerfile::Invalid| self.status(&Error::Invalid(error));
        Ok(match subrequest {
            Subrequest::Describe => subrequests::describe(),
            Subrequest::Targets => {
                subrequests::targets(source, &build::outline::targets(&source.text).map_err(invalid)?)
            }
            Subrequest::Outline => {
                let told = build::outline::outline(&source.text, &self.options.request).map_err(invalid)?;
                subrequests::outline(source, &told)
            }
            Subrequest::Lint => {
                let check = self.checks(source, true).await?;
                let watch = Arc::clone(self) as Arc<dyn Watch>;
                match builds.check(&self.options.request, &check, watch).await {
                    Ok(checked) => {
                        let ended = || checked.failure().map(|failure| (failure, None));
                        let failed =
                            checked.failed.as_ref().map(|(error, lines)| (failure::words(error), Some(lines.clone())));
                        let failed = failed.or_else(ended);
                        subrequests::lint(source, &checked, failed)
                    }
                    Err(error) => {
                        let lines = match &error {
                            Error::Invalid(invalid) => invalid.lines.clone(),
                            _ => None,
                        };
                        let failed = (failure::words(&error), lines);
                        subrequests::lint(source, &Checked::default(), Some(failed))
                    }
                }
            }
        })
    }
}
