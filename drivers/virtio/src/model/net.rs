//! The network device: filters, frames out, frames in, commands.

use std::collections::BTreeSet;

use dirql::backend::model::Bus;

use super::common::Common;
use super::function::Function;
use super::ring::{Element, Queue};
use super::{Adapter, Options};

/// Bytes of the header before a frame.
const HEADER: usize = 12;

const CSUM: u32 = 0;
const GUEST_CSUM: u32 = 1;
const MTU: u32 = 3;
const MAC: u32 = 5;
const GUEST_TSO4: u32 = 7;
const GUEST_TSO6: u32 = 8;
const HOST_TSO4: u32 = 11;
const HOST_TSO6: u32 = 12;
const MRG_RXBUF: u32 = 15;
const STATUS: u32 = 16;
const CTRL_VQ: u32 = 17;
const CTRL_RX: u32 = 18;
const CTRL_VLAN: u32 = 19;
const MQ: u32 = 22;

/// A frame on the wire, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// What stood before it.
    pub header: [u8; HEADER],
    /// Its bytes.
    pub frame: Vec<u8>,
    /// The pair of queues that it came by.
    pub pair: u16,
}

/// What became of a frame that was injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is in memory.
    Received,
    /// It is not for this station, or too long for a buffer.
    Filtered,
    /// There was no buffer for it.
    Missed,
    /// The device is not running, the link down, or bus mastering off.
    Off,
}

/// The whole device.
#[derive(Debug)]
pub struct Nic {
    pub common: Common,
    pub sent: Vec<Sent>,
    pub link: bool,
    /// Sends nothing for now.
    pub held: bool,
    promiscuous: bool,
    all_multicast: bool,
    macs: Vec<[u8; 6]>,
    vlans: BTreeSet<u16>,
    pairs: u16,
    /// Commands that were answered, by class and code, and how many of them were in tables.
    pub commands: Vec<(u8, u8)>,
    pub tables: u64,
    /// Answers this to the next command.
    pub answer: u8,
}

impl Nic {
    pub fn new(options: Options) -> Self {
        let mut offered = 0;
        let mut offer =
            |on: bool, bits: &[u32]| bits.iter().filter(|_| on).for_each(|bit| offered |= 1_u64 << bit);
        offer(true, &[STATUS]);
        offer(options.mac, &[MAC]);
        offer(options.mtu.is_some(), &[MTU]);
        offer(options.mrg_rxbuf, &[MRG_RXBUF]);
        offer(options.offloads, &[CSUM, GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, HOST_TSO4, HOST_TSO6]);
        offer(options.ctrl_vq, &[CTRL_VQ, CTRL_RX, CTRL_VLAN]);
        offer(options.pairs.is_some(), &[MQ]);
        let (receive, transmit) = options.queue_sizes;
        let pairs = options.pairs.unwrap_or(1);
        let mut queues: Vec<_> =
            (0..pairs).flat_map(|_| [Queue::new(receive), Queue::new(transmit)]).collect();
        queues.extend(options.ctrl_vq.then(|| Queue::new(64)));
        Self {
            common: Common::new(options, offered, queues),
            sent: Vec::new(),
            link: true,
            held: false,
            promiscuous: true,
            all_multicast: false,
            macs: Vec::new(),
            vlans: BTreeSet::new(),
            pairs: 1,
            commands: Vec::new(),
            tables: 0,
            answer: 0,
        }
    }

    fn control_queue(&self) -> u16 {
        if self.common.has(MQ) { 2 * self.common.options.pairs.unwrap_or(1) } else { 2 }
    }

    /// Sends everything, and asks to be told of more.
    pub fn send(&mut self, bus: &Bus, queue: u16) {
        if !self.common.is_running(bus) || self.held {
            return;
        }
        if !self.link {
            return self.drop_all(bus, queue);
        }
        if self.common.queues[usize::from(queue)].overdrawn {
            return self.common.break_down(bus);
        }
        self.common.ask_for_bells(bus, queue, false);
        while self.send_one(bus, queue) {}
        self.common.ask_for_bells(bus, queue, true);
        // What came before it asked is not told.
        while self.send_one(bus, queue) {}
    }

    /// Without a cable, nothing is sent. Of a packed queue QEMU drops a chain, cannot count any more, and breaks down when
    /// it serves the queue again.
    fn drop_all(&mut self, bus: &Bus, queue: u16) {
        let packed = self.common.layout().packed;
        if packed {
            self.common.ask_for_bells(bus, queue, false);
        }
        while !self.common.queues[usize::from(queue)].overdrawn {
            let Some(element) = self.common.pop(bus, queue) else {
                return self.common.ask_for_bells(bus, queue, !packed);
            };
            self.common.push(bus, queue, &[(element, 0)]);
            self.common.queues[usize::from(queue)].overdrawn = packed;
        }
    }

    fn send_one(&mut self, bus: &Bus, queue: u16) -> bool {
        let Some(element) = self.common.pop(bus, queue) else { return false };
        assert!(element.writable.is_empty() && element.readable.len() == 1, "a frame is one descriptor");
        let Ok(bytes) = element.read(bus) else { return false };
        let (header, frame) = bytes.split_first_chunk::<HEADER>().expect("a header");
        self.sent.push(Sent { header: *header, frame: frame.to_vec(), pair: queue / 2 });
        self.common.push(bus, queue, &[(element, 0)]);
        true
    }

