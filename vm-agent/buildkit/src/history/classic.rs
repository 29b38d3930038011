//! Builds of the classic builder: what it says, as the steps that it says them of.

use super::record::{End, Record};
use super::recording::Recording;
use crate::progress::Progress;
use crate::{Kit, failure};
use bollard_buildkit_proto::moby::buildkit::v1 as api;
use build::Request;
use images::ImageId;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// How the classic builder shows what a command says to its standard error.
const RED: &str = "\u{1b}[91m";
const PLAIN: &str = "\u{1b}[0m";

/// A build of the classic builder that is remembered. Dropping it means that it was given up.
#[derive(Debug)]
pub struct Classic {
    words: Arc<Words>,
    recording: Option<Recording>,
}

/// What hears the builder's words.
#[derive(Debug)]
pub struct Words {
    progress: Arc<Progress>,
    at: Mutex<Place>,
}

/// The step that is under way.
#[derive(Debug, Default, Clone, Copy)]
struct Place {
    step: Option<usize>,
    number: usize,
    total: usize,
}

impl Kit {
    /// A build of the classic builder begins.
    pub fn remember(&self, request: &Request) -> Classic {
        let reference = reference();
        let progress = Arc::new(Progress::new(&reference));
        let record = Record::begin(&described(reference, request));
        let recording = self.0.history.begin(record, &progress, String::new);
        Classic { words: Arc::new(Words { progress, at: Mutex::default() }), recording: Some(recording) }
    }
}

