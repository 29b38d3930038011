//! The threads that answer the requests of one share. They are this share's alone, because each is behind the wall around it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::share::Share;

/// How long a thread waits for another request before it ends.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub(crate) struct Workers {
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Of the threads those that wait for a job.
    idle: usize,
    over: bool,
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}

impl Workers {
    /// Has it done by a thread of the share's: one that waits, or a new one.
    ///
    /// # Errors
    /// There is none, and none can be started. Nothing was done.
    pub(crate) fn run(self: &Arc<Self>, share: &Arc<Share>, job: Job) -> io::Result<()> {
        let mut state = self.state();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            self.came.notify_one();
            return Ok(());
        }
        let (workers, of) = (Arc::clone(self), Arc::clone(share));
        let started = std::thread::Builder::new().name("share-answers".into()).spawn(move || workers.work(of));
        match started {
            Ok(_) => state.threads += 1,
            // The others come to it.
            Err(_) if state.threads > 0 => {}
            Err(error) => {
                state.jobs.pop_back();
                return Err(error);
            }
        }
        Ok(())
    }

    /// The share is gone: nobody waits any more.
    pub(crate) fn end(&self) {
        self.state().over = true;
        self.came.notify_all();
    }

    fn work(&self, share: Arc<Share>) {
        let _counted = Counted(self);
        share.confine();
        // It may go while this thread waits.
        drop(share);
        while let Some(job) = self.next() {
            job();
        }
    }

    /// `None`: the thread ends, and is counted no more. Or a job could be left to it.
    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.over {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            let waited = self.came.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            state.idle -= 1;
            if waited.1.timed_out() && state.jobs.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread less if it panics.
struct Counted<'a>(&'a Workers);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state().threads -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;

    use super::*;
    use crate::Access;

    /// What a thread of the share's says of it.
    fn within<T: Send + 'static>(share: &Arc<Share>, what: impl FnOnce() -> T + Send + 'static) -> T {
        let (to, said) = mpsc::channel();
        let job = Box::new(move || to.send(what()).unwrap());
        share.workers().run(share, job).unwrap();
        said.recv().unwrap()
    }

    fn share(folder: &Path) -> Arc<Share> {
        Arc::new(Share::open(&folder.canonicalize().unwrap(), Access::ReadWrite).unwrap())
    }

    #[test]
    fn each_share_has_threads_of_its_own_that_reach_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| dir.path().join(name));
        for folder in [&one, &other] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("file"), folder.to_str().unwrap()).unwrap();
        }
        for (own, foreign) in [(&one, &other), (&other, &one)] {
            let share = share(own);
            for _ in 0..2 {
                let files = [own, foreign].map(|folder| folder.join("file"));
                let read =
                    within(&share, move || files.map(|file| std::fs::read_to_string(file).map_err(|e| e.kind())));
                assert_eq!(read, [Ok(own.to_str().unwrap().into()), Err(io::ErrorKind::PermissionDenied)]);
            }
        }
        assert!(std::fs::read(one.join("file")).is_ok(), "this thread is none of theirs");
    }

    #[test]
    fn what_comes_at_once_is_done_at_once_and_the_threads_go_with_the_share() {
        let dir = tempfile::tempdir().unwrap();
        let share = share(dir.path());
        let workers = Arc::clone(share.workers());
        let all = Arc::new(std::sync::Barrier::new(9));
        for _ in 0..8 {
            let all = Arc::clone(&all);
            workers
                .run(
                    &share,
                    Box::new(move || {
                        all.wait();
                    }),
                )
                .unwrap();
        }
        // Only if none of them waits for another.
        all.wait();
        within(&share, || {});
        assert!(workers.state().threads <= 9);
        drop(share);
        let begun = std::time::Instant::now();
        while workers.state().threads > 0 {
            assert!(begun.elapsed() < IDLE / 2, "they wait for nothing");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_job_that_panics_takes_no_other_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let share = share(dir.path());
        let (to, gone) = mpsc::channel::<()>();
        let job = Box::new(move || {
            let _to = to;
            panic!("on purpose");
        });
        share.workers().run(&share, job).unwrap();
        gone.recv().unwrap_err();
        assert_eq!(within(&share, || 7), 7);
    }
}
