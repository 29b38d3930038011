//! Not a limit, a figure: `cargo bench-engine` measures whole requests.

use std::time::Instant;

use crate::stage::{Stage, spec};

pub(crate) async fn of_true(stage: &mut Stage) {
    let s = spec(&["true"]);
    let mut times = Vec::new();
    for _ in 0..50 {
        let start = Instant::now();
        let container = stage.start(&s).await.expect("starts");
        assert_eq!(stage.exit(&container.id).await.code, 0);
        times.push(start.elapsed());
    }
    times.sort();
    println!("start, exec, exit and acknowledge of true: median {:?}, fastest {:?}", times[25], times[0]);
}
