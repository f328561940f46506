//! Where a device keeps its structures: vendor-specific capabilities that point into BARs, none of them believed before
//! it is known to lie inside its BAR.
//!
//! Source: VIRTIO 1.2, 4.1.4.

use dirql::pci::ConfigSpace;
use dirql::region::Bar;
use dirql::{Device, Error, ErrorKind, Result};

use super::register::COMMON_LEN;

/// The ID of a vendor-specific capability.
const VENDOR_SPECIFIC: u8 = 0x09;
/// Bytes of a virtio capability; the one of doorbells has a multiplier after it.
const LEN: u8 = 16;

/// What a capability points to: `cfg_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The registers that all devices have.
    Common = 1,
    /// The doorbells.
    Notify = 2,
    /// The ISR status.
    Isr = 3,
    /// The device type's own configuration.
    Device = 4,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Common => "common configuration",
            Self::Notify => "notification structure",
            Self::Isr => "ISR status",
            Self::Device => "device configuration",
        }
    }

    /// What it must hold at least.
    fn least(self) -> u64 {
        match self {
            Self::Common => COMMON_LEN,
            Self::Notify => 2,
            Self::Isr => 1,
            Self::Device => 0,
        }
    }
}

/// A capability as it stands in configuration space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// The BAR, 0 to 5.
    pub bar: u8,
    /// Where it begins there.
    pub offset: u64,
    /// Its bytes.
    pub len: u64,
    /// `notify_off_multiplier`; 0 of another structure.
    pub multiplier: u32,
}

/// The first structure of a kind, as the specification has a driver choose.
pub fn locate(config: &ConfigSpace, kind: Kind) -> Option<Located> {
    config.capabilities().filter(|capability| capability.id == VENDOR_SPECIFIC).find_map(|capability| {
        let at = capability.offset;
        let needed = if kind == Kind::Notify { LEN + 4 } else { LEN };
        let whole = config.read_u8(at + 2)? >= needed;
        let bar = config.read_u8(at + 4)?;
        // A BAR beyond the header's is reserved, and the capability to be ignored.
        if !whole || config.read_u8(at + 3)? != kind as u8 || bar > 5 {
            return None;
        }
        let multiplier = if kind == Kind::Notify { config.read_u32(at + 16)? } else { 0 };
        let (offset, len) = (config.read_u32(at + 8)?.into(), config.read_u32(at + 12)?.into());
        Some(Located { bar, offset, len, multiplier })
    })
}

/// A structure that was found, and lies inside its BAR.
#[derive(Debug, Clone)]
pub struct Structure {
    /// Its BAR.
    pub bar: Bar,
    /// What the capability says.
    pub at: Located,
}

impl Structure {
    /// The first structure of a kind.
    ///
    /// # Errors
    /// `Precondition` where there is none, with the option that gives the device one; `Device` where it does not lie
    /// inside its BAR.
    pub fn find(device: &Device, config: &ConfigSpace, kind: Kind) -> Result<Self> {
        let at = locate(config, kind).ok_or_else(|| {
            Error::new(ErrorKind::Precondition, format!("look-up of the {}", kind.name()))
                .on(device.address())
                .why("no capability points to it: this is a legacy virtio device")
                .fix("-device virtio-...-pci,disable-legacy=on,iommu_platform=on (of QEMU)")
        })?;
        let bar = device.bar(at.bar)?;
        let end = at.offset.checked_add(at.len);
        if at.len < kind.least() || end.is_none_or(|end| end > bar.len()) {
            return Err(Error::new(ErrorKind::Device, format!("look-up of the {}", kind.name()))
                .on(device.address())
                .why(format!(
                    "{:#x} bytes at {:#x} are too few, or not inside BAR {} of {:#x} bytes",
                    at.len,
                    at.offset,
                    at.bar,
                    bar.len()
                )));
        }
        Ok(Self { bar, at })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(capabilities: &[(u8, &[u8])]) -> ConfigSpace {
        let mut bytes = vec![0_u8; 256];
        bytes[6] = 0x10;
        let mut next = 0x34;
        for (capability, at) in capabilities.iter().zip((0x40..).step_by(0x20)) {
            bytes[next] = at;
            let at = usize::from(at);
            bytes[at] = capability.0;
            bytes[at + 2..at + 2 + capability.1.len()].copy_from_slice(capability.1);
            next = at + 1;
        }
        ConfigSpace::new(bytes).unwrap()
    }

    #[test]
    fn the_first_of_a_kind_is_taken_and_what_is_reserved_or_short_is_passed_over() {
        let notify: &[u8] = &[20, 2, 2, 0, 0, 0, 0, 0x10, 0, 0, 4, 0, 0, 0, 0, 0x20, 0, 0];
        let reserved: &[u8] = &[20, 2, 6, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0];
        let short: &[u8] = &[16, 2, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0];
        let later: &[u8] = &[20, 2, 4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0];
        let found =
            locate(&config(&[(1, notify), (9, reserved), (9, short), (9, notify), (9, later)]), Kind::Notify);
        assert_eq!(found, Some(Located { bar: 2, offset: 0x1000, len: 4, multiplier: 0x2000 }));
        assert_eq!(locate(&config(&[(9, notify)]), Kind::Common), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_to_their_end(seed in prop::collection::vec(any::<u8>(), 64..256)) {
            let mut bytes: Vec<u8> = seed.iter().copied().cycle().take(256).collect();
            bytes[6] |= 0x10;
            let config = ConfigSpace::new(bytes).unwrap();
            for kind in [Kind::Common, Kind::Notify, Kind::Isr, Kind::Device] {
                prop_assert!(locate(&config, kind).is_none_or(|located| located.bar <= 5));
            }
        }
    }
}
