//! Enabling one kind of interrupt on a device, and who is connected to which vector.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use vmm_sys_util::eventfd::EventFd;

use super::vector::{self, AnyVector};
use super::{Event, IntoHandled, Mode, Request, Vector, VectorStatistics};
use crate::device::Core;
use crate::synchronize::{SyncError, unpoisoned};
use crate::{Address, Code, Error, ErrorKind, Result};

/// A handler that went wrong. INTx stays masked until somebody acts.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The vector's index.
    pub vector: u16,
    /// What happened.
    pub kind: FaultKind,
}

/// What went wrong in a handler.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FaultKind {
    /// It panicked, with these words; the vector is poisoned.
    HandlerPanicked(String),
    /// It could not quiet the device.
    HandlerFailed(Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::HandlerPanicked(words) => {
                write!(f, "the handler of vector {} panicked: {words}", self.vector)
            }
            FaultKind::HandlerFailed(error) => {
                write!(f, "the handler of vector {} failed: {error}", self.vector)
            }
        }
    }
}

type Hook = Arc<dyn Fn(&Fault) + Send + Sync>;

/// The interrupts of a device, of one mode.
///
/// Handlers that were connected keep them enabled: this value may be dropped once all are.
#[derive(Debug)]
pub struct Interrupts {
    controller: Arc<Controller>,
}

impl Interrupts {
    pub(crate) fn enable(core: Arc<Core>, request: Request) -> Result<Self> {
        let mut taken = unpoisoned(&core.interrupts);
        if taken.upgrade().is_some() {
            return Err(Error::new(ErrorKind::Busy, "enabling of interrupts")
                .on(core.address())
                .why("this process has enabled them already, and a vector or its owner still lives"));
        }
        let controller = Arc::new(Controller::enable(core.clone(), request)?);
        *taken = Arc::downgrade(&controller);
        drop(taken);
        Ok(Self { controller })
    }

    /// How interrupts arrive.
    pub fn mode(&self) -> Mode {
        self.controller.mode
    }

    /// How many vectors there are.
    pub fn count(&self) -> u16 {
        self.controller.count
    }

    /// Connects `handler` to the vector `index`, and moves `state` into its lock.
    ///
    /// The handler runs on a thread of its own, named `dirql/<address>/<index>`, with `state` in its section. It may
    /// run before this returns; the driver lets the device raise interrupts only after.
    ///
    /// # Errors
    /// `InvalidArgument` for an index out of range, `Busy` where a handler is connected; E11 where the kernel refuses.
    pub fn connect<T, F, H>(&mut self, index: u16, state: T, mut handler: F) -> Result<Vector<T>>
    where
        T: Send + 'static,
        F: FnMut(&mut T, Event) -> H + Send + 'static,
        H: IntoHandled,
    {
        match self.controller.slot(index) {
            Err(SyncError::NotConnected) => {}
            Err(error) => return Err(Error::from(error).on(self.controller.address())),
            Ok(_) => {
                return Err(Error::new(ErrorKind::Busy, format!("connecting of vector {index}"))
                    .on(self.controller.address())
                    .why("a handler is connected to it"));
            }
        }
        vector::connect(&self.controller, index, state, move |state, event| {
            handler(state, event).into_handled()
        })
    }

    /// Runs `routine` serialized with the handler of a vector that is known by its index only, as
    /// `DxgkCbSynchronizeExecution` does. The handler's state is not reached this way: see [`Vector::synchronize`].
    ///
    /// # Errors
    /// `InvalidVector` for an index out of range, `NotConnected` without a handler; else as [`Vector::synchronize`].
    pub fn synchronize<R>(&self, index: u16, routine: impl FnOnce() -> R) -> Result<R, SyncError> {
        let vector = self.controller.slot(index)?;
        let mut routine = Some(routine);
        let mut result = None;
        vector.section(&mut || result = routine.take().map(|routine| routine()))?;
        result.ok_or(SyncError::NotConnected)
    }

    /// Raises the vector as if the device had: the loopback self-test. The device itself is not involved.
    ///
    /// # Errors
    /// E11 where the vector is not enabled.
    pub fn fire(&self, index: u16) -> Result<()> {
        self.controller.core.backend().fire(self.controller.mode.irq(), index.into())
    }

    /// What was counted of every connected vector, by index.
    pub fn statistics(&self) -> Vec<VectorStatistics> {
        self.controller.statistics()
    }

    /// Calls `hook`, on the vector's thread, whenever a handler goes wrong. Without one, the fault is logged.
    pub fn on_fault(&self, hook: impl Fn(&Fault) + Send + Sync + 'static) {
        *unpoisoned(&self.controller.hook) = Some(Arc::new(hook));
    }
}

/// What all vectors of a device share. The last one to go disables the mode.
pub struct Controller {
    core: Arc<Core>,
    mode: Mode,
    count: u16,
    enabled: AtomicBool,
    slots: Mutex<Vec<Option<Weak<dyn AnyVector>>>>,
    hook: Mutex<Option<Hook>>,
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { core, mode, count, .. } = self;
        write!(f, "Controller({}, {mode}, {count} vectors)", core.address())
    }
}

