//! Agreeing on features, and refusing a device that cannot be driven safely: before it is told of any memory.

use dirql::{Code, Error, ErrorKind, Result};

use super::Transport;
use super::register::{
    ACKNOWLEDGE, DEVICE_FEATURE, DEVICE_FEATURE_SELECT, DRIVER, DRIVER_FEATURE, DRIVER_FEATURE_SELECT,
    FEATURES_OK, QUEUE_RESET,
};
use crate::features::Features;

impl Transport {
    /// What the device offers.
    ///
    /// # Errors
    /// Where a register cannot be accessed.
    pub fn offered(&self) -> Result<Features> {
        let mut offered = 0;
        for half in 0..2 {
            self.write(DEVICE_FEATURE_SELECT, half)?;
            offered |= u64::from(self.read(DEVICE_FEATURE)?) << (32 * half);
        }
        Ok(Features(offered))
    }

    /// Agrees on those of the features in `wanted` and of the transport's that the device offers, and gives them. The
    /// device was reset.
    ///
    /// # Errors
    /// `Precondition` where the device offers no VERSION_1, or (E15) no ACCESS_PLATFORM: it would take addresses of the
    /// IOMMU's for the machine's; with the option of QEMU's. `Device` where it takes back what it offered.
    pub fn negotiate(&mut self, wanted: Features) -> Result<Features> {
        self.add_status(ACKNOWLEDGE)?;
        self.add_status(DRIVER)?;
        let agreed = self.agree(wanted);
        if agreed.is_err() {
            self.give_up().unwrap_or_else(|error| log::debug!("virtio: {error}"));
        }
        self.features = agreed?;
        Ok(self.features)
    }

    fn agree(&self, wanted: Features) -> Result<Features> {
        let offered = self.offered()?;
        if !offered.contains(Features::VERSION_1) {
            return Err(self
                .refused("the device does not offer VERSION_1: it is a legacy one")
                .fix("-device virtio-...-pci,disable-legacy=on,iommu_platform=on (of QEMU)"));
        }
        if !offered.contains(Features::ACCESS_PLATFORM) {
            return Err(self
                .refused(
                    "the device does not offer ACCESS_PLATFORM: its DMA passes the IOMMU by, so that it would \
                     reach memory that is not ours",
                )
                .fix("-device virtio-...-pci,disable-legacy=on,iommu_platform=on (of QEMU)")
                .code(Code::E15));
        }
        let mut agreed = offered.and(wanted.with(Features::TRANSPORT));
        if self.common.at.len < QUEUE_RESET.offset() + 2 {
            agreed = agreed.without(Features::RING_RESET);
        }
        for half in 0..2 {
            self.write(DRIVER_FEATURE_SELECT, half)?;
            self.write(DRIVER_FEATURE, (agreed.0 >> (32 * half)) as u32)?;
        }
        self.add_status(FEATURES_OK).map_err(|error| {
            log::debug!("virtio: {error}");
            Error::new(ErrorKind::Device, "negotiation of features")
                .on(self.address())
                .why(format!("of the {offered} that it offers, the device does not take {agreed}"))
        })?;
        Ok(agreed)
    }

    fn refused(&self, why: &str) -> Error {
        Error::new(ErrorKind::Precondition, "negotiation of features").on(self.address()).why(why)
    }
}
