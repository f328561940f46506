//! The model's configuration space: a header, and the capabilities that its interrupts imply.

use nix::errno::Errno;

use super::ModelConfig;

/// Bytes of configuration space: conventional PCI.
pub const LEN: usize = 256;

const COMMAND: usize = 0x04;
const STATUS_CAPABILITIES: u8 = 1 << 4;
const CAPABILITIES_POINTER: usize = 0x34;
/// Memory space, bus master, parity and SERR enable, INTx disable: what a driver may write in COMMAND.
const COMMAND_WRITABLE: [u8; 2] = [0b0100_0111, 0b0000_0101];
const BUS_MASTER: u8 = 1 << 2;

/// The bytes, and the rule of which can be written.
#[derive(Debug)]
pub struct Config {
    bytes: [u8; LEN],
}

impl Config {
    pub fn new(config: &ModelConfig) -> Self {
        let mut bytes = [0; LEN];
        bytes[0x00..0x02].copy_from_slice(&config.id.0.to_le_bytes());
        bytes[0x02..0x04].copy_from_slice(&config.id.1.to_le_bytes());
        bytes[COMMAND] = 0b10;
        bytes[0x09..0x0c].copy_from_slice(&config.class.to_le_bytes()[..3]);
        bytes[0x3d] = u8::from(config.intx);
        let mut next = CAPABILITIES_POINTER;
        let mut at = 0x40;
        let mut add = |id: u8, body: &[u8]| {
            // What does not fit is left out.
            let Some(room) = bytes.get_mut(at + 2..at + 2 + body.len()) else { return };
            room.copy_from_slice(body);
            bytes[at] = id;
            bytes[next] = at as u8;
            next = at + 1;
            at = (at + 2 + body.len()).next_multiple_of(0x10);
        };
        if config.msi > 0 {
            // Message Control: 64-bit, and log2 of the number of messages in bits 3:1.
            let log2 = config.msi.next_power_of_two().trailing_zeros() as u8;
            add(0x05, &[1 << 7 | log2 << 1]);
        }
        if config.msix > 0 {
            // Message Control holds the size minus one; table and PBA offsets are 0 of BAR 0: nothing reads them.
            add(0x11, &(config.msix - 1).to_le_bytes());
        }
        for capability in &config.capabilities {
            if let [id, _next, body @ ..] = &capability[..] {
                add(*id, body);
            }
        }
        if next != CAPABILITIES_POINTER {
            bytes[0x06] |= STATUS_CAPABILITIES;
        }
        Self { bytes }
    }

    pub fn reset(&mut self) {
        self.bytes[COMMAND..COMMAND + 2].fill(0);
    }

    pub fn bus_master(&self) -> bool {
        self.bytes[COMMAND] & BUS_MASTER != 0
    }

    pub fn read(&self, offset: u64, data: &mut [u8]) -> Result<(), Errno> {
        let from = usize::try_from(offset).ok().and_then(|at| self.bytes.get(at..)).ok_or(Errno::EINVAL)?;
        data.copy_from_slice(from.get(..data.len()).ok_or(Errno::EINVAL)?);
        Ok(())
    }

    pub fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), Errno> {
        let offset = usize::try_from(offset).map_err(|_| Errno::EINVAL)?;
        if offset.checked_add(data.len()).is_none_or(|end| end > LEN) {
            return Err(Errno::EINVAL);
        }
        for (at, byte) in (offset..).zip(data) {
            if let Some(mask) = at.checked_sub(COMMAND).and_then(|i| COMMAND_WRITABLE.get(i)) {
                self.bytes[at] = byte & mask;
            }
        }
        Ok(())
    }
}
