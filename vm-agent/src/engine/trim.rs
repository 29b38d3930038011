//! When the data disk's host is told what is free: after removals, once for all of a row, and by the hour. The file system is
//! mounted without `discard`, which would slow every removal down.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use events::{Event, Kind, Subscription};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

const FIRST: Duration = Duration::from_secs(120);
const EVERY: Duration = Duration::from_secs(3600);
/// A row of removals is over when none came for so long, or counts as if it were after the longer time.
const QUIET: Duration = Duration::from_secs(10);
const LONGEST_ROW: Duration = Duration::from_secs(120);
/// A disk that is busy is left alone for a while: percent of the time in which somebody waited for it.
const BUSY: f64 = 20.0;
const BUSY_LOOK: Duration = Duration::from_secs(15);
const BUSY_LOOKS: usize = 20;

pub(super) async fn now_and_then(root: PathBuf, mut news: Subscription) {
    let mut next = Instant::now() + FIRST;
    loop {
        tokio::select! {
            () = sleep_until(next) => {}
            over = row_of_removals(&mut news) => if !over { return },
        }
        while_busy(pressure).await;
        let root = root.clone();
        match tokio::task::spawn_blocking(move || relay::disk::trim(&root)).await {
            Ok(Ok(bytes)) => tracing::info!(bytes, "free space given back to the host"),
            Ok(Err(error)) => tracing::warn!(%error, "free space could not be given back to the host"),
            Err(_) => return,
        }
        next = Instant::now() + EVERY;
    }
}

/// Resolves once something was removed and nothing more is for a while; `false` when the bus is gone.
async fn row_of_removals(news: &mut Subscription) -> bool {
    loop {
        match news.next().await {
            Some(event) if frees(&event) => break,
            Some(_) => {}
            None => return false,
        }
    }
    let last = Instant::now() + LONGEST_ROW;
    let mut end = Instant::now() + QUIET;
    loop {
        match timeout_at(end.min(last), news.next()).await {
            Ok(Some(event)) if frees(&event) => end = Instant::now() + QUIET,
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

/// Whether room on the disk became free.
fn frees(event: &Event) -> bool {
    matches!(event.kind, Kind::Builder | Kind::Container | Kind::Image | Kind::Volume)
        && matches!(event.action.as_str(), "destroy" | "delete" | "prune")
}

/// Gives others who wait for the disk the precedence, but not for ever.
async fn while_busy(pressure: impl Fn() -> Option<f64>) {
    for _ in 0..BUSY_LOOKS {
        if pressure().is_none_or(|percent| percent < BUSY) {
            return;
        }
        sleep(BUSY_LOOK).await;
    }
}

/// How much of the last ten seconds somebody waited for I/O, in percent (kernel: Documentation/accounting/psi.rst).
fn pressure() -> Option<f64> {
    percent(&fs::read_to_string("/proc/pressure/io").ok()?)
}

fn percent(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use events::Events;

    use super::*;

    fn removal() -> Event {
        Event::new(Kind::Volume, "destroy", "data")
    }

    #[test]
    fn only_what_lay_on_the_disk_frees_it() {
        assert!(frees(&removal()) && frees(&Event::new(Kind::Image, "prune", "")));
        for other in [Event::new(Kind::Network, "destroy", "n"), Event::new(Kind::Container, "die", "c")] {
            assert!(!frees(&other), "{other:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_of_removals_is_one() {
        let events = Events::new();
        let mut news = events.subscribe();
        let began = Instant::now();
        let row = tokio::spawn(async move { row_of_removals(&mut news).await });
        sleep(Duration::from_secs(60)).await;
        for _ in 0..3 {
            events.emit(removal());
            sleep(QUIET / 2).await;
            events.emit(Event::new(Kind::Container, "start", "c"));
        }
        assert!(row.await.unwrap());
        assert_eq!(began.elapsed().as_secs(), 60 + 2 * (QUIET / 2).as_secs() + QUIET.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_without_end_has_one() {
        let events = Events::new();
        let mut news = events.subscribe();
        let began = Instant::now();
        let removing = tokio::spawn(async move {
            loop {
                events.emit(removal());
                sleep(QUIET / 4).await;
            }
        });
        assert!(row_of_removals(&mut news).await);
        assert_eq!(began.elapsed().as_secs(), LONGEST_ROW.as_secs());
        removing.abort();
        assert!(removing.await.unwrap_err().is_cancelled());
        assert!(!row_of_removals(&mut news).await, "the bus is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_disk_is_waited_for_and_not_for_ever() {
        let looks = AtomicUsize::new(0);
        let began = Instant::now();
        while_busy(|| Some(if looks.fetch_add(1, Ordering::Relaxed) < 2 { 90.0 } else { 1.0 })).await;
        assert_eq!(began.elapsed().as_secs(), (BUSY_LOOK * 2).as_secs());
        while_busy(|| Some(90.0)).await;
        assert_eq!(began.elapsed().as_secs(), (BUSY_LOOK * (2 + BUSY_LOOKS as u32)).as_secs());
        while_busy(|| None).await;
    }

    #[test]
    fn the_kernel_s_figures_are_read() {
        let text = "some avg10=12.34 avg60=0.00 avg300=0.00 total=1\nfull avg10=99.00 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(percent(text), Some(12.34));
        assert_eq!(percent(""), None);
    }
}
