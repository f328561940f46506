//! The conformance suite on the model: it passes, and each broken promise fails the line that is about it.

mod support;

use dirql::Device;
use dirql::backend::model::{Bus, Model, ModelBackend, ModelConfig};
use dirql::selftest::{Check, Outcome, compare_ids, run};
use support::broken::{Break, Broken};

/// A device that does nothing.
struct Silent;

impl Model for Silent {
    fn read(&mut self, _: &Bus, _: u8, _: u64, _: &mut [u8]) {}
    fn write(&mut self, _: &Bus, _: u8, _: u64, _: &[u8]) {}
}

/// A device with something of everything that a model can have, broken so.
fn broken(how: Break) -> (Device, Bus) {
    let mut config = ModelConfig::new(0x1234, 0x11e8);
    (config.intx, config.msi, config.msix, config.resettable) = (true, 4, 3, true);
    config.bars[0] = 4096;
    let model = ModelBackend::new(config, Silent);
    let bus = model.bus();
    (Device::from_backend(Broken::new(model, how)).unwrap(), bus)
}

fn of<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no {name:?} in {checks:#?}"))
}

#[test]
fn a_good_device_passes_and_nothing_stays_mapped() {
    let (device, bus) = broken(Break::Nothing);
    let checks = run(&device);
    assert!(checks.iter().all(|check| check.outcome != Outcome::Fail), "{checks:#?}");
    let mut names: Vec<_> = checks.iter().map(|check| check.name.as_str()).collect();
    assert!(names.iter().all(|name| name.len() <= 36), "{names:?}");
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "each name is there once");
    // The pool's memory alone.
    assert_eq!(bus.mappings(), 1);
    assert!(!bus.bus_master());
    for name in [
        "config_space_read_write: clear",
        "validate_bars: BAR 0",
        "vfio_pci_irq_test msi: trigger",
        "vfio_pci_irq_test msix: disable",
        "dma_map_unmap anonymous: gone",
        "dma_map_unmap 2mb: unmap",
        "dma_map_limit unmap_all: unmap",
        "dma_map_limit overflow: map",
        "dma refuses: overlap",
        "reset: ids after it",
    ] {
        assert_eq!(of(&checks, name).outcome, Outcome::Pass, "{name}");
    }
    // Again, with memory in the pool: what would take that away too is left out.
    let again = run(&device);
    assert_eq!(of(&again, "dma_map_limit unmap_all: unmap").outcome, Outcome::Absent);
    assert!(again.iter().all(|check| check.outcome != Outcome::Fail), "{again:#?}");
}

#[test]
fn what_was_unmapped_the_device_does_not_reach() {
    let (device, bus) = broken(Break::Nothing);
    assert!(run(&device).iter().all(|check| check.outcome != Outcome::Fail));
    device.set_bus_master(true).unwrap();
    let pooled = device.dma(dirql::dma::DmaMask::FULL).buffer(4096).unwrap().lend();
    assert!(bus.dma_write(pooled.iova(), &[1]).is_ok());
    // The last page, where the limits were tried.
    assert!(bus.dma_write(dirql::Iova(0x7f_ffff_f000), &[1]).is_err());
}

#[test]
fn every_broken_promise_fails_its_line() {
    for (how, lines) in [
        (Break::IdsAreOnes, &["configuration space"][..]),
        (Break::ListWithoutEnd, &["configuration space"]),
        (Break::MastersAtFirst, &["config_space_read_write: off"]),
        (Break::NeverMasters, &["config_space_read_write: set"]),
        (Break::AlwaysMasters, &["config_space_read_write: clear"]),
        (Break::MapsNoBar, &["validate_bars: BAR 0", "dma_mapping_mmio: map_full_bar"]),
        (Break::EnablesNothing, &["vfio_pci_irq_test intx: enable", "vfio_pci_irq_test msix: enable"]),
        (Break::LosesVector1, &["vfio_pci_irq_test msi: trigger", "vfio_pci_irq_test msix: trigger"]),
        (Break::RaisesTwice, &["vfio_pci_irq_test msi: trigger"]),
        (Break::NeverReleases, &["vfio_pci_irq_test intx: disable"]),
        (Break::AcceptsOverlap, &["dma refuses: mapped twice", "dma refuses: overlap"]),
        (
            Break::AcceptsMalformed,
            &[
                "dma refuses: no length",
                "dma refuses: unaligned length",
                "dma refuses: unaligned IOVA",
                "dma refuses: unaligned memory",
                "dma refuses: outside the ranges",
            ],
        ),
        (Break::AcceptsOverflow, &["dma_map_limit overflow: map", "dma_map_limit overflow: unmap"]),
        (Break::OtherErrno, &["dma refuses: mapped twice", "dma refuses: no length"]),
        (Break::RefusesLastPage, &["dma_map_limit unmap_range: map", "dma_map_limit unmap_all: map"]),
        (Break::MapsNothing, &["dma_map_unmap anonymous: map", "dma_map_unmap 2mb: map", "DMA memory"]),
        (Break::NeverUnmaps, &["dma_map_unmap anonymous: unmap", "dma_map_limit unmap_range: unmap"]),
        (Break::KeepsMappings, &["dma_map_unmap anonymous: gone"]),
        (Break::UnmapsNothing, &["dma_map_unmap anonymous: gone", "dma refuses: unmap twice"]),
        (Break::UnmapsParts, &["dma refuses: unmap of a part"]),
        (Break::CountsNoBytes, &["dma_map_limit unmap_all: unmap"]),
        (Break::CountsNoMappings, &["dma mappings left"]),
        (Break::TranslatesByHalves, &["dma_map_unmap anonymous: page"]),
        (Break::TranslatesForEver, &["dma_map_unmap anonymous: gone"]),
        (Break::NeverResets, &["reset"]),
        (Break::ResetsToAnother, &["reset: ids after it"]),
    ] {
        let (device, _bus) = broken(how);
        let checks = run(&device);
        for line in lines {
            let check = of(&checks, line);
            assert_eq!(check.outcome, Outcome::Fail, "{how:?}: {check:?}");
        }
    }
}

#[test]
fn ids_are_compared_with_those_of_the_kernel() {
    let (device, _bus) = broken(Break::Nothing);
    let outcomes = |vendor, product| compare_ids(&device, vendor, product).map(|check| check.outcome);
    assert_eq!(outcomes(0x1234, 0x11e8), [Outcome::Pass, Outcome::Pass]);
    assert_eq!(outcomes(0x1234, 0x11e9), [Outcome::Pass, Outcome::Fail]);
    assert_eq!(outcomes(0x1235, 0x11e8), [Outcome::Fail, Outcome::Pass]);
}

#[test]
fn what_a_device_does_not_have_is_absent() {
    let model = ModelBackend::new(ModelConfig::new(0x1234, 1), Silent);
    let checks = run(&Device::from_backend(model).unwrap());
    for name in
        ["vfio_pci_irq_test msi: enable", "validate_bars: BAR 3", "reset", "dma_mapping_mmio: map_full_bar"]
    {
        assert_eq!(of(&checks, name).outcome, Outcome::Absent, "{name}");
    }
}
