//! What a build tells, as text: what `--progress=plain` shows of it. Pure.

use super::record::{is_canceled, time};
use bollard_buildkit_proto::google::protobuf::Timestamp;
use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog, VertexStatus};
use engine_api::progress::human_size;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Prints a build's messages, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Printer {
    numbers: HashMap<String, usize>,
    steps: Vec<Step>,
    /// The step that was told of last.
    current: Option<usize>,
    text: String,
}

#[derive(Debug, Default)]
struct Step {
    name: String,
    started: Option<Timestamp>,
    has_header: bool,
    has_ended: bool,
    /// What it said without the end of its line, by stream, and when.
    rest: HashMap<i64, (Option<Timestamp>, Vec<u8>)>,
}

impl Printer {
    /// The text of the next message.
    pub(crate) fn print(&mut self, told: &StatusResponse) -> String {
        for vertex in &told.vertexes {
            self.see(vertex);
        }
        // Within a message, what belongs to one step is told together.
        let mut order: Vec<&str> = told.vertexes.iter().map(|vertex| vertex.digest.as_str()).collect();
        order.extend(told.statuses.iter().map(|status| status.vertex.as_str()));
        order.extend(told.logs.iter().map(|log| log.vertex.as_str()));
        order.extend(told.warnings.iter().map(|warning| warning.vertex.as_str()));
        let mut numbers: Vec<usize> =
            order.into_iter().filter_map(|digest| self.numbers.get(digest).copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let is_of = |digest: &String| self.numbers.get(digest) == Some(&number);
            let statuses: Vec<_> = told.statuses.iter().filter(|status| is_of(&status.vertex)).collect();
            let warnings: Vec<_> = told.warnings.iter().filter(|warning| is_of(&warning.vertex)).collect();
            let logs: Vec<_> = told.logs.iter().filter(|log| is_of(&log.vertex)).collect();
            let end = told.vertexes.iter().rfind(|vertex| vertex.completed.is_some() && is_of(&vertex.digest));
            if !self.steps[number].has_header {
                self.header(number);
            }
            for status in statuses.into_iter().filter(|status| status.completed.is_some()) {
                self.line(number, &finished(status));
            }
            for warning in warnings {
                self.line(number, &format!("WARN: {}", String::from_utf8_lossy(&warning.short)));
            }
            for log in logs {
                self.say(number, log);
            }
            if let Some(end) = end {
                self.end(number, end);
            }
        }
        std::mem::take(&mut self.text)
    }

    fn see(&mut self, vertex: &Vertex) {
        let next = self.steps.len();
        let number = *self.numbers.entry(vertex.digest.clone()).or_insert(next);
        if number == next {
            self.steps.push(Step { name: vertex.name.clone(), ..Step::default() });
        }
        self.steps[number].started = vertex.started.or(self.steps[number].started);
    }

    /// What follows is of that step.
    fn header(&mut self, number: usize) {
        if self.current == Some(number) {
            return;
        }
        let gap = if self.current.is_some() { "\n" } else { "" };
        let step = &mut self.steps[number];
        let name = if std::mem::replace(&mut step.has_header, true) { "..." } else { &step.name };
        let _ = writeln!(self.text, "{gap}#{} {name}", number + 1);
        self.current = Some(number);
    }

    fn line(&mut self, number: usize, line: &str) {
        self.header(number);
        let _ = writeln!(self.text, "#{} {line}", number + 1);
    }

    fn say(&mut self, number: usize, log: &VertexLog) {
        let step = &mut self.steps[number];
        let (when, rest) = step.rest.entry(log.stream).or_default();
        let mut lines = Vec::new();
        for piece in log.msg.split_inclusive(|byte| *byte == b'\n') {
            if rest.is_empty() {
                *when = log.timestamp;
            }
            rest.extend_from_slice(piece);
            if rest.ends_with(b"\n") {
                lines.push((*when, std::mem::take(rest)));
            }
        }
        for (when, line) in lines {
            self.said(number, when, &line);
        }
    }

    /// One line that a step said.
    fn said(&mut self, number: usize, when: Option<Timestamp>, line: &[u8]) {
        let since =
            when.zip(self.steps[number].started).map_or(Duration::ZERO, |(when, started)| since(&started, &when));
        let line = String::from_utf8_lossy(line);
        self.line(number, format!("{:.3} {}", since.as_secs_f64(), line.trim_end_matches(['\n', '\r'])).trim_end());
    }

