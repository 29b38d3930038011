//! The user's language.
//!
//! What this program says itself has keys, in `locales/en.yml` and `locales/zh-CN.yml`. What other parts say in English (the
//! help texts of the command line, settings, the daemon's and the engine's sentences, which reach us as text) is translated by
//! the catalogue `locales/sentences.zh-CN.po`: whole sentences, or patterns in which `%{name}` stands for any text. What is
//! not in the catalogue stays English. The words that are clap's own, the headings of help texts and what is wrong with a command
//! line, are translated by `help` and `usage`.

mod help;
mod usage;

use std::sync::OnceLock;

use catalogue::Catalogue;
use clap::Command;
use host::paths::Paths;
use host::settings::Settings;

const CHINESE: &str = include_str!("../locales/sentences.zh-CN.po");

/// Sets the language: the setting `locale` when it names one, else the system's.
pub(crate) fn choose() {
    let chosen = Paths::discover().ok().and_then(|paths| Settings::load(&paths.settings()).ok());
    let chosen = chosen.map(|settings| settings.locale.clone()).filter(|locale| locale != "auto");
    let locale = chosen.or_else(sys_locale::get_locale).unwrap_or_default();
    rust_i18n::set_locale(if locale.starts_with("zh") { "zh-CN" } else { "en" });
}

fn is_chinese() -> bool {
    &*rust_i18n::locale() == "zh-CN"
}

/// An English sentence of another part of the program, in the user's language.
pub(crate) fn sentence(english: &str) -> String {
    if is_chinese() { catalogue().translate(english) } else { english.to_owned() }
}

/// The command line with all its texts in the user's language.
pub(crate) fn localized(command: Command) -> Command {
    if is_chinese() { help::chinese(command) } else { command }
}

/// Says what is wrong with the command line, or the help that was asked for, and ends the program as clap does.
pub(crate) fn refuse(error: clap::Error) -> ! {
    if is_chinese() { error.apply::<usage::Chinese>().exit() } else { error.exit() }
}

