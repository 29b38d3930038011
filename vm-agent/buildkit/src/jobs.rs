//! The builds that are under way, by the reference that their clients chose, and the last ones that ended.

use crate::progress::Progress;
use build::Steps;
use images::{ImageId, Keeper};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tonic::Status;

/// Calls about a build may come before the one that begins it.
const PATIENCE: Duration = Duration::from_secs(6);

/// How many of the ended ones can still be asked about.
const REMEMBERED: usize = 16;

/// For how long.
const MEMORY: Duration = Duration::from_secs(60);

/// What a client that drives its build itself answers at the end: the image, or why there is none.
pub(crate) type Returned = Result<Option<Solved>, Status>;

/// One build.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) reference: String,
    /// The session of who asked for it.
    pub(crate) session: String,
    /// What the client lets its build do.
    pub(crate) allowed: Vec<String>,
    /// All steps of it are wanted, for a cache.
    pub(crate) whole: bool,
    pub(crate) progress: Arc<Progress>,
    /// Who awaits the end of a build that its client drives.
    returned: Mutex<Option<oneshot::Sender<Returned>>>,
    /// By the references that clients know them by; none when the build has ended, and with it what it kept.
    results: Mutex<Option<HashMap<String, Solved>>>,
}

/// An image that was built, and what keeps it from being deleted before it has a name.
#[derive(Debug, Clone)]
pub(crate) struct Solved {
    pub(crate) image: ImageId,
    /// When all of it is said to be made, if the client said so.
    pub(crate) time: Option<jiff::Timestamp>,
    pub(crate) kept: Arc<Keeper>,
    /// How it came to be, for caches.
    pub(crate) steps: Arc<Steps>,
    /// How many of its layers, the lowest, are of its base image.
    pub(crate) inherited: usize,
}

impl Job {
    /// Answers who awaits the end; a second answer is none.
    pub(crate) fn finish(&self, returned: Returned) {
        if let Some(waiting) = self.returned.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The one who waits may be gone.
            let _ = waiting.send(returned);
        }
    }

    /// Keeps a result until the build ends, if it has not; answers its reference.
    pub(crate) fn keep(&self, solved: Solved) -> String {
        let reference = solved.image.hex().to_owned();
        if let Some(results) = &mut *self.results.lock().unwrap_or_else(PoisonError::into_inner) {
            results.insert(reference.clone(), solved);
        }
        reference
    }

    pub(crate) fn result(&self, reference: &str) -> Result<Solved, Status> {
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let found = results.as_ref().and_then(|results| results.get(reference).cloned());
        found.ok_or_else(|| Status::not_found(format!("no such ref: {reference}")))
    }
}

#[derive(Debug, Default)]
struct Known {
    active: HashMap<String, Arc<Job>>,
    ended: VecDeque<Arc<Job>>,
}

/// Clones share one state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jobs(watch::Sender<Known>);

/// A build that is under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct Active {
    jobs: Jobs,
    pub(crate) job: Arc<Job>,
    pub(crate) returned: oneshot::Receiver<Returned>,
}

impl Jobs {
    pub(crate) fn begin(
        &self,
        reference: &str,
        session: &str,
        allowed: Vec<String>,
        whole: bool,
    ) -> Result<Active, Status> {
        let (sender, returned) = oneshot::channel();
        let job = Arc::new(Job {
            reference: reference.to_owned(),
            session: session.to_owned(),
            allowed,
            whole,
            progress: Arc::new(Progress::new(reference)),
            returned: Mutex::new(Some(sender)),
            results: Mutex::new(Some(HashMap::new())),
        });
        let is_new = self.0.send_if_modified(|known| {
            let is_new = !known.active.contains_key(reference);
            if is_new {
                known.active.insert(reference.to_owned(), Arc::clone(&job));
            }
            is_new
        });
        if !is_new {
            return Err(Status::already_exists(format!("job ID {reference} exists")));
        }
        Ok(Active { jobs: self.clone(), job, returned })
    }

    /// A build under way, which may be about to come. One that has ended, as one that is refused does at once, is not waited for.
    pub(crate) async fn active(&self, reference: &str) -> Result<Arc<Job>, Status> {
        let job = self.known(reference).await?;
        let is_active = self.0.borrow().active.get(reference).is_some_and(|active| Arc::ptr_eq(active, &job));
        if is_active { Ok(job) } else { Err(Status::not_found(format!("no such job {reference}"))) }
    }

    /// A build under way or one of the last ones.
    pub(crate) async fn known(&self, reference: &str) -> Result<Arc<Job>, Status> {
        self.find(reference, |known| {
            // The one that ended last.
            let ended = || known.ended.iter().rev().find(|job| job.reference == reference);
            known.active.get(reference).or_else(ended).cloned()
        })
        .await
    }

    async fn find(&self, reference: &str, find: impl Fn(&Known) -> Option<Arc<Job>>) -> Result<Arc<Job>, Status> {
        let mut known = self.0.subscribe();
        let found = tokio::time::timeout(PATIENCE, known.wait_for(|known| find(known).is_some())).await;
        let job = found.ok().and_then(Result::ok).and_then(|known| find(&known));
        job.ok_or_else(|| Status::not_found(format!("no such job {reference}")))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.job.progress.close();
        *self.job.results.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // Somewhere where time passes, as everywhere in the engine.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (jobs, job) = (self.jobs.clone(), Arc::downgrade(&self.job));
            runtime.spawn(async move {
                tokio::time::sleep(MEMORY).await;
                jobs.0.send_modify(|known| known.ended.retain(|ended| !std::ptr::eq(Arc::as_ptr(ended), job.as_ptr())));
            });
        }
        self.jobs.0.send_modify(|known| {
            if let Some(job) = known.active.remove(&self.job.reference) {
                known.ended.push_back(job);
                if known.ended.len() > REMEMBERED {
                    known.ended.pop_front();
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_may_come_before_their_build_and_after_it() {
        let jobs = Jobs::default();
        let early = tokio::spawn({
            let jobs = jobs.clone();
            async move { jobs.active("a").await.map(|job| job.reference.clone()).map_err(|status| status.code()) }
        });
        tokio::task::yield_now().await;
        let mut active = jobs.begin("a", "s", Vec::new(), false).expect("new");
        assert_eq!(early.await.expect("ran"), Ok("a".to_owned()));
        assert!(jobs.begin("a", "s", Vec::new(), false).is_err(), "one at a time");
        active.job.finish(Ok(None));
        active.job.finish(Err(Status::aborted("late")));
        assert!(matches!((&mut active.returned).await, Ok(Ok(None))), "the first answer is the answer");
        let first = Arc::clone(&active.job);
        drop(active);
        assert!(first.results.lock().expect("not poisoned").is_none(), "nothing is kept any more");
        assert!(Arc::ptr_eq(&jobs.known("a").await.expect("known"), &first));
        let late = tokio::time::timeout(PATIENCE / 2, jobs.active("a")).await.expect("at once");
        assert_eq!(late.err().map(|status| status.code()), Some(tonic::Code::NotFound));
        let again = jobs.begin("a", "s", Vec::new(), false).expect("the reference is free again");
        let second = Arc::clone(&again.job);
        drop(again);
        assert!(Arc::ptr_eq(&jobs.known("a").await.expect("known"), &second), "the one that ended last");
    }
}
