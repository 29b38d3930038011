//! What is loaded at each stage of a boot: on every machine, and further modules by whose devices the machine has.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::manifest::ModuleLists;
use crate::modules::{Module, Modules};
use crate::rootfs::{Devices, Load, Rootfs};

/// The modules of one stage.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stage {
    /// In load order; before [`Stage::everywhere`].
    pub(crate) by_devices: BTreeMap<Devices, Vec<Module>>,
    /// In load order.
    pub(crate) everywhere: Vec<Module>,
}

impl Stage {
    /// Each list with its file's name, of the stage `name`.
    pub(crate) fn lists<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (String, &'a [Module])> {
        let by_devices = self.by_devices.iter();
        let by_devices = by_devices.map(move |(devices, list)| (format!("{name}.{}.list", devices.name()), &**list));
        by_devices.chain([(format!("{name}.list"), &*self.everywhere)])
    }

    /// The same with the modules of `devices` compressed: a machine of another kind unpacks the initramfs with them at every boot, for
    /// nothing.
    pub(crate) fn packed_for(&self, devices: Devices) -> Result<Stage> {
        let mut stage = self.clone();
        for module in stage.by_devices.get_mut(&devices).into_iter().flatten() {
            *module = module.packed()?;
        }
        Ok(stage)
    }

    /// Each module once; two kinds of machine may need the same.
    pub(crate) fn modules(&self) -> impl Iterator<Item = &Module> {
        let mut seen = BTreeSet::new();
        let all = self.by_devices.values().chain([&self.everywhere]).flatten();
        all.filter(move |module| seen.insert(&module.path))
    }
}

/// The stages of a boot.
#[derive(Debug)]
pub(crate) struct Stages {
    pub(crate) initramfs: Stage,
    pub(crate) boot: Stage,
    pub(crate) late: Stage,
}

impl Stages {
    /// As `rootfs` wants them, with all that they depend on.
    pub(crate) fn of(rootfs: &Rootfs, modules: &Modules) -> Result<Stages> {
        // What a machine has loaded by then, of either kind.
        let mut loaded = BTreeMap::from(Devices::ALL.map(|devices| (devices, BTreeSet::new())));
        let mut stage = |load| -> Result<Stage> {
            let mut stage = Stage::default();
            for (devices, loaded) in &mut loaded {
                let list = modules.closure(&rootfs.modules_for(load, Some(*devices)), loaded)?;
                stage.by_devices.insert(*devices, list);
            }
            // Left out is only what every machine has.
            let mut common = loaded.values().cloned().reduce(|one, other| &one & &other).unwrap_or_default();
            stage.everywhere = modules.closure(&rootfs.modules_for(load, None), &mut common)?;
            for loaded in loaded.values_mut() {
                loaded.extend(common.iter().cloned());
            }
            Ok(stage)
        };
        Ok(Stages { initramfs: stage(Load::Initramfs)?, boot: stage(Load::Boot)?, late: stage(Load::Late)? })
    }

    /// Names of the modules of every machine.
    pub(crate) fn everywhere(&self) -> ModuleLists {
        self.names(|stage| Some(&stage.everywhere))
    }

    /// Names of the further ones.
    pub(crate) fn by_devices(&self) -> BTreeMap<Devices, ModuleLists> {
        Devices::ALL.map(|devices| (devices, self.names(|stage| stage.by_devices.get(&devices)))).into()
    }

    fn names<'a>(&'a self, choose: impl Fn(&'a Stage) -> Option<&'a Vec<Module>>) -> ModuleLists {
        let names = |stage| choose(stage).into_iter().flatten().map(|module| module.name.clone()).collect();
        ModuleLists { initramfs: names(&self.initramfs), boot: names(&self.boot), late: names(&self.late) }
    }

    /// Every module once.
    pub(crate) fn modules(&self) -> impl Iterator<Item = &Module> {
        let mut seen = BTreeSet::new();
        let all = [&self.initramfs, &self.boot, &self.late].into_iter().flat_map(Stage::modules);
        all.filter(move |module| seen.insert(&module.path))
    }
}