    fn wants(&self, frame: &[u8]) -> bool {
        if self.promiscuous {
            return true;
        }
        let tagged = frame.get(12..14) == Some(&[0x81, 0x00]);
        let vlan = u16::from_be_bytes([frame[14], frame[15]]) & 0xfff;
        if self.common.has(CTRL_VLAN) && tagged && !self.vlans.contains(&vlan) {
            return false;
        }
        let to = &frame[..6];
        to == [0xff; 6]
            || self.macs.iter().any(|mac| mac == to)
            || if to[0] & 1 != 0 { self.all_multicast } else { to == Adapter::MAC.0 }
    }

    /// A frame comes in by the wire, with this header but for the number of its buffers.
    pub fn receive(&mut self, bus: &Bus, header: [u8; HEADER], frame: &[u8]) -> Delivery {
        if !self.common.is_running(bus) || !self.link {
            return Delivery::Off;
        }
        if !self.wants(frame) {
            return Delivery::Filtered;
        }
        // All frames of a station come in by the same queue.
        let queue = 2 * (u16::from(frame[11]) % self.pairs);
        let before = self.common.queues[usize::from(queue)].clone();
        let mut whole = header.to_vec();
        whole.extend(frame);
        let mut done: Vec<(Element, Vec<u8>)> = Vec::new();
        let mut left = &whole[..];
        while !left.is_empty() {
            let Some(element) = self.common.pop(bus, queue) else {
                self.common.queues[usize::from(queue)] = before;
                self.common.ask_for_bells(bus, queue, true);
                return Delivery::Missed;
            };
            assert!(element.readable.is_empty() && element.room() >= 1526 + HEADER - 12, "a receive buffer");
            if !self.common.has(MRG_RXBUF) && element.room() < left.len() {
                self.common.queues[usize::from(queue)] = before;
                return Delivery::Filtered;
            }
            let (now, later) = left.split_at(left.len().min(element.room()));
            done.push((element, now.to_vec()));
            left = later;
        }
        self.common.ask_for_bells(bus, queue, false);
        let count = done.len() as u16;
        done[0].1[10..12].copy_from_slice(&count.to_le_bytes());
        let mut used = Vec::new();
        for (element, bytes) in done {
            let Ok(written) = element.write(bus, &bytes) else { return Delivery::Off };
            used.push((element, written as u32));
        }
        self.common.push(bus, queue, &used);
        Delivery::Received
    }

    fn obey(&mut self, bus: &Bus, queue: u16) {
        while let Some(element) = self.common.pop(bus, queue) {
            let Ok(bytes) = element.read(bus) else { return };
            self.tables += u64::from(element.was_indirect);
            let answer = match std::mem::take(&mut self.answer) {
                0 if self.command(&bytes).is_some() => 0,
                0 => 1,
                answer => answer,
            };
            let written = element.write(bus, &[answer]).unwrap_or(0);
            self.common.push(bus, queue, &[(element, written as u32)]);
        }
        self.common.ask_for_bells(bus, queue, true);
    }

    fn command(&mut self, bytes: &[u8]) -> Option<()> {
        let [class, code, data @ ..] = bytes else { return None };
        let word = || Some(u16::from_le_bytes(data.get(..2)?.try_into().ok()?));
        match (class, code) {
            (0, 0) if self.common.has(CTRL_RX) => self.promiscuous = *data.first()? != 0,
            (0, 1) if self.common.has(CTRL_RX) => self.all_multicast = *data.first()? != 0,
            (1, 0) => {
                let mut data = data;
                self.macs.clear();
                for _ in 0..2 {
                    let (count, rest) = data.split_first_chunk::<4>()?;
                    let len = 6 * u32::from_le_bytes(*count) as usize;
                    let (table, rest) = rest.split_at_checked(len)?;
                    self.macs.extend(table.chunks_exact(6).filter_map(|mac| <[u8; 6]>::try_from(mac).ok()));
                    data = rest;
                }
                data.is_empty().then_some(())?;
            }
            (2, 0) if self.common.has(CTRL_VLAN) => drop(self.vlans.insert(word()?)),
            (2, 1) if self.common.has(CTRL_VLAN) => drop(self.vlans.remove(&word()?)),
            (4, 0) if self.common.has(MQ) => self.pairs = word()?.clamp(1, self.common.options.pairs?),
            _ => return None,
        }
        self.commands.push((*class, *code));
        Some(())
    }
}

impl Function for Nic {
    fn common(&mut self) -> &mut Common {
        &mut self.common
    }

    fn notified(&mut self, bus: &Bus, queue: u16) {
        if self.common.has(CTRL_VQ) && queue == self.control_queue() {
            self.obey(bus, queue);
        } else if queue % 2 == 1 {
            self.send(bus, queue);
        }
    }

    fn config(&self) -> Vec<u8> {
        let mut config = Adapter::MAC.0.to_vec();
        config.extend(u16::from(self.link).to_le_bytes());
        config.extend(self.common.options.pairs.unwrap_or(1).to_le_bytes());
        config.extend(self.common.options.mtu.unwrap_or(0).to_le_bytes());
        config
    }

    fn forget(&mut self) {
        (self.promiscuous, self.all_multicast, self.pairs) = (true, false, 1);
        self.macs.clear();
        self.vlans.clear();
    }
}
