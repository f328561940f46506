//! Looking at a device's registers and configuration space, and resetting it.

use clap::{Args, ValueEnum};

use super::Target;

/// `regs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dirql regs 00:03.0 0 8             STATUS of an e1000
  dirql regs 00:03.0 0 --length 64
  dirql regs 00:03.0 0 0x5400 --length 16 --watch

A register is read by one access of the width. Reading may change a device:
some causes are cleared by being read. The device must be bound (dirql bind),
and nothing else may use it.")]
pub struct Regs {
    #[command(flatten)]
    pub target: Target,

    /// The BAR, 0 to 5
    #[arg(value_parser = clap::value_parser!(u8).range(0..=5))]
    pub bar: u8,

    /// Where to begin, in bytes; decimal, or hexadecimal with 0x
    #[arg(value_parser = number, default_value = "0")]
    pub offset: u64,

    /// How many bytes to read [default: one register, or 256 without OFFSET]
    #[arg(long, value_name = "BYTES", value_parser = number)]
    pub length: Option<u64>,

    /// How wide a register is, in bits
    #[arg(long, value_enum, default_value = "32")]
    pub width: Width,

    /// Read again each second, until Ctrl-C, and mark what has changed
    #[arg(long)]
    pub watch: bool,
}

/// `config`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dirql config 00:03.0                   all of it that this user may see
  dirql config 00:03.0 4 --width 16      the command register
  dirql config 00:03.0 4 0x507 --width 16

What is bound (dirql bind) is read and written through VFIO, which keeps some
bits to itself; what is not is read from sysfs, and not written. What is
written is read back and printed.")]
pub struct Config {
    #[command(flatten)]
    pub target: Target,

    /// The register, in bytes; decimal, or hexadecimal with 0x
    #[arg(value_parser = number)]
    pub offset: Option<u64>,

    /// What to write to it
    #[arg(value_parser = number)]
    pub value: Option<u64>,

    /// How wide the register is, in bits
    #[arg(long, value_enum, default_value = "32")]
    pub width: ConfigWidth,
}

/// How wide a register of configuration space is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConfigWidth {
    /// A byte
    #[value(name = "8")]
    Bits8,
    /// Two bytes
    #[value(name = "16")]
    Bits16,
    /// Four bytes
    #[value(name = "32")]
    Bits32,
}

impl ConfigWidth {
    /// Its bytes.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Bits8 => 1,
            Self::Bits16 => 2,
            Self::Bits32 => 4,
        }
    }
}

/// How wide a register is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Width {
    /// A byte
    #[value(name = "8")]
    Bits8,
    /// Two bytes
    #[value(name = "16")]
    Bits16,
    /// Four bytes
    #[value(name = "32")]
    Bits32,
    /// Eight bytes
    #[value(name = "64")]
    Bits64,
}

impl Width {
    /// Its bytes.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Bits8 => 1,
            Self::Bits16 => 2,
            Self::Bits32 => 4,
            Self::Bits64 => 8,
        }
    }
}

/// Reads a number: decimal, or hexadecimal with 0x.
fn number(text: &str) -> Result<u64, String> {
    let read = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    read.map_err(|_| "a number is needed: 64 or 0x40".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!((number("64"), number("0x40"), number("0XfF")), (Ok(64), Ok(0x40), Ok(0xff)));
        for bad in ["", "0x", "4 ", "-1", "ff", "0x1_0000_0000_0000_0000", "18446744073709551616"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}
