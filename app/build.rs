//! Puts the pages' bundle and the window's rights into the program.

use std::path::Path;

/// Where `npm run build:window` puts the pages (`tauri.conf.json` names it too).
const PAGES: &str = "../ui/dist-window";

fn main() {
    println!("cargo::rerun-if-changed={PAGES}");
    if !Path::new(PAGES).join("index.html").is_file() {
        println!(
            "cargo::error=the window's pages are not built: run `npm ci && npm run build:window` in the folder ui"
        );
        return;
    }
    let commands = tauri_build::AppManifest::new().commands(&[
        "request",
        "upgrade",
        "upload",
        "answer",
        "read",
        "write",
        "close_write",
        "close",
        "check",
        "archive",
        "preferences",
        "set_preferences",
        "open_terminal",
        "quit",
        "machines",
        "shown_machine",
        "create_machine",
        "use_machine",
        "clone_machine",
        "remove_machine",
        "export_machine",
        "import_machine",
        "snapshots",
        "make_snapshot",
        "restore_snapshot",
        "remove_snapshot",
    ]);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(commands)) {
        println!("cargo::error={error:#}");
    }
}
