//! `dirql config BDF [OFFSET [VALUE]]`: configuration space, read and written.

use dirql::host::{Function, Host};
use dirql::{Address, Device, Error, ErrorKind, Result};
use serde_json::json;

use crate::args::{Config, ConfigWidth};
use crate::confine::Needs;
use crate::device::open;
use crate::dump::dump;
use crate::output::{Outcome, Output};

/// Reads all of it or one register, or writes one.
pub fn config(host: &Host, args: &Config, output: &mut Output) -> Outcome {
    let function = host.resolve(&args.target.device)?;
    let width = args.width.bytes();
    let Some(offset) = args.offset else {
        let bytes = snapshot(host, &function)?;
        let values: Vec<u64> = bytes.iter().map(|&byte| byte.into()).collect();
        if output.is_json() {
            return output
                .document(&json!({ "address": function.address, "offset": 0, "width": 8, "values": bytes }));
        }
        return output.text(&dump(0, 1, &values, &[], output));
    };
    let operation = if args.value.is_some() { "writing" } else { "reading" };
    let register = register(function.address, operation, offset, args.width)?;
    let value = match args.value {
        Some(value) => write(host, &function, register, args.width, value)?,
        None if function.is_on_vfio() => {
            read(&open(host, &function, &Needs::default())?, register, args.width)?
        }
        None => of_snapshot(&function, register, width)?,
    };
    if output.is_json() {
        return output.document(&json!({
            "address": function.address,
            "offset": offset,
            "width": 8 * width,
            "value": format!("{value:#x}"),
        }));
    }
    output.line(format_args!("{value:0digits$x}", digits = 2 * width as usize))
}

fn refused(address: Address, operation: &str, why: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{operation} of configuration space")).on(address).why(why)
}

/// The register at this offset.
fn register(address: Address, operation: &str, offset: u64, width: ConfigWidth) -> Result<u16> {
    let bytes = width.bytes();
    if !offset.is_multiple_of(bytes) {
        return Err(refused(
            address,
            operation,
            format!("a register of {bytes} bytes does not lie at {offset:#x}"),
        ));
    }
    u16::try_from(offset)
        .ok()
        .filter(|offset| *offset < 4096)
        .ok_or_else(|| refused(address, operation, format!("{offset:#x} lies beyond its 4096 bytes")))
}

/// All of it: through VFIO where that has it and lets us, else what sysfs shows this user.
fn snapshot(host: &Host, function: &Function) -> Result<Vec<u8>> {
    // Sysfs shows root more than it shows who is confined.
    let seen = function.config();
    if function.is_on_vfio()
        && let Ok(device) = open(host, function, &Needs::default())
    {
        return Ok(device.config().snapshot()?.as_bytes().to_vec());
    }
    Ok(seen?.as_bytes().to_vec())
}

fn of_snapshot(function: &Function, register: u16, width: u64) -> Result<u64> {
    let config = function.config()?;
    let bytes = config.as_bytes();
    let (start, end) = (usize::from(register), usize::from(register) + width as usize);
    let register = bytes.get(start..end).ok_or_else(|| {
        let why = format!("sysfs shows this user its first {} bytes", bytes.len());
        Error::new(ErrorKind::Permission, "reading of configuration space")
            .on(function.address)
            .why(why)
            .fix(format!("sudo dirql config {} {start:#x}, or bind it", function.address))
    })?;
    Ok(register.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

fn read(device: &Device, register: u16, width: ConfigWidth) -> Result<u64> {
    let config = device.config();
    match width {
        ConfigWidth::Bits8 => config.read::<u8>(register).map(u64::from),
        ConfigWidth::Bits16 => config.read::<u16>(register).map(u64::from),
        ConfigWidth::Bits32 => config.read::<u32>(register).map(u64::from),
    }
}

/// Writes, and gives what the register reads then.
fn write(host: &Host, function: &Function, register: u16, width: ConfigWidth, value: u64) -> Result<u64> {
    let address = function.address;
    if value >> (8 * width.bytes() - 1) > 1 {
        return Err(refused(
            address,
            "writing",
            format!("{value:#x} has more than {} bits", 8 * width.bytes()),
        ));
    }
    let device = open(host, function, &Needs::default())?;
    let config = device.config();
    match width {
        ConfigWidth::Bits8 => config.write(register, value as u8),
        ConfigWidth::Bits16 => config.write(register, value as u16),
        ConfigWidth::Bits32 => config.write(register, value as u32),
    }?;
    read(&device, register, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_lies_inside_at_a_multiple_of_its_width() {
        let address = "0000:00:03.0".parse().unwrap();
        assert_eq!(register(address, "reading", 0xffc, ConfigWidth::Bits32).unwrap(), 0xffc);
        for (offset, width) in [
            (1, ConfigWidth::Bits16),
            (2, ConfigWidth::Bits32),
            (4096, ConfigWidth::Bits8),
            (1 << 16, ConfigWidth::Bits8),
        ] {
            let error = register(address, "reading", offset, width).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{offset:#x}");
        }
    }

    #[test]
    fn an_opened_devices_registers_have_their_width() {
        let device = crate::device::tests::edu();
        assert_eq!(read(&device, 0, ConfigWidth::Bits32).unwrap(), 0x11e8_1234);
        assert_eq!(read(&device, 2, ConfigWidth::Bits16).unwrap(), 0x11e8);
        assert_eq!(read(&device, 3, ConfigWidth::Bits8).unwrap(), 0x11);
    }
}
