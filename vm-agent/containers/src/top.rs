//! `docker top`: the processes of a container as ps(1) would list them. The guest has no ps.

use crate::service::blocking;
use crate::{Containers, Invalid, Result};
use engine_api::ContainerTop;
use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Clock ticks a second: USER_HZ is 100 on every architecture we run on.
const HZ: u64 = 100;

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    User,
    Uid,
    Gid,
    Pid,
    Ppid,
    Pgid,
    Sid,
    Cpu,
    CpuPercent,
    MemoryPercent,
    Vsz,
    Rss,
    Nice,
    Threads,
    State,
    /// The state with its marks.
    Stat,
    Start,
    Tty,
    Time,
    /// As in BSD.
    Minutes,
    Elapsed,
    Command,
    Name,
}

/// Title and column of every word that `-o` knows.
const WORDS: &[(&str, &str, Column)] = &[
    ("user", "USER", Column::User),
    ("euser", "EUSER", Column::User),
    ("ruser", "RUSER", Column::User),
    ("uid", "UID", Column::Uid),
    ("gid", "GID", Column::Gid),
    ("pid", "PID", Column::Pid),
    ("ppid", "PPID", Column::Ppid),
    ("pgid", "PGID", Column::Pgid),
    ("sid", "SID", Column::Sid),
    ("c", "C", Column::Cpu),
    ("pcpu", "%CPU", Column::CpuPercent),
    ("%cpu", "%CPU", Column::CpuPercent),
    ("pmem", "%MEM", Column::MemoryPercent),
    ("%mem", "%MEM", Column::MemoryPercent),
    ("vsz", "VSZ", Column::Vsz),
    ("rss", "RSS", Column::Rss),
    ("ni", "NI", Column::Nice),
    ("nlwp", "NLWP", Column::Threads),
    ("stat", "STAT", Column::Stat),
    ("state", "S", Column::State),
    ("s", "S", Column::State),
    ("start", "START", Column::Start),
    ("stime", "STIME", Column::Start),
    ("tty", "TT", Column::Tty),
    ("tt", "TT", Column::Tty),
    ("time", "TIME", Column::Time),
    ("etime", "ELAPSED", Column::Elapsed),
    ("args", "COMMAND", Column::Command),
    ("cmd", "CMD", Column::Command),
    ("command", "COMMAND", Column::Command),
    ("comm", "COMMAND", Column::Name),
    ("ucmd", "CMD", Column::Name),
];

type Format = Vec<(String, Column)>;

impl Containers {
    /// `ps_args` as for ps(1): empty and `-ef`, `aux`, `-o pid,comm`; the defaults are dockerd's.
    pub async fn top(&self, id: &str, ps_args: &str) -> Result<ContainerTop> {
        let format = format(ps_args)?;
        let handle = self.inner.find(id)?;
        let run = handle.running()?;
        let top = blocking(move || {
            let pids = run.cgroup.processes()?;
            let machine = Arc::new(Machine::read());
            let mut processes: Vec<Process> = pids.into_iter().filter_map(Process::read).collect();
            processes.sort_by_key(|process| process.pid);
            Ok(ContainerTop {
                titles: format.iter().map(|(title, _)| title.clone()).collect(),
                processes: processes
                    .iter()
                    .map(|process| format.iter().map(|(_, column)| process.value(*column, &machine)).collect())
                    .collect(),
            })
        })
        .await?;
        self.inner.emit(&handle.view().record, "top");
        Ok(top)
    }
}

