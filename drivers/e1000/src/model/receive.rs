//! Receiving: the filters, and from the wire to the descriptors between RDH and RDT.

use dirql::Iova;
use dirql::backend::model::Bus;

use super::cause::{ACK, RXO};
use super::core::{Core, ENABLE, LINK_UP};
use super::delivery::Delivery;
use super::packet::{Packet, TCP, UDP};
use super::register::{
    CTRL, MPC, MRQC, MTA, QUEUE, RCTL, RDBAL, RDH, RDLEN, RDT, RETA, RFCTL, RSSRK, RXCSUM, STATUS, VET, VFTA,
};

const UNICAST_PROMISCUOUS: u32 = 1 << 3;
const MULTICAST_PROMISCUOUS: u32 = 1 << 4;
const LONG_PACKETS: u32 = 1 << 5;
const BROADCAST: u32 = 1 << 15;
const VLAN_FILTER: u32 = 1 << 18;
const STRIP_CRC: u32 = 1 << 26;

/// CTRL: tags are taken out.
const VLAN_MODE: u32 = 1 << 30;
/// RXCSUM: of IP, of TCP and UDP, and none of the packet but the hash.
const IP_CHECKSUM: u32 = 1 << 8;
const TCP_CHECKSUM: u32 = 1 << 9;
const PACKET_CHECKSUM_OFF: u32 = 1 << 13;
/// RFCTL: extended descriptors, and no cause for acknowledgements.
const EXTENDED: u32 = 1 << 15;
const ACK_OFF: u32 = 1 << 12;

const STATUS_DD: u8 = 1 << 0;
const STATUS_EOP: u8 = 1 << 1;
const STATUS_VP: u8 = 1 << 3;
const STATUS_UDPCS: u8 = 1 << 4;
const STATUS_TCPCS: u8 = 1 << 5;
const STATUS_IPCS: u8 = 1 << 6;
const ERROR_TCPE: u8 = 1 << 5;
const ERROR_IPE: u8 = 1 << 6;

/// The shortest frame without its check sequence; the longest, with a tag, that is no long packet; and the longest of all.
const SHORTEST: usize = 60;
const LONG: usize = 1518;
const LONGEST: usize = 16 << 10;

/// What a descriptor is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told {
    pub length: u16,
    pub status: u8,
    pub errors: u8,
    pub tag: u16,
    pub hash: u32,
}

impl Core {
    /// A frame, without its check sequence, comes in by the wire.
    pub fn receive(&mut self, bus: &Bus, frame: &[u8]) -> Delivery {
        let control = self.get(RCTL);
        if control & ENABLE == 0 || self.get(STATUS) & LINK_UP == 0 || !bus.bus_master() {
            return Delivery::Off;
        }
        // No shorter frame is on a wire: its sender has padded it.
        let mut frame = frame.to_vec();
        frame.resize(frame.len().max(SHORTEST), 0);
        let longest = if control & LONG_PACKETS != 0 { LONGEST } else { LONG };
        if !self.accepts(&frame) || frame.len() > longest {
            return Delivery::Filtered;
        }
        let len = frame.len();
        let mut last = self.look_at(&frame);
        let queue = self.queue_of(&frame, &mut last);
        if self.get(CTRL) & VLAN_MODE != 0 && self.tag(&frame).is_some() {
            last.tag = self.tag(&frame).unwrap_or(0);
            last.status |= STATUS_VP;
            frame.drain(12..16);
        }
        let acknowledges = Packet::of(&frame).is_some_and(|packet| packet.is_ack());
        if control & STRIP_CRC == 0 {
            // The check sequence itself is not computed.
            frame.extend([0; 4]);
        }
        let buffer = 2048_usize >> (control >> 16 & 3);
        if frame.len().div_ceil(buffer) > self.room(queue) {
            self.set(MPC, self.get(MPC).saturating_add(1));
            self.raise(bus, RXO);
            return Delivery::Missed;
        }
        let pieces = frame.chunks(buffer);
        let before_last = pieces.len() - 1;
        for (index, piece) in pieces.enumerate() {
            let told =
                if index == before_last { last } else { Told { status: STATUS_DD, ..Told::default() } };
            if !self.deliver(bus, queue, piece, Told { length: piece.len() as u16, ..told }) {
                return Delivery::Missed;
            }
        }
        self.count(true, len);
        let extra = if self.is_express && acknowledges && self.get(RFCTL) & ACK_OFF == 0 { ACK } else { 0 };
        self.announce(bus, queue, extra);
        Delivery::Received
    }

    /// Completes the next descriptor of the first queue with whatever it is told, true or not.
    pub fn misdescribe(&mut self, bus: &Bus, told: Told) -> bool {
        let told = self.room(0) > 0 && self.deliver(bus, 0, &[], told);
        self.announce(bus, 0, 0);
        told
    }

    /// How many descriptors the driver has given a queue, and the chip not used.
    pub fn room(&self, queue: u64) -> usize {
        let [head, tail, length] = [RDH, RDT, RDLEN].map(|register| register + QUEUE * queue);
        let (head, tail, entries) = (self.get(head), self.get(tail), self.entries(length));
        if head >= entries || tail >= entries { 0 } else { ((tail + entries - head) % entries) as usize }
    }

