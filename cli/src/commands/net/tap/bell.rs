//! Who wakes a lane that sleeps at the device's rings when its TAP queue has a frame, and ends a round of lanes.
//!
//! One thread waits for all TAP queues, and for the end. A queue rings once, and then not before its lane has armed it again, which it does
//! only where it found nothing: so nobody is woken for frames that the lane sees anyway. The kernel looks at the queue when
//! it is armed: a frame that came in between rings at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dirql::class::net::napi::Schedule;
use dirql::interrupt::Wait;
use dirql::{Error, Result};
use dirql_tap::TapQueue;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::signals::{SLICE, Stop};

/// How often the link is looked at, at most; and at least, though nothing was heard of it.
const LOOKS: (Duration, Duration) = (SLICE, Duration::from_secs(5));
/// What the kernel calls an event that is not of a lane.
const OTHER: u64 = u64::MAX;

/// A lane's side.
#[derive(Debug)]
struct Line {
    lane: Schedule,
    armed: AtomicBool,
    rung: AtomicBool,
}

/// The bell.
#[derive(Debug)]
pub struct Bell<'a> {
    epoll: Epoll,
    lines: Vec<Line>,
    look: Duration,
    /// Somebody wants a look at the link.
    wanted: AtomicBool,
    round_over: AtomicBool,
    /// They stay open for as long as they are watched.
    queues: &'a [TapQueue],
    stop: &'a Stop,
    /// Is signalled by whoever wants the bell itself to look up.
    nudge: EventFd,
    closed: AtomicBool,
}

impl<'a> Bell<'a> {
    /// A bell for these queues, each with the way to wake its lane. Whoever polls hears nothing of the link, and looks at it
    /// more often.
    ///
    /// # Errors
    /// Where the kernel refuses to watch them.
    pub fn new(queues: &'a [TapQueue], lanes: Vec<Schedule>, wait: Wait, stop: &'a Stop) -> Result<Self> {
        let nudge = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).map_err(failed)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
        for (index, queue) in queues.iter().enumerate() {
            epoll.add(queue, event(index)).map_err(failed)?;
        }
        let other = || EpollEvent::new(EpollFlags::EPOLLIN, OTHER);
        epoll.add(stop, other()).and_then(|()| epoll.add(&nudge, other())).map_err(failed)?;
        let line = |lane| Line { lane, armed: AtomicBool::new(true), rung: AtomicBool::new(false) };
        Ok(Self {
            epoll,
            lines: lanes.into_iter().map(line).collect(),
            look: if wait == Wait::Poll { LOOKS.0 } else { LOOKS.1 },
            wanted: AtomicBool::new(false),
            round_over: AtomicBool::new(false),
            queues,
            stop,
            nudge,
            closed: AtomicBool::new(false),
        })
    }

    /// Waits for the queues, and wakes their lanes, until the user wants an end or the bell is closed.
    ///
    /// # Errors
    /// Where the kernel does not let it wait.
    pub fn ring(&self) -> Result<()> {
        let rung = self.try_ring();
        // Whoever sleeps hears of it.
        self.closed.store(true, Ordering::Release);
        self.end_round();
        rung
    }

    fn try_ring(&self) -> Result<()> {
        let mut events = [EpollEvent::empty(); 16];
        let mut looked = Instant::now();
        loop {
            let wanted = self.wanted.load(Ordering::Relaxed);
            let look = if wanted { LOOKS.0 } else { self.look };
            let left = look.saturating_sub(looked.elapsed());
            if left.is_zero() {
                self.wanted.store(false, Ordering::Relaxed);
                looked = Instant::now();
                self.end_round();
                continue;
            }
            // A millisecond more, because it is rounded down; others may want a look meanwhile.
            let left = EpollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(EpollTimeout::ZERO);
            let count = match self.epoll.wait(&mut events, left) {
                Err(Errno::EINTR) => continue,
                count => count.map_err(failed)?,
            };
            for event in &events[..count] {
                let Some(line) = self.lines.get(event.data() as usize) else {
                    if self.closed.load(Ordering::Acquire) || self.stop.is_wanted() {
                        return Ok(());
                    }
                    match self.nudge.read() {
                        Err(Errno::EAGAIN) => {}
                        nudged => drop(nudged.map_err(failed)?),
                    }
                    continue;
                };
                line.armed.store(false, Ordering::Release);
                line.rung.store(true, Ordering::Release);
                line.lane.schedule();
            }
        }
    }

    /// Ends [`Bell::ring`].
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        self.nudge()
    }

    /// Has this lane woken when its queue has a frame, or at once where it has.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn arm(&self, index: usize) -> Result<()> {
        let Some((line, queue)) = self.lines.get(index).zip(self.queues.get(index)) else { return Ok(()) };
        if line.armed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.epoll.modify(queue, &mut event(index)).map_err(failed)
    }

    /// Whether this lane's queue has rung since this was asked last.
    pub fn has_rung(&self, index: usize) -> bool {
        self.lines.get(index).is_some_and(|line| line.rung.swap(false, Ordering::AcqRel))
    }

    /// Asks for a look at the link: now, where no other lane is disturbed by it.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn look_at_link(&self) -> Result<()> {
        if self.lines.len() == 1 {
            self.round_over.store(true, Ordering::Relaxed);
        } else if !self.wanted.swap(true, Ordering::Relaxed) {
            self.nudge()?;
        }
        Ok(())
    }

    fn nudge(&self) -> Result<()> {
        self.nudge.write(1).map(drop).map_err(failed)
    }

    /// Begins a round.
    pub fn begin_round(&self) {
        self.round_over.store(false, Ordering::Relaxed);
    }

    /// Ends the round, and wakes all lanes to hear of it.
    pub fn end_round(&self) {
        self.round_over.store(true, Ordering::Relaxed);
        self.lines.iter().for_each(|line| line.lane.schedule());
    }

    /// Whether the round is over.
    pub fn is_round_over(&self) -> bool {
        self.round_over.load(Ordering::Relaxed) || self.is_closed()
    }

    /// Whether it rings no more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

fn event(index: usize) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, index as u64)
}

fn failed(errno: Errno) -> Error {
    Error::os(errno, "waiting for the TAP interface")
}