/// The request in BuildKit's words.
fn described(reference: String, request: &Request) -> api::SolveRequest {
    let mut attributes = HashMap::new();
    let texts = [("filename", &request.dockerfile), ("target", &request.target)];
    let texts = texts.into_iter().filter(|(_, value)| !value.is_empty());
    attributes.extend(texts.map(|(name, value)| (name.to_owned(), value.clone())));
    attributes.extend(request.remote.iter().map(|remote| ("context".to_owned(), remote.clone())));
    attributes.extend(request.platform.iter().map(|platform| ("platform".to_owned(), platform.to_string())));
    if request.no_cache {
        attributes.insert("no-cache".to_owned(), String::new());
    }
    let given = request.arguments.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    attributes.extend(given.map(|(name, value)| (format!("build-arg:{name}"), value.clone())));
    attributes.extend(request.labels.iter().map(|(name, value)| (format!("label:{name}"), value.clone())));
    let names: Vec<String> = request.tags.iter().map(|tag| tag.clone().or_latest().to_string()).collect();
    let attrs = HashMap::from([("name".to_owned(), names.join(","))]);
    api::SolveRequest {
        r#ref: reference,
        frontend_attrs: attributes,
        exporters: vec![api::Exporter { r#type: "moby".to_owned(), attrs }],
        ..api::SolveRequest::default()
    }
}

/// One that no other build has, as long as those of BuildKit's clients.
fn reference() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let digest = Sha256::digest(format!("{} {number} {}", now.as_nanos(), std::process::id()));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hex[..25].to_owned()
}

impl Classic {
    /// Has to be told what the builder says.
    pub fn words(&self) -> Arc<Words> {
        Arc::clone(&self.words)
    }

    /// It has ended.
    pub async fn finish(mut self, result: Result<&ImageId, &build::Error>) {
        let step = self.words.at().step;
        let end = match result {
            Ok(id) => End::Built(HashMap::from([("containerimage.config.digest".to_owned(), id.to_string())])),
            Err(error) => {
                let digest = step.map(|step| self.words.progress.digest(step));
                End::Failed(failure::status(error, None, None, digest.as_deref()))
            }
        };
        if let Some(step) = step {
            self.words.progress.end(step, result.err().map(failure::words).as_deref());
        }
        self.words.progress.close();
        if let Some(recording) = self.recording.take() {
            recording.finish(end).await;
        }
    }
}

impl Drop for Classic {
    fn drop(&mut self) {
        self.words.progress.close();
    }
}

impl Words {
    fn at(&self) -> Place {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the builder says next.
    pub fn hear(&self, text: &str) {
        let at = self.at();
        if let Some((number, total, name)) = header(text).filter(|(number, total, _)| at.precedes(*number, *total))
            && let Some(step) = self.progress.begin_within(format!("[{number}/{total}] {name}"), at.step)
        {
            *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Place { step: Some(step), number, total };
            return;
        }
        let Some(step) = at.step else { return };
        match text.strip_prefix(RED).and_then(|text| text.strip_suffix(PLAIN)) {
            Some(text) => self.progress.say(step, text.as_bytes(), true),
            None if text == " ---> Using cache\n" => self.progress.cached(step),
            None if text == "\n" => {}
            None => self.progress.say(step, text.as_bytes(), false),
        }
    }
}

impl Place {
    /// Whether that is the next step: a command may say what looks like one. All steps have the same total, of which triggers are none.
    fn precedes(self, number: usize, total: usize) -> bool {
        number == self.number + 1 && number <= total && (self.total == 0 || self.total == total)
    }
}

/// `Step 2/5 : RUN make`, without the end of its line, which the builder says apart. Commands mostly say whole lines.
fn header(text: &str) -> Option<(usize, usize, &str)> {
    if text.contains('\n') {
        return None;
    }
    let (numbers, name) = text.strip_prefix("Step ")?.split_once(" : ")?;
    let (number, total) = numbers.split_once('/')?;
    Some((number.parse().ok()?, total.parse().ok()?, name.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;

    #[tokio::test]
    async fn words_are_of_their_steps() {
        let words = Words { progress: Arc::new(Progress::new("x")), at: Mutex::default() };
        for text in [
            "before\n",
            "Step 1/2 : FROM busybox",
            "\n",
            " ---> 0123\n",
            "Step 2/2 : RUN make",
            "\n",
            " ---> Using cache\n",
            "Step 7/9 : no step of this builder\n",
            "\u{1b}[91mwrong\n\u{1b}[0m",
        ] {
            words.hear(text);
        }
        words.progress.close();
        let told = words.progress.so_far();
        let steps: Vec<_> = told.vertexes.iter().map(|vertex| (vertex.name.as_str(), vertex.cached)).collect();
        assert_eq!(steps, [("[1/2] FROM busybox", false), ("[2/2] RUN make", true)]);
        let told: Vec<_> = Arc::clone(&words.progress).up_to_now().collect().await;
        let said = told.iter().flat_map(|told| &told.logs);
        let said: Vec<_> = said.map(|log| (log.stream, String::from_utf8_lossy(&log.msg).into_owned())).collect();
        let expect = [(1, " ---> 0123\n"), (1, "Step 7/9 : no step of this builder\n"), (2, "wrong\n")];
        assert_eq!(said, expect.map(|(stream, text)| (stream, text.to_owned())));
    }

    #[test]
    fn what_a_command_says_is_no_step() {
        let words = Words { progress: Arc::new(Progress::new("x")), at: Mutex::default() };
        let steps = || words.progress.so_far().vertexes.into_iter().map(|vertex| vertex.name).collect::<Vec<_>>();
        words.hear("Step 1/3 : FROM busybox");
        words.hear("Step 2/3 : RUN test");
        for text in [
            "Step 3/3 : test\n",
            "Step 3/3 : one\nStep 4/3 : two",
            "Step 3/4 : test",
            "Step 3/99999999 : test",
            "Step 2/3 : test",
        ] {
            words.hear(text);
            assert_eq!(steps().len(), 2, "{text:?}");
        }
        words.hear("Step 3/3 : RUN make");
        for number in 4..100 {
            words.hear(&format!("Step {number}/3 : test"));
        }
        assert_eq!(steps(), ["[1/3] FROM busybox", "[2/3] RUN test", "[3/3] RUN make"]);
    }

    /// What is beyond the limit is a word of the step before.
    #[test]
    fn steps_have_a_limit() {
        let words = Words { progress: Arc::new(Progress::new("x")), at: Mutex::default() };
        for number in 1..100 {
            words.hear(&format!("Step {number}/99 : {}", "a".repeat(1 << 20)));
        }
        let steps = words.progress.so_far().vertexes.len();
        assert!((1..=10).contains(&steps), "{steps}");
        assert_eq!(words.at().number, steps);
    }

    #[test]
    fn references_differ() {
        let (one, other) = (reference(), reference());
        assert!(one.len() == 25 && one != other);
    }
}