    fn deliver(&mut self, bus: &Bus, queue: u64, data: &[u8], told: Told) -> bool {
        let [base, head, length] = [RDBAL, RDH, RDLEN].map(|register| register + QUEUE * queue);
        let at = self.descriptor(base, head);
        let mut address = [0; 8];
        if bus.dma_read(Iova(at), &mut address).is_err() {
            return false;
        }
        let done = bus.dma_write(Iova(u64::from_le_bytes(address)), data);
        let Told { length: len, status, errors, tag, hash } = told;
        let ([low, high], [tag_low, tag_high]) = (len.to_le_bytes(), tag.to_le_bytes());
        // Status last: who sees it sees the rest.
        let done = if self.is_express && self.get(RFCTL) & EXTENDED != 0 {
            let [a, b, c, d] = hash.to_le_bytes();
            done.and_then(|()| bus.dma_write(Iova(at), &[0, queue as u8, 0, 0, a, b, c, d]))
                .and_then(|()| bus.dma_write(Iova(at + 12), &[low, high, tag_low, tag_high]))
                .and_then(|()| bus.dma_write(Iova(at + 9), &[0, 0, errors]))
                .and_then(|()| bus.dma_write(Iova(at + 8), &[status]))
        } else {
            done.and_then(|()| bus.dma_write(Iova(at + 8), &[low, high, 0, 0]))
                .and_then(|()| bus.dma_write(Iova(at + 13), &[errors, tag_low, tag_high]))
                .and_then(|()| bus.dma_write(Iova(at + 12), &[status]))
        };
        self.advance(head, length);
        done.is_ok()
    }

    fn announce(&mut self, bus: &Bus, queue: u64, extra: u32) {
        let scarce = self.room(queue) <= (self.entries(RDLEN + QUEUE * queue) / 2) as usize;
        self.raise(bus, self.received(bus, queue, scarce) | extra);
    }

    /// What the last descriptor of a frame is told of its checksums.
    fn look_at(&self, frame: &[u8]) -> Told {
        let mut told = Told { status: STATUS_DD | STATUS_EOP, ..Told::default() };
        let control = self.get(RXCSUM);
        let Some(packet) = Packet::of(frame) else { return told };
        if let Some(good) = packet.is_header_good().filter(|_| control & IP_CHECKSUM != 0) {
            told.status |= STATUS_IPCS;
            told.errors |= if good { 0 } else { ERROR_IPE };
        }
        if let Some(good) = packet.is_payload_good().filter(|_| control & TCP_CHECKSUM != 0) {
            told.status |= match packet.protocol {
                UDP if self.is_express => STATUS_TCPCS | STATUS_UDPCS,
                TCP | UDP => STATUS_TCPCS,
                _ => 0,
            };
            told.errors |= if good { 0 } else { ERROR_TCPE };
        }
        told
    }

    /// The queue of a frame's flow.
    fn queue_of(&self, frame: &[u8], told: &mut Told) -> u64 {
        let on = self.is_express
            && self.get(MRQC) & 3 == 1
            && self.get(RXCSUM) & PACKET_CHECKSUM_OFF != 0
            && self.get(RFCTL) & EXTENDED != 0;
        let key: Vec<u8> = (0..10).flat_map(|index| self.get(RSSRK + 4 * index).to_le_bytes()).collect();
        match Packet::of(frame).filter(|_| on).and_then(|packet| packet.hash(&key, self.get(MRQC))) {
            None => 0,
            Some(hash) => {
                told.hash = hash;
                let entry = u64::from(hash & 0x7f);
                let four = self.get(RETA + entry / 4 * 4).to_le_bytes();
                u64::from(four[(entry % 4) as usize] >> 7)
            }
        }
    }

    /// The tag that a frame has.
    fn tag(&self, frame: &[u8]) -> Option<u16> {
        let [a, b, c, d] = *frame.get(12..)?.first_chunk()?;
        (u32::from(u16::from_be_bytes([a, b])) == self.get(VET)).then(|| u16::from_be_bytes([c, d]))
    }

    fn accepts(&self, frame: &[u8]) -> bool {
        let control = self.get(RCTL);
        let Some(to) = frame.first_chunk::<6>() else { return false };
        let bit =
            |table: u64, index: u16| self.get(table + 4 * u64::from(index >> 5)) >> (index & 31) & 1 != 0;
        if control & VLAN_FILTER != 0 && self.tag(frame).is_some_and(|tag| !bit(VFTA, tag & 0xfff)) {
            return false;
        }
        let for_all = *to == [0xff; 6];
        let is_group = to[0] & 1 != 0;
        let promiscuous = if is_group { MULTICAST_PROMISCUOUS } else { UNICAST_PROMISCUOUS };
        (for_all && control & BROADCAST != 0)
            || control & promiscuous != 0
            || (0..16).any(|index| self.station(index) == Some(*to))
            || is_group && !for_all && bit(MTA, u16::from_le_bytes([to[4], to[5]]) >> 4)
    }
}
