//! How a network driver waits without losing the last interrupt: NAPI's protocol, once for all of them.
//!
//! While there is work, the program polls and the device's interrupts are off. Where there is none it arms them, *looks
//! again*, and sleeps; what came in between the last look and the arming would else lie there until the next frame.
//!
//! Where much comes, it may rest for a while before that: a timer costs less than an interrupt that is armed, taken and
//! turned off again.
//!
//! One word says how far both sides are:
//!
//! | state | the poller | the handler's [`Schedule::schedule`] |
//! |---|---|---|
//! | `POLLING` | is awake, and looks | makes it `RAISED`; nobody is to be woken |
//! | `ARMED` | sleeps or rests, or is about to | makes it `RAISED`, and wakes |
//! | `RAISED` | will find that, and makes it `POLLING` | nothing more to do |
//!
//! The rings themselves are the poller's: a handler never touches them, so they need no lock.
//!
//! Source: the kernel's NAPI (`Documentation/networking/napi.rst`).

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::interrupt::Wait;
use crate::synchronize::Completion;
use crate::synchronize::sync::{Arc, AtomicU32, Ordering, spin_loop};
use crate::{Error, Result};

const POLLING: u32 = 0;
const ARMED: u32 = 1;
const RAISED: u32 = 2;

/// Looks between two looks at the clock, which on some machines is a device itself.
const LOOKS: u32 = 128;

/// What a poller waits for, and how its interrupts are turned on and off.
pub trait Source {
    /// Whether there is work now.
    fn is_pending(&mut self) -> bool;

    /// Lets the device raise an interrupt for the next work. What the device did before that is visible to the next
    /// [`Source::is_pending`]: so this ends with a full barrier, or a read from the device.
    ///
    /// # Errors
    /// Where the device fails.
    fn arm(&mut self) -> Result<()>;

    /// How long the poller rests, awake for nobody but who schedules it, before interrupts are armed: none, unless so much
    /// comes that the next interrupt would find too little. Asked once each time that there is no work.
    fn rest(&mut self) -> Duration {
        Duration::ZERO
    }

    /// Turns interrupts off again. Also called where they are off.
    ///
    /// # Errors
    /// Where the device fails.
    fn disarm(&mut self) -> Result<()>;
}

#[derive(Debug, Default)]
struct Shared {
    state: AtomicU32,
    woken: Completion,
    failure: OnceLock<Error>,
}

/// The poller's side.
#[derive(Debug)]
pub struct Napi {
    shared: Arc<Shared>,
    wait: Wait,
}

/// The interrupt handler's side, and that of whoever else has news for the poller.
#[derive(Debug, Clone)]
pub struct Schedule {
    shared: Arc<Shared>,
}

impl Schedule {
    /// There may be work: the poller looks, and is woken where it sleeps.
    pub fn schedule(&self) {
        let order = if cfg!(mutation = "raised_relaxed") { Ordering::Relaxed } else { Ordering::AcqRel };
        if self.shared.state.swap(RAISED, order) == ARMED && !cfg!(mutation = "not_woken") {
            self.shared.woken.complete();
        }
    }

    /// No interrupt will come any more: the poller is told why, now and whenever it waits.
    pub fn fail(&self, error: Error) {
        self.shared.failure.get_or_init(|| error);
        self.schedule();
    }
}

impl Napi {
    /// A poller that waits in this way.
    pub fn new(wait: Wait) -> Self {
        Self { shared: Arc::default(), wait }
    }

    /// The handler's side. A poller may have several handlers.
    pub fn schedule(&self) -> Schedule {
        Schedule { shared: self.shared.clone() }
    }

    /// Nothing, unless a handler has told of a failure.
    ///
    /// # Errors
    /// That failure.
    #[inline]
    pub fn check(&self) -> Result<()> {
        self.shared.failure.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Waits until `source` has work or its handler was called; false where `timeout` went by. Interrupts are off
    /// afterwards.
    ///
    /// # Errors
    /// Where the source fails, or the handler has told of a failure.
    pub fn wait(&self, source: &mut dyn Source, timeout: Duration) -> Result<bool> {
        if self.has_work(source)? {
            return Ok(true);
        }
        let spin = match self.wait {
            Wait::Block => return self.sleep(source, timeout),
            Wait::Adaptive { spin } => spin.min(timeout),
            Wait::Poll => timeout,
        };
        let Some(looked) = self.look(source, spin)? else { return Ok(true) };
        match self.wait {
            // The device is asked, because one that is gone has no work either.
            Wait::Poll => source.disarm().map(|()| false),
            _ => self.sleep(source, timeout.saturating_sub(looked)),
        }
    }

    fn has_work(&self, source: &mut dyn Source) -> Result<bool> {
        Ok(self.was_raised()? || source.is_pending())
    }

    /// Whether the handler was called since this was asked last.
    fn was_raised(&self) -> Result<bool> {
        if self.shared.state.load(Ordering::Acquire) != RAISED {
            return Ok(false);
        }
        self.shared.state.swap(POLLING, Ordering::AcqRel);
        self.check().map(|()| true)
    }

    /// Looks for work for about so long, and says how long it did in vain. The clock is not asked before it has looked for
    /// a while.
    fn look(&self, source: &mut dyn Source, spin: Duration) -> Result<Option<Duration>> {
        let mut started = None;
        loop {
            for _ in 0..LOOKS {
                if self.has_work(source)? {
                    return Ok(None);
                }
                spin_loop();
            }
            let looked = started.get_or_insert_with(Instant::now).elapsed();
            if looked >= spin {
                return Ok(Some(looked));
            }
        }
    }

    /// Rests, where it is worth that; else, or in vain, arms, looks again, and sleeps.
    fn sleep(&self, source: &mut dyn Source, timeout: Duration) -> Result<bool> {
        let rest = source.rest().min(timeout);
        if !rest.is_zero() {
            self.asleep(|woken| Ok(woken.wait_all(rest)))?;
            if self.has_work(source)? {
                return Ok(true);
            }
        }
        let slept = self.asleep(|woken| {
            source.arm()?;
            // What came before the arming raised nothing.
            if !cfg!(mutation = "not_looked_again") && source.is_pending() {
                return Ok(true);
            }
            Ok(woken.wait_all(timeout - rest))
        });
        if matches!(slept, Ok(None)) {
            return self.was_raised();
        }
        source.disarm()?;
        Ok((slept? == Some(true)) | self.was_raised()? || source.is_pending())
    }

    /// Does `sleep`, which the handler wakes; `None` where it was called before that.
    fn asleep(&self, sleep: impl FnOnce(&Completion) -> Result<bool>) -> Result<Option<bool>> {
        let Shared { state, woken, .. } = &*self.shared;
        if cfg!(mutation = "raised_forgotten") {
            state.swap(ARMED, Ordering::AcqRel);
        } else if state.compare_exchange(POLLING, ARMED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Ok(None);
        }
        let slept = sleep(woken);
        if state.compare_exchange(ARMED, POLLING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // Raised meanwhile. Its wake-up, where it was not slept for, is not the next one's.
            woken.wait_all(Duration::ZERO);
        }
        slept.map(Some)
    }
}
