//! Sending: from TDH to TDT, frame by frame onto the wire; with tags put in, checksums completed and segments cut as the
//! descriptors say.

use dirql::Iova;
use dirql::backend::model::Bus;

use super::cause::TXQE;
use super::core::{Core, ENABLE};
use super::register::{CTRL, QUEUE, TCTL, TDBAL, TDH, TDLEN, TDT, VET};
use super::sender::Context;

const COMMAND_EOP: u8 = 1 << 0;
const COMMAND_TSE: u8 = 1 << 2;
const COMMAND_RS: u8 = 1 << 3;
/// The command bit of descriptors that are not legacy ones.
const COMMAND_DEXT: u8 = 1 << 5;
const COMMAND_VLE: u8 = 1 << 6;
const STATUS_DD: u8 = 1 << 0;
/// TCTL: short frames are padded.
const PAD: u32 = 1 << 3;
/// The shortest frame without its check sequence.
const SHORTEST: usize = 60;
/// CTRL: tags are put in.
const VLAN_MODE: u32 = 1 << 30;

impl Core {
    /// Sends what the driver has put into all rings.
    pub fn send_all(&mut self, bus: &Bus) {
        (0..self.queues()).for_each(|queue| self.send(bus, queue));
    }

    /// Sends what the driver has put into a queue's ring.
    pub fn send(&mut self, bus: &Bus, queue: u64) {
        let [base, head, tail, length] = [TDBAL, TDH, TDT, TDLEN].map(|register| register + QUEUE * queue);
        let entries = self.entries(length);
        if self.get(TCTL) & ENABLE == 0 || self.held || self.get(head) >= entries {
            return;
        }
        let mut causes = 0;
        // Not more than once around: a tail beyond the end is never reached.
        for _ in 0..entries {
            if self.get(head) == self.get(tail) {
                break;
            }
            let at = self.descriptor(base, head);
            let mut descriptor = [0; 16];
            if bus.dma_read(Iova(at), &mut descriptor).is_err() {
                break;
            }
            causes |= TXQE | self.send_one(bus, queue, at, &descriptor);
            self.advance(head, length);
        }
        if causes != 0 {
            self.raise(bus, causes);
        }
    }

    fn send_one(&mut self, bus: &Bus, queue: u64, at: u64, descriptor: &[u8; 16]) -> u32 {
        let &[_, _, _, _, _, _, _, _, len_low, len_high, kind, command, status, options, tag_low, tag_high] =
            descriptor;
        let is_extended = command & COMMAND_DEXT != 0;
        if is_extended && kind >> 4 == 0 {
            self.senders[queue as usize].context = Context::read(descriptor);
            return self.write_back(bus, queue, at, command, status);
        }
        let high = if is_extended { usize::from(kind & 15) << 16 } else { 0 };
        let mut data = vec![0; usize::from(u16::from_le_bytes([len_low, len_high])) | high];
        let address = descriptor.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        // What cannot be read is sent all the same, as zeros: the fault is on record.
        let _ = bus.dma_read(Iova(address), &mut data);
        let sender = &mut self.senders[queue as usize];
        sender.partial.extend_from_slice(&data);
        if is_extended {
            sender.options.get_or_insert((options, command & COMMAND_TSE != 0));
        }
        if command & COMMAND_EOP != 0 {
            let tagged = command & COMMAND_VLE != 0 && self.get(CTRL) & VLAN_MODE != 0;
            self.put_on_wire(queue, tagged.then(|| u16::from_le_bytes([tag_low, tag_high])));
        }
        self.write_back(bus, queue, at, command, status)
    }

    fn put_on_wire(&mut self, queue: u64, tag: Option<u16>) {
        let sender = &mut self.senders[queue as usize];
        let (mut frame, context) = (std::mem::take(&mut sender.partial), sender.context);
        let frames = match sender.options.take() {
            Some((options, true)) => context.cut(&frame, options),
            Some((options, false)) => {
                context.complete(&mut frame, options);
                vec![frame]
            }
            None => vec![frame],
        };
        for mut frame in frames {
            if let Some(tag) = tag {
                let [a, b] = (self.get(VET) as u16).to_be_bytes();
                let [c, d] = tag.to_be_bytes();
                frame.splice(12..12, [a, b, c, d]);
            }
            if self.get(TCTL) & PAD != 0 {
                frame.resize(frame.len().max(SHORTEST), 0);
            }
            self.count(false, frame.len());
            self.sent.push(frame);
        }
    }

    fn write_back(&mut self, bus: &Bus, queue: u64, at: u64, command: u8, status: u8) -> u32 {
        if command & COMMAND_RS == 0 {
            return 0;
        }
        match bus.dma_write(Iova(at + 12), &[status | STATUS_DD]) {
            Ok(()) => self.written_back(bus, queue),
            Err(_) => 0,
        }
    }
}
