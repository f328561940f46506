//! For tests: a network device with a [`Peer`] at the other end.

use std::collections::VecDeque;
use std::time::Duration;

use dirql::class::net::napi::{Napi, Schedule, Source};
use dirql::class::net::{
    Filter, Frame, Incoming, Interest, Link, MAX_FRAME, MTU, Mac, Net, Offloads, Outgoing, Queue,
    QueueCounters, Statistics,
};
use dirql::interrupt;
use dirql::{Error, ErrorKind, Result};

use super::peer::Peer;

/// The device and the host.
pub struct Wire {
    pub mac: Mac,
    /// No frame can be queued.
    pub full: bool,
    /// Every access fails.
    pub broken: bool,
    pub peer: Peer,
    /// Frames that were sent, in order.
    pub sent: Vec<Vec<u8>>,
    /// At most so many frames are taken at a time, and none while they are in flight; 0 is no limit.
    pub ring: usize,
    in_flight: usize,
    incoming: VecDeque<Vec<u8>>,
    statistics: Statistics,
    counters: QueueCounters,
    napi: Napi,
}

impl Wire {
    pub fn new() -> Self {
        Self {
            mac: Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
            full: false,
            broken: false,
            peer: Peer::default(),
            sent: Vec::new(),
            ring: 0,
            in_flight: 0,
            incoming: VecDeque::new(),
            statistics: Statistics::default(),
            counters: QueueCounters::default(),
            napi: Napi::new(interrupt::Wait::Block),
        }
    }

    /// Lets a frame come in.
    pub fn inject(&mut self, frame: &[u8]) {
        self.incoming.push_back(frame.to_vec());
    }

    fn broken<T>(&self, value: T) -> Result<T> {
        if self.broken { Err(Error::new(ErrorKind::Device, "use of a broken device")) } else { Ok(value) }
    }
}

impl Net for Wire {
    fn mac(&self) -> Mac {
        self.mac
    }

    fn link(&self) -> Result<Link> {
        self.broken(Link { up: true, speed: 1000, full_duplex: true, changes: 1 })
    }

    fn mtu(&self) -> u32 {
        MTU
    }

    fn offloads(&self) -> Offloads {
        Offloads::default()
    }

    fn queue(&mut self) -> &mut dyn Queue {
        self
    }

    fn set_filter(&mut self, _: &Filter) -> Result<()> {
        self.broken(())
    }

    fn statistics(&mut self) -> Result<Statistics> {
        self.broken(self.statistics)
    }
}

impl Queue for Wire {
    fn transmit(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> Option<Outgoing>) -> Result<usize> {
        self.broken(())?;
        let mut queued = 0;
        while !self.full && (self.ring == 0 || self.in_flight < self.ring) {
            let mut buffer = [0; MAX_FRAME];
            let Some(Outgoing { len, .. }) = fill(&mut buffer) else { break };
            self.statistics.transmit_frames += 1;
            self.sent.push(buffer[..len].to_vec());
            self.in_flight += usize::from(self.ring > 0);
            queued += 1;
            self.incoming.extend(self.peer.answer(&buffer[..len]));
        }
        self.counters.transmit_frames += queued as u64;
        self.counters.transmit_doorbells += u64::from(queued > 0);
        Ok(queued)
    }

    fn in_flight(&mut self) -> Result<usize> {
        self.broken(self.in_flight)
    }

    fn receive(&mut self, at_most: usize, take: &mut dyn FnMut(&Frame<'_>)) -> Result<usize> {
        self.broken(())?;
        let count = at_most.min(self.incoming.len());
        self.incoming.drain(..count).for_each(|frame| take(&Frame::new(&[&frame], Incoming::default())));
        self.statistics.receive_frames += count as u64;
        self.counters.receive_frames += count as u64;
        self.counters.receive_doorbells += u64::from(count > 0);
        Ok(count)
    }

    fn wait(&mut self, _: Interest, timeout: Duration) -> Result<bool> {
        self.broken(())?;
        if self.in_flight > 0 {
            self.in_flight -= 1;
            return Ok(true);
        }
        let Self { napi, incoming, .. } = self;
        napi.wait(&mut Pending(incoming), timeout)
    }

    fn waker(&self) -> Schedule {
        self.napi.schedule()
    }

    fn counters(&self) -> QueueCounters {
        self.counters
    }
}

/// What came in, as somebody waits for it.
struct Pending<'a>(&'a VecDeque<Vec<u8>>);

impl Source for Pending<'_> {
    fn is_pending(&mut self) -> bool {
        !self.0.is_empty()
    }

    fn arm(&mut self) -> Result<()> {
        Ok(())
    }

    fn disarm(&mut self) -> Result<()> {
        Ok(())
    }
}

/// An interface with two pairs of rings.
pub struct Two(pub [Wire; 2]);

impl Net for Two {
    fn mac(&self) -> Mac {
        self.0[0].mac()
    }

    fn mtu(&self) -> u32 {
        self.0[0].mtu()
    }

    fn offloads(&self) -> Offloads {
        self.0[0].offloads()
    }

    fn link(&self) -> Result<Link> {
        self.0[0].link()
    }

    fn queue(&mut self) -> &mut dyn Queue {
        &mut self.0[0]
    }

    fn queues(&mut self) -> Vec<&mut dyn Queue> {
        self.0.iter_mut().map(|queue| queue as &mut dyn Queue).collect()
    }

    fn set_filter(&mut self, filter: &Filter) -> Result<()> {
        self.0[0].set_filter(filter)
    }

    fn statistics(&mut self) -> Result<Statistics> {
        self.0[0].statistics()
    }
}