/// The columns that the arguments ask for.
fn format(ps_args: &str) -> Result<Format, Invalid> {
    let refused = || Invalid::PsArguments(format!("unsupported argument: {ps_args}"));
    let columns = |list: &str| -> Result<Format, Invalid> {
        list.split([',', ' '])
            .filter(|word| !word.is_empty())
            .map(|word| {
                let (name, title) = word.split_once('=').map_or((word, None), |(name, title)| (name, Some(title)));
                let (_, known, column) =
                    WORDS.iter().find(|(word, _, _)| word.eq_ignore_ascii_case(name)).ok_or_else(|| {
                        Invalid::PsArguments(format!("error: unknown user-defined format specifier \"{name}\""))
                    })?;
                Ok((title.unwrap_or(known).to_owned(), *column))
            })
            .collect()
    };
    let mut words = ps_args.split_whitespace();
    let mut chosen = Format::new();
    let mut style = "-ef";
    while let Some(word) = words.next() {
        let list = match word {
            "-o" | "o" | "--format" | "-eo" | "-axo" | "axo" | "-Ao" => Some(words.next().ok_or_else(refused)?),
            _ => ["--format=", "-o", "-eo", "axo"].iter().find_map(|prefix| word.strip_prefix(prefix)),
        };
        match list {
            Some(list) => chosen.extend(columns(list)?),
            None if words.clone().next().is_none() && matches!(word, "-q" | "q" | "--quick-pid") => {
                return Err(Invalid::PsArguments(format!("error: List of process IDs must follow {word}.")));
            }
            None if words.clone().next().is_none() && matches!(word, "-p" | "p" | "--pid" | "--ppid") => {
                return Err(Invalid::PsArguments(format!("error: list of process IDs must follow {word}")));
            }
            None if word.trim_start_matches('-').chars().all(|c| "aAdefFglTuwxrH".contains(c)) => style = word,
            None => return Err(refused()),
        }
    }
    if !chosen.is_empty() {
        // The client needs the column to tell containers' processes apart; dockerd insists on it.
        if !chosen.iter().any(|(_, column)| *column == Column::Pid) {
            return Err(Invalid::PsArguments("Couldn't find PID field in ps output".to_owned()));
        }
        return Ok(chosen);
    }
    let titled = |list: &[(&str, Column)]| list.iter().map(|(title, column)| ((*title).to_owned(), *column)).collect();
    if style.contains('u') {
        return Ok(titled(&[
            ("USER", Column::User),
            ("PID", Column::Pid),
            ("%CPU", Column::CpuPercent),
            ("%MEM", Column::MemoryPercent),
            ("VSZ", Column::Vsz),
            ("RSS", Column::Rss),
            ("TTY", Column::Tty),
            ("STAT", Column::Stat),
            ("START", Column::Start),
            ("TIME", Column::Minutes),
            ("COMMAND", Column::Command),
        ]));
    }
    if style.contains('f') {
        return Ok(titled(&[
            ("UID", Column::User),
            ("PID", Column::Pid),
            ("PPID", Column::Ppid),
            ("C", Column::Cpu),
            ("STIME", Column::Start),
            ("TTY", Column::Tty),
            ("TIME", Column::Time),
            ("CMD", Column::Command),
        ]));
    }
    if style.contains('x') {
        return Ok(titled(&[
            ("PID", Column::Pid),
            ("TTY", Column::Tty),
            ("STAT", Column::Stat),
            ("TIME", Column::Minutes),
            ("COMMAND", Column::Command),
        ]));
    }
    Ok(titled(&[("PID", Column::Pid), ("TTY", Column::Tty), ("TIME", Column::Time), ("CMD", Column::Name)]))
}

/// What is the same for all processes.
#[derive(Debug)]
struct Machine {
    users: HashMap<u32, String>,
    /// Seconds since the epoch.
    booted: u64,
    now: u64,
    memory_kib: u64,
}

impl Machine {
    fn read() -> Machine {
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let users = users.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
        });
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let booted = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok()).unwrap_or(0);
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory =
            meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
        Machine {
            users: users.collect(),
            booted,
            now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs()),
            memory_kib: memory.unwrap_or(1),
        }
    }
}

/// One process, from proc_pid_stat(5) and proc_pid_status(5).
#[derive(Debug, Clone, Default)]
struct Process {
    pid: i32,
    uid: u32,
    gid: u32,
    name: String,
    command: String,
    state: String,
    ppid: i64,
    pgid: i64,
    sid: i64,
    tty: i64,
    /// The process group of the terminal's foreground; -1 without one.
    foreground: i64,
    nice: i64,
    threads: i64,
    /// Ticks.
    cpu: u64,
    /// Ticks after boot.
    start: u64,
    vsz_kib: u64,
    rss_kib: u64,
}

impl Process {
    /// `None` when it is gone.
    fn read(pid: i32) -> Option<Process> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Process::parse(pid, &stat, &status, &command)
    }

    fn parse(pid: i32, stat: &str, status: &str, command: &[u8]) -> Option<Process> {
        // The name is in parentheses and may contain any character, parentheses too.
        let (open, close) = (stat.find('(')?, stat.rfind(')')?);
        let name = stat[open + 1..close].to_owned();
        let fields: Vec<&str> = stat[close + 1..].split_whitespace().collect();
        // Field numbers of the manual page, which counts from 1 and has the state as number 3.
        let field = |number: usize| fields.get(number - 3).copied().unwrap_or("0");
        let signed = |number| field(number).parse::<i64>().unwrap_or(0);
        let unsigned = |number| field(number).parse::<u64>().unwrap_or(0);
        let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().nth(1));
        let kib = |key: &str| {
            status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let words: Vec<_> =
            command.split(|byte| *byte == 0).filter(|word| !word.is_empty()).map(String::from_utf8_lossy).collect();
        let command = if words.is_empty() { format!("[{name}]") } else { words.join(" ") };
        Some(Process {
            pid,
            uid: line("Uid:").and_then(|id| id.parse().ok()).unwrap_or(0),
            gid: line("Gid:").and_then(|id| id.parse().ok()).unwrap_or(0),
            name,
            command,
            state: field(3).to_owned(),
            ppid: signed(4),
            pgid: signed(5),
            sid: signed(6),
            tty: signed(7),
            foreground: signed(8),
            cpu: unsigned(14) + unsigned(15),
            nice: signed(19),
            threads: signed(20),
            start: unsigned(22),
            vsz_kib: kib("VmSize:"),
            rss_kib: kib("VmRSS:"),
        })
    }

    fn value(&self, column: Column, machine: &Machine) -> String {
        let started = machine.booted + self.start / HZ;
        let alive = machine.now.saturating_sub(started).max(1);
        let seconds = self.cpu / HZ;
        match column {
            Column::User => machine.users.get(&self.uid).cloned().unwrap_or_else(|| self.uid.to_string()),
            Column::Uid => self.uid.to_string(),
            Column::Gid => self.gid.to_string(),
            Column::Pid => self.pid.to_string(),
            Column::Ppid => self.ppid.to_string(),
            Column::Pgid => self.pgid.to_string(),
            Column::Sid => self.sid.to_string(),
            Column::Cpu => (seconds * 100 / alive).to_string(),
            Column::CpuPercent => tenths(self.cpu * 1000 / HZ / alive),
            Column::MemoryPercent => tenths(self.rss_kib * 1000 / machine.memory_kib),
            Column::Vsz => self.vsz_kib.to_string(),
            Column::Rss => self.rss_kib.to_string(),
            Column::Nice => self.nice.to_string(),
            Column::Threads => self.threads.to_string(),
            Column::State => self.state.clone(),
            Column::Stat => self.stat(),
            Column::Start => clock(started, machine.now),
            Column::Tty => tty(self.tty),
            Column::Time => format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
            Column::Minutes => format!("{}:{:02}", seconds / 60, seconds % 60),
            Column::Elapsed if alive >= 3600 => {
                format!("{:02}:{:02}:{:02}", alive / 3600, alive / 60 % 60, alive % 60)
            }
            Column::Elapsed => format!("{:02}:{:02}", alive / 60, alive % 60),
            Column::Command => self.command.clone(),
            Column::Name => self.name.clone(),
        }
    }
}

