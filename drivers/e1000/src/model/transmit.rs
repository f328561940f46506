//! Sending: from TDH to TDT, frame by frame onto the wire.

use dirql::Iova;
use dirql::backend::model::Bus;

use super::core::{Core, ENABLE, TXDW, TXQE};
use super::register::{GOTCL, GPTC, TCTL, TDBAL, TDH, TDLEN, TDT};

const COMMAND_EOP: u8 = 1 << 0;
const COMMAND_RS: u8 = 1 << 3;
/// The command bit of descriptors that are not legacy ones.
const COMMAND_DEXT: u8 = 1 << 5;
const STATUS_DD: u8 = 1 << 0;

impl Core {
    /// Sends what the driver has put into the ring.
    pub fn send(&mut self, bus: &Bus) {
        let entries = self.entries(TDLEN);
        if self.get(TCTL) & ENABLE == 0 || self.held || self.get(TDH) >= entries {
            return;
        }
        let mut causes = 0;
        // Not more than once around: a tail beyond the end is never reached.
        for _ in 0..entries {
            if self.get(TDH) == self.get(TDT) {
                break;
            }
            let at = self.descriptor(TDBAL, TDH);
            let mut descriptor = [0; 16];
            if bus.dma_read(Iova(at), &mut descriptor).is_err() {
                break;
            }
            causes |= TXQE | self.send_one(bus, at, &descriptor);
            self.advance(TDH, TDLEN);
        }
        if causes != 0 {
            self.raise(bus, causes);
        }
    }

    fn send_one(&mut self, bus: &Bus, at: u64, descriptor: &[u8; 16]) -> u32 {
        let &[a, b, c, d, e, f, g, h, len_low, len_high, _, command, status, ..] = descriptor;
        let mut data = vec![0; u16::from_le_bytes([len_low, len_high]).into()];
        // What cannot be read is sent all the same, as zeros: the fault is on record.
        let _ = bus.dma_read(Iova(u64::from_le_bytes([a, b, c, d, e, f, g, h])), &mut data);
        self.partial.extend_from_slice(&data);
        if command & (COMMAND_EOP | COMMAND_DEXT) == COMMAND_EOP {
            let frame = std::mem::take(&mut self.partial);
            self.count(GPTC, GOTCL, frame.len());
            self.sent.push(frame);
        }
        if command & COMMAND_RS == 0 {
            return 0;
        }
        match bus.dma_write(Iova(at + 12), &[status | STATUS_DD]) {
            Ok(()) => TXDW,
            Err(_) => 0,
        }
    }
}
