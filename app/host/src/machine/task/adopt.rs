//! Finding the machine that an earlier daemon left running.
//!
//! One that was said to run is never ended unasked: if it cannot be controlled, the user is told and decides. One that had not
//! got as far as its first word is ended, since nobody can have work in it.

use std::sync::Arc;

use super::Task;
use crate::architecture::Architecture;
use crate::driver::{self, Driver, Instance, Stranded, leftovers};
use crate::machine::record::MachineRecord;
use crate::machine::state::Event;
use crate::settings::Settings;
use crate::{Error, Result};

impl Task {
    pub(super) async fn adopt(&mut self) {
        match MachineRecord::load(&self.paths.machine_record()) {
            Ok(Some(record)) if record.joined => self.adopt_recorded(record).await,
            Ok(Some(_)) => {
                self.end_leftovers().await;
                self.forget();
            }
            Ok(None) => self.end_leftovers().await,
            Err(error) => self.adopt_unreadable(error).await,
        }
    }

    async fn adopt_recorded(&mut self, record: MachineRecord) {
        self.in_force.clone_from(&record.settings);
        // The settings file may be broken: it has no say in finding what runs.
        let settings = Settings::load_or_default(&self.paths.settings());
        let driver: Result<Arc<dyn Driver>> = driver::of_record(&settings, &record.instance).map(Arc::from);
        let (found, driver) = match driver {
            Ok(driver) => (driver.adopt(&record.instance).await, Some(driver)),
            Err(error) => (Err(error), None),
        };
        match found {
            Ok(Some(instance)) => {
                self.show_boot(&record);
                self.instance = Some(Arc::from(instance));
                let accelerator = record.accelerator;
                self.record = Some(record);
                self.clock.reset(&mut self.status);
                self.happen(Event::Adopted { accelerator }).await;
            }
            Ok(None) => {
                self.end_leftovers().await;
                self.forget();
            }
            Err(error) => {
                let stranded = Stranded::new(record.instance.clone(), driver);
                self.show_boot(&record);
                self.record = Some(record);
                self.strand(stranded, &error).await;
            }
        }
    }

    /// The record is damaged or of another version; what runs is known by its processes only.
    async fn adopt_unreadable(&mut self, error: Error) {
        let processes = leftovers::find(&self.paths.launch_record(), &self.paths.qemu_pid_file());
        match Stranded::of_processes(processes) {
            Some(stranded) => self.strand(stranded, &error).await,
            None => {
                tracing::warn!(error = %error.chain(), "the record of a machine that is gone is removed");
                self.forget();
            }
        }
    }

    async fn strand(&mut self, stranded: Stranded, error: &Error) {
        tracing::warn!(error = %error.chain(), "the machine of an earlier daemon cannot be controlled");
        self.status.hypervisor_pid = stranded.record().processes().map(|processes| processes.process.pid);
        self.instance = Some(Arc::new(stranded));
        let cause = format!("the machine of an earlier daemon runs and cannot be controlled: {}", error.chain());
        self.happen(Event::Stranded { cause }).await;
    }

    async fn end_leftovers(&mut self) {
        let left = leftovers::find(&self.paths.launch_record(), &self.paths.qemu_pid_file());
        if let Err(error) = leftovers::end(&left).await {
            // The next start tries again, and says so if it cannot.
            tracing::warn!(%error, "what is left of an earlier start could not be ended");
        }
        let settings = Settings::load_or_default(&self.paths.settings());
        let ended = match driver::for_this_system(&settings, Architecture::NATIVE) {
            Ok(driver) => driver.end_leftover(&self.paths.data_disk()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            // A computer that can run no machine has none.
            tracing::debug!(error = %error.chain(), "whether something is left of an earlier start cannot be known");
        }
    }
}
