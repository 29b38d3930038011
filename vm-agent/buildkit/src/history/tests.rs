//! Builds from their beginning to their record.

use super::record::End;
use super::recording::Recording;
use super::*;
use bollard_buildkit_proto::moby::buildkit::v1::BuildHistoryRequest;
use std::path::Path;

fn begun(history: &History, reference: &str) -> (Recording, Arc<Progress>) {
    let request = api::SolveRequest { r#ref: reference.to_owned(), ..api::SolveRequest::default() };
    let progress = Arc::new(Progress::new(reference));
    (history.begin(Record::begin(&request), &progress, || "app".to_owned()), progress)
}

/// A build with one step that says so.
async fn built(history: &History, reference: &str, end: End) {
    let (recording, progress) = begun(history, reference);
    let step = progress.begin("[1/1] RUN".to_owned());
    progress.say(step, b"said\n", false);
    progress.end(step, None);
    progress.close();
    recording.finish(end).await;
}

fn open(directory: &Path) -> History {
    History::open(directory.join("history"))
}

async fn log(history: &History, reference: &str) -> String {
    let pieces: Vec<_> = history.log(reference, asked::LogOptions::default()).expect("known").collect().await;
    String::from_utf8(pieces.concat()).expect("text")
}

#[tokio::test]
async fn a_build_is_remembered_beyond_the_engine() {
    let directory = tempfile::tempdir().expect("a directory");
    let history = open(directory.path());
    built(&history, "one", End::Built(HashMap::new())).await;
    built(&history, "two", End::Failed(Status::unknown("no"))).await;
    let before = log(&history, "one").await;
    assert!(before.starts_with("#1 [1/1] RUN\n#1 0.0") && before.ends_with(" said\n#1 DONE 0.0s\n"), "{before}");
    history.pin("one", true).await.expect("pinned");
    drop(history);
    let history = open(directory.path());
    assert_eq!(log(&history, "one").await, before);
    let builds = history.builds();
    let told: Vec<_> =
        builds.iter().map(|build| (build.reference.as_str(), build.name.as_str(), build.state.word())).collect();
    assert_eq!(told, [("two", "app", "error"), ("one", "app", "completed")]);
    let (build, steps) = history.build("one").await.expect("known");
    assert_eq!((build.steps.total, build.steps.completed, steps.len()), (1, 1, 1));
    let record = history.ended("one").expect("known");
    assert_eq!((record.shown.pinned, record.shown.generation), (true, 1));
    let failure = history.ended("two").expect("known").shown.external_error.clone().expect("one");
    assert_eq!(history.failure(&failure.digest).await.map(|content| content.len()), usize::try_from(failure.size).ok());
    history.delete("one").await.expect("deleted");
    assert!(matches!(history.delete("one").await, Err(NotForgotten::Unknown(_))));
    assert!(history.build("one").await.is_none() && history.pin("one", false).await.is_err());
    drop(history);
    assert_eq!(open(directory.path()).builds().len(), 1);
}

#[tokio::test]
async fn a_build_that_runs_is_told_of_while_it_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let history = open(directory.path());
    built(&history, "one", End::Built(HashMap::new())).await;
    let listen = |request: BuildHistoryRequest| history.listen(request).expect("understood");
    let mut later = Box::pin(listen(BuildHistoryRequest { active_only: true, ..Default::default() }));
    let (recording, progress) = begun(&history, "two");
    assert!(matches!(later.next().await, Some(Ok(Event::Started(record))) if record.shown.r#ref == "two"));
    let step = progress.begin("[1/1] RUN".to_owned());
    let (build, steps) = history.build("two").await.expect("known");
    assert_eq!((build.steps.total, build.steps.completed, steps[0].completed), (1, 0, None));
    assert_eq!(log(&history, "two").await, "#1 [1/1] RUN\n");
    let now: Vec<_> = listen(BuildHistoryRequest { early_exit: true, ..Default::default() }).collect().await;
    assert_eq!(now.len(), 2);
    assert!(matches!(history.delete("two").await, Err(NotForgotten::Running(_))));
    // Whoever follows hears the rest, and the end.
    let options = asked::LogOptions { follow: true, ..Default::default() };
    let followed = history.log("two", options).expect("known");
    progress.say(step, b"later\n", false);
    progress.close();
    // Nobody says how it ended: its client went away.
    drop(recording);
    assert!(matches!(later.next().await, Some(Ok(Event::Complete(record))) if record.state().word() == "canceled"));
    let followed: Vec<_> = followed.collect().await;
    let followed = String::from_utf8(followed.concat()).expect("text");
    assert!(followed.contains(" later\n") && followed.ends_with("#1 CANCELED\n"), "{followed}");
    history.delete("two").await.expect("deleted");
    assert!(matches!(later.next().await, Some(Ok(Event::Deleted(reference))) if reference == "two"));
}

#[tokio::test]
async fn a_build_that_ran_when_the_engine_died_has_failed() {
    let directory = tempfile::tempdir().expect("a directory");
    let history = open(directory.path());
    let (_recording, progress) = begun(&history, "one");
    let step = progress.begin("[1/1] RUN".to_owned());
    progress.say(step, b"said\n", false);
    // The engine that dies is another one, which sees what is on the disk by then.
    let copy = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("history");
    let told = history.0.store.told("one");
    while std::fs::metadata(&told).map_or(0, |told| told.len()) == 0 {
        tokio::task::yield_now().await;
    }
    std::fs::create_dir(copy.path().join("history")).expect("made");
    for entry in std::fs::read_dir(&path).expect("listed") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), copy.path().join("history").join(entry.file_name())).expect("copied");
    }
    let history = open(copy.path());
    let (build, steps) = history.build("one").await.expect("known");
    assert_eq!(build.state.word(), "error");
    assert_eq!((build.error.as_str(), build.steps.total, steps.len()), ("the engine ended while this build ran", 1, 1));
    assert!(build.completed.is_some());
    assert!(log(&history, "one").await.starts_with("#1 [1/1] RUN\n"));
    // It is said so once and for all.
    assert_eq!(open(copy.path()).build("one").await.expect("known").0.completed, build.completed);
}

#[tokio::test]
async fn an_engine_begins_whatever_the_disk_takes() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("history");
    let request = api::SolveRequest { r#ref: "one".to_owned(), ..api::SolveRequest::default() };
    Store::open(path.clone()).0.put(&Record::begin(&request)).expect("put");
    // What is to be written next cannot be: a folder is in its place.
    let record = std::fs::read_dir(&path).expect("listed").next().expect("a file").expect("an entry");
    std::fs::create_dir(record.path().with_extension("part")).expect("made");
    let history = open(directory.path());
    assert_eq!(history.builds()[0].state.word(), "error");
    // There is no directory at all.
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("written");
    let history = open(&file);
    assert!(history.builds().is_empty());
    built(&history, "two", End::Built(HashMap::new())).await;
    assert_eq!(history.builds()[0].state.word(), "completed");
}
