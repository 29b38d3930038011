//! `berth login` and `berth logout`: docker's, with the engine asking the registry.

use std::io::{BufRead, IsTerminal, Read, Write};

use bollard::auth::DockerCredentials;
use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use rust_i18n::t;
use serde::Deserialize;

use super::args;
use super::credentials::{HUB, Login, Secret, Store, server_of};
use super::engine::Engine;
use crate::busy::Busy;
use crate::{Failure, language};

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

pub(crate) async fn login(engine: &Engine, login: args::Login) -> Result<i32, Failure> {
    let password = given_password(&login)?;
    let server = login.server.as_deref().map_or(HUB, server_of);
    let mut store = Store::of_user()?;
    if login.username.is_none()
        && password.is_none()
        && let Some(kept) = store.get(server)?
    {
        println!("{}", t!("login.existing", name = kept.username));
        match ask(engine, server, kept).await {
            Ok((kept, status)) => return done(&mut store, server, &kept, &status),
            Err(failure) => eprintln!("{failure}"),
        }
    }
    let typed = typed(login.username, password)?;
    let (login, status) = ask(engine, server, typed).await?;
    done(&mut store, server, &login, &status)
}

/// Keeps what the registry took, and says so.
fn done(store: &mut Store, server: &str, login: &Login, status: &str) -> Result<i32, Failure> {
    if let Some(file) = store.keep(server, login)? {
        eprintln!("{}", t!("login.unencrypted", file = file.display()));
    }
    println!("{}", language::sentence(status));
    Ok(0)
}

/// `--password`, or what comes on standard input with `--password-stdin`.
fn given_password(login: &args::Login) -> Result<Option<String>, Failure> {
    if login.password.is_some() {
        eprintln!("{}", t!("login.insecure"));
    }
    if !login.password_stdin {
        return Ok(login.password.clone().filter(|password| !password.is_empty()));
    }
    if login.username.is_none() {
        return Err(Failure::new(1, t!("login.stdin_needs_name")));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| Failure::new(1, error.to_string()))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Some(line.strip_suffix('\r').unwrap_or(line).to_owned()))
}

/// What was given, and for the rest what is typed.
fn typed(username: Option<String>, password: Option<String>) -> Result<Login, Failure> {
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let username = username.and_then(|name| given(name.trim().to_owned()));
    let password = password.and_then(given);
    let needs_terminal = username.is_none() || password.is_none();
    if needs_terminal && !std::io::stdin().is_terminal() {
        return Err(Failure::new(1, t!("login.no_terminal")));
    }
    let username = match username {
        Some(name) => name,
        None => line(&t!("login.username"))?,
    };
    if username.is_empty() {
        return Err(Failure::new(1, t!("login.needs_name")));
    }
    let password = match password {
        Some(password) => password,
        None => unseen(&t!("login.password"))?,
    };
    if password.is_empty() {
        return Err(Failure::new(1, t!("login.needs_password")));
    }
    Ok(Login { username, secret: Secret::Password(password) })
}

fn line(question: &str) -> Result<String, Failure> {
    print!("{question}");
    let mut answer = String::new();
    let read = std::io::stdout().flush().and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    read.map_err(|error| Failure::new(1, error.to_string()))?;
    Ok(answer.trim().to_owned())
}

/// A line that is not shown.
fn unseen(question: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::new(1, error.to_string());
    // Before the question: who sees it may type.
    crossterm::terminal::enable_raw_mode().map_err(failed)?;
    print!("{question}");
    let typed = std::io::stdout().flush().and_then(|()| keys(crossterm::event::read));
    // The terminal is gone if this fails, and with it the need.
    let _ = crossterm::terminal::disable_raw_mode();
    println!();
    typed.map_err(failed)?.ok_or_else(|| Failure::said(INTERRUPTED))
}

