//! A thousand watchers, each of a folder of its own: all are told what the host does.
#![cfg(target_os = "linux")]

mod support;

use std::fs;

use support::Mounted;
use support::events::Events;

#[test]
fn each_of_a_thousand_is_told() {
    const QUEUES: usize = 20;
    const FOLDERS: usize = 50;
    let m = Mounted::new();
    let name = |queue: usize, folder: usize| format!("d{queue}/d{folder}");
    let all = || (0..FOLDERS).flat_map(|folder| (0..QUEUES).map(move |queue| (queue, folder)));
    all().for_each(|(queue, folder)| fs::create_dir_all(m.host.join(name(queue, folder))).unwrap());
    let of = |queue| Events::of_all((0..FOLDERS).map(|folder| m.guest.join(name(queue, folder))));
    let watchers: Vec<Events> = (0..QUEUES).map(of).collect();
    let told = |word: &str| {
        for watcher in &watchers {
            let seen = watcher.until(&format!("{word} f{}", FOLDERS - 1));
            for folder in 0..FOLDERS {
                assert!(seen.contains(&format!("{word} f{folder}")), "{word} f{folder}: {seen:?}");
            }
        }
    };
    let file = |(queue, folder)| m.host.join(name(queue, folder)).join(format!("f{folder}"));
    all().map(file).for_each(|file| fs::write(file, "x").unwrap());
    told("CREATE");
    all().map(file).for_each(|file| fs::remove_file(file).unwrap());
    told("DELETE");
    assert!(all().all(|(queue, folder)| fs::read_dir(m.guest.join(name(queue, folder))).unwrap().count() == 0));
}
