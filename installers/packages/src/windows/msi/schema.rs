//! The tables that are used, with their columns as Windows Installer has them
//! (<https://learn.microsoft.com/windows/win32/msi/database-tables>).

use msi::{Category, Column};

/// Each with its name.
pub(super) fn tables() -> Vec<(&'static str, Vec<Column>)> {
    let mut tables = vec![
        ("Property", vec![key("Property", 72), Column::build("Value").localizable().text_string(0)]),
        (
            "Directory",
            vec![
                key("Directory", 72),
                Column::build("Directory_Parent").nullable().foreign_key("Directory", 1).id_string(72),
                Column::build("DefaultDir").localizable().category(Category::DefaultDir).string(255),
            ],
        ),
        (
            "Component",
            vec![
                key("Component", 72),
                Column::build("ComponentId").nullable().category(Category::Guid).string(38),
                refers("Directory_", "Directory", 72),
                Column::build("Attributes").int16(),
                Column::build("Condition").nullable().category(Category::Condition).string(255),
                Column::build("KeyPath").nullable().id_string(72),
            ],
        ),
        (
            "Feature",
            vec![
                key("Feature", 38),
                Column::build("Feature_Parent").nullable().foreign_key("Feature", 1).id_string(38),
                Column::build("Title").nullable().localizable().text_string(64),
                Column::build("Description").nullable().localizable().text_string(255),
                Column::build("Display").nullable().int16(),
                Column::build("Level").int16(),
                Column::build("Directory_").nullable().foreign_key("Directory", 1).id_string(72),
                Column::build("Attributes").int16(),
            ],
        ),
        (
            "FeatureComponents",
            vec![
                Column::build("Feature_").primary_key().foreign_key("Feature", 1).id_string(38),
                Column::build("Component_").primary_key().foreign_key("Component", 1).id_string(72),
            ],
        ),
        (
            "File",
            vec![
                key("File", 72),
                refers("Component_", "Component", 72),
                Column::build("FileName").localizable().category(Category::Filename).string(255),
                Column::build("FileSize").int32(),
                Column::build("Version").nullable().category(Category::Version).string(72),
                Column::build("Language").nullable().category(Category::Language).string(20),
                Column::build("Attributes").nullable().int16(),
                Column::build("Sequence").int32(),
            ],
        ),
        (
            "Media",
            vec![
                Column::build("DiskId").primary_key().int16(),
                Column::build("LastSequence").int32(),
                Column::build("DiskPrompt").nullable().localizable().text_string(64),
                Column::build("Cabinet").nullable().category(Category::Cabinet).string(255),
                Column::build("VolumeLabel").nullable().text_string(32),
                Column::build("Source").nullable().category(Category::Property).string(72),
            ],
        ),
        (
            "Registry",
            vec![
                key("Registry", 72),
                Column::build("Root").int16(),
                Column::build("Key").localizable().category(Category::RegPath).string(255),
                Column::build("Name").nullable().localizable().formatted_string(255),
                Column::build("Value").nullable().localizable().formatted_string(0),
                refers("Component_", "Component", 72),
            ],
        ),
        (
            "Environment",
            vec![
                key("Environment", 72),
                Column::build("Name").localizable().text_string(255),
                Column::build("Value").nullable().localizable().formatted_string(255),
                refers("Component_", "Component", 72),
            ],
        ),
        ("Icon", vec![key("Name", 72), Column::build("Data").binary()]),
        (
            "Shortcut",
            vec![
                key("Shortcut", 72),
                refers("Directory_", "Directory", 72),
                Column::build("Name").localizable().category(Category::Filename).string(128),
                refers("Component_", "Component", 72),
                Column::build("Target").category(Category::Shortcut).string(72),
                Column::build("Arguments").nullable().formatted_string(255),
                Column::build("Description").nullable().localizable().text_string(255),
                Column::build("Hotkey").nullable().int16(),
                Column::build("Icon_").nullable().foreign_key("Icon", 1).id_string(72),
                Column::build("IconIndex").nullable().int16(),
                Column::build("ShowCmd").nullable().int16(),
                Column::build("WkDir").nullable().id_string(72),
            ],
        ),
        (
            "Upgrade",
            vec![
                Column::build("UpgradeCode").primary_key().category(Category::Guid).string(38),
                Column::build("VersionMin").primary_key().nullable().text_string(20),
                Column::build("VersionMax").primary_key().nullable().text_string(20),
                Column::build("Language").primary_key().nullable().category(Category::Language).string(255),
                Column::build("Attributes").primary_key().int32(),
                Column::build("Remove").nullable().formatted_string(255),
                Column::build("ActionProperty").category(Category::UpperCase).string(72),
            ],
        ),
        (
            "LaunchCondition",
            vec![
                Column::build("Condition").primary_key().category(Category::Condition).string(255),
                Column::build("Description").localizable().formatted_string(255),
            ],
        ),
    ];
    tables.extend(super::rows::SEQUENCES.iter().map(|(name, _)| (*name, sequence())));
    tables
}

fn sequence() -> Vec<Column> {
    vec![
        key("Action", 72),
        Column::build("Condition").nullable().category(Category::Condition).string(255),
        Column::build("Sequence").nullable().int16(),
    ]
}

fn key(name: &str, longest: usize) -> Column {
    Column::build(name).primary_key().id_string(longest)
}

fn refers(name: &str, table: &str, longest: usize) -> Column {
    Column::build(name).foreign_key(table, 1).id_string(longest)
}
