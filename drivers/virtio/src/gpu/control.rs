//! The control queue: commands under way, their responses, and the fences of flips. It lives in the queue's vector.
//!
//! A command and its response share a slot, of which there are as many as the queue holds. A fence passes when all
//! commands of its flip are answered, which the handler sees: nobody looks into the queue to wait.
//!
//! Source: VIRTIO 1.2, 5.7.2 and 5.7.6.7.

use dirql::class::display::Rectangle;
use dirql::dma::{Buffer, Dma, Lent};
use dirql::{Address, Error, ErrorKind, Iova, Result};

use super::backing::{Backing, Detached};
use super::command::{self, Answer, COMMAND, Command, EDID, NODATA};
use super::fence::Fences;
use super::signals::Signals;
use crate::lifecycle::Quiet;
use crate::queue::{Queue, Segment, Settings};
use crate::transport::Transport;

/// The queue's number.
pub const INDEX: u16 = 0;
/// Entries at most.
const ENTRIES: u16 = 64;
/// Bytes of a slot: a command, and the response after it.
const SLOT: usize = (COMMAND + NODATA).next_power_of_two();
/// Bytes of a slot for any response.
const LARGE: usize = COMMAND + EDID;
/// Commands of the smallest flip: transfer, scanout, flush.
const FLIP: u16 = 3;

/// What a flip has the device do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flip<'a> {
    /// Where it is shown.
    pub scanout: u32,
    /// What is shown.
    pub resource: u32,
    /// The resource's size.
    pub size: (u32, u32),
    /// What the device takes over: no more than [`Control::damage`] parts, all of them within the resource.
    pub damage: &'a [Rectangle],
    /// The flip by which the scanout shows the resource; `None` where it shows another.
    pub since: Option<u64>,
}

/// What an answer is for.
#[derive(Debug)]
enum Purpose {
    /// A fence waits for it.
    Fence(u64),
    /// Somebody asked, and waits.
    Ask(u64),
    /// As `Ask`; and the memory can be had back.
    Release(u64, Backing),
}

/// A command that the device has.
#[derive(Debug)]
struct Flight {
    slot: Lent,
    command: Command,
    fence: Option<u64>,
    purpose: Purpose,
}

/// The control queue's state.
#[derive(Debug)]
pub struct Control {
    address: Address,
    queue: Queue<Flight>,
    slots: Vec<Buffer>,
    large: Vec<Buffer>,
    /// Descriptors of a command.
    descriptors: u16,
    fences: Fences,
    /// Questions that are not answered, and answers that nobody took yet.
    asked: u16,
    answers: Vec<(u64, Result<Answer>)>,
    /// Somebody waits for what was not there when he looked.
    awaited: bool,
    signals: Signals,
}

impl Control {
    /// The queue, in memory.
    ///
    /// # Errors
    /// As [`Queue::new`] and [`Dma::buffer`]; `Device` for a queue that holds no flip.
    pub(super) fn new(transport: &Transport, dma: &Dma, signals: Signals) -> Result<Self> {
        let address = transport.address();
        let queue = Queue::new(transport, dma, Settings { index: INDEX, size: ENTRIES, indirect: 2 })?;
        let tables = transport.features().contains(crate::Features::INDIRECT_DESC) && queue.size() >= 2;
        let descriptors = if tables { 1 } else { 2 };
        let commands = queue.size() / descriptors;
        if commands < FLIP {
            return Err(Error::new(ErrorKind::Device, "making of the control queue").on(address).why(
                format!("its {} entries hold {commands} commands, where a flip has {FLIP}", queue.size()),
            ));
        }
        let slots = (0..commands).map(|_| dma.buffer(SLOT)).collect::<Result<_>>()?;
        let large = vec![dma.buffer(LARGE)?];
        let fences = Fences::new(commands.into());
        Ok(Self {
            address,
            queue,
            slots,
            large,
            descriptors,
            fences,
            asked: 0,
            answers: Vec::new(),
            awaited: false,
            signals,
        })
    }

    /// Tells the device of the queue.
    ///
    /// # Errors
    /// As [`Queue::enable`].
    pub(super) fn enable(&mut self, transport: &Transport, vector: Option<u16>) -> Result<()> {
        self.queue.enable(transport, vector)
    }

    /// How many entries it has.
    pub fn entries(&self) -> u16 {
        self.queue.size()
    }

