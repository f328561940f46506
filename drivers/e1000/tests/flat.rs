//! A hundred starts and stops leave nothing behind. Alone in its process, so that it can be counted.

mod common;

use common::{BROADCAST, Place, drain, frame, send};
use dirql::driver::Driver;
use dirql_e1000::model::Chip;

fn entries(path: &str) -> usize {
    std::fs::read_dir(path).unwrap().count()
}

#[test]
fn a_hundred_starts_and_stops_leave_nothing_behind() {
    let cycle = |place: &Place| {
        let (mut e1000, wire) = place.start();
        assert_eq!(send(&mut e1000, &[frame(BROADCAST, 1, 60)]), 1);
        wire.inject(&frame(Chip::MAC, 2, 60));
        assert_eq!(drain(&mut e1000).len(), 1);
        Box::new(e1000).stop().unwrap();
        assert_eq!(wire.bus().mappings(), 0);
    };
    let maps = || std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    let places = Place::all();
    places.iter().for_each(cycle);
    let before = (entries("/proc/self/fd"), entries("/proc/self/task"));
    let maps_before = maps();
    places.iter().cycle().take(100).for_each(cycle);
    assert_eq!((entries("/proc/self/fd"), entries("/proc/self/task")), before);
    assert!(maps() <= maps_before + 2, "{} mappings became {}", maps_before, maps());
}
