//! The installer: a flat package (.pkg) of two components, the app and what puts its command on PATH.
//!
//! Nothing runs while it is installed, and nobody's folders are changed: what is there keeps its owner and its mode.

use std::io::Write;

use flate2::{Compression, GzBuilder};

use super::info::{IDENTIFIER, OLDEST};
use super::plan::{APP, PROGRAMS_AT, Plan, apples};
use super::tree::{Root, Tree};
use super::xar::{self, Member};
use super::{bom, cpio, number};
use crate::plan::{Inputs, LICENCE};
use crate::{Error, Result};

/// A part of the package, which macOS keeps a receipt of.
struct Component<'a> {
    /// Its folder in the package.
    name: &'static str,
    identifier: &'static str,
    /// The folder that it is installed into.
    location: &'static str,
    root: Root,
    tree: &'a Tree,
    is_app: bool,
}

/// `berth-0.1.0-macos-universal.pkg`.
pub fn name(inputs: &Inputs, plan: &Plan) -> String {
    format!("berth-{}-macos-{}.pkg", inputs.version, plan.macs())
}

/// The package; `app` is the app as it was signed.
///
/// # Errors
/// When it cannot be compressed.
pub fn write(inputs: &Inputs, plan: &Plan, app: &Tree) -> Result<Vec<u8>> {
    let path = path();
    let components = [
        Component {
            name: "berth.pkg",
            identifier: "app.berth.pkg.app",
            location: "/Applications",
            // As macOS has it: administrators put apps there.
            root: Root { mode: 0o775, group: 80 },
            tree: app,
            is_app: true,
        },
        Component {
            name: "path.pkg",
            identifier: "app.berth.pkg.path",
            location: "/private/etc",
            root: Root { mode: 0o755, group: 0 },
            tree: &path,
            is_app: false,
        },
    ];
    let mut members = vec![
        Member::File("Distribution".to_owned(), distribution(inputs, plan, &components).into_bytes()),
        Member::Folder(
            "Resources".to_owned(),
            vec![Member::File("LICENSE.txt".to_owned(), LICENCE.as_bytes().to_vec())],
        ),
    ];
    for component in &components {
        members.push(Member::Folder(component.name.to_owned(), component.members(inputs)?));
    }
    Ok(xar::bytes(&members, inputs.date))
}

/// What puts the app's programs on PATH, and its pages on that of manual pages, for shells that ask path_helper(8).
fn path() -> Tree {
    let contents = format!("/Applications/{APP}/Contents");
    let programs = format!("/Applications/{APP}/{PROGRAMS_AT}\n");
    let mut tree = Tree::default();
    tree.file("paths.d/berth", 0o644, programs.into_bytes());
    tree.file("manpaths.d/berth", 0o644, format!("{contents}/Resources/man\n").into_bytes());
    tree
}

impl Component<'_> {
    fn members(&self, inputs: &Inputs) -> Result<Vec<Member>> {
        let mut payload = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(inputs.effort));
        let payload = cpio::write(self.tree, self.root, inputs.date, &mut payload).and_then(|()| {
            payload.flush()?;
            payload.finish()
        });
        let unwritten = |source| Error::Io { action: "write", path: "the .pkg".into(), source };
        let files = [
            ("Bom", bom::bytes(self.tree, self.root, inputs.date)),
            ("PackageInfo", self.info(&inputs.version).into_bytes()),
            ("Payload", payload.map_err(unwritten)?),
        ];
        Ok(files.into_iter().map(|(name, bytes)| Member::File(name.to_owned(), bytes)).collect())
    }

    /// `PackageInfo`. An app is replaced as a whole, wherever an older one was moved to a new one goes to where apps are.
    fn info(&self, version: &str) -> String {
        let Component { identifier, location, tree, .. } = self;
        let (number, files, size) = (number(version), tree.nodes.len() + 1, tree.size());
        let bundle = format!(
            "<bundle path=\"./{APP}\" id=\"{IDENTIFIER}\" CFBundleShortVersionString=\"{number}\" \
             CFBundleVersion=\"{number}\"/>\n<upgrade-bundle><bundle id=\"{IDENTIFIER}\"/></upgrade-bundle>\n\
             <strict-identifier><bundle id=\"{IDENTIFIER}\"/></strict-identifier>\n<relocate/>\n"
        );
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<pkg-info format-version=\"2\" identifier=\"{identifier}\" \
             version=\"{number}\" install-location=\"{location}\" auth=\"root\" overwrite-permissions=\"false\" \
             relocatable=\"false\" postinstall-action=\"none\">\n\
             <payload numberOfFiles=\"{files}\" installKBytes=\"{size}\"/>\n{}</pkg-info>\n",
            if self.is_app { &bundle } else { "" }
        )
    }
}

/// What the installer shows, asks and refuses.
fn distribution(inputs: &Inputs, plan: &Plan, components: &[Component<'_>]) -> String {
    let number = number(&inputs.version);
    let macs: Vec<&str> = plan.architectures.iter().map(|architecture| apples(*architecture)).collect();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<installer-gui-script minSpecVersion=\"2\">\n<title>Berth {}</title>\n\
         <license file=\"LICENSE.txt\" mime-type=\"text/plain\"/>\n\
         <options customize=\"allow\" require-scripts=\"false\" rootVolumeOnly=\"true\" hostArchitectures=\"{}\"/>\n\
         <volume-check><allowed-os-versions><os-version min=\"{OLDEST}\"/></allowed-os-versions></volume-check>\n\
         <choices-outline>\n",
        inputs.version,
        macs.join(","),
    );
    for component in components {
        text.push_str(&format!("<line choice=\"{}\"/>\n", component.identifier));
    }
    text.push_str("</choices-outline>\n");
    for Component { name, identifier, tree, is_app, .. } in components {
        let (title, told) = match is_app {
            true => ("Berth", "The app, with its command and its guest image."),
            false => ("Command berth", "Puts the command berth on PATH in new terminals."),
        };
        let free = if *is_app { " enabled=\"false\"" } else { "" };
        text.push_str(&format!(
            "<choice id=\"{identifier}\" title=\"{title}\" description=\"{told}\"{free}><pkg-ref id=\"{identifier}\"/></choice>\n\
             <pkg-ref id=\"{identifier}\" version=\"{number}\" installKBytes=\"{}\" onConclusion=\"none\">#{name}</pkg-ref>\n",
            tree.size()
        ));
    }
    text.push_str("</installer-gui-script>\n");
    text
}