    /// How many parts of a framebuffer one flip can take over: beside them it has a scanout and a flush.
    pub(super) fn damage(&self) -> usize {
        usize::from(self.queue.size() / self.descriptors - FLIP + 1)
    }

    /// The fences.
    pub fn fences(&mut self) -> &mut Fences {
        &mut self.fences
    }

    /// How often the doorbell was rung.
    pub fn doorbells(&self) -> u64 {
        self.queue.doorbells()
    }

    /// How many commands the device has.
    pub fn outstanding(&self) -> u16 {
        self.queue.outstanding()
    }

    /// Somebody waits for what is not there yet.
    pub(super) fn expect(&mut self) {
        self.awaited = true;
    }

    /// Whether so many commands can be given.
    fn has_room(&self, commands: usize) -> bool {
        self.slots.len() >= commands && usize::from(self.queue.free() / self.descriptors) >= commands
    }

    /// Gives the commands of a flip, with one doorbell. Its fence, and whether the scanout shows another resource by it;
    /// `None` where there is no room now.
    ///
    /// # Errors
    /// As [`Queue::notify`] and [`Control::handle`].
    pub(super) fn flip(&mut self, flip: &Flip<'_>) -> Result<Option<(u64, bool)>> {
        let &Flip { scanout, resource, size: (width, height), damage, since } = flip;
        let whole = Rectangle::whole(width, height);
        // A flip that was refused may have left the scanout as it was.
        let changes = since.is_none_or(|since| self.fences.has_failed(since));
        let commands = damage.len() + usize::from(changes) + 1;
        if !self.has_room(commands) {
            return Ok(None);
        }
        let id = self.fences.next();
        self.fences.give(id, commands as u16);
        for &part in damage {
            let offset = 4 * (u64::from(part.y) * u64::from(width) + u64::from(part.x));
            self.add(Command::TransferToHost2d { resource, part, offset }, None, Purpose::Fence(id))?;
        }
        if changes {
            let command = Command::SetScanout { scanout, resource, part: whole };
            self.add(command, None, Purpose::Fence(id))?;
        }
        // Something must be flushed for the fence to pass.
        let nothing = Rectangle::whole(1, 1);
        let damaged = damage.iter().copied().reduce(Rectangle::join).unwrap_or(nothing);
        let part = if changes { whole } else { damaged };
        self.add(Command::ResourceFlush { resource, part }, Some(id), Purpose::Fence(id))?;
        self.submit()?;
        Ok(Some((id, changes)))
    }

    /// Gives a command, to be answered to who [takes](Control::take) it by the number; `None` where there is no room now.
    ///
    /// # Errors
    /// As [`Control::flip`].
    pub(super) fn ask(&mut self, command: Command) -> Result<Option<u64>> {
        if !self.has_room(1) || command.response_len() > NODATA && self.large.is_empty() {
            return Ok(None);
        }
        let id = self.fences.next();
        self.add(command, Some(id), Purpose::Ask(id))?;
        self.submit()?;
        Ok(Some(id))
    }

    /// Takes a resource's memory away from the device, where it was attached, and forgets the resource: numbers as of
    /// [`Control::ask`]. The memory is freed once the device has answered that it has let go of it; else it is kept.
    ///
    /// # Errors
    /// As [`Control::flip`].
    pub(super) fn release(
        &mut self,
        resource: u32,
        backing: &mut Option<Backing>,
        attached: bool,
    ) -> Result<Option<[u64; 2]>> {
        if !self.has_room(2) {
            return Ok(None);
        }
        let Some(backing) = backing.take() else { return Ok(None) };
        let (detach, unref) =
            (Command::ResourceDetachBacking { resource }, Command::ResourceUnref { resource });
        let first = self.fences.next();
        let second = if attached {
            self.add(detach, Some(first), Purpose::Release(first, backing))?;
            let second = self.fences.next();
            self.add(unref, Some(second), Purpose::Ask(second))?;
            second
        } else {
            self.add(unref, Some(first), Purpose::Release(first, backing))?;
            first
        };
        self.submit()?;
        Ok(Some([first, second]))
    }

    /// Takes an answer, where it has come.
    pub(super) fn take(&mut self, id: u64) -> Option<Result<Answer>> {
        let at = self.answers.iter().position(|(answered, _)| *answered == id)?;
        Some(self.answers.swap_remove(at).1)
    }