impl Process {
    /// ps(1), "PROCESS STATE CODES".
    fn stat(&self) -> String {
        let marks = [
            (self.nice < 0, '<'),
            (self.nice > 0, 'N'),
            (self.sid == i64::from(self.pid), 's'),
            (self.threads > 1, 'l'),
            (self.foreground == self.pgid, '+'),
        ];
        let marks = marks.into_iter().filter_map(|(is_so, mark)| is_so.then_some(mark));
        self.state.chars().chain(marks).collect()
    }
}

fn tenths(value: u64) -> String {
    format!("{}.{}", value / 10, value % 10)
}

/// Hours and minutes of today, else month and day; UTC, as the guest's clock.
fn clock(time: u64, now: u64) -> String {
    let stamp = |seconds| jiff::Timestamp::from_second(i64::try_from(seconds).unwrap_or(0)).unwrap_or_default();
    let text = stamp(time).to_string();
    if now.saturating_sub(time) < 24 * 3600 {
        return text.get(11..16).unwrap_or("?").to_owned();
    }
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = text.get(5..7).and_then(|month| month.parse::<usize>().ok()).unwrap_or(1);
    format!("{}{}", MONTHS[(month - 1).min(11)], text.get(8..10).unwrap_or("?"))
}

/// `pts/0` for device numbers 136:0 and following, `?` without a terminal (proc_pid_stat(5), field 7).
fn tty(number: i64) -> String {
    let device = u64::try_from(number).unwrap_or(0);
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    match major {
        0 => "?".to_owned(),
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 => format!("tty{minor}"),
        _ => format!("{major}:{minor}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(arguments: &str) -> String {
        let format = format(arguments).expect(arguments);
        format.into_iter().map(|(title, _)| title).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn arguments() {
        assert_eq!(titles(""), "UID PID PPID C STIME TTY TIME CMD");
        assert_eq!(titles("-ef"), titles(""));
        assert_eq!(titles("aux"), "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND");
        assert_eq!(titles("-o pid,comm"), "PID COMMAND");
        assert_eq!(titles("-opid=P,args"), "P COMMAND");
        assert!(format("-o comm").is_err());
        assert!(format("-o pid,nonsense").is_err());
        assert!(format("--help").is_err());
    }

    #[test]
    fn a_process_with_a_nasty_name() {
        let stat = "42 (a) b) S 1 42 42 34816 42 0 0 0 0 0 150 50 0 0 20 5 3 0 1000 1000000 100 0";
        let status = "Name:\ta) b\nUid:\t33\t33\t33\t33\nGid:\t34\t34\t34\t34\nVmSize:\t 1000 kB\nVmRSS:\t 200 kB\n";
        let mut process = Process::parse(42, stat, status, b"sleep\09\0").expect("valid");
        assert_eq!((process.name.as_str(), process.command.as_str()), ("a) b", "sleep 9"));
        let machine =
            Machine { users: HashMap::from([(33, "web".to_owned())]), booted: 100, now: 130, memory_kib: 1000 };
        let value = |process: &Process, column| process.value(column, &machine);
        process.uid = 33;
        assert_eq!(value(&process, Column::User), "web");
        assert_eq!(value(&process, Column::Tty), "pts/0");
        assert_eq!(value(&process, Column::Time), "00:00:02");
        assert_eq!((value(&process, Column::Minutes), value(&process, Column::Stat)), ("0:02".into(), "SNsl+".into()));
        assert_eq!(value(&process, Column::CpuPercent), "10.0");
        assert_eq!(value(&process, Column::MemoryPercent), "20.0");
    }
}
