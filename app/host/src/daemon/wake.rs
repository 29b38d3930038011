//! This computer slept, or the machine alone stood still: the guest's clock is behind, and what was connected may be so no more.
//!
//! Two clocks tell of a sleep. The steady one stands still meanwhile (Linux, macOS) and parts from the one on the wall; or both go on
//! (Windows, and a daemon that was stopped), and then a look comes far too late. A wall clock that was set parts from the steady one,
//! too, and the guest's must follow it. A machine that stood still by itself is told of by its hypervisor.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Shared, network};

/// Between two looks: the guest's clock is right within a second of the end of a sleep.
const LOOK: Duration = Duration::from_millis(750);
/// More than clocks are slewed by in the meantime, and what the guest itself tolerates.
const PARTED: Duration = Duration::from_millis(200);
/// A look that comes so late was slept over; on a busy computer looks are late, too, which costs one message.
const LATE: Duration = Duration::from_secs(3);

/// What the two clocks say at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    wall: Duration,
    steady: Duration,
}

/// Why the guest is looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// By how much the wall clock went further than the steady one, or less far.
    Parted {
        milliseconds: i128,
    },
    /// After how long the look came.
    Late {
        milliseconds: u128,
    },
    Resumed,
}

/// Looks after the guest whenever there is a reason to, for as long as the daemon lives.
pub(super) async fn watch(shared: Shared) {
    tokio::join!(clocks(&shared), resumes(&shared));
}

async fn clocks(shared: &Shared) {
    let began = Instant::now();
    let read =
        || Reading { wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), steady: began.elapsed() };
    let mut before = read();
    loop {
        let cause = until_parted(&mut before, read).await;
        look_after(shared, cause).await;
    }
}

/// Of one machine after the other.
async fn resumes(shared: &Shared) {
    let mut instance = shared.machine.instance();
    loop {
        let present = instance.borrow_and_update().clone();
        let Some(mut resumed) = present.map(|present| present.resumed()) else {
            if instance.changed().await.is_err() {
                return;
            }
            continue;
        };
        resumed.mark_unchanged();
        loop {
            tokio::select! {
                Ok(()) = resumed.changed() => look_after(shared, Cause::Resumed).await,
                changed = instance.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
            }
        }
    }
}

/// Resolves when time passed that nobody saw. `before` is the latest look.
async fn until_parted(before: &mut Reading, read: impl Fn() -> Reading) -> Cause {
    loop {
        tokio::time::sleep(LOOK).await;
        let now = read();
        let cause = unseen(*before, now);
        *before = now;
        if let Some(cause) = cause {
            return cause;
        }
    }
}

fn unseen(before: Reading, now: Reading) -> Option<Cause> {
    let nanoseconds = |span: Duration| i128::try_from(span.as_nanos()).unwrap_or(i128::MAX);
    let steady = now.steady.saturating_sub(before.steady);
    let parted = nanoseconds(now.wall) - nanoseconds(before.wall) - nanoseconds(steady);
    if parted.unsigned_abs() >= PARTED.as_nanos() {
        return Some(Cause::Parted { milliseconds: parted / 1_000_000 });
    }
    (steady >= LATE).then_some(Cause::Late { milliseconds: steady.as_millis() })
}

async fn look_after(shared: &Shared, cause: Cause) {
    if let Some(guest) = shared.machine.guest() {
        tracing::info!(?cause, "the guest is told the time");
        // Without a link the next hello tells the time, and of a guest that is known to stand still no sign of life is to be had.
        let in_trouble = shared.machine.status().borrow().trouble.is_some();
        if guest.tell_time().is_ok() && !in_trouble {
            // It may take a while to find out that the link is dead, and the clocks are to be looked at meanwhile.
            tokio::spawn(async move { guest.prove_the_link().await });
        }
    }
    // Addresses may have come or gone with the network.
    network::look_after(shared).await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn at(wall: u64, steady: u64) -> Reading {
        Reading { wall: Duration::from_millis(wall), steady: Duration::from_millis(steady) }
    }

    #[test]
    fn a_sleep_shows_in_either_clock() {
        let before = at(1_000_000, 5000);
        assert_eq!(unseen(before, at(1_000_750, 5750)), None);
        assert_eq!(unseen(before, at(1_000_850, 5750)), None, "slewed");
        // The steady clock stood still for an hour.
        assert_eq!(unseen(before, at(4_600_750, 5750)), Some(Cause::Parted { milliseconds: 3_600_000 }));
        // Both went on.
        assert_eq!(unseen(before, at(1_060_000, 65_000)), Some(Cause::Late { milliseconds: 60_000 }));
        // Somebody set the clock back.
        assert_eq!(unseen(before, at(990_750, 5750)), Some(Cause::Parted { milliseconds: -10_000 }));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_noticed_within_a_second_and_once() {
        let began = tokio::time::Instant::now();
        let slept = Cell::new(Duration::ZERO);
        let read = || {
            let steady = began.elapsed();
            // The lid is closed for an hour 10 s from the beginning.
            if steady >= Duration::from_secs(10) {
                slept.set(Duration::from_secs(3600));
            }
            Reading { wall: Duration::from_secs(1_000_000) + steady + slept.get(), steady }
        };
        let mut before = read();
        let cause = until_parted(&mut before, read).await;
        assert_eq!(cause, Cause::Parted { milliseconds: 3_600_000 });
        assert!(began.elapsed() < Duration::from_secs(11), "{:?}", began.elapsed());
        let again = tokio::time::timeout(Duration::from_secs(600), until_parted(&mut before, read)).await;
        assert!(again.is_err(), "{again:?}");
    }
}
