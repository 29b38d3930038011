//! What macOS is told of the app and of its programs, as property lists.

use plist::{Dictionary, Value};

use super::number;
use super::plan::{ICON, WINDOW};

/// The app's identifier, as the window's own configuration has it (`app/tauri.conf.json`).
pub const IDENTIFIER: &str = "app.berth.desktop";
/// The oldest macOS that a machine runs on (`docs/decisions/0066-virtualization-framework-by-a-process.md`).
pub const OLDEST: &str = "12.3";

/// `Info.plist` of the app.
pub fn info(version: &str) -> Vec<u8> {
    let number = number(version);
    let words = [
        ("CFBundleDevelopmentRegion", "en"),
        ("CFBundleDisplayName", "Berth"),
        ("CFBundleExecutable", WINDOW),
        ("CFBundleIconFile", ICON),
        ("CFBundleIdentifier", IDENTIFIER),
        ("CFBundleInfoDictionaryVersion", "6.0"),
        ("CFBundleName", "Berth"),
        ("CFBundlePackageType", "APPL"),
        ("CFBundleShortVersionString", number),
        ("CFBundleVersion", number),
        ("LSApplicationCategoryType", "public.app-category.developer-tools"),
        ("LSMinimumSystemVersion", OLDEST),
        ("NSHumanReadableCopyright", "Copyright: the authors of Berth. Apache License 2.0."),
    ];
    let mut info: Dictionary = words.into_iter().map(|(key, word)| (key.to_owned(), Value::from(word))).collect();
    let languages = ["en", "zh-Hans"].map(Value::from);
    info.insert("CFBundleLocalizations".to_owned(), Value::Array(languages.into()));
    // Links that open places of the window (`app/src/places.rs`).
    let links: Dictionary = [
        ("CFBundleURLName".to_owned(), IDENTIFIER.into()),
        ("CFBundleURLSchemes".to_owned(), Value::Array(vec!["berth".into()])),
    ]
    .into_iter()
    .collect();
    info.insert("CFBundleURLTypes".to_owned(), Value::Array(vec![Value::Dictionary(links)]));
    info.insert("NSHighResolutionCapable".to_owned(), true.into());
    written(info)
}

/// What the program of this name has to be signed with: machines are Virtualization.framework's, in processes of `berth`. QEMU, which asks for
/// the hypervisor itself, is another program with entitlements of its own.
pub fn entitlements(program: &str) -> Vec<u8> {
    let mut entitlements = Dictionary::new();
    if program == "berth" {
        entitlements.insert("com.apple.security.virtualization".to_owned(), true.into());
    }
    written(entitlements)
}

fn written(mut dictionary: Dictionary) -> Vec<u8> {
    dictionary.sort_keys();
    let mut bytes = Vec::new();
    plist::to_writer_xml(&mut bytes, &Value::Dictionary(dictionary)).expect("memory takes whatever is written");
    bytes.push(b'\n');
    bytes
}
