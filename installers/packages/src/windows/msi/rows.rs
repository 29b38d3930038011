//! What the tables say of a plan.

use msi::Value;

use super::Row;
use super::names::{UPGRADE, braced, guid};
use crate::Result;
use crate::plan::Inputs;
use crate::windows::plan::{Plan, split};

/// English.
pub(super) const LANGUAGE: u16 = 1033;
/// The stream with the files.
pub(super) const CABINET: &str = "berth.cab";
pub(super) const ICON_NAME: &str = "berth.ico";
/// The command.
const COMMAND: &str = r"bin\berth.exe";

/// The features, each with its title and what it does; the first one is always there.
const FEATURES: [(&str, &str, &str); 3] = [
    ("Programs", "Berth", "The command, docker's way to the keychain, and the machine's image"),
    ("Path", "berth on PATH", "Every new terminal finds the command berth"),
    ("Menu", "Berth Quickstart Terminal", "A terminal in which docker works, in everybody's start menu"),
];

/// `msidbComponentAttributes64bit`, `msidbComponentAttributesRegistryKeyPath`.
const BITS_64: i32 = 0x100;
const KEPT_BY_REGISTRY: i32 = 4;
/// HKEY_LOCAL_MACHINE.
const OF_THE_COMPUTER: i32 = 2;

/// Which actions there are, in what order, for an installation and for a copy that is installed from (`msiexec /a`), unseen and seen.
pub(super) const SEQUENCES: [(&str, &[(&str, i32)]); 4] = [
    (
        "InstallExecuteSequence",
        &[
            ("FindRelatedProducts", 25),
            ("LaunchConditions", 100),
            ("ValidateProductID", 700),
            ("CostInitialize", 800),
            ("FileCost", 900),
            ("CostFinalize", 1000),
            ("MigrateFeatureStates", 1200),
            ("InstallValidate", 1400),
            // The older version goes first: what only it has goes with it.
            ("RemoveExistingProducts", 1450),
            ("InstallInitialize", 1500),
            ("ProcessComponents", 1600),
            ("UnpublishFeatures", 1800),
            ("RemoveRegistryValues", 2600),
            ("RemoveShortcuts", 3200),
            ("RemoveEnvironmentStrings", 3300),
            ("RemoveFiles", 3500),
            ("InstallFiles", 4000),
            ("CreateShortcuts", 4500),
            ("WriteRegistryValues", 5000),
            ("WriteEnvironmentStrings", 5200),
            ("RegisterUser", 6000),
            ("RegisterProduct", 6100),
            ("PublishFeatures", 6300),
            ("PublishProduct", 6400),
            ("InstallFinalize", 6600),
        ],
    ),
    (
        "InstallUISequence",
        &[
            ("FindRelatedProducts", 25),
            ("LaunchConditions", 100),
            ("ValidateProductID", 700),
            ("CostInitialize", 800),
            ("FileCost", 900),
            ("CostFinalize", 1000),
            ("MigrateFeatureStates", 1200),
            ("ExecuteAction", 1300),
        ],
    ),
    (
        "AdminExecuteSequence",
        &[
            ("CostInitialize", 800),
            ("FileCost", 900),
            ("CostFinalize", 1000),
            ("InstallValidate", 1400),
            ("InstallInitialize", 1500),
            ("InstallAdminPackage", 3900),
            ("InstallFiles", 4000),
            ("InstallFinalize", 6600),
        ],
    ),
    ("AdminUISequence", &[("CostInitialize", 800), ("FileCost", 900), ("CostFinalize", 1000), ("ExecuteAction", 1300)]),
];

/// The name of the file of this number in the plan, in the tables and in the cabinet.
pub(super) fn file_key(index: usize) -> String {
    format!("File{index}")
}

/// Rows by their tables.
pub(super) fn of(inputs: &Inputs, plan: &Plan) -> Result<Vec<(&'static str, Vec<Row>)>> {
    let mut tables = vec![
        ("Property", properties(inputs)),
        ("Directory", directories(plan)),
        ("Component", components(plan)),
        ("Feature", features()),
        ("FeatureComponents", feature_components(plan)),
        ("File", files(plan)?),
        (
            "Media",
            vec![vec![
                1.into(),
                (plan.files.len() as i32).into(),
                Value::Null,
                text(format!("#{CABINET}")),
                Value::Null,
                Value::Null,
            ]],
        ),
        ("Registry", ["Path", "Menu"].map(kept).into()),
        ("Environment", vec![vec![text("Path"), text("=-*Path"), text("[~];[Folderbin]"), text("Path")]]),
        ("Icon", vec![vec![text(ICON_NAME), Value::Binary]]),
        ("Shortcut", vec![terminal(plan)]),
        ("Upgrade", upgrades(inputs)),
        (
            "LaunchCondition",
            vec![
                vec![text("VersionNT64"), text("Berth needs Windows with 64 bits.")],
                vec![text("NOT NEWER"), text("A newer Berth is installed. Remove it first.")],
            ],
        ),
    ];
    for (name, actions) in SEQUENCES {
        let row = |(action, at): &(&str, i32)| vec![text(*action), Value::Null, (*at).into()];
        tables.push((name, actions.iter().map(row).collect()));
    }
    Ok(tables)
}

fn properties(inputs: &Inputs) -> Vec<Row> {
    let product = guid(&[b"product", inputs.version.as_bytes()]);
    let rows = [
        ("ProductCode", braced(product)),
        ("ProductName", text("Berth")),
        ("ProductVersion", text(number(inputs))),
        ("ProductLanguage", text(LANGUAGE.to_string())),
        ("Manufacturer", text("the authors of Berth")),
        ("UpgradeCode", braced(UPGRADE)),
        // For all users.
        ("ALLUSERS", text("1")),
        ("ARPPRODUCTICON", text(ICON_NAME)),
        ("SecureCustomProperties", text("OLDER;NEWER;INSTALLDIR")),
    ];
    rows.into_iter().map(|(name, value)| vec![text(name), value]).collect()
}

