//! `dirql regs BDF BAR [OFFSET]`: the registers of a BAR, as they are.

use std::time::{Duration, Instant};

use dirql::host::Host;
use dirql::region::{Bar, Register};
use dirql::{Error, ErrorKind, Result};
use serde_json::json;

use crate::args::{Regs, Width};
use crate::confine::Needs;
use crate::device::open;
use crate::dump::dump;
use crate::output::{Outcome, Output};
use crate::signals::Stop;

/// Bytes that are read where nobody says how many.
const PAGE: u64 = 256;
/// Bytes that are read at most: more is no table for a person.
const MOST: u64 = 1 << 20;
const REFRESH: Duration = Duration::from_secs(1);

/// Prints the registers, once or again and again.
pub fn regs(host: &Host, args: &Regs, output: &mut Output) -> Outcome {
    let stop = Stop::on_signals()?;
    let function = host.resolve(&args.target.device)?;
    let device = open(host, &function, &Needs::default())?;
    stop.on_release(device.release_request());
    let bar = device.bar(args.bar)?;
    let length = length(&bar, args)?;
    let read = || read(&bar, args.offset, length, args.width);
    let mut values = read()?;
    if args.watch {
        let mut before = values.clone();
        let mut next = Instant::now();
        while !stop.is_wanted() {
            if !output.is_json() {
                output.live(&dump(args.offset, args.width.bytes(), &values, &before, output))?;
            }
            next += REFRESH;
            stop.sleep_until(next);
            if stop.is_device_wanted() {
                break;
            }
            before = std::mem::replace(&mut values, read()?);
        }
        output.keep();
        if device.release_request().is_wanted() {
            return Err(device.release_request().error("watching of the registers").into());
        }
    }
    if output.is_json() {
        let values: Vec<_> = values.iter().map(|value| format!("{value:#x}")).collect();
        return output.document(&json!({
            "address": function.address,
            "bar": args.bar,
            "offset": args.offset,
            "width": 8 * args.width.bytes(),
            "values": values,
        }));
    }
    if args.watch {
        return Ok(());
    }
    output.text(&dump(args.offset, args.width.bytes(), &values, &[], output))
}

/// How many bytes are read: what was asked for, or as much as there is.
fn length(bar: &Bar, args: &Regs) -> Result<u64> {
    let (offset, width, len) = (args.offset, args.width.bytes(), bar.len());
    let error = |why| {
        let operation = format!("reading of the registers of BAR {}", args.bar);
        Err(Error::new(ErrorKind::InvalidArgument, operation).on(bar.address()).why(why))
    };
    let default = if offset == 0 { PAGE.min(len) } else { width };
    let length = args.length.unwrap_or(default);
    if !offset.is_multiple_of(width) || !length.is_multiple_of(width) {
        return error(format!(
            "registers of {width} bytes lie at multiples of {width}, and {offset:#x} + {length:#x} bytes are asked for"
        ));
    }
    if length > MOST {
        return error(format!("{length} bytes are more than {MOST}, which are read at once at most"));
    }
    if offset.checked_add(length).is_none_or(|end| end > len) {
        return error(format!(
            "the BAR has {len:#x} bytes, and {length:#x} from {offset:#x} on are asked for"
        ));
    }
    Ok(length)
}

fn read(bar: &Bar, offset: u64, length: u64, width: Width) -> Result<Vec<u64>> {
    let name = "register";
    let at = (offset..offset + length).step_by(width.bytes() as usize);
    at.map(|at| match width {
        Width::Bits8 => bar.read(Register::<u8>::new(at, name)).map(u64::from),
        Width::Bits16 => bar.read(Register::<u16>::new(at, name)).map(u64::from),
        Width::Bits32 => bar.read(Register::<u32>::new(at, name)).map(u64::from),
        Width::Bits64 => bar.read(Register::<u64>::new(at, name)),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use crate::device::tests::edu;
    use clap::Parser as _;

    fn args(words: &str) -> Regs {
        let line = format!("dirql regs 00:04.0 {words}");
        match Cli::try_parse_from(line.split_whitespace()).unwrap().command {
            Command::Regs(args) => args,
            command => panic!("{command:?}"),
        }
    }

    #[test]
    fn reads_what_is_there_and_says_where_the_bar_ends() {
        let device = edu();
        let bar = device.bar(0).unwrap();
        let one = args("0 0 --length 4");
        let length = length(&bar, &one).unwrap();
        assert_eq!(read(&bar, one.offset, length, one.width).unwrap(), [0x0100_00ed]);
        for (words, part) in [
            ("0 2", "multiples of 4"),
            ("0 0 --length 6", "multiples of 4"),
            ("0 0x100000", "has 0x100000 bytes"),
            ("0 0xfffffffffffffffc", "has 0x100000 bytes"),
            ("0 0 --length 2097152", "more than 1048576"),
        ] {
            let error = super::length(&bar, &args(words)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(part), "{words}: {error}");
        }
    }
}
