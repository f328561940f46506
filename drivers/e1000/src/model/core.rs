//! The chip's registers, and what reading and writing them does.

use dirql::backend::model::Bus;
use dirql::class::net::Mac;

use super::register::{
    CTRL, EERD, GORCL, GOTCL, GPRC, GPTC, ICR, ICS, IMC, IMS, Kind, LEN, MDIC, RAL, RCTL, RDBAL, RDH, RDLEN,
    RDT, STATUS, TCTL, TDBAL, TDH, TDLEN, TDT, kind,
};

/// ICR: Transmit Queue Empty.
pub const TXQE: u32 = 1 << 1;
/// ICR: Transmit Descriptor Written Back.
pub const TXDW: u32 = 1 << 0;
/// ICR: Receive Descriptor Minimum Threshold Reached.
pub const RXDMT0: u32 = 1 << 4;
/// ICR: Receiver Overrun.
pub const RXO: u32 = 1 << 6;
/// ICR: Receiver Timer Interrupt.
pub const RXT0: u32 = 1 << 7;
const LSC: u32 = 1 << 2;
const MDAC: u32 = 1 << 9;

/// RCTL and TCTL: enabled.
pub const ENABLE: u32 = 1 << 1;
/// STATUS: Link Up.
pub const LINK_UP: u32 = 1 << 1;
/// STATUS: Full Duplex, 1000 Mbit/s.
const GIGABIT: u32 = 1 << 0 | 2 << 6;
const RESET: u32 = 1 << 26;
const PHY_POWER_DOWN: u16 = 1 << 11;

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
    /// Frames on the wire, without their check sequences.
    pub sent: Vec<Vec<u8>>,
    /// The part of a frame whose last descriptor is still to come.
    pub partial: Vec<u8>,
    /// Sends nothing for now.
    pub held: bool,
    /// Was left running on a busy network.
    busy: bool,
    /// Reads as all ones.
    pub gone: bool,
    pub deaf_at: Option<u64>,
}

impl Core {
    pub fn new(mac: Mac) -> Self {
        let words = (LEN / 4) as usize;
        let mut core = Self {
            registers: vec![0; words],
            writes: vec![0; words],
            eeprom: eeprom(mac),
            phy_control: 1 << 12,
            cable: true,
            sent: Vec::new(),
            partial: Vec::new(),
            held: false,
            busy: false,
            gone: false,
            deaf_at: None,
        };
        core.set(STATUS, GIGABIT | LINK_UP);
        core
    }

    pub fn leave_running(&mut self) {
        self.set(RCTL, ENABLE | 1 << 15);
        self.set(TCTL, ENABLE);
        self.set(IMS, RXT0 | RXO | RXDMT0 | TXDW | LSC);
        self.set(ICR, RXT0 | TXDW);
        for (base, length, head, tail, from) in [(RDBAL, RDLEN, RDH, RDT, 10), (TDBAL, TDLEN, TDH, TDT, 70)] {
            self.set(base, 0xdead_0000);
            self.set(length, 256 * DESCRIPTOR);
            self.set(head, from);
            self.set(tail, from + 100);
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

    /// Adds causes, and drives the line.
    pub fn raise(&mut self, bus: &Bus, causes: u32) {
        self.set(ICR, self.get(ICR) | causes);
        self.drive(bus);
    }

    fn drive(&self, bus: &Bus) {
        bus.set_line(self.get(ICR) & self.get(IMS) != 0);
    }

    /// Counts a good frame of `len` bytes without its check sequence.
    pub fn count(&mut self, frames: u64, octets: u64, len: usize) {
        debug_assert!([(GPRC, GORCL), (GPTC, GOTCL)].contains(&(frames, octets)), "two pairs of counters");
        self.set(frames, self.get(frames).saturating_add(1));
        let sum = u64::from(self.get(octets + 4)) << 32 | u64::from(self.get(octets));
        let sum = sum + len as u64 + 4;
        self.set(octets, sum as u32);
        self.set(octets + 4, (sum >> 32) as u32);
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
            self.send(bus);
        }
    }

    pub fn read(&mut self, bus: &Bus, offset: u64) -> u32 {
        if self.gone {
            return u32::MAX;
        }
        self.elapse(bus);
        let value = self.get(offset);
        match kind(offset) {
            Kind::None => return 0,
            Kind::Clears => self.set(offset, 0),
            Kind::High => {
                self.set(offset, 0);
                self.set(offset - 4, 0);
            }
            Kind::Special if offset == ICR => {
                self.set(ICR, 0);
                self.drive(bus);
            }
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
        match kind(offset) {
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
            // By the book, ICR is also cleared by writing ones.
            ICR => {
                self.set(ICR, self.get(ICR) & !value);
                self.drive(bus);
            }
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
            RDT => self.set(RDT, value & 0xffff),
            TDT => {
                self.set(TDT, value & 0xffff);
                self.send(bus);
            }
            TCTL => {
                self.set(TCTL, value);
                self.send(bus);
            }
            _ => {}
        }
    }

    /// EERD after it was told to start: address in bits 15:8, DONE in bit 4, data in bits 31:16.
    fn eeprom_read(&self, command: u32) -> u32 {
        let address = command & 0xff00;
        if command & 1 == 0 {
            return address;
        }
        let word = self.eeprom.get((address >> 8) as usize).copied().unwrap_or(0);
        u32::from(word) << 16 | address | 1 << 4
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
fn eeprom(mac: Mac) -> [u16; 64] {
    let mut words = [0_u16; 64];
    for (word, bytes) in words.iter_mut().zip(mac.0.chunks_exact(2)) {
        *word = u16::from_le_bytes([bytes[0], bytes[1]]);
    }
    words[0x0b] = 0x100e;
    words[0x0d] = 0x100e;
    words[63] = words.iter().fold(0xbaba, |left, word| left.wrapping_sub(*word));
    words
}
