//! What every opened function can be tried for, whatever it is: the same on each backend.
//!
//! The command's `selftest` prints it, and the tests run it on the model: one conformance suite for all backends.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::dma::DmaMask;
use crate::interrupt::{Handled, Mode};
use crate::region::Register;
use crate::synchronize::Completion;
use crate::{Device, Error, ErrorKind, Result};

/// How long a vector may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(2);

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should.
    Pass,
    /// Not as it should.
    Fail,
    /// The function does not have what the check is for.
    Absent,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was tried.
    pub name: String,
    /// How it went.
    pub outcome: Outcome,
    /// What was seen.
    pub why: String,
}

impl Check {
    /// A check whose outcome is a result: what was seen, or the error.
    pub fn of(name: impl Into<String>, seen: Result<String>) -> Self {
        let (outcome, why) = match seen {
            Ok(seen) => (Outcome::Pass, seen),
            Err(error) => (Outcome::Fail, error.to_string()),
        };
        Self { name: name.into(), outcome, why }
    }

    /// A check of what the function does not have.
    pub fn absent(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Absent, why: why.into() }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Pass => "pass",
            Outcome::Fail => "FAIL",
            Outcome::Absent => "none",
        };
        write!(f, "{outcome}  {:<28}  {}", self.name, self.why)
    }
}

/// Tries the configuration space, each BAR, the loopback of every vector of every mode, DMA mappings, and reset.
///
/// Nothing may be connected or started; the device itself does nothing meanwhile.
pub fn run(device: &Device) -> Vec<Check> {
    let mut checks = vec![Check::of("configuration space", configuration(device))];
    for index in 0..6 {
        match device.backend().and_then(|backend| backend.region(crate::backend::RegionIndex(index.into()))) {
            Ok(info) if info.len == 0 => {}
            _ => checks.push(Check::of(format!("BAR {index}"), bar(device, index))),
        }
    }
    for mode in [Mode::Intx, Mode::Msi, Mode::Msix] {
        checks.push(loopback(device, mode));
    }
    checks.push(Check::of("DMA memory", dma(device)));
    checks.push(if device.resettable() {
        Check::of("reset", device.reset().map(|()| "the function was reset".into()))
    } else {
        Check::absent("reset", "the function has none; its driver quiets it by its registers")
    });
    checks
}

fn fail(device: &Device, what: &str, why: String) -> Error {
    Error::new(ErrorKind::Device, what).on(device.address()).why(why)
}

fn configuration(device: &Device) -> Result<String> {
    let (vendor, id) = device.config().ids()?;
    if vendor == 0xffff {
        return Err(fail(
            device,
            "reading of the ids",
            "they read as all ones: the function does not answer".into(),
        ));
    }
    let space = device.config().snapshot()?;
    let capabilities = space.capabilities().count();
    Ok(format!("{vendor:04x}:{id:04x}, {} bytes, capabilities: {capabilities}", space.as_bytes().len()))
}

fn bar(device: &Device, index: u8) -> Result<String> {
    let bar = device.bar(index)?;
    let beyond: Result<u8> = bar.read(Register::new(bar.len(), "beyond the end"));
    if beyond.is_ok() {
        return Err(fail(device, "bounds of a BAR", "a read beyond the end went through".into()));
    }
    let way = if bar.is_mapped() { "mapped" } else { "by calls" };
    Ok(format!("{:#x} bytes, {way}", bar.len()))
}

/// Raises every vector of the mode through the kernel, and counts what arrives at its handler.
fn loopback(device: &Device, mode: Mode) -> Check {
    let name = format!("{mode} loopback");
    match device.backend().and_then(|backend| backend.irq(mode.irq())) {
        Ok(info) if info.count == 0 => Check::absent(name, "the function has none"),
        _ => Check::of(name, loopback_all(device, mode)),
    }
}

fn loopback_all(device: &Device, mode: Mode) -> Result<String> {
    let mut interrupts = device.interrupts(mode)?;
    let count = interrupts.count();
    let mut vectors = Vec::new();
    for index in 0..count {
        let arrived = Completion::new();
        let raised = arrived.clone();
        let vector = interrupts.connect(index, 0_u64, move |seen, event| {
            *seen += event.count;
            raised.complete();
            Handled::Yes
        })?;
        vectors.push((vector, arrived));
    }
    for (vector, arrived) in &vectors {
        interrupts.fire(vector.index())?;
        if !arrived.wait(ARRIVAL) {
            let why = format!("vector {} did not arrive within {} s", vector.index(), ARRIVAL.as_secs());
            return Err(fail(device, "loopback", why));
        }
    }
    for (vector, _) in &vectors {
        let seen = vector.synchronize(|seen| *seen)?;
        if seen != 1 {
            return Err(fail(device, "loopback", format!("vector {} arrived {seen} times", vector.index())));
        }
    }
    Ok(format!("vectors: {count}, each arrived once"))
}

fn dma(device: &Device) -> Result<String> {
    let iommu = device.backend()?.iommu()?;
    let mut buffer = device.dma(DmaMask::FULL).buffer(64 << 10)?;
    buffer.bytes_mut().fill(0xa5);
    let lent = buffer.lend();
    let (first, last) = (lent.iova().0, lent.iova().0 + (lent.len() as u64 - 1));
    if !iommu.ranges.iter().any(|range| range.contains(&first) && range.contains(&last)) {
        return Err(fail(device, "DMA memory", format!("IOVA {first:#x} is outside what the IOMMU allows")));
    }
    if lent.reclaim().bytes().iter().any(|&byte| byte != 0xa5) {
        return Err(fail(device, "DMA memory", "it changed while nothing ran".into()));
    }
    Ok(format!(
        "64 KiB at IOVA {first:#x}; {} ranges, {} mappings left",
        iommu.ranges.len(),
        iommu.mappings_left
    ))
}
