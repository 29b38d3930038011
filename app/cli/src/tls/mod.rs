//! `berth tls`: certificates are files, so all of it works with and without a daemon, which reads what is new by itself.

mod env;

use std::path::Path;

use host::locks::Patience;
use host::paths::Paths;
use host::settings::Settings;
use host::tls::{self, Certificates, Known, Lifetime, Role};
use jiff::Timestamp;
use rust_i18n::t;

use crate::args::TlsVerb;
use crate::{Failure, language, print_json, waiting};

pub(crate) fn tls(paths: &Paths, verb: &TlsVerb) -> Result<i32, Failure> {
    let certificates = Certificates::of(paths).with_patience(Patience::telling(waiting::tell));
    match verb {
        TlsVerb::Create { server, force, json } => {
            certificates.create(&server.names, Lifetime { days: server.days }, *force)?;
            made(paths, &certificates, *json)
        }
        TlsVerb::Renew { server, json } => {
            certificates.renew(&server.names, Lifetime { days: server.days })?;
            made(paths, &certificates, *json)
        }
        TlsVerb::Client { name, days, force, json } => {
            let folder = certificates.client(name, Lifetime { days: *days }, *force)?;
            client(&folder, *json)
        }
        TlsVerb::Show { json } => {
            let all = certificates.list()?;
            if *json {
                return print_json(&all);
            }
            all.iter().for_each(print);
            for warning in tls::warnings(paths) {
                println!("! {}", language::sentence(&warning));
            }
            Ok(0)
        }
        TlsVerb::Env(args) => env::env(paths, args),
    }
}

/// Says what there is now, and what is still missing for others to come.
fn made(paths: &Paths, certificates: &Certificates, json: bool) -> Result<i32, Failure> {
    let all = certificates.list()?;
    if json {
        return print_json(&all);
    }
    all.iter().filter(|known| known.file.parent() == Some(&certificates.folder())).for_each(print);
    if !Settings::load_or_default(&paths.settings()).listen.iter().any(|address| address.is_tls()) {
        eprintln!("{}", t!("tls.not_offered"));
    }
    Ok(0)
}

fn client(folder: &Path, json: bool) -> Result<i32, Failure> {
    if json {
        return print_json(&serde_json::json!({ "folder": folder }));
    }
    println!("{}", folder.display());
    eprintln!("{}", t!("tls.give"));
    Ok(0)
}

fn print(known: &Known) {
    let role = match known.role {
        Role::Authority => t!("tls.authority"),
        Role::Server => t!("tls.server"),
        Role::Client => t!("tls.client"),
    };
    println!("{role} {}", known.name);
    println!("  {}", known.file.display());
    if !known.names.is_empty() {
        println!("  {}", t!("tls.names", names = known.names.join(", ")));
    }
    println!("  {}", t!("tls.until", date = date(known.expires_at)));
    println!("  sha256 {}", known.sha256);
}

/// The day in UTC, which is what certificates count in.
fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(|time| time.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}
