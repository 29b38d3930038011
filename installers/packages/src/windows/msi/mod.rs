//! The plan as an .msi for administrators: for all users of a computer, below `Program Files`, with properties for who installs it unseen
//! (`msiexec /i berth.msi /qn ADDLOCAL=Programs`).
//!
//! A database of tables (<https://learn.microsoft.com/windows/win32/msi/database-tables>) in a compound file, with one cabinet of files in it.

mod names;
mod rows;
mod schema;

use std::io::{Cursor, Write};
use std::time::{Duration, SystemTime};

use cab::{CabinetBuilder, CompressionType};
use msi::{CodePage, Insert, LanguageId, Package, PackageType, Value};
use time::PrimitiveDateTime;

use super::plan::{ICON, Plan};
use crate::plan::Inputs;
use crate::{Error, Result};
use rows::{CABINET, ICON_NAME, file_key};

/// `berth-0.1.0.msi`.
pub fn name(inputs: &Inputs) -> String {
    format!("berth-{}.msi", inputs.version)
}

/// The .msi; the same input gives the same bytes.
///
/// # Errors
/// When a file cannot be read.
pub fn write(inputs: &Inputs, plan: &Plan) -> Result<Vec<u8>> {
    let cabinet = cabinet(plan, inputs.date)?;
    let rows = rows::of(inputs, plan)?;
    // Who has seen one package does not take another one for it, whatever differs.
    let code = names::guid(&[b"package", &cabinet, format!("{rows:?}").as_bytes()]);
    package(inputs, rows, code, &cabinet, &icon(plan)?).map_err(unwritten)
}

fn package(
    inputs: &Inputs,
    rows: Vec<(&str, Vec<Row>)>,
    code: uuid::Uuid,
    cabinet: &[u8],
    icon: &[u8],
) -> std::io::Result<Vec<u8>> {
    let mut package = Package::create(PackageType::Installer, Cursor::new(Vec::new()))?;
    package.set_database_codepage(CodePage::Windows1252);
    let summary = package.summary_info_mut();
    summary.set_codepage(CodePage::Windows1252);
    summary.set_title("Installation Database");
    summary.set_subject("Berth");
    summary.set_author("the authors of Berth");
    summary.set_creating_application("Berth");
    summary.set_uuid(code);
    summary.set_arch("x64");
    summary.set_languages(&[LanguageId::from_id(rows::LANGUAGE)]);
    summary.set_creation_time(date(inputs));
    // The least Windows Installer that is asked for: 5.0, which every Windows with 64 bits since 7 has.
    summary.set_page_count(500);
    // Long names, and files in a cabinet.
    summary.set_word_count(2);
    for (name, columns) in schema::tables() {
        package.create_table(name, columns)?;
    }
    for (table, rows) in rows {
        package.insert_rows(Insert::into(table).rows(rows))?;
    }
    package.write_stream(CABINET)?.write_all(cabinet)?;
    package.write_stream(&format!("Icon.{ICON_NAME}"))?.write_all(icon)?;
    Ok(dated(package.into_inner()?, date(inputs))?.into_inner())
}

/// All files in their order, under the names by which the table of files has them. Each is a folder of its own: a cabinet holds no more than 2 GiB in
/// one.
fn cabinet(plan: &Plan, date: u32) -> Result<Vec<u8>> {
    let time = time::OffsetDateTime::from_unix_timestamp(date.into()).expect("32 bits of seconds are a date");
    let time = PrimitiveDateTime::new(time.date(), time.time());
    let mut builder = CabinetBuilder::new();
    for (index, _) in plan.files.iter().enumerate() {
        builder.add_folder(CompressionType::MsZip).add_file(file_key(index)).set_datetime(time);
    }
    let mut cabinet = builder.build(Cursor::new(Vec::new())).map_err(unwritten)?;
    for file in &plan.files {
        let bytes = file.content.read()?;
        let mut writer = cabinet.next_file().map_err(unwritten)?.expect("there is one for each");
        writer.write_all(&bytes).map_err(unwritten)?;
    }
    Ok(cabinet.finish().map_err(unwritten)?.into_inner())
}

fn icon(plan: &Plan) -> Result<Vec<u8>> {
    plan.files.iter().find(|file| file.to == ICON).expect("the plan has the icon").content.read()
}

/// The compound file keeps when it was made.
fn dated(package: Cursor<Vec<u8>>, date: SystemTime) -> std::io::Result<Cursor<Vec<u8>>> {
    let mut file = cfb::CompoundFile::open(package)?;
    file.set_created_time("/", date)?;
    file.set_modified_time("/", date)?;
    file.flush()?;
    Ok(file.into_inner())
}

fn date(inputs: &Inputs) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(inputs.date.into())
}

fn unwritten(source: std::io::Error) -> Error {
    Error::Io { action: "write", path: "the .msi".into(), source }
}

/// One row of a table, in the order of its columns.
type Row = Vec<Value>;
