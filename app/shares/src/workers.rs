//! The threads that answer the requests of one share. They are this share's alone, because each is behind the wall around it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Errno;
use crate::share::Share;

/// How long a thread waits for another request before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// Does it, or, with the error that is to be said instead, touches no file. It never waits for who asked.
type Job = Box<dyn FnOnce(Result<(), Errno>) + Send>;

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
    /// Has it done by a thread of the share's: one that waits, or a new one. Where a file is shared, by a new one in any case, since another
    /// file may be in its place by now.
    pub(crate) fn run(self: &Arc<Self>, share: &Arc<Share>, job: Job) {
        {
            let mut state = self.state();
            state.jobs.push_back(job);
            if state.idle >= state.jobs.len() {
                self.came.notify_one();
                return;
            }
            state.threads += 1;
        }
        // Without the lock: the others need not wait until the system has made one.
        let (workers, of) = (Arc::clone(self), Arc::clone(share));
        let started = std::thread::Builder::new().name("share-answers".into()).spawn(move || workers.work(of));
        if let Err(error) = started {
            tracing::warn!(%error, "there is no thread for a request of a shared folder");
            self.does_nothing(share);
        }
    }

    /// The share is gone: nobody waits any more.
    pub(crate) fn end(&self) {
        self.state().over = true;
        self.came.notify_all();
    }

    fn work(&self, share: Arc<Share>) {
        let _counted = Counted(self);
        // The error is told where it comes from.
        if share.confine_for_one().is_err() {
            return self.does_nothing(&share);
        }
        let for_one = share.file().is_some();
        // It may go while this thread waits.
        drop(share);
        if for_one {
            let job = self.state().jobs.pop_front();
            if let Some(job) = job {
                job(Ok(()));
            }
            self.state().threads -= 1;
            return;
        }
        while let Some(job) = self.next() {
            job(Ok(()));
        }
    }

    /// A thread that is not behind the wall, or not there, does nothing and is counted no more. The others come to what waits; what is left to
    /// nobody is refused.
    fn does_nothing(&self, share: &Share) {
        let refused: Vec<Job> = {
            let mut state = self.state();
            state.threads -= 1;
            match (share.file(), state.threads) {
                // Each of the others has one of its own.
                (Some(_), _) => state.jobs.pop_front().into_iter().collect(),
                (None, 0) => state.jobs.drain(..).collect(),
                (None, _) => Vec::new(),
            }
        };
        refused.into_iter().for_each(|job| job(Err(Errno::IO)));
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

    use std::io;

    use super::*;
    use crate::Access;

    /// What a thread of the share's says of it.
    fn within<T: Send + 'static>(share: &Arc<Share>, what: impl FnOnce() -> T + Send + 'static) -> T {
        let (to, said) = mpsc::channel();
        let job = Box::new(move |may: Result<(), Errno>| to.send(may.map(|()| what())).unwrap());
        share.workers().run(share, job);
        said.recv().unwrap().unwrap()
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
            workers.run(
                &share,
                Box::new(move |_| {
                    all.wait();
                }),
            );
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
        let job = Box::new(move |_: Result<(), Errno>| {
            let _to = to;
            panic!("on purpose");
        });
        share.workers().run(&share, job);
        gone.recv().unwrap_err();
        assert_eq!(within(&share, || 7), 7);
    }

    #[test]
    fn a_thread_that_keeps_its_rights_does_nothing() {
        /// The kernel puts no more around one thread (`LANDLOCK_MAX_NUM_LAYERS`), nor around those that it starts.
        const LAYERS: usize = 16;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "content").unwrap();
        for shared in [dir.path(), &file] {
            let share = share(shared);
            let of = Arc::clone(&share);
            let said = std::thread::spawn(move || {
                for _ in 0..LAYERS {
                    assert!(of.confine().unwrap());
                }
                of.confine().unwrap_err();
                let (to, said) = mpsc::channel();
                of.workers().run(&of, Box::new(move |may| to.send(may).unwrap()));
                said.recv().unwrap()
            });
            assert_eq!(said.join().unwrap(), Err(Errno::IO));
            assert_eq!(within(&share, || 7), 7, "others do it");
        }
    }

    #[test]
    fn a_file_that_is_shared_is_the_only_one_also_when_another_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let [file, other] = ["file", "other"].map(|name| dir.path().join(name));
        std::fs::write(&file, "one").unwrap();
        let share = share(&file);
        for content in ["one", "two"] {
            std::fs::write(&other, content).unwrap();
            std::fs::rename(&other, &file).unwrap();
            std::fs::write(&other, "beside").unwrap();
            let files = [file.clone(), other.clone()];
            let read = within(&share, move || files.map(|file| std::fs::read_to_string(file).map_err(|e| e.kind())));
            assert_eq!(read, [Ok(content.to_owned()), Err(io::ErrorKind::PermissionDenied)]);
        }
    }
}