/// The text of the keys up to Enter; `None` when the user breaks off.
fn keys(mut next: impl FnMut() -> std::io::Result<Event>) -> std::io::Result<Option<String>> {
    let mut text = String::new();
    loop {
        let Event::Key(key) = next()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        let (control, alt) = (KeyModifiers::CONTROL, KeyModifiers::ALT);
        // Windows tells AltGr, without which some keyboards have no `@`, as both.
        let held = match key.modifiers & (control | alt) {
            both if cfg!(windows) && both == control | alt => KeyModifiers::NONE,
            held => held,
        };
        match key.code {
            KeyCode::Enter => return Ok(Some(text)),
            KeyCode::Backspace => drop(text.pop()),
            KeyCode::Char(c) if held == control => match c.to_ascii_lowercase() {
                'c' | 'd' => return Ok(None),
                // How crossterm tells the bytes 10 and 8 of a raw terminal: the end of a pasted line, the Backspace of some keyboards.
                'j' | 'm' => return Ok(Some(text)),
                'h' => drop(text.pop()),
                'u' | 'w' => text.clear(),
                _ => (),
            },
            KeyCode::Char(c) if held.is_empty() => text.push(c),
            _ => (),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    identity_token: String,
    status: String,
}

/// Has the engine try `login` at the registry; what is to be kept of it, and the engine's word.
async fn ask(engine: &Engine, server: &str, login: Login) -> Result<(Login, String), Failure> {
    let _busy = Busy::begin(t!("busy.login", name = server));
    let username = login.username.clone();
    let body: DockerCredentials = login.clone().for_engine(server);
    let text = engine.post("/auth", &body).await?;
    let answer: Answer = serde_json::from_str(&text).map_err(|error| Failure::new(1, error.to_string()))?;
    if answer.identity_token.is_empty() {
        return Ok((login, answer.status));
    }
    Ok((Login { username, secret: Secret::IdentityToken(answer.identity_token) }, answer.status))
}

/// Needs no engine. Like docker's it ends well in any case, and says what could not be erased.
pub(crate) fn logout(logout: &args::Logout) -> Result<i32, Failure> {
    let typed = logout.server.as_deref().unwrap_or_default();
    let server = server_of(typed);
    println!("{}", t!("logout.removing", name = server));
    let failures = Store::of_user()?.erase(server, typed);
    let failures = failures.unwrap_or_else(|failure| vec![(server.to_owned(), failure)]);
    if !failures.is_empty() {
        eprintln!("{}", t!("logout.failed"));
        failures.iter().for_each(|(key, failure)| eprintln!("{key}: {failure}"));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyEvent;

    use super::*;

    #[test]
    fn a_password_is_typed_key_by_key() {
        let typed = |codes: Vec<(KeyCode, KeyModifiers)>| {
            let mut codes = codes.into_iter();
            keys(|| {
                let (code, modifiers) = codes.next().ok_or(std::io::ErrorKind::UnexpectedEof)?;
                Ok(Event::Key(KeyEvent::new(code, modifiers)))
            })
        };
        let plain = |c| (KeyCode::Char(c), KeyModifiers::NONE);
        let enter = (KeyCode::Enter, KeyModifiers::NONE);
        let back = (KeyCode::Backspace, KeyModifiers::NONE);
        assert_eq!(typed(vec![plain('x'), back, plain('p'), plain('ä'), enter]).unwrap(), Some("pä".to_owned()));
        assert!(typed(vec![plain('x')]).is_err());

        let control = |c| (KeyCode::Char(c), KeyModifiers::CONTROL);
        let alt = |c| (KeyCode::Char(c), KeyModifiers::ALT);
        let shift = |c| (KeyCode::Char(c), KeyModifiers::SHIFT);
        for end in ['c', 'd', 'C', 'D'] {
            assert_eq!(typed(vec![plain('x'), control(end)]).unwrap(), None, "{end}");
        }
        // Bytes 8, 10 and 13 of terminals whose keys send them; a pasted line ends with byte 10.
        assert_eq!(typed(vec![plain('p'), plain('x'), control('h'), enter]).unwrap(), Some("p".to_owned()));
        for end in ['j', 'm'] {
            assert_eq!(typed(vec![plain('p'), control(end), plain('x')]).unwrap(), Some("p".to_owned()), "{end}");
        }
        for clear in ['w', 'u'] {
            let keys = vec![plain('x'), plain('y'), control(clear), shift('P'), enter];
            assert_eq!(typed(keys).unwrap(), Some("P".to_owned()), "{clear}");
        }
        assert_eq!(typed(vec![control('a'), plain('p'), alt('b'), control('ä'), enter]).unwrap(), Some("p".to_owned()));
        let alt_gr = (KeyCode::Char('@'), KeyModifiers::CONTROL | KeyModifiers::ALT);
        let expect = if cfg!(windows) { "p@" } else { "p" };
        assert_eq!(typed(vec![plain('p'), alt_gr, enter]).unwrap(), Some(expect.to_owned()));
    }
}
