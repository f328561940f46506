//! Sending: from TDH to TDT, frame by frame onto the wire; with tags put in, checksums completed and segments cut as the
//! descriptors say.

use dirql::Iova;
use dirql::backend::model::Bus;

use super::core::{Core, ENABLE};
use super::interrupt::TXQE;
use super::packet::sum;
use super::register::{CTRL, QUEUE, TCTL, TDBAL, TDH, TDLEN, TDT, VET};

const COMMAND_EOP: u8 = 1 << 0;
const COMMAND_TSE: u8 = 1 << 2;
const COMMAND_RS: u8 = 1 << 3;
/// The command bit of descriptors that are not legacy ones.
const COMMAND_DEXT: u8 = 1 << 5;
const COMMAND_VLE: u8 = 1 << 6;
const STATUS_DD: u8 = 1 << 0;
const OPTION_IXSM: u8 = 1 << 0;
const OPTION_TXSM: u8 = 1 << 1;
/// Command of a context descriptor: IPv4.
const CONTEXT_IPV4: u8 = 1 << 1;
/// TCTL: short frames are padded.
const PAD: u32 = 1 << 3;
/// The shortest frame without its check sequence.
const SHORTEST: usize = 60;
/// CTRL: tags are put in.
const VLAN_MODE: u32 = 1 << 30;

/// What a queue knows of the frame that it is about to send.
#[derive(Debug, Default)]
pub struct Sender {
    /// The part of it that was fetched.
    partial: Vec<u8>,
    /// Options of its first data descriptor, and whether it is to be cut.
    options: Option<(u8, bool)>,
    context: Context,
}

/// A context descriptor.
#[derive(Debug, Default, Clone, Copy)]
struct Context {
    ip_start: usize,
    ip_checksum: usize,
    ip_end: usize,
    start: usize,
    checksum: usize,
    end: usize,
    payload: usize,
    is_ipv4: bool,
    header: usize,
    size: usize,
}

impl Context {
    fn read(d: &[u8; 16]) -> Self {
        let word = |at: usize| usize::from(u16::from_le_bytes([d[at], d[at + 1]]));
        Self {
            ip_start: d[0].into(),
            ip_checksum: d[1].into(),
            ip_end: word(2),
            start: d[4].into(),
            checksum: d[5].into(),
            end: word(6),
            payload: word(8) | usize::from(d[10] & 15) << 16,
            is_ipv4: d[11] & CONTEXT_IPV4 != 0,
            header: d[13].into(),
            size: word(14),
        }
    }

    /// Completes the checksums of a frame.
    fn complete(&self, frame: &mut [u8], options: u8) {
        let mut put = |from: usize, end: usize, at: usize| {
            let end = if end == 0 { frame.len() } else { end + 1 };
            if let Some(bytes) = frame.get(from..end) {
                let sum = !sum(bytes);
                if let Some(field) = frame.get_mut(at..at + 2) {
                    field.copy_from_slice(&sum.to_be_bytes());
                }
            }
        };
        if options & OPTION_TXSM != 0 {
            put(self.start, self.end, self.checksum);
        }
        if options & OPTION_IXSM != 0 {
            put(self.ip_start, self.ip_end, self.ip_checksum);
        }
    }

    /// Cuts a frame into segments.
    fn cut(&self, frame: &[u8], options: u8) -> Vec<Vec<u8>> {
        let (header, payload) = frame.split_at(self.header.min(frame.len()));
        let payload = &payload[..self.payload.min(payload.len())];
        let mut segments: Vec<_> =
            payload.chunks(self.size.max(1)).map(|part| [header, part].concat()).collect();
        let last = segments.len().saturating_sub(1);
        for (index, segment) in segments.iter_mut().enumerate() {
            let len = segment.len() as u16;
            let mut add = |at: usize, value: u32, width: usize| {
                let field = &mut segment[at..at + width];
                let old = field.iter().fold(0, |old, byte| old << 8 | u32::from(*byte));
                field.copy_from_slice(&old.wrapping_add(value).to_be_bytes()[4 - width..]);
            };
            if self.is_ipv4 {
                add(self.ip_start + 2, (len - self.ip_start as u16).into(), 2);
                add(self.ip_start + 4, index as u32, 2);
            } else {
                add(self.ip_start + 4, (len - self.ip_start as u16 - 40).into(), 2);
            }
            add(self.start + 4, (index * self.size) as u32, 4);
            if index != last {
                // FIN and PSH are the last one's.
                segment[self.start + 13] &= !(1 << 0 | 1 << 3);
            }
            let pseudo = [segment[self.checksum], segment[self.checksum + 1]];
            let tcp = len - self.start as u16;
            let pseudo = sum(&[pseudo, tcp.to_be_bytes()].concat());
            segment[self.checksum..self.checksum + 2].copy_from_slice(&pseudo.to_be_bytes());
            self.complete(segment, options);
        }
        segments
    }
}

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