fn catalogue() -> &'static Catalogue {
    static READ: OnceLock<Catalogue> = OnceLock::new();
    READ.get_or_init(|| Catalogue::read(CHINESE))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use catalogue::pairs;
    use clap::CommandFactory;
    use host::settings::Settings;

    use super::*;
    use crate::args::Berth;

    /// Every text of the command line that a user can read.
    fn help_texts(command: &Command, into: &mut BTreeSet<String>) {
        into.extend(command.get_about().map(ToString::to_string));
        into.extend(command.get_arguments().filter_map(|argument| argument.get_help()).map(ToString::to_string));
        into.extend(command.get_arguments().filter_map(|argument| argument.get_long_help()).map(ToString::to_string));
        let values = command.get_arguments().flat_map(|argument| argument.get_possible_values());
        into.extend(values.filter_map(|value| value.get_help().map(ToString::to_string)));
        command.get_subcommands().for_each(|verb| help_texts(verb, into));
    }

    fn all_help() -> BTreeSet<String> {
        let mut texts = BTreeSet::new();
        let mut command = Berth::command();
        command.build();
        help_texts(&command, &mut texts);
        texts
    }

    #[test]
    fn every_option_and_verb_has_a_help_text() {
        fn check(command: &Command) {
            assert!(command.get_about().is_some(), "{} says nothing", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Berth::command());
    }

    #[test]
    fn every_help_text_and_setting_is_translated() {
        let known: BTreeSet<&str> = pairs(CHINESE).into_iter().map(|(id, _)| id).collect();
        let mut texts = all_help();
        texts.extend(Settings::of_host(host::sys::HostFacts::read()).list().into_iter().map(|entry| entry.description));
        let missing: Vec<&String> = texts.iter().filter(|text| !known.contains(text.as_str())).collect();
        assert!(missing.is_empty(), "without a translation: {missing:#?}");
    }

    #[test]
    fn the_catalogue_is_whole() {
        let all = pairs(CHINESE);
        assert_eq!(all.len(), CHINESE.lines().filter(|line| line.starts_with("msgid")).count(), "a line is broken");
        let ids: BTreeSet<&str> = all.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids.len(), all.len(), "a sentence is there twice");
        for (id, translation) in &all {
            assert!(!id.is_empty(), "a sentence is not on one line: {translation}");
            assert!(!translation.is_ascii(), "{id} is not translated");
            let blanks = |text: &str| -> BTreeSet<String> {
                text.split("%{").skip(1).filter_map(|rest| rest.split('}').next()).map(str::to_owned).collect()
            };
            assert_eq!(blanks(id), blanks(translation), "{id}");
        }
    }

    #[test]
    fn sentences_of_the_host_are_translated() {
        use host::Error;
        use host::driver::hyperv::failure::HyperVError;
        #[cfg(unix)]
        use host::driver::vz::failure::VzError;
        let errors = [
            Error::NoDaemon,
            Error::NoHome,
            Error::UnknownSetting { name: "x".into() },
            Error::BadSetting { name: "cpus", value: "many".into(), expected: "a number from 1 to 4".into() },
            Error::NoQemu { looked_for: "/no/qemu".into(), remedy: "install it" },
            Error::OldQemu { found: "7.2".into(), needed: "8.0", remedy: "install it" },
            Error::NoVsockDevice,
            Error::UnsupportedAccelerator { accelerator: host::settings::Accelerator::HyperV },
            Error::ImageDevices { version: "1".into(), hypervisor: "Hyper-V".into() },
            Error::ForeignImage {
                guest: host::architecture::Architecture::Aarch64,
                host: host::architecture::Architecture::X86_64,
            },
            Error::HyperV(HyperVError::FeatureOff),
            Error::HyperV(HyperVError::FirmwareOff),
            Error::HyperV(HyperVError::HypervisorOff),
            Error::HyperV(HyperVError::NotPermitted { sid: "S-1-5-21-1".into() }),
            Error::HyperV(HyperVError::NetworkCard),
            #[cfg(unix)]
            Error::Vz(VzError::OldSystem { found: "12.2".into(), needed: "12.3".into() }),
            #[cfg(unix)]
            Error::Vz(VzError::NoVirtualization),
            #[cfg(unix)]
            Error::Vz(VzError::NotEntitled { program: "/berth".into(), command: "sign it".into() }),
            #[cfg(unix)]
            Error::Vz(VzError::NetworkCard),
            #[cfg(unix)]
            Error::Vz(VzError::Kernel { path: "/vmlinuz".into() }),
            #[cfg(unix)]
            Error::Vz(VzError::Ended { message: "no".into() }),
            #[cfg(unix)]
            Error::Vz(VzError::Silent { reason: "no".into() }),
            #[cfg(unix)]
            Error::Vz(VzError::Refused { reason: "no".into() }),
            Error::NoImage { looked_in: "/a".into(), remedy: "run it" },
            Error::CorruptImage { artefact: "vmlinuz".into(), reason: "differs".into(), remedy: "run it" },
            Error::NoRoom { path: "/d".into(), needed_mib: 9, available_mib: 1 },
            Error::DiskShrink { current_gib: 9, wanted_gib: 1 },
            Error::QemuDied { status: "exit status: 1".into(), message: "no".into() },
            Error::Qmp { source: std::io::ErrorKind::ConnectionRefused.into() },
            Error::Spawn { program: "/qemu".into(), source: std::io::ErrorKind::NotFound.into() },
            Error::Link(host::link::LinkError::Unreachable { last: None }),
            Error::Link(host::link::LinkError::Down),
            Error::Link(host::link::LinkError::NoAnswer),
            Error::File { action: "write", path: "/f".into(), source: std::io::ErrorKind::StorageFull.into() },
            Error::SecondDaemon { pid: "7".into(), place: "/d".into() },
            Error::FilesOpen { open: 2 },
            Error::Locked { path: "/f".into(), pid: Some(7), seconds: 11 },
            Error::Locked { path: "/f".into(), pid: None, seconds: 11 },
            Error::LateCertificates { folder: "/tls".into(), seconds: 3 },
            Error::DiskInUse { path: "/d".into() },
            Error::DaemonUnreachable { pid: 7, runtime: "/r".into() },
            Error::DaemonSilent { seconds: 10, log: "/log".into() },
            Error::NoAnswer { seconds: 2 },
            Error::ForeignDirectory { path: "/d".into() },
            Error::File { action: "read", path: "/f".into(), source: std::io::ErrorKind::NotFound.into() },
        ];
        for error in errors {
            let english = error.chain();
            assert!(!catalogue().translate(&english).is_ascii(), "without a translation: {english}");
        }
    }
}
