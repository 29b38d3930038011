//! The plan as an .rpm, by the crate `rpm`.

use rpm::{BuildConfig, CompressionWithLevel, Dependency, FileOptions, PackageBuilder};

use crate::Result;
use crate::needed::Needed;
use crate::plan::{Inputs, Plan, package_version};

/// `berth-0.1.0-1.x86_64.rpm`.
pub fn name(inputs: &Inputs) -> String {
    format!("berth-{}-1.x86_64.rpm", package_version(&inputs.version))
}

/// The package, of the version 4 that every rpm reads, not signed and without scripts.
///
/// # Errors
/// When a file cannot be read.
pub fn write(inputs: &Inputs, plan: &Plan, needed: &Needed) -> Result<Vec<u8>> {
    let version = package_version(&inputs.version);
    let summary = "Containers in a small machine of their own";
    let mut builder = PackageBuilder::new("berth", &version, "Apache-2.0", "x86_64", summary);
    let config = BuildConfig::v4().compression(CompressionWithLevel::Gzip(inputs.effort)).source_date(inputs.date);
    builder.using_config(config).release("1").build_host("localhost");
    builder.description(
        "Berth boots a small Linux machine and gives its user containers in it, by an engine of its own. \
         The docker command works with it unchanged; so do berth's own command and its window.",
    );
    // Others' folders belong to others.
    for folder in plan.folders().into_iter().filter(|folder| folder.split('/').any(|name| name == "berth")) {
        builder.with_dir_entry(FileOptions::dir(format!("/{folder}")).permissions(0o755))?;
    }
    for file in &plan.files {
        let mode = u16::try_from(file.mode).expect("permissions have twelve bits");
        let to = format!("/{}", file.to);
        let options = FileOptions::new(&to).permissions(mode);
        let options = if to.contains("/licenses/") {
            options.license()
        } else if to.contains("/doc/") || to.contains("/man/") {
            options.doc()
        } else {
            options
        };
        builder.with_file_contents(file.content.read()?, options)?;
    }
    for requirement in needed.redhat() {
        builder.requires(Dependency::any(requirement));
    }
    builder.recommends(Dependency::any("qemu-system-x86"));
    let mut bytes = Vec::new();
    builder.build()?.write(&mut bytes)?;
    Ok(bytes)
}
