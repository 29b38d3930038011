//! A volume that a clone or an import made, which goes again when that fails.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::Docker;
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::RemoveVolumeOptions;
use rust_i18n::t;

use super::super::engine::encoded;
use crate::Failure;

/// The label's value is the mark of the one that made it: an engine answers a request for a volume that is there already with that one.
pub(super) struct Made {
    name: String,
    label: &'static str,
    mark: String,
}

impl Made {
    /// # Errors
    /// When somebody else made one of that name meanwhile.
    pub(super) async fn make(docker: &Docker, name: &str, label: &'static str) -> Result<Self, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mark = format!("{}-{}", std::process::id(), now.as_nanos());
        let labels = HashMap::from([(label.to_owned(), mark.clone())]);
        let request =
            VolumeCreateRequest { name: Some(name.to_owned()), labels: Some(labels), ..VolumeCreateRequest::default() };
        let volume = docker.create_volume(request).await?;
        if volume.labels.get(label) != Some(&mark) {
            return Err(Failure::new(1, t!("volume.taken", name = name).into_owned()));
        }
        Ok(Self { name: name.to_owned(), label, mark })
    }

    /// Removes it, and no other that has its name by now.
    pub(super) async fn discard(self, docker: &Docker) {
        let name = encoded(&self.name);
        let Ok(there) = docker.inspect_volume(&name).await else { return };
        if there.labels.get(self.label) != Some(&self.mark) {
            return;
        }
        if let Err(error) = docker.remove_volume(&name, None::<RemoveVolumeOptions>).await {
            eprintln!("{}", Failure::from(error));
        }
    }
}
