//! The smallest program over this library: for trying a machine by hand and for tests that need a daemon of their own.
//!
//!     cargo run -p host --example machine -- daemon [DOCKER_SOCKET] | up | down | restart | quit | status
//!     | set NAME VALUE | logs [SOURCE] | shell COMMAND…

use std::io::Write;

use control::shell::{self, Frame, Size, Start};
use host::client::{Client, StatusStream};
use host::daemon::protocol::LogSource;
use host::locks::Patience;
use host::paths::Paths;
use host::{Result, daemon};

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    if let Err(error) = run(&words).await {
        eprintln!("error: {}", error.chain());
        std::process::exit(1);
    }
}

async fn run(words: &[&str]) -> Result<()> {
    let paths = Paths::discover()?;
    match words {
        ["daemon", rest @ ..] => {
            tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
            daemon::run(match rest.first() {
                Some(socket) => paths.with_well_known_socket(socket.as_ref()),
                None => paths,
            })
            .await
        }
        ["up"] => show(Client::connect_or_start(paths).await?.up().await?).await,
        ["down"] => show(Client::connect(paths).await?.down().await?).await,
        ["restart"] => show(Client::connect_or_start(paths).await?.restart().await?).await,
        ["quit"] => Client::connect(paths).await?.quit().await,
        ["status"] => {
            let status = Client::connect(paths).await?.status().await?;
            println!("{}", serde_json::to_string_pretty(&status).expect("a status is valid JSON"));
            Ok(())
        }
        // For when no daemon runs.
        ["set", name, value] => daemon::change_setting(&paths, name, Some(value), Patience::default()).map(drop),
        ["logs", rest @ ..] => {
            let source = LogSource::ALL.into_iter().find(|source| rest.first() == Some(&source.name()));
            let mut text = Client::connect(paths).await?.logs(source.unwrap_or(LogSource::Console), false).await?;
            while let Some(bytes) = text.next().await? {
                // A closed pipe is the reader's business.
                let _ = std::io::stdout().write_all(&bytes);
            }
            Ok(())
        }
        ["shell", command @ ..] => {
            let argv = command.iter().map(|word| (*word).to_owned()).collect();
            in_guest(&Client::connect(paths).await?, argv).await
        }
        _ => {
            eprintln!("usage: machine daemon|up|down|restart|quit|status|set NAME VALUE|logs [SOURCE]|shell COMMAND…");
            std::process::exit(2);
        }
    }
}

async fn show(mut stream: StatusStream) -> Result<()> {
    while let Some(status) = stream.next().await? {
        let steps: Vec<String> = status
            .steps
            .iter()
            .map(|report| format!("{} {:?} {} ms", report.step, report.progress, report.milliseconds))
            .collect();
        println!("{:?}: {}", status.phase, steps.join(", "));
        if status.phase.is_settled() {
            for note in status.notes {
                println!("note: {note}");
            }
            if let Some(failure) = status.failure {
                println!("{}", failure.console.join("\n"));
                return Err(host::Error::Start { failure });
            }
        }
    }
    Ok(())
}

/// Runs one command on a terminal of the guest and prints what it says.
async fn in_guest(client: &Client, argv: Vec<String>) -> Result<()> {
    let mut stream = client.shell().await?;
    let start = Start { argv, term: "dumb".to_owned(), size: Size { columns: 120, rows: 40 } };
    shell::send(&mut stream, &Frame::Start(start)).await.map_err(host::link::LinkError::Control)?;
    while let Some(frame) = shell::receive(&mut stream).await.map_err(host::link::LinkError::Control)? {
        match frame {
            Frame::Data(bytes) => drop(std::io::stdout().write_all(&bytes)),
            Frame::Failed(text) => println!("{text}"),
            Frame::Exited(code) => std::process::exit(code),
            Frame::Start(_) | Frame::Resize(_) => {}
        }
    }
    Ok(())
}