/// Three numbers are all that Windows Installer compares.
fn number(inputs: &Inputs) -> String {
    let number = crate::windows::number(&inputs.version);
    number.rsplit_once('.').map_or(number.clone(), |(number, _)| number.to_owned())
}

fn directories(plan: &Plan) -> Vec<Row> {
    let mut rows = vec![
        vec![text("TARGETDIR"), Value::Null, text("SourceDir")],
        vec![text("ProgramFiles64Folder"), text("TARGETDIR"), text(".")],
        vec![text("ProgramMenuFolder"), text("TARGETDIR"), text(".")],
        vec![text("INSTALLDIR"), text("ProgramFiles64Folder"), text("Berth")],
    ];
    rows.extend(plan.folders().into_iter().map(|folder| {
        let (above, name) = split(folder);
        vec![text(directory(folder)), text(directory(above)), text(name)]
    }));
    rows
}

/// The name of a folder in the tables.
fn directory(folder: &str) -> String {
    if folder.is_empty() { "INSTALLDIR".to_owned() } else { format!("Folder{}", folder.replace(['\\', '-'], "_")) }
}

/// One for each file, and one for each feature that has no file.
fn components(plan: &Plan) -> Vec<Row> {
    let component = |name: &str, of: &str, folder: String, attributes: i32, key: String| {
        let id = braced(guid(&[b"component", of.as_bytes()]));
        vec![text(name), id, text(folder), attributes.into(), Value::Null, text(key)]
    };
    let files = plan.files.iter().enumerate().map(|(index, file)| {
        let key = file_key(index);
        component(&key, &file.to, directory(split(&file.to).0), BITS_64, key.clone())
    });
    let others = ["Path", "Menu"]
        .map(|name| component(name, name, "INSTALLDIR".to_owned(), BITS_64 | KEPT_BY_REGISTRY, name.to_owned()));
    files.chain(others).collect()
}

/// What says that a component without a file is there.
fn kept(name: &str) -> Row {
    vec![text(name), OF_THE_COMPUTER.into(), text(r"Software\Berth"), text(name), text("#1"), text(name)]
}

fn features() -> Vec<Row> {
    /// `msidbFeatureAttributesUIDisallowAbsent`.
    const ALWAYS: i32 = 16;
    let rows = FEATURES.iter().enumerate().map(|(index, (name, title, description))| {
        // The others are nothing without the first.
        let (above, attributes) = if index == 0 { (Value::Null, ALWAYS) } else { (text(FEATURES[0].0), 0) };
        let at = i32::try_from(index).unwrap_or_default() * 2 + 1;
        vec![
            text(*name),
            above,
            text(*title),
            text(*description),
            at.into(),
            1.into(),
            text("INSTALLDIR"),
            attributes.into(),
        ]
    });
    rows.collect()
}

fn feature_components(plan: &Plan) -> Vec<Row> {
    let files = (0..plan.files.len()).map(|index| vec![text("Programs"), text(file_key(index))]);
    files.chain(["Path", "Menu"].map(|name| vec![text(name), text(name)])).collect()
}

fn files(plan: &Plan) -> Result<Vec<Row>> {
    let row = |(index, file): (usize, &crate::plan::File)| {
        let (_, name) = split(&file.to);
        // A short name for each, since many long ones have none of their own.
        let ending: String =
            name.rsplit_once('.').map_or(String::new(), |(_, ending)| ending.chars().take(3).collect());
        let short = format!("B{index}.{}", ending.to_uppercase());
        let size = i32::try_from(file.content.size()?).map_err(|_| crate::Error::TooLarge { file: file.to.clone() })?;
        Ok(vec![
            text(file_key(index)),
            text(file_key(index)),
            text(format!("{}|{name}", short.trim_end_matches('.'))),
            size.into(),
            Value::Null,
            Value::Null,
            Value::Null,
            (index as i32 + 1).into(),
        ])
    };
    plan.files.iter().enumerate().map(row).collect()
}

fn terminal(plan: &Plan) -> Row {
    let command = plan.files.iter().position(|file| file.to == COMMAND).expect("the plan has the command");
    vec![
        text("Terminal"),
        text("ProgramMenuFolder"),
        text("BERTHQT|Berth Quickstart Terminal"),
        text("Menu"),
        text(format!("[#{}]", file_key(command))),
        text("terminal"),
        text("A terminal in which docker works: starts the machine if needed"),
        Value::Null,
        text(ICON_NAME),
        0.into(),
        Value::Null,
        Value::Null,
    ]
}

/// Older versions are replaced, whatever they are; newer ones are seen.
fn upgrades(inputs: &Inputs) -> Vec<Row> {
    /// `msidbUpgradeAttributesMigrateFeatures`, `…OnlyDetect`, `…VersionMinInclusive`, `…VersionMaxInclusive`.
    const MIGRATE: i32 = 1;
    const ONLY_DETECT: i32 = 2;
    const FROM: i32 = 256;
    const TO: i32 = 512;
    let number = number(inputs);
    let row = |from: Value, to: Value, attributes: i32, property: &str| {
        vec![braced(UPGRADE), from, to, Value::Null, attributes.into(), Value::Null, text(property)]
    };
    vec![
        // A release has the number of what came before it.
        row(text("0.0.0"), text(&*number), MIGRATE | FROM | TO, "OLDER"),
        row(text(&*number), Value::Null, ONLY_DETECT, "NEWER"),
    ]
}

fn text(text: impl Into<String>) -> Value {
    Value::Str(text.into())
}
