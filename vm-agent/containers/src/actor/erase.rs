//! Removal: nothing of the container stays.

use super::{Actor, answer};
use crate::Error;
use crate::handle::Reply;
use crate::requests::RemoveOptions;
use crate::signal::SIGKILL;
use crate::state::{Event, Refused};
use std::sync::Arc;
use store::Durability;

impl Actor {
    /// Answers `reply` when it is done, which for a forced removal is after the process's end.
    pub(super) async fn remove(&mut self, options: RemoveOptions, reply: Reply<()>) {
        match self.record.state.next(&Event::Remove) {
            Ok(_) => {
                let removed = self.happen_remove(options, Durability::Durable).await;
                answer(reply, removed.map_err(Error::from));
            }
            Err(Refused::RemoveRunning | Refused::RemoveRestarting | Refused::RemovePaused) if options.force => {
                match self.kill(SIGKILL, true).await {
                    Ok(Some(_)) => self.removals.push((options, reply)),
                    // It waited for its restart: no end will come.
                    Ok(None) => {
                        let removed = self.happen_remove(options, Durability::Durable).await;
                        answer(reply, removed.map_err(Error::from));
                    }
                    Err(error) => answer(reply, Err(error)),
                }
            }
            Err(Refused::RemovalInProgress) => {
                answer(reply, Err(Error::RemovalInProgress(self.record.id.clone())));
            }
            Err(refused) => answer(reply, Err(Error::Remove { name: self.record.name.clone(), refused })),
        }
    }

    /// Takes everything apart; the state allows it. When the record cannot be removed, nothing else is touched: the next
    /// engine would find a container without its files.
    pub(super) async fn happen_remove(&mut self, options: RemoveOptions, durability: Durability) -> store::Result<()> {
        let id = self.record.id.clone();
        if let Err(refused) = self.record.state.next(&Event::Remove) {
            tracing::warn!(container = id, %refused, "a container cannot be removed now");
            return Ok(());
        }
        if let Err(error) = self.inner.table.remove(&id, durability).await {
            tracing::error!(container = id, %error, "a container cannot be removed: its record stays");
            return Err(error);
        }
        self.happen(Event::Remove).await.expect("the state allowed it above, and only this task changes it");
        self.remove_volumes(options.volumes).await;
        self.inner.forget(&id);
        self.inner.execs.forget_container(&id);
        self.hub.close();
        self.gone = true;
        self.publish();
        self.inner.emit(&self.record, "destroy");
        let (releasing, directory) = (self.releasing.take(), self.inner.directory(&id));
        let (root, files) = (Arc::clone(&self.root), Arc::clone(&self.files));
        if let Some(later) = self.unacknowledged.take() {
            later.abort();
        }
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            // There is no record any more that the exit could be missing from.
            inner.acknowledge(&id).await;
            if let Some(releasing) = releasing {
                // It only ends by finishing.
                let _ = releasing.await;
            }
            let _alone = root.lock_owned().await;
            let _unread = files.write_owned().await;
            inner.delete_directory(directory).await;
        });
        Ok(())
    }

    async fn remove_volumes(&self, anonymous_too: bool) {
        // They may be what the user waits for: a device that is to be taken away, another mount.
        self.inner.leave_mounts(&self.record).await;
        let volumes = &self.inner.services.volumes;
        for (name, anonymous) in self.record.volumes() {
            volumes.release(name, &self.record.id);
            if !(anonymous && anonymous_too) {
                continue;
            }
            match volumes.remove(name, true).await {
                Ok(Some(_)) => self.inner.emit_volume("destroy", name, &[]),
                // Somebody else mounts it by name.
                Ok(None) | Err(volumes::Error::InUse { .. }) => {}
                Err(error) => tracing::warn!(volume = name, %error, "a removed container's volume stays behind"),
            }
        }
    }
}

impl crate::service::Inner {
    /// Deletes a container's directory; what cannot be deleted now is collected at the next start.
    pub(crate) async fn delete_directory(&self, directory: std::path::PathBuf) {
        let deleted =
            tokio::task::spawn_blocking(move || layers::remove_tree(&directory).map_err(|error| (directory, error)));
        match deleted.await {
            Ok(Err((directory, error))) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(directory = %directory.display(), %error, "a removed container's directory stays behind");
            }
            Ok(_) | Err(_) => {}
        }
    }
}
