//! Changes of a container's links while it is there.

use super::files::edit;
use super::{Actor, EtcFiles};
use crate::handle::Command;
use crate::links::{renewed, without};
use crate::service::Inner;
use crate::{Error, Result};
use network::DEFAULT_BRIDGE;
use store::Durability;

impl Actor {
    /// A linked container runs anew: its address in our hosts file is another now.
    pub(super) async fn renew_link(&self, child: &str) {
        let of_child = self.record.links.iter().filter(|link| link.child == child);
        let aliases: Vec<&str> = of_child.map(|link| link.host()).collect();
        let mut wanted = match self.record.endpoints.contains_key(DEFAULT_BRIDGE) {
            true => self.inner.link_hosts(&self.record.links),
            false => Vec::new(),
        };
        wanted.retain(|(names, _)| names.split_whitespace().next().is_some_and(|alias| aliases.contains(&alias)));
        let edited = self.edit_hosts(move |hosts| {
            wanted.iter().fold(hosts.to_vec(), |hosts, (names, address)| renewed(&hosts, names, *address))
        });
        if let Err(error) = edited.await {
            tracing::warn!(container = self.record.id, child, %error, "a linked container's new address is not known");
        }
        if let Err(error) = self.open_links().await {
            tracing::warn!(container = self.record.id, child, %error, "a linked container's ports are not open");
        }
    }

    /// Lets the container reach what its links lead to, where containers may not talk to each other.
    pub(super) async fn open_links(&self) -> Result<()> {
        let ports = self.inner.link_ports(&self.record);
        self.inner.services.networks.link(&self.record.id, ports).await.map_err(Error::Networking)
    }

    /// Drops the link; the child loses that name. Where the container runs, what it made of its hosts file keeps nothing of
    /// that from being done.
    pub(super) async fn unlink(&mut self, alias: &str) -> Result<()> {
        let Some(at) = self.record.links.iter().position(|link| link.alias == alias) else { return Ok(()) };
        let link = self.record.links.remove(at);
        if let Err(error) = self.inner.table.put(&self.record.id, &self.record, Durability::Durable).await {
            self.record.links.insert(at, link);
            return Err(error.into());
        }
        self.inner.release_name(&format!("{}/{alias}", self.record.name));
        self.publish();
        let shut = self.open_links().await;
        let edited = self.edit_hosts(move |hosts| without(hosts, link.host())).await;
        for error in shut.err().into_iter().chain(edited.err()) {
            tracing::warn!(container = self.record.id, alias, %error, "something of a link stays");
        }
        Ok(())
    }

    async fn edit_hosts(&self, change: impl FnOnce(&[u8]) -> Vec<u8> + Send + 'static) -> Result<()> {
        if self.run.is_none() {
            // The next start writes it.
            return Ok(());
        }
        edit(EtcFiles::in_directory(&self.inner.directory(&self.record.id)).hosts, change).await
    }
}

impl Inner {
    /// Tells the containers with links to this one that it runs, and where. It does not wait until they know it: one of them may
    /// be held up for as long as its disk or its network is. One that was removed meanwhile needs no address.
    pub(super) fn tell_linked(&self, child: &str) {
        for parent in self.linked_to(child) {
            parent.tell(Command::Linked { child: child.to_owned() });
        }
    }
}

impl crate::Containers {
    /// `docker rm --link`: `parent/alias`.
    ///
    /// # Errors
    /// dockerd's where that is not the name of a link.
    pub async fn remove_link(&self, name: &str) -> Result<()> {
        self.inner.find(name)?;
        let bare = name.strip_prefix('/').unwrap_or(name);
        let Some((parent, alias)) = bare.split_once('/') else { return Err(Error::DefaultName) };
        let Ok(handle) = self.inner.find(parent) else {
            return Err(Error::LinkParent { parent: format!("/{parent}"), link: format!("/{bare}") });
        };
        let alias = alias.to_owned();
        handle.ask(|reply| Command::Unlink { alias, reply }).await
    }
}
