//! The chip's registers, and what reading and writing them does.

use dirql::backend::model::Bus;
use dirql::class::net::Mac;

use super::cause::{LSC, MDAC, RXDMT0, RXO, RXT0, TXDW};
use super::register::{
    CTRL, EERD, GORCL, GOTCL, GPRC, GPTC, ICR, ICS, IMC, IMS, Kind, LEN, MDIC, QUEUE, RAL, RCTL, RDBAL, RDH,
    RDLEN, RDT, STATUS, TCTL, TDBAL, TDH, TDLEN, TDT, TORL, TOTL, TPR, TPT, VET, kind,
};
use super::sender::Sender;

/// RCTL and TCTL: enabled.
pub const ENABLE: u32 = 1 << 1;
/// STATUS: Link Up.
pub const LINK_UP: u32 = 1 << 1;
/// STATUS: Full Duplex, 1000 Mbit/s.
const GIGABIT: u32 = 1 << 0 | 2 << 6;
const RESET: u32 = 1 << 26;
const PHY_POWER_DOWN: u16 = 1 << 11;

/// Pairs of rings at most.
pub const QUEUES: usize = 2;
/// A descriptor of either ring.
pub const DESCRIPTOR: u32 = 16;

/// The whole chip.
#[derive(Debug)]
pub struct Core {
    registers: Vec<u32>,
    /// How often each register was written.
    writes: Vec<u64>,
    eeprom: [u16; 64],
    phy_control: u16,
    cable: bool,
    /// Is an 82574L.
    pub is_express: bool,
    /// Causes that a message was sent for, and that are still there.
    pub told: u32,
    /// Frames on the wire, without their check sequences.
    pub sent: Vec<Vec<u8>>,
    /// What each queue knows of the frame that it is about to send.
    pub senders: [Sender; QUEUES],
    /// Sends nothing for now.
    pub held: bool,
    /// Was left running on a busy network.
    busy: bool,
    /// Reads as all ones.
    pub gone: bool,
    pub deaf_at: Option<u64>,
}

impl Core {
    pub fn new(mac: Mac, is_express: bool) -> Self {
        let words = (LEN / 4) as usize;
        let mut core = Self {
            registers: vec![0; words],
            writes: vec![0; words],
            eeprom: eeprom(mac, if is_express { 0x10d3 } else { 0x100e }),
            phy_control: 1 << 12,
            cable: true,
            is_express,
            told: 0,
            sent: Vec::new(),
            senders: Default::default(),
            held: false,
            busy: false,
            gone: false,
            deaf_at: None,
        };
        core.set(STATUS, GIGABIT | LINK_UP);
        core.set(VET, 0x8100);
        core
    }

    pub fn leave_running(&mut self) {
        self.set(RCTL, ENABLE | 1 << 15);
        self.set(TCTL, ENABLE);
        self.set(IMS, RXT0 | RXO | RXDMT0 | TXDW | LSC);
        self.set(ICR, RXT0 | TXDW);
        for queue in 0..self.queues() {
            let rings = [(RDBAL, RDLEN, RDH, RDT, 10), (TDBAL, TDLEN, TDH, TDT, 70)];
            for (base, length, head, tail, from) in rings {
                self.set(base + QUEUE * queue, 0xdead_0000);
                self.set(length + QUEUE * queue, 256 * DESCRIPTOR);
                self.set(head + QUEUE * queue, from);
                self.set(tail + QUEUE * queue, from + 100);
            }
        }
        self.busy = true;
    }

    pub fn power_phy_down(&mut self) {
        self.phy_control |= PHY_POWER_DOWN;
        self.set(STATUS, GIGABIT);
    }

    pub fn set_eeprom_word(&mut self, address: u8, word: u16) {
        self.eeprom[usize::from(address) % 64] = word;
    }

    /// The register's value, without the effects of reading it.
    pub fn get(&self, offset: u64) -> u32 {
        self.registers.get((offset / 4) as usize).copied().unwrap_or(0)
    }

    pub fn set(&mut self, offset: u64, value: u32) {
        if let Some(register) = self.registers.get_mut((offset / 4) as usize) {
            *register = value;
        }
    }

    pub fn writes(&self, offset: u64) -> u64 {
        self.writes.get((offset / 4) as usize).copied().unwrap_or(0)
    }

    /// Counts a good frame of `len` bytes without its check sequence. What is good is set to what is all, as emulated chips
    /// do: it begins anew only where both are read.
    pub fn count(&mut self, received: bool, len: usize) {
        let (good, good_octets, all, octets) =
            if received { (GPRC, GORCL, TPR, TORL) } else { (GPTC, GOTCL, TPT, TOTL) };
        self.set(all, self.get(all).saturating_add(1));
        let sum = u64::from(self.get(octets + 4)) << 32 | u64::from(self.get(octets));
        let sum = sum + len as u64 + 4;
        self.set(octets, sum as u32);
        self.set(octets + 4, (sum >> 32) as u32);
        self.set(good, self.get(all));
        self.set(good_octets, self.get(octets));
        self.set(good_octets + 4, self.get(octets + 4));
    }

    /// The cable is plugged in, or pulled.
    pub fn set_cable(&mut self, bus: &Bus, plugged_in: bool) {
        self.cable = plugged_in;
        self.update_link(bus);
    }

    fn update_link(&mut self, bus: &Bus) {
        let up = self.cable && self.phy_control & PHY_POWER_DOWN == 0;
        let status = if up { GIGABIT | LINK_UP } else { GIGABIT };
        if self.get(STATUS) != status {
            self.set(STATUS, status);
            self.raise(bus, LSC);
        }
    }

