//! Registers as lines of hexadecimal digits, each line after the address of its first.

use std::fmt::Write as _;

use crate::output::{Colour, Output};

/// Bytes of a line.
const LINE: usize = 16;

/// Values of `width` bytes that begin at `offset`. Those that differ from `before` stand out.
pub fn dump(offset: u64, width: u64, values: &[u64], before: &[u64], output: &Output) -> String {
    let (bytes, digits) = (width.max(1) as usize, 2 * width as usize);
    let mut text = String::new();
    let mut at = offset;
    for (line, values) in values.chunks((LINE / bytes).max(1)).enumerate() {
        let first = line * (LINE / bytes).max(1);
        let _ = write!(text, "{at:06x}:");
        for (index, value) in values.iter().enumerate() {
            let changed = before.get(first + index).is_some_and(|before| before != value);
            let value = format!("{value:0digits$x}");
            let value = if changed { output.paint(Colour::Bold, &value) } else { value };
            let _ = write!(text, " {value}");
        }
        text.push('\n');
        at = at.saturating_add(LINE as u64);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_sixteen_bytes() {
        let output = Output::new(false);
        assert_eq!(
            dump(0x20, 4, &[1, 0xffff_ffff, 3, 4, 5], &[], &output),
            "000020: 00000001 ffffffff 00000003 00000004\n000030: 00000005\n"
        );
        assert_eq!(dump(0, 8, &[1], &[], &output), "000000: 0000000000000001\n");
        assert_eq!(dump(0, 1, &[], &[], &output), "");
    }
}
