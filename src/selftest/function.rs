//! The configuration space, the BARs and the reset of a function.

use super::{Check, fail};
use crate::backend::RegionIndex;
use crate::pci::Command;
use crate::pci::register::COMMAND;
use crate::region::Register;
use crate::{Device, Result};

/// Reads all of it, and switches bus mastering on and off.
pub fn configuration(device: &Device) -> Vec<Check> {
    let mut checks = vec![Check::of("configuration space", whole(device))];
    let name = |what| format!("config_space_read_write: {what}");
    checks.push(Check::of(name("off"), masters(device, "at first", false)));
    for (what, on) in [("set", true), ("clear", false)] {
        let seen = write_master(device, on).and_then(|()| masters(device, what, on));
        checks.push(Check::of(name(what), seen));
    }
    checks
}

fn whole(device: &Device) -> Result<String> {
    let (vendor, id) = device.config().ids()?;
    if vendor == 0xffff {
        return Err(fail(
            device,
            "reading of the ids",
            "they read as all ones: the function does not answer",
        ));
    }
    let space = device.config().snapshot()?;
    if (space.vendor_id(), space.device_id()) != (vendor, id) {
        return Err(fail(device, "reading of the ids", "they differ from one read to the next"));
    }
    if let Some(fault) = space.list_faults().first() {
        return Err(fail(device, "reading of the capabilities", fault.to_string()));
    }
    let capabilities = space.capabilities().count() + space.extended_capabilities().count();
    Ok(format!("{vendor:04x}:{id:04x}, {} bytes, capabilities: {capabilities}", space.as_bytes().len()))
}

/// Writes the bit, and nothing else: what it reads as is the next check.
fn write_master(device: &Device, on: bool) -> Result<()> {
    let config = device.config();
    let command = Command::from_bits(config.read(COMMAND)?);
    let wanted = if on { command.with(Command::BUS_MASTER) } else { command.without(Command::BUS_MASTER) };
    config.write(COMMAND, wanted.bits())
}

fn masters(device: &Device, when: &str, wanted: bool) -> Result<String> {
    let command = Command::from_bits(device.config().read(COMMAND)?);
    let is_on = command.contains(Command::BUS_MASTER);
    if is_on != wanted {
        let word = if is_on { "set" } else { "clear" };
        return Err(fail(device, "bus mastering", format!("{when}, the bit of COMMAND reads as {word}")));
    }
    Ok(format!("COMMAND is {:#06x}", command.bits()))
}

/// Each BAR, mapped where that can be.
pub fn bars(device: &Device) -> Vec<Check> {
    (0..6)
        .map(|index| {
            let name = format!("validate_bars: BAR {index}");
            match device.backend().and_then(|backend| backend.region(RegionIndex(index.into()))) {
                Ok(info) if info.len == 0 => Check::absent(name, "the function has none"),
                _ => Check::of(name, bar(device, index)),
            }
        })
        .collect()
}

fn bar(device: &Device, index: u8) -> Result<String> {
    let region = device.backend()?.region(RegionIndex(index.into()))?;
    let bar = device.bar(index)?;
    if bar.is_mapped() && region.mappable.is_empty() {
        return Err(fail(device, "mapping of a BAR", "it is mapped, and the kernel does not offer that"));
    }
    let beyond: Result<u8> = bar.read(Register::new(bar.len(), "beyond the end"));
    if beyond.is_ok() {
        return Err(fail(device, "bounds of a BAR", "a read beyond the end went through"));
    }
    let way = if bar.is_mapped() { "mapped" } else { "by calls" };
    Ok(format!("{:#x} bytes, {way}", bar.len()))
}

/// Resets the function, and looks whether it is the same one then.
pub fn reset(device: &Device) -> Vec<Check> {
    const NAMES: [&str; 2] = ["reset", "reset: ids after it"];
    if !device.resettable() {
        let why = "the function has none; its driver quiets it by its registers";
        return NAMES.map(|name| Check::absent(name, why)).into();
    }
    let before = device.config().ids();
    let reset = device.reset().map(|()| "the function was reset".to_string());
    let same = before.and_then(|before| {
        let after = device.config().ids()?;
        if before != after {
            let why = format!("{:04x}:{:04x} has become {:04x}:{:04x}", before.0, before.1, after.0, after.1);
            return Err(fail(device, "reset", why));
        }
        Ok(format!("{:04x}:{:04x}", after.0, after.1))
    });
    vec![Check::of(NAMES[0], reset), Check::of(NAMES[1], same)]
}

/// The ids by VFIO, against those of the kernel.
pub fn compare_ids(device: &Device, vendor: u16, product: u16) -> [Check; 2] {
    let ids = || device.config().ids();
    let same = |seen: u16, wanted: u16| {
        if seen == wanted {
            return Ok(format!("{seen:04x}, as in sysfs"));
        }
        Err(fail(device, "reading of the ids", format!("{seen:04x} by VFIO, and {wanted:04x} in sysfs")))
    };
    [
        Check::of("config_space_read_write: vendor", ids().and_then(|(seen, _)| same(seen, vendor))),
        Check::of("config_space_read_write: device", ids().and_then(|(_, seen)| same(seen, product))),
    ]
}
