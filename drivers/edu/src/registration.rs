//! edu among the drivers of the command.

use dirql::driver::{Driver, Registration};
use dirql::interrupt::{Observer, VectorStatistics};
use dirql::selftest::Check;
use dirql::{Error, ErrorKind, Result};

use crate::{DMA_MAX, Edu, IDENTIFICATION, STATUS};

/// The driver, by its device's ids.
pub const DRIVER: Registration = Registration {
    name: "edu",
    ids: &[(0x1234, 0x11e8)],
    probe: |device, settings| Ok(Box::new(Edu::start(device, settings.request())?)),
};

impl Driver for Edu {
    fn vectors(&self) -> Vec<VectorStatistics> {
        vec![self.causes.statistics()]
    }

    fn observer(&self) -> Option<Observer> {
        Some(self.causes.observer())
    }

    fn identify(&mut self) -> Result<Vec<(&'static str, String)>> {
        let identification = self.bar.read(IDENTIFICATION)?;
        let version = format!("{}.{}", identification >> 24, identification >> 16 & 0xff);
        Ok(vec![("device", "edu, QEMU's teaching device".into()), ("version", version)])
    }

    fn selftest(&mut self) -> Vec<Check> {
        vec![
            Check::of("factorial by interrupt", self.try_factorial()),
            Check::of("DMA round trip", self.try_round_trip()),
        ]
    }

    fn stop(self: Box<Self>) -> Result<()> {
        self.bar.write(STATUS, 0)?;
        self.causes.disconnect()?;
        self.device.set_bus_master(false)
    }
}

impl Edu {
    fn try_factorial(&mut self) -> Result<String> {
        let before = self.causes.statistics().count;
        let value = self.factorial(10)?;
        let interrupts = self.causes.statistics().count - before;
        if value == 3_628_800 && interrupts == 1 {
            return Ok(format!("10! = {value}, told by 1 {} interrupt", self.causes.statistics().mode));
        }
        Err(self.wrong(format!("10! = {value} after {interrupts} interrupts")))
    }

    fn try_round_trip(&mut self) -> Result<String> {
        let sent: Vec<u8> = (0..DMA_MAX).map(|i| ((i * 31) >> 3) as u8).collect();
        let back = self.round_trip(&sent)?;
        if back == sent {
            return Ok(format!("{DMA_MAX} bytes to the device and back"));
        }
        let at = sent.iter().zip(&back).position(|(a, b)| a != b);
        Err(self.wrong(format!("the bytes differ from offset {at:?} on")))
    }

    fn wrong(&self, why: String) -> Error {
        Error::new(ErrorKind::Device, "selftest").on(self.device.address()).why(why)
    }
}
