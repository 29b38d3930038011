//! A disk that runs full in the middle of a pull.
//!
//! Needs root: a small file system, in a mount namespace of its own.

#[path = "../../store/tests/room/mod.rs"]
mod small;
mod support;

use images::{Auth, Kind, Reference, Sink};
use support::server::{Content, Server};
use support::{Bench, layers, open, patient, tar};

/// Runs in the small room that the test below makes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "part of another test"]
async fn child_in_a_small_room() {
    let room = std::env::var(small::ROOM).unwrap();
    // Packed it is small: nothing shows beforehand that it cannot fit.
    let bulk = b"a line that fills the room\n".repeat(3_000_000);
    let large = Content::image(&[tar(&[("etc/base", b"base")]), tar(&[("bulk", &bulk)])]);
    let small = Content::image(&layers(1000));
    let server =
        Server::start(
            move |request| {
                if request.path.contains("/large/") { large.answer(request) } else { small.answer(request) }
            },
        )
        .await;
    let (store, layers, images) = open(std::path::Path::new(&room), patient());
    let bench = Bench { dir: tempfile::tempdir_in(&room).unwrap(), config: patient(), store, layers, images };
    let pull = async |name: &str| {
        let reference = Reference::parse(&format!("{}/{name}/app", server.address)).unwrap();
        bench.images.pull(&reference, None, &Auth::Anonymous, &Sink::silent()).await
    };
    for _ in 0..2 {
        let error = pull("large").await.unwrap_err();
        assert_eq!(error.kind(), Kind::NoSpace, "{error:?}");
        let text = error.to_string();
        assert!(text.contains("no space left on device: remove images, or give the machine a larger disk"), "{text}");
        let count = |directory: &str| std::fs::read_dir(format!("{room}/{directory}")).unwrap().count();
        let left = || (count("layers/ingest"), count("content/ingest"), count("content/blobs/sha256"));
        // The thread that was downloading the other layer ends a little later than the pull.
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_secs(60) {
            bench.images.collect().await.unwrap();
            if left() == (0, 0, 0) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(left(), (0, 0, 0));
        assert!(bench.images.list().unwrap().is_empty());
    }
    pull("small").await.unwrap();
    println!("{}", small::DONE);
}

#[test]
fn a_disk_that_runs_full_costs_one_pull_and_nothing_else() {
    small::run("a_disk_that_runs_full_costs_one_pull_and_nothing_else", "child_in_a_small_room", 40);
}