    fn end(&mut self, number: usize, vertex: &Vertex) {
        if std::mem::replace(&mut self.steps[number].has_ended, true) {
            return;
        }
        let mut rest: Vec<_> = std::mem::take(&mut self.steps[number].rest).into_iter().collect();
        rest.sort_by_key(|(stream, _)| *stream);
        for (_, (when, line)) in rest.into_iter().filter(|(_, (_, line))| !line.is_empty()) {
            self.said(number, when, &line);
        }
        let took = vertex.started.zip(vertex.completed).map_or(Duration::ZERO, |(start, end)| since(&start, &end));
        let line = match &vertex.error {
            error if is_canceled(None, error) => "CANCELED".to_owned(),
            error if !error.is_empty() => format!("ERROR: {error}"),
            _ if vertex.cached => "CACHED".to_owned(),
            _ => format!("DONE {:.1}s", took.as_secs_f64()),
        };
        self.line(number, &line);
    }
}

fn since(start: &Timestamp, end: &Timestamp) -> Duration {
    time(end).duration_since(time(start)).unwrap_or_default()
}

/// A part of a step that is done.
fn finished(status: &VertexStatus) -> String {
    let mut line = status.id.clone();
    if status.total > 0 {
        let _ = write!(line, " {} / {}", bytes(status.current), bytes(status.total));
    } else if status.current > 0 {
        let _ = write!(line, " {}", bytes(status.current));
    }
    let took = status.started.zip(status.completed).map_or(Duration::ZERO, |(start, end)| since(&start, &end));
    if took >= Duration::from_millis(50) {
        let _ = write!(line, " {:.1}s", took.as_secs_f64());
    }
    line + " done"
}

fn bytes(count: i64) -> String {
    human_size(u64::try_from(count).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard_buildkit_proto::moby::buildkit::v1::VertexWarning;

    fn at(millis: i32) -> Option<Timestamp> {
        Some(Timestamp { seconds: 1000, nanos: millis * 1_000_000 })
    }

    fn vertex(name: &str, end: Option<(i32, bool, &str)>) -> StatusResponse {
        let mut vertex =
            Vertex { digest: name.to_owned(), name: format!("[{name}]"), started: at(0), ..Vertex::default() };
        if let Some((millis, cached, error)) = end {
            vertex.completed = at(millis);
            vertex.cached = cached;
            error.clone_into(&mut vertex.error);
        }
        StatusResponse { vertexes: vec![vertex], ..StatusResponse::default() }
    }

    fn log(name: &str, millis: i32, text: &str) -> StatusResponse {
        let log = VertexLog { vertex: name.to_owned(), timestamp: at(millis), stream: 1, msg: text.into() };
        StatusResponse { logs: vec![log], ..StatusResponse::default() }
    }

    #[test]
    fn steps_are_told_with_their_numbers() {
        let mut printer = Printer::default();
        let mut text = String::new();
        let status = VertexStatus {
            id: "transferring context:".to_owned(),
            vertex: "a".to_owned(),
            current: 1_050_000,
            started: at(0),
            completed: at(120),
            ..VertexStatus::default()
        };
        let warning = VertexWarning { vertex: "a".to_owned(), short: b"old".to_vec(), ..VertexWarning::default() };
        for told in [
            vertex("a", None),
            StatusResponse { statuses: vec![status], warnings: vec![warning], ..StatusResponse::default() },
            vertex("b", None),
            log("b", 250, "on"),
            vertex("a", Some((400, false, ""))),
            log("b", 300, "e\ntwo\n"),
            log("b", 450, "rest"),
            vertex("b", Some((500, false, "exit code: 1"))),
            vertex("b", Some((500, false, "exit code: 1"))),
            vertex("c", Some((0, true, ""))),
            vertex("d", Some((0, false, "context canceled"))),
            log("unheard of", 0, "x\n"),
        ] {
            text += &printer.print(&told);
        }
        let expect = "#1 [a]\n#1 transferring context: 1.05MB 0.1s done\n#1 WARN: old\n\n#2 [b]\n\n#1 ...\n#1 DONE 0.4s\n\n\
                      #2 ...\n#2 0.250 one\n#2 0.300 two\n#2 0.450 rest\n#2 ERROR: exit code: 1\n\n#3 [c]\n#3 CACHED\n\n#4 [d]\n#4 CANCELED\n";
        assert_eq!(text, expect);
    }
}
