//! What all vectors of a device share: the mode that is enabled, and who is connected.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use vmm_sys_util::eventfd::EventFd;

use super::{Fault, Mode, Request, VectorStatistics};
use crate::core::{Core, Revoke};
use crate::synchronize::{SyncError, unpoisoned};
use crate::{Address, Code, Error, ErrorKind, Result};

type Hook = Arc<dyn Fn(&Fault) + Send + Sync>;

/// What a connection is, whatever its state's type.
pub trait AnyVector: Send + Sync {
    /// Runs `routine` serialized with the handler.
    fn synchronize(&self, routine: &mut dyn FnMut()) -> Result<(), SyncError>;
    /// The counters.
    fn statistics(&self) -> VectorStatistics;
    /// Whether it has been disconnected for good.
    fn is_over(&self) -> bool;
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
    pub fn enable(core: Arc<Core>, request: Request) -> Result<Self> {
        let modes = match request.mode {
            Some(mode) => vec![mode],
            None => Mode::ALL.to_vec(),
        };
        for mode in modes {
            let info = core.backend()?.irq(mode.irq())?;
            let wanted = info.count.min(request.at_most.into()) as u16;
            // A set that cannot grow is enabled whole, with no eventfd yet; one that can grows as vectors connect.
            let at_once = mode != Mode::Intx && info.noresize;
            let enabled = match wanted {
                0 => continue,
                _ if at_once => enable_whole(&core, mode, wanted, request.mode.is_none()),
                _ => Ok(wanted),
            };
            let count = match enabled {
                Ok(count) => count,
                Err(error) if request.mode.is_none() => {
                    log::warn!("{error}");
                    continue;
                }
                Err(error) => return Err(error),
            };
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
        self.core.short_address()
    }

    pub fn number(&self) -> u32 {
        self.core.number()
    }

    /// Whether this is a child of the process that opened the device, and so not its owner.
    pub fn is_forked(&self) -> bool {
        self.core.is_forked()
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub fn count(&self) -> u16 {
        self.count
    }

    /// The handler connected to the vector.
    pub fn slot(&self, index: u16) -> Result<Arc<dyn AnyVector>, SyncError> {
        let slot =
            unpoisoned(&self.slots).get(usize::from(index)).cloned().ok_or(SyncError::InvalidVector)?;
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
        match self.core.backend()?.set_trigger(self.mode.irq(), index.into(), &[Some(eventfd)])? {
            None => {
                self.enabled.store(true, Ordering::Relaxed);
                Ok(())
            }
            Some(fewer) => Err(too_few(&self.core, self.mode, self.count, fewer)),
        }
    }

    /// Tells the kernel to signal nobody.
    pub fn detach(&self, index: u16) {
        // A device that is gone signals nobody, and its kernel's part goes with its descriptors.
        if !self.enabled.load(Ordering::Relaxed) || self.core.presence().is_gone() {
            return;
        }
        let outcome = self.core.backend().and_then(|backend| match self.mode {
            Mode::Intx => backend.release(self.mode.irq()),
            Mode::Msi | Mode::Msix => backend.set_trigger(self.mode.irq(), index.into(), &[None]).map(drop),
        });
        if let Err(error) = outcome {
            log::error!("{error}");
        }
    }

    pub fn unmask(&self, index: u16) -> Result<()> {
        self.core.backend()?.unmask(self.mode.irq(), index.into())
    }

    pub fn fire(&self, index: u16) -> Result<()> {
        self.core.backend()?.fire(self.mode.irq(), index.into())
    }

    pub fn set_hook(&self, hook: impl Fn(&Fault) + Send + Sync + 'static) {
        *unpoisoned(&self.hook) = Some(Arc::new(hook));
    }

    pub fn report(&self, fault: &Fault) {
        let hook = unpoisoned(&self.hook).clone();
        match hook {
            Some(hook) => catch_unwind(AssertUnwindSafe(|| hook(fault)))
                .unwrap_or_else(|_| log::error!("{}: the fault hook panicked on: {fault}", self.address())),
            None => log::error!(bdf:% = self.address(), vector = fault.vector; "{fault}"),
        }
    }

    pub fn statistics(&self) -> Vec<VectorStatistics> {
        // Read outside the lock: the last owner of a vector drops what its handler owned.
        let vectors: Vec<_> = unpoisoned(&self.slots).iter().flatten().filter_map(Weak::upgrade).collect();
        vectors.iter().map(|vector| vector.statistics()).collect()
    }
}

impl Revoke for Controller {
    /// Disables the mode. The vectors' threads end when their owners drop them.
    fn revoke(&self, _deadline: Instant) {
        if self.enabled.swap(false, Ordering::Relaxed)
            && let Err(error) = self.core.closing_backend().release(self.mode.irq())
        {
            log::debug!("{error}");
        }
    }
}

/// Enables `wanted` vectors, or with `or_fewer` as many as the host has; how many that is.
fn enable_whole(core: &Core, mode: Mode, wanted: u16, or_fewer: bool) -> Result<u16> {
    match core.backend()?.set_trigger(mode.irq(), 0, &vec![None; wanted.into()])? {
        None => Ok(wanted),
        Some(fewer) if !or_fewer => Err(too_few(core, mode, wanted, fewer)),
        Some(fewer) => {
            log::warn!("{}: {fewer} of {wanted} {} vectors are to be had", core.address(), mode.irq());
            match core.backend()?.set_trigger(mode.irq(), 0, &vec![None; fewer as usize])? {
                None => Ok(fewer as u16),
                Some(even_fewer) => Err(too_few(core, mode, fewer as u16, even_fewer)),
            }
        }
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
        if self.is_forked() {
            return;
        }
        // INTx was released with its one vector.
        if self.mode != Mode::Intx
            && self.enabled.load(Ordering::Relaxed)
            && !self.core.presence().is_gone()
            && let Err(error) = self.core.backend().and_then(|backend| backend.release(self.mode.irq()))
        {
            log::error!("{error}");
        }
        self.core.interrupts_enabled.store(false, Ordering::Release);
    }
}
