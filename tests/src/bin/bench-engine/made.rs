//! Containers of a case.

use anyhow::Context;

use crate::api::Api;

/// A container of a case; removed with force when the case ends before it removes it itself.
pub(crate) struct Made<'a> {
    api: &'a Api,
    pub(crate) id: String,
}

impl<'a> Made<'a> {
    pub(crate) fn create(api: &'a Api, body: &serde_json::Value) -> anyhow::Result<Self> {
        let id = api.post("/containers/create", Some(body))?["Id"].as_str().context("an id")?.to_owned();
        Ok(Self { api, id })
    }

    pub(crate) fn start(&self) -> anyhow::Result<()> {
        self.api.post(&format!("/containers/{}/start", self.id), None).map(drop)
    }

    pub(crate) fn remove(mut self) -> anyhow::Result<()> {
        let id = std::mem::take(&mut self.id);
        self.api.delete(&format!("/containers/{id}?force=1")).map(drop)
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if !self.id.is_empty() {
            // The case has failed already, and says why.
            let _ = self.api.delete(&format!("/containers/{}?force=1", self.id));
        }
    }
}
