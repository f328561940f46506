//! The control queue: commands, each answered by a byte.
//!
//! Nobody is interrupted for an answer: a command takes a device some microseconds, and is given only at the start and
//! when a filter is set.
//!
//! Source: VIRTIO 1.2, 5.1.6.5.

use std::time::{Duration, Instant};

use dirql::dma::{Buffer, Dma, Lent};
use dirql::{Address, Error, ErrorKind, Iova, Result};

use crate::queue::{Queue, Segment, Settings};
use crate::transport::Transport;

/// How long the device may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Commands under way at most.
const COMMANDS: u16 = 64;
/// Bytes of a buffer: a command, and its answer after it.
const BUFFER: usize = 1024;
/// Bytes of a command's data at most.
pub const DATA: usize = BUFFER - 3;
/// The answer: done.
const OK: u8 = 0;
/// What stands in an answer's place until there is one.
const UNANSWERED: u8 = 0x5a;

/// A command: its class, and what of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    class: u8,
    code: u8,
    name: &'static str,
}

/// Receives everything, or no longer: a byte.
pub const RX_PROMISC: Command = Command { class: 0, code: 0, name: "RX_PROMISC" };
/// Receives everything for groups, or no longer: a byte.
pub const RX_ALLMULTI: Command = Command { class: 0, code: 1, name: "RX_ALLMULTI" };
/// Stations and groups whose frames are received: a table of each.
pub const MAC_TABLE_SET: Command = Command { class: 1, code: 0, name: "MAC_TABLE_SET" };
/// Receives frames of this VLAN.
pub const VLAN_ADD: Command = Command { class: 2, code: 0, name: "VLAN_ADD" };
/// Receives frames of this VLAN no longer.
pub const VLAN_DEL: Command = Command { class: 2, code: 1, name: "VLAN_DEL" };
/// Uses so many pairs of queues.
pub const MQ_VQ_PAIRS_SET: Command = Command { class: 4, code: 0, name: "MQ_VQ_PAIRS_SET" };

/// The control queue, and the buffers that are not in it.
#[derive(Debug)]
pub struct Control {
    address: Address,
    dma: Dma,
    queue: Queue<(Command, Lent, usize)>,
    free: Vec<Buffer>,
}

impl Control {
    /// The queue `index`.
    ///
    /// # Errors
    /// As [`Queue::new`] and [`Dma::buffer`].
    pub fn new(transport: &Transport, dma: &Dma, index: u16) -> Result<Self> {
        let queue = Queue::new(transport, dma, Settings { index, size: COMMANDS, indirect: 2 })?;
        let free = (0..queue.size()).map(|_| dma.buffer(BUFFER)).collect::<Result<_>>()?;
        Ok(Self { address: transport.address(), dma: dma.clone(), queue, free })
    }

    /// Tells the device of the queue.
    ///
    /// # Errors
    /// As [`Queue::enable`].
    pub fn enable(&mut self, transport: &Transport) -> Result<()> {
        self.queue.disarm();
        self.queue.enable(transport, None)
    }

    /// Gives a command, and waits for the answer.
    ///
    /// # Errors
    /// `InvalidArgument` for more data than [`DATA`]; `Device` where the device refuses it, or does not answer.
    pub fn command(&mut self, command: Command, data: &[u8]) -> Result<()> {
        self.commands(command, [data])
    }

    /// Gives the same command for each of the data, as many at once as there is room for, and waits for all answers.
    ///
    /// # Errors
    /// As [`Control::command`]. Some were done.
    pub fn commands<D: AsRef<[u8]>>(
        &mut self,
        command: Command,
        data: impl IntoIterator<Item = D>,
    ) -> Result<()> {
        for data in data {
            let data = data.as_ref();
            if data.len() > DATA {
                let why = format!("{} bytes are more than {DATA}", data.len());
                return Err(self.refuse(command, ErrorKind::InvalidArgument, why));
            }
            if !self.add(command, data) {
                self.complete()?;
                if !self.add(command, data) {
                    let why = "its queue has no room for two descriptors".to_owned();
                    return Err(self.refuse(command, ErrorKind::Device, why));
                }
            }
        }
        self.complete()
    }

    fn refuse(&self, command: Command, kind: ErrorKind, why: String) -> Error {
        Error::new(kind, format!("control command {}", command.name)).on(self.address).why(why)
    }

    /// False where there is no room.
    fn add(&mut self, command: Command, data: &[u8]) -> bool {
        let Some(mut buffer) = self.free.pop() else { return false };
        let end = 2 + data.len();
        let bytes = buffer.bytes_mut();
        bytes[..2].copy_from_slice(&[command.class, command.code]);
        bytes[2..end].copy_from_slice(data);
        bytes[end] = UNANSWERED;
        let lent = buffer.lend();
        let Iova(at) = lent.iova();
        let request = Segment { iova: Iova(at), len: end as u32 };
        let answer = Segment { iova: Iova(at + end as u64), len: 1 };
        match self.queue.add(&[request], &[answer], (command, lent, end)) {
            Ok(()) => true,
            Err((_, lent, _)) => {
                self.free.push(lent.reclaim());
                false
            }
        }
    }

    /// Waits for the answer to everything that was added.
    fn complete(&mut self) -> Result<()> {
        self.queue.publish();
        self.queue.notify()?;
        let deadline = Instant::now() + TIMEOUT;
        let mut pause = Duration::from_micros(1);
        let mut outcome = Ok(());
        while self.queue.outstanding() > 0 {
            // The clock is read first, so that a thread that slept too long still looks once more.
            let late = Instant::now() >= deadline;
            while let Some((answered, _)) = self.queue.pop()? {
                let (command, lent, end) = answered;
                let buffer = lent.reclaim();
                let answer = buffer.bytes()[end];
                self.free.push(buffer);
                if answer != OK {
                    let why = format!("the device answers {answer:#04x}");
                    outcome = outcome.and(Err(self.refuse(command, ErrorKind::Device, why)));
                }
                pause = Duration::from_micros(1);
            }
            if self.queue.outstanding() > 0 {
                if late {
                    let why = format!("the device has not answered within {} s", TIMEOUT.as_secs());
                    let error = Error::new(ErrorKind::Device, "wait for the control queue").why(why);
                    return Err(self.dma.explain_silence(error, &self.queue.indices()));
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(1));
            }
        }
        outcome
    }

    /// Takes all buffers back from the device, which was reset.
    pub fn reclaim(&mut self) {
        self.free.extend(self.queue.reclaim().into_iter().map(|(_, lent, _)| lent.reclaim()));
    }
}