impl Controller {
    fn enable(core: Arc<Core>, request: Request) -> Result<Self> {
        let modes = match request.mode {
            Some(mode) => vec![mode],
            None => Mode::ALL.to_vec(),
        };
        for mode in modes {
            let info = core.backend().irq(mode.irq())?;
            let mut count = info.count.min(request.at_most.into()) as u16;
            if count == 0 {
                continue;
            }
            // A set that cannot grow is enabled whole, with no eventfd yet; one that can grows as vectors connect.
            let at_once = mode != Mode::Intx && info.noresize;
            if at_once {
                match core.backend().set_trigger(mode.irq(), 0, &vec![None; count.into()])? {
                    None => {}
                    Some(fewer) if request.mode.is_none() && fewer > 0 => {
                        log::warn!(
                            "{}: {fewer} of {count} {} vectors are to be had",
                            core.address(),
                            mode.irq()
                        );
                        count = fewer as u16;
                        if core.backend().set_trigger(mode.irq(), 0, &vec![None; count.into()])?.is_some() {
                            continue;
                        }
                    }
                    Some(_) if request.mode.is_none() => continue,
                    Some(fewer) => return Err(too_few(&core, mode, count, fewer)),
                }
            }
            let slots = Mutex::new(vec![None; count.into()]);
            let enabled = AtomicBool::new(at_once);
            return Ok(Self { core, mode, count, enabled, slots, hook: Mutex::default() });
        }
        let what = request.mode.map_or_else(|| "interrupts".to_owned(), |mode| mode.irq().to_string());
        Err(Error::new(ErrorKind::Precondition, format!("enabling of {what}"))
            .on(core.address())
            .why(format!("the function has no {what}, or the host has no vector left"))
            .code(Code::E11))
    }

    pub fn address(&self) -> Address {
        self.core.address()
    }

    /// The address without its domain where that is 0: a thread's name holds 15 bytes.
    pub fn short_address(&self) -> String {
        let full = self.address().to_string();
        full.strip_prefix("0000:").map_or(full.clone(), str::to_owned)
    }

    pub fn number(&self) -> u32 {
        self.core.number()
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The handler connected to the vector.
    fn slot(&self, index: u16) -> Result<Arc<dyn AnyVector>, SyncError> {
        let slots = unpoisoned(&self.slots);
        let slot = slots.get(usize::from(index)).ok_or(SyncError::InvalidVector)?;
        let vector = slot.as_ref().and_then(Weak::upgrade).ok_or(SyncError::NotConnected)?;
        if vector.is_over() { Err(SyncError::NotConnected) } else { Ok(vector) }
    }

    pub fn enter_vector(&self, index: u16, vector: Arc<dyn AnyVector>) {
        if let Some(slot) = unpoisoned(&self.slots).get_mut(usize::from(index)) {
            *slot = Some(Arc::downgrade(&vector));
        }
    }

    /// Tells the kernel which eventfd to signal.
    pub fn attach(&self, index: u16, eventfd: &EventFd) -> Result<()> {
        match self.core.backend().set_trigger(self.mode.irq(), index.into(), &[Some(eventfd)])? {
            None => {
                self.enabled.store(true, Ordering::Relaxed);
                Ok(())
            }
            Some(fewer) => Err(too_few(&self.core, self.mode, self.count, fewer)),
        }
    }

    /// Tells the kernel to signal nobody.
    pub fn detach(&self, index: u16) {
        let backend = self.core.backend();
        if !self.enabled.load(Ordering::Relaxed) {
            return;
        }
        let outcome = match self.mode {
            Mode::Intx => backend.release(self.mode.irq()),
            Mode::Msi | Mode::Msix => backend.set_trigger(self.mode.irq(), index.into(), &[None]).map(drop),
        };
        if let Err(error) = outcome {
            log::error!("{error}");
        }
    }

    pub fn unmask(&self, index: u16) -> Result<()> {
        self.core.backend().unmask(self.mode.irq(), index.into())
    }

    pub fn report(&self, fault: &Fault) {
        let hook = unpoisoned(&self.hook).clone();
        match hook {
            Some(hook) => hook(fault),
            None => log::error!(bdf:% = self.address(), vector = fault.vector; "{fault}"),
        }
    }

    fn statistics(&self) -> Vec<VectorStatistics> {
        let slots = unpoisoned(&self.slots);
        slots.iter().flatten().filter_map(Weak::upgrade).map(|vector| vector.statistics()).collect()
    }
}

fn too_few(core: &Core, mode: Mode, wanted: u16, available: u32) -> Error {
    Error::new(ErrorKind::Precondition, format!("enabling of {wanted} {} vectors", mode.irq()))
        .on(core.address())
        .why(format!("the host has {available} to give; none was enabled"))
        .fix(format!("ask for at most {available}, or for the best mode"))
        .code(Code::E11)
}

impl Drop for Controller {
    fn drop(&mut self) {
        // INTx was released with its one vector.
        if self.mode != Mode::Intx
            && self.enabled.load(Ordering::Relaxed)
            && let Err(error) = self.core.backend().release(self.mode.irq())
        {
            log::error!("{error}");
        }
    }
}
