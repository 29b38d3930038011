//! Steps of the two set-up commands: announced, timed, and stopped at the first that fails.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::words::say;

/// Runs `action` under a heading and prints how long it took.
///
/// # Errors
/// The action's own error, after the step's name was printed with it.
pub fn step<T>(name: &str, action: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    eprintln!("\x1b[1m==> {name}\x1b[0m");
    let begun = Instant::now();
    let result = action().map_err(|error| io::Error::other(format!("{name}: {error}")));
    if result.is_ok() {
        let seconds = format!("{:.1}", begun.elapsed().as_secs_f32());
        eprintln!("    {}", say("done in %{seconds} s", &[("seconds", &seconds)]));
    }
    result
}

/// Runs a command with the terminal's own output.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn run(command: &mut Command) -> io::Result<()> {
    let line = shown(command);
    let status = command.status().map_err(|error| io::Error::other(format!("{line}: {error}")))?;
    if status.success() {
        return Ok(());
    }
    let values = [("command", &*line), ("status", &status.to_string())];
    Err(io::Error::other(say("%{command} ended with %{status}", &values)))
}

/// Runs a command, copying both streams to standard output, in order, and handing each line to `each` as well.
///
/// # Errors
/// When it cannot be started or its output cannot be read; a failing exit status is returned, not an error.
pub fn watch(command: &mut Command, mut each: impl FnMut(&str)) -> io::Result<ExitStatus> {
    let line = shown(command);
    let (output, both) = io::pipe()?;
    command.stdout(both.try_clone()?).stderr(both);
    let child = command.spawn();
    // The command would keep the pipe open.
    command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
    let mut child = child.map_err(|error| io::Error::other(format!("{line}: {error}")))?;
    let mut stdout = io::stdout().lock();
    for text in BufReader::new(output).split(b'\n') {
        let text = String::from_utf8_lossy(&text?).into_owned();
        writeln!(stdout, "{text}")?;
        each(&text);
    }
    child.wait()
}

/// How long a quiet command may say nothing before the elapsed time is shown.
const QUIET: Duration = Duration::from_secs(2);

/// Runs a command whose output matters only when it fails, and shows meanwhile, in one line that is rewritten, its last line of
/// output and how long it has been running. Without a terminal on standard error its lines are printed as they come.
///
/// # Errors
/// When it cannot be started or does not succeed; carries its last lines.
pub fn follow(mut command: Command, what: &str) -> io::Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| io::Error::other(format!("{what}: {error}")))?;
    let (sender, lines) = mpsc::channel();
    let streams: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
    ];
    for stream in streams.into_iter().flatten() {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                // Nobody listens any more when the parent failed first.
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
    }
    drop(sender);
    let mut said = Vec::new();
    let mut ticker = Ticker::new(what);
    loop {
        match lines.recv_timeout(QUIET) {
            Ok(line) => {
                ticker.line(&line);
                said.push(line);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => ticker.tick(),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    ticker.end();
    if child.wait()?.success() {
        return Ok(());
    }
    let last = said[said.len().saturating_sub(8)..].join("\n");
    Err(io::Error::other(format!("{}\n{last}", say("%{what} failed:", &[("what", what)]))))
}

/// One line on standard error that says what is going on.
struct Ticker {
    what: String,
    begun: Instant,
    last: String,
    /// Whether a line can be rewritten.
    terminal: bool,
}

impl Ticker {
    fn new(what: &str) -> Self {
        Self { what: what.to_owned(), begun: Instant::now(), last: String::new(), terminal: io::stderr().is_terminal() }
    }

    fn line(&mut self, line: &str) {
        self.last = line.trim().to_owned();
        self.show();
    }

    fn tick(&mut self) {
        if !self.terminal {
            self.last.clear();
        }
        self.show();
    }

    fn show(&self) {
        let text = status(&self.what, self.begun.elapsed().as_secs(), &self.last);
        if self.terminal {
            eprint!("\r\x1b[K    {text}");
        } else {
            eprintln!("    {text}");
        }
    }

    fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

/// What is going on, cut to what fits an ordinary terminal.
fn status(what: &str, seconds: u64, last: &str) -> String {
    let text = say("%{what}: %{seconds} s", &[("what", what), ("seconds", &seconds.to_string())]);
    let text = if last.is_empty() { text } else { format!("{text}: {last}") };
    text.chars().take(90).collect()
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failure_carries_the_last_lines_of_both_streams() {
        follow(sh("echo fine; exit 0"), "saying fine").unwrap();
        let error = follow(sh("echo out; echo err >&2; exit 3"), "breaking").unwrap_err().to_string();
        for word in ["breaking failed", "out", "err"] {
            assert!(error.contains(word), "{error}");
        }
        assert!(follow(Command::new("/no/such/program"), "starting nothing").is_err());
    }

    #[test]
    fn what_is_watched_comes_in_order() {
        let mut lines = Vec::new();
        let status = watch(&mut sh("echo a; echo b >&2; echo c; exit 3"), |line| lines.push(line.to_owned())).unwrap();
        assert_eq!((status.code(), lines.join(" ")), (Some(3), "a b c".to_owned()));
    }

    #[test]
    fn a_status_is_one_short_line() {
        assert_eq!(status("installing", 3, ""), "installing: 3 s");
        assert_eq!(status("installing", 3, "Get:1 gcc"), "installing: 3 s: Get:1 gcc");
        assert_eq!(status("x", 1, &"long ".repeat(100)).chars().count(), 90);
    }
}
