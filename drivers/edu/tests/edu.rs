//! The driver on the model: what it computes, what it moves, and how it leaves the device.

use dirql::driver::Driver;
use dirql::interrupt::Best;
use dirql::interrupt::Mode;
use dirql::selftest::Outcome;
use dirql::{Device, ErrorKind};
use dirql_edu::model::EduModel;
use dirql_edu::{DMA_MAX, Edu};

#[test]
fn computes_and_moves_by_msi_and_by_line() {
    for (msi, mode) in [(1, Mode::Msi), (0, Mode::Intx)] {
        let backend = EduModel::backend_with(|config| config.msi = msi);
        let bus = backend.bus();
        let mut edu = Edu::start(Device::from_backend(backend).unwrap(), Best.into()).unwrap();
        assert_eq!(edu.factorial(10).unwrap(), 3_628_800);
        assert_eq!(edu.factorial(0).unwrap(), 1);
        let data: Vec<u8> = (0..DMA_MAX).map(|i| i as u8).collect();
        assert_eq!(edu.round_trip(&data).unwrap(), data);
        assert_eq!(bus.faults(), []);
        let vectors = edu.vectors();
        assert_eq!((vectors[0].mode, vectors[0].count, vectors[0].spurious), (mode, 4, 0));
    }
}

#[test]
fn refuses_what_the_device_cannot_move() {
    let mut edu = Edu::start(Device::from_backend(EduModel::backend()).unwrap(), Best.into()).unwrap();
    for len in [0, DMA_MAX + 1] {
        assert_eq!(edu.round_trip(&vec![0; len]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn a_selftest_passes_and_a_stop_leaves_the_device_quiet() {
    let backend = EduModel::backend();
    let bus = backend.bus();
    let mut edu = Edu::start(Device::from_backend(backend).unwrap(), Best.into()).unwrap();
    let checks = edu.selftest();
    assert!(checks.iter().all(|check| check.outcome == Outcome::Pass), "{checks:?}");
    assert!(bus.bus_master() && bus.mappings() > 0 && bus.messages_enabled());
    Box::new(edu).stop().unwrap();
    assert!(!bus.bus_master() && bus.mappings() == 0 && !bus.messages_enabled());
}
