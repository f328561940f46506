//! Receiving: the filters, and from the wire to the descriptors between RDH and RDT.

use dirql::Iova;
use dirql::backend::model::Bus;

use super::core::{Core, ENABLE, LINK_UP, RXDMT0, RXO, RXT0};
use super::register::{GORCL, GPRC, MPC, RCTL, RDBAL, RDH, RDLEN, RDT, STATUS};
use super::wire::Delivery;

const UNICAST_PROMISCUOUS: u32 = 1 << 3;
const MULTICAST_PROMISCUOUS: u32 = 1 << 4;
const LONG_PACKETS: u32 = 1 << 5;
const BROADCAST: u32 = 1 << 15;
const STRIP_CRC: u32 = 1 << 26;

const STATUS_DD: u8 = 1 << 0;
const STATUS_EOP: u8 = 1 << 1;

/// The shortest and, with a tag, the longest frame without its check sequence.
const LENGTHS: std::ops::RangeInclusive<usize> = 60..=1518;

impl Core {
    /// A frame, without its check sequence, comes in by the wire.
    pub fn receive(&mut self, bus: &Bus, frame: &[u8]) -> Delivery {
        let control = self.get(RCTL);
        if control & ENABLE == 0 || self.get(STATUS) & LINK_UP == 0 || !bus.bus_master() {
            return Delivery::Off;
        }
        // No shorter frame is on a wire: its sender has padded it.
        let mut frame = frame.to_vec();
        frame.resize(frame.len().max(*LENGTHS.start()), 0);
        let len = frame.len();
        if !self.accepts(&frame) || (len > *LENGTHS.end() && control & LONG_PACKETS == 0) {
            return Delivery::Filtered;
        }
        if control & STRIP_CRC == 0 {
            // The check sequence itself is not computed.
            frame.extend([0; 4]);
        }
        let buffer = 2048_usize >> (control >> 16 & 3);
        if frame.len().div_ceil(buffer) > self.room() {
            self.set(MPC, self.get(MPC).saturating_add(1));
            self.raise(bus, RXO);
            return Delivery::Missed;
        }
        let last = (frame.len() - 1) / buffer;
        for (index, piece) in frame.chunks(buffer).enumerate() {
            let status = if index == last { STATUS_DD | STATUS_EOP } else { STATUS_DD };
            if !self.deliver(bus, piece, piece.len() as u16, status, 0) {
                return Delivery::Missed;
            }
        }
        self.count(GPRC, GORCL, len);
        self.announce(bus);
        Delivery::Received
    }

    /// Completes the next descriptor with whatever it is told, true or not.
    pub fn misdescribe(&mut self, bus: &Bus, length: u16, status: u8, errors: u8) -> bool {
        let told = self.room() > 0 && self.deliver(bus, &[], length, status, errors);
        self.announce(bus);
        told
    }

    /// How many descriptors the driver has given, and the chip not used.
    pub fn room(&self) -> usize {
        let (head, tail, entries) = (self.get(RDH), self.get(RDT), self.entries(RDLEN));
        if head >= entries || tail >= entries { 0 } else { ((tail + entries - head) % entries) as usize }
    }

    fn deliver(&mut self, bus: &Bus, data: &[u8], length: u16, status: u8, errors: u8) -> bool {
        let at = self.descriptor(RDBAL, RDH);
        let mut address = [0; 8];
        if bus.dma_read(Iova(at), &mut address).is_err() {
            return false;
        }
        let done = bus.dma_write(Iova(u64::from_le_bytes(address)), data);
        let [low, high] = length.to_le_bytes();
        // Status last: who sees it sees the rest.
        let done = done
            .and_then(|()| bus.dma_write(Iova(at + 8), &[low, high, 0, 0]))
            .and_then(|()| bus.dma_write(Iova(at + 13), &[errors, 0, 0]))
            .and_then(|()| bus.dma_write(Iova(at + 12), &[status]));
        self.advance(RDH, RDLEN);
        done.is_ok()
    }

    fn announce(&mut self, bus: &Bus) {
        let scarce = self.room() <= (self.entries(RDLEN) / 2) as usize;
        self.raise(bus, if scarce { RXT0 | RXDMT0 } else { RXT0 });
    }

    fn accepts(&self, frame: &[u8]) -> bool {
        let control = self.get(RCTL);
        let Some(to) = frame.first_chunk::<6>() else { return false };
        let for_all = *to == [0xff; 6];
        let promiscuous = if to[0] & 1 != 0 { MULTICAST_PROMISCUOUS } else { UNICAST_PROMISCUOUS };
        (for_all && control & BROADCAST != 0)
            || control & promiscuous != 0
            || (0..16).any(|index| self.station(index) == Some(*to))
    }
}