    /// What goes on without the driver's doing: a chip that was left running works with what it was left with.
    fn elapse(&mut self, bus: &Bus) {
        self.busy &= self.get(RCTL) & ENABLE != 0;
        if self.busy && bus.bus_master() {
            self.receive(bus, &[0xff; 60]);
            self.send_all(bus);
        }
    }

    pub fn read(&mut self, bus: &Bus, offset: u64) -> u32 {
        if self.gone {
            return u32::MAX;
        }
        self.elapse(bus);
        let value = self.get(offset);
        match kind(offset, self.is_express) {
            Kind::None => return 0,
            Kind::Clears => self.set(offset, 0),
            Kind::High => {
                self.set(offset, 0);
                self.set(offset - 4, 0);
            }
            Kind::Special if offset == ICR => self.cause_read(bus),
            Kind::Special if offset == ICS || offset == IMC => return 0,
            Kind::Plain(_) | Kind::Fixed | Kind::Low | Kind::Special => {}
        }
        value
    }

    pub fn write(&mut self, bus: &Bus, offset: u64, value: u32) {
        self.elapse(bus);
        if let Some(writes) = self.writes.get_mut((offset / 4) as usize) {
            *writes += 1;
        }
        if self.gone || self.deaf_at == Some(offset) {
            return;
        }
        match kind(offset, self.is_express) {
            Kind::Plain(mask) => self.set(offset, value & mask),
            Kind::Special => self.write_special(bus, offset, value),
            Kind::None | Kind::Fixed | Kind::Clears | Kind::Low | Kind::High => {}
        }
    }

    fn write_special(&mut self, bus: &Bus, offset: u64, value: u32) {
        match offset {
            CTRL => self.set(CTRL, value & !RESET),
            EERD => self.set(EERD, self.eeprom_read(value)),
            MDIC => self.access_phy(bus, value),
            ICR => self.cause_write(bus, value),
            ICS => self.raise(bus, value),
            IMS => {
                self.set(IMS, self.get(IMS) | value);
                self.drive(bus);
            }
            IMC => {
                self.set(IMS, self.get(IMS) & !value);
                self.drive(bus);
            }
            RCTL => self.set(RCTL, value),
            TCTL => {
                self.set(TCTL, value);
                self.send_all(bus);
            }
            _ => {
                self.set(offset, value & 0xffff);
                for queue in (0..self.queues()).filter(|queue| offset == TDT + QUEUE * queue) {
                    self.send(bus, queue);
                }
            }
        }
    }

    /// EERD after it was told to start: data in bits 31:16, and the address in bits 15:8, DONE in bit 4; or in bits 15:2 and
    /// bit 1.
    fn eeprom_read(&self, command: u32) -> u32 {
        let (address, shift, done) =
            if self.is_express { (command & 0xfffc, 2, 1 << 1) } else { (command & 0xff00, 8, 1 << 4) };
        if command & 1 == 0 {
            return address;
        }
        let word = self.eeprom.get((address >> shift) as usize).copied().unwrap_or(0);
        u32::from(word) << 16 | address | done
    }

    /// Queues that there are.
    pub fn queues(&self) -> u64 {
        if self.is_express { QUEUES as u64 } else { 1 }
    }

    /// The PHY is number 1 and has a Control register, 0.
    fn access_phy(&mut self, bus: &Bus, command: u32) {
        let (register, phy, operation) = (command >> 16 & 0x1f, command >> 21 & 0x1f, command >> 26 & 3);
        let mut answer = command | 1 << 28;
        match (phy, register, operation) {
            (1, 0, 1) => {
                self.phy_control = command as u16;
                self.update_link(bus);
            }
            (1, 0, 2) => answer = answer & !0xffff | u32::from(self.phy_control),
            _ => answer |= 1 << 30,
        }
        self.set(MDIC, answer);
        if command & 1 << 29 != 0 {
            self.raise(bus, MDAC);
        }
    }

    /// A ring's entries, as its length register says.
    pub fn entries(&self, length: u64) -> u32 {
        self.get(length) / DESCRIPTOR
    }

    /// Where the descriptor at a ring's head is.
    pub fn descriptor(&self, base: u64, head: u64) -> u64 {
        let start = u64::from(self.get(base + 4)) << 32 | u64::from(self.get(base));
        start + u64::from(DESCRIPTOR * self.get(head))
    }

    /// Moves a ring's head on.
    pub fn advance(&mut self, head: u64, length: u64) {
        let next = self.get(head) + 1;
        self.set(head, if next >= self.entries(length) { 0 } else { next });
    }

    /// The station address `index`, where it is valid.
    pub fn station(&self, index: u64) -> Option<[u8; 6]> {
        let [a, b, c, d] = self.get(RAL + 8 * index).to_le_bytes();
        let high = self.get(RAL + 8 * index + 4);
        let [e, f, ..] = high.to_le_bytes();
        (high >> 31 == 1).then_some([a, b, c, d, e, f])
    }
}

/// An EEPROM with this address, whose words add up to 0xbaba.
fn eeprom(mac: Mac, device: u16) -> [u16; 64] {
    let mut words = [0_u16; 64];
    for (word, bytes) in words.iter_mut().zip(mac.0.chunks_exact(2)) {
        *word = u16::from_le_bytes([bytes[0], bytes[1]]);
    }
    words[0x0b] = device;
    words[0x0d] = device;
    words[63] = words.iter().fold(0xbaba, |left, word| left.wrapping_sub(*word));
    words
}