    /// Adds a command, for which there is room.
    fn add(&mut self, command: Command, fence: Option<u64>, purpose: Purpose) -> Result<()> {
        let response = command.response_len();
        let slots = if response > NODATA { &mut self.large } else { &mut self.slots };
        let Some(mut buffer) = slots.pop() else {
            return Err(self.failed(&command, "its queue is full".to_owned()));
        };
        let bytes = buffer.bytes_mut();
        let len = command.encode(fence, bytes);
        // What was answered there before is no answer to this.
        bytes[COMMAND..].fill(0);
        let slot = buffer.lend();
        let Iova(at) = slot.iova();
        let request = Segment { iova: Iova(at), len: len as u32 };
        let response = Segment { iova: Iova(at + COMMAND as u64), len: response as u32 };
        let asks = !matches!(purpose, Purpose::Fence(_));
        match self.queue.add(&[request], &[response], Flight { slot, command, fence, purpose }) {
            Ok(()) => {
                self.asked += u16::from(asks);
                Ok(())
            }
            Err(Flight { slot, .. }) => {
                let slot = slot.reclaim();
                self.put_back(slot);
                Err(self.failed(&command, "its queue is full".to_owned()))
            }
        }
    }

    fn put_back(&mut self, slot: Buffer) {
        if slot.len() == SLOT { self.slots.push(slot) } else { self.large.push(slot) }
    }

    /// Tells the device of what was added, and asks for the interrupt that somebody waits for.
    fn submit(&mut self) -> Result<()> {
        self.arm();
        self.queue.publish();
        self.queue.notify()?;
        // What came back before the interrupt was asked for raises none.
        if self.queue.is_pending() {
            self.handle()?;
        }
        Ok(())
    }

    /// The oldest fence cannot pass before so many answers; who asked waits for the next.
    fn arm(&mut self) {
        let after = if self.asked > 0 { 1 } else { self.fences.awaited().unwrap_or(1) };
        self.queue.arm(after);
    }

    /// Takes what the device is done with; false where there is nothing.
    ///
    /// # Errors
    /// As [`Queue::pop`]. What a command was answered is told to whom it was given for.
    pub fn handle(&mut self) -> Result<bool> {
        let (mut any, mut news) = (false, false);
        loop {
            while let Some((flight, written)) = self.queue.pop()? {
                any = true;
                news |= self.complete(flight, written as usize);
            }
            self.arm();
            if !self.queue.is_pending() {
                break;
            }
        }
        if news && std::mem::take(&mut self.awaited) {
            self.signals.answered.complete();
        }
        Ok(any)
    }

    /// A command was answered with so many bytes, no more than there is room for. True where that is news to somebody.
    fn complete(&mut self, flight: Flight, written: usize) -> bool {
        let Flight { slot, command, fence, purpose } = flight;
        let slot = slot.reclaim();
        let response = slot.bytes().get(COMMAND..COMMAND + written).unwrap_or_default();
        let answer =
            command::decode(command.kind(), fence, response).map_err(|why| self.failed(&command, why));
        self.put_back(slot);
        let proof = Detached::by(&command, fence, &answer);
        match purpose {
            Purpose::Fence(id) => self.fences.answered(id, answer.err()),
            Purpose::Ask(id) => self.answered(id, answer),
            Purpose::Release(id, backing) => {
                match proof.map(|proof| backing.detached(&proof)) {
                    Some(Ok(memory)) => drop(memory),
                    _ => log::warn!("virtio-gpu: {}: memory of a resource is kept", self.address),
                }
                self.answered(id, answer)
            }
        }
    }

    fn answered(&mut self, id: u64, answer: Result<Answer>) -> bool {
        self.asked = self.asked.saturating_sub(1);
        self.answers.push((id, answer));
        true
    }

    fn failed(&self, command: &Command, why: String) -> Error {
        let name = command.kind().name().unwrap_or_default();
        Error::new(ErrorKind::Device, format!("control command {name}")).on(self.address).why(why)
    }

    /// Takes all memory back from the device, which was stopped.
    pub(super) fn reclaim(&mut self, proof: &Quiet) {
        for Flight { slot, purpose, .. } in self.queue.reclaim() {
            let slot = slot.reclaim();
            self.put_back(slot);
            if let Purpose::Release(_, backing) = purpose {
                drop(backing.stopped(proof));
            }
        }
    }
}
