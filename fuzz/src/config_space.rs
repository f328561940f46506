//! Configuration space: the header, both lists of capabilities, and all that is decoded of them.

use dirql::pci::{Capability, ConfigSpace, ExtendedCapability};
use dirql_virtio::transport::capability::{Kind, locate};

pub fn run(bytes: &[u8]) {
    let Ok(config) = ConfigSpace::new(bytes.to_vec()) else {
        assert!(bytes.len() < 64);
        return;
    };
    let len = config.as_bytes().len();
    assert!((64..=4096).contains(&len));
    let mut offsets: Vec<u16> = config.capabilities().map(|capability| capability.offset).collect();
    assert!(offsets.iter().all(|&offset| (0x40..0x100).contains(&offset)));
    offsets.extend(config.extended_capabilities().map(|capability| capability.offset));
    assert!(offsets.iter().all(|&offset| offset % 4 == 0 && usize::from(offset) < len));
    let count = offsets.len();
    offsets.sort_unstable();
    offsets.dedup();
    assert_eq!(offsets.len(), count, "a capability comes once");
    assert!(config.capabilities().map(Capability::name).all(|name| !name.is_empty()));
    assert!(config.extended_capabilities().map(ExtendedCapability::name).all(|name| !name.is_empty()));
    assert!(config.msi().is_none_or(|msi| msi.vectors.is_power_of_two() && msi.vectors <= 32));
    if let Some(msix) = config.msix() {
        assert!((1..=2048).contains(&msix.table_size) && msix.table_bir < 8 && msix.pba_bir < 8);
        assert_eq!((msix.table_offset % 8, msix.pba_offset % 8), (0, 0));
    }
    assert!(config.express().is_none_or(|express| express.max_payload_supported.is_power_of_two()));
    assert!(config.power_management().is_none_or(|power| power.state < 4));
    assert!((6..=u8::MAX).all(|index| config.bar(index).is_none()));
    let decoded = (0..6).map(|index| config.bar(index)).collect::<Vec<_>>();
    let header = (config.class_code(), config.command(), config.status(), config.subsystem());
    let whole = (config.has_function_level_reset(), config.is_header_only(), header, decoded);
    assert!(!format!("{config:?} {whole:?}").is_empty());
    let decoded: Vec<_> = config.capabilities().map(|capability| config.decode(capability)).collect();
    let extended = config.extended_capabilities().map(|capability| config.decode_extended(capability));
    assert!(decoded.into_iter().chain(extended).all(|one| !format!("{one:?}").is_empty()));
    for kind in [Kind::Common, Kind::Notify, Kind::Isr, Kind::Device] {
        assert!(locate(&config, kind).is_none_or(|located| located.bar <= 5));
    }
}
