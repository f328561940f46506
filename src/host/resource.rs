//! Where a function is to be seen: its BARs, its ROM and a bridge's windows, as the kernel assigned them.

use super::{Function, files};

// `include/linux/ioport.h`.
const IO: u64 = 1 << 8;
const MEMORY: u64 = 1 << 9;
const PREFETCHABLE: u64 = 1 << 13;
const MEMORY_64: u64 = 1 << 20;
const WINDOW: u64 = 1 << 21;
const UNSET: u64 = 1 << 29;

/// A range of addresses that a function answers, or that a bridge forwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its line in `resource`: 0 to 5 the BARs, 6 the ROM.
    pub index: u8,
    /// `BAR 0`, `ROM`, `VF BAR 0`, `window`.
    pub name: String,
    /// The first address, or I/O port; `None` where the kernel has assigned none.
    pub start: Option<u64>,
    /// How many there are.
    pub len: u64,
    /// I/O ports, and not memory.
    pub is_io: bool,
    /// Reads have no side effects.
    pub is_prefetchable: bool,
    /// It may lie above 4 GiB.
    pub is_64_bit: bool,
}

impl Function {
    /// What the function answers, as `resource` lists it, without what is empty.
    pub fn resources(&self) -> Vec<Resource> {
        let text = files::text(self.path().join("resource")).unwrap_or_default();
        text.lines().zip(0_u8..).filter_map(|(line, index)| resource(index, line)).collect()
    }
}

/// `start end flags`, each in hexadecimal.
fn resource(index: u8, line: &str) -> Option<Resource> {
    let mut fields =
        line.split_whitespace().map(|field| u64::from_str_radix(field.trim_start_matches("0x"), 16).ok());
    let (start, end, flags) = (fields.next()??, fields.next()??, fields.next()??);
    if flags & (IO | MEMORY) == 0 || end < start || end == 0 {
        return None;
    }
    let name = match index {
        0..=5 => format!("BAR {index}"),
        6 => "ROM".into(),
        _ if flags & WINDOW != 0 => "window".into(),
        _ => format!("VF BAR {}", index - 7),
    };
    Some(Resource {
        index,
        name,
        start: (flags & UNSET == 0).then_some(start),
        len: (end - start).saturating_add(1),
        is_io: flags & IO != 0,
        is_prefetchable: flags & PREFETCHABLE != 0,
        is_64_bit: flags & MEMORY_64 != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fake::Machine;

    #[test]
    fn lists_what_is_there() {
        let machine = Machine::new();
        machine.function("0000:00:03.0", 0x8086, 0x10d3, None, None);
        machine.file(
            "sys/devices/pci0000:00/0000:00:03.0/resource",
            "0x00000000fe840000 0x00000000fe85ffff 0x0000000000040200\n\
             0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
             0x000000000000c000 0x000000000000c01f 0x0000000000040101\n\
             0x0000000000000000 0x0000000000000fff 0x0000000020142208\n\
             nonsense\n\
             0x5 0x4 0x200\n\
             0x00000000fe800000 0x00000000fe83ffff 0x000000000004e200\n\
             0x00000000fe860000 0x00000000fe863fff 0x0000000000140204\n\
             0x00000000fe800000 0x00000000fe8fffff 0x0000000000200200\n",
        );
        let function = machine.host().function("00:03.0".parse().unwrap()).unwrap();
        let seen = function.resources();
        let names: Vec<_> = seen.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["BAR 0", "BAR 2", "BAR 3", "ROM", "VF BAR 0", "window"]);
        assert_eq!((seen[0].start, seen[0].len), (Some(0xfe84_0000), 128 << 10));
        assert!(seen[1].is_io && seen[1].len == 32 && !seen[0].is_io);
        assert_eq!((seen[2].start, seen[2].len), (None, 4096));
        assert!(seen[2].is_prefetchable && seen[2].is_64_bit && !seen[0].is_64_bit);
    }
}
