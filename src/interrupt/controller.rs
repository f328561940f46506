//! What all connections of one kind share: what is enabled, and who is connected.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use vmm_sys_util::eventfd::EventFd;

use super::any_vector::AnyVector;
use super::counters::Observation;
use super::mode::Wanted;
use super::slots::Slots;
use super::source::Source;
use super::{Fault, Histograms, Mode, Request, VectorStatistics};
use crate::backend::{Backend, IrqIndex, RegionIndex};
use crate::core::{Core, Revoke};
use crate::dma::DmaUsage;
use crate::pci::register;
use crate::presence::Presence;
use crate::synchronize::{SyncError, unpoisoned};
use crate::{Address, Code, Error, ErrorKind, Result};

type Hook = Arc<dyn Fn(&Fault) + Send + Sync>;

/// What is enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enabled {
    /// Vectors.
    Vectors(Mode),
    /// None, because the device is declared to have none.
    Nothing,
    /// The error source.
    Errors,
}

/// What all connections of one kind share. The last one to go disables it.
pub struct Controller {
    core: Arc<Core>,
    enabled: Enabled,
    /// The kernel has been told: there is something to release.
    is_triggered: AtomicBool,
    slots: Slots,
    hook: Mutex<Option<Hook>>,
    observation: Observation,
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Controller({}, {:?}, {} of them)", self.core.address(), self.enabled, self.count())
    }
}

impl Controller {
    /// Enables vectors.
    pub fn enable(core: Arc<Core>, request: Request) -> Result<Self> {
        let modes = match request.wanted {
            Wanted::Mode(mode) => vec![mode],
            Wanted::Best => Mode::ALL.to_vec(),
            Wanted::Nothing => return Ok(Self::new(core, Enabled::Nothing, 0, false)),
        };
        let or_next = request.wanted == Wanted::Best;
        for mode in modes {
            let info = core.backend()?.irq(mode.irq())?;
            let wanted = info.count.min(request.at_most.into()) as u16;
            // A set that cannot grow is enabled whole, with no eventfd yet; one that can grows as vectors connect.
            let at_once = mode != Mode::Intx && info.noresize;
            let enabled = match wanted {
                0 => continue,
                _ if at_once => enable_whole(&core, mode, wanted, or_next),
                _ => Ok(wanted),
            };
            match enabled {
                Ok(count) => return Ok(Self::new(core, Enabled::Vectors(mode), count, at_once)),
                Err(error) if or_next => log::warn!("{error}"),
                Err(error) => return Err(error),
            }
        }
        let what = match request.wanted {
            Wanted::Mode(mode) => mode.irq().to_string(),
            _ => "interrupts".to_owned(),
        };
        Err(Error::new(ErrorKind::Precondition, format!("enabling of {what}"))
            .on(core.address())
            .why(format!("the function has no {what}, or the host has no vector left"))
            .code(Code::E11))
    }

    /// The error source, where the function has one.
    pub fn errors(core: Arc<Core>) -> Result<Self> {
        if core.backend()?.irq(IrqIndex::Error)?.count > 0 {
            return Ok(Self::new(core, Enabled::Errors, 1, false));
        }
        Err(Error::new(ErrorKind::Precondition, "enabling of error reports")
            .on(core.address())
            .why("the function has no error source: only those of PCI Express do")
            .code(Code::E11))
    }

    fn new(core: Arc<Core>, enabled: Enabled, count: u16, is_triggered: bool) -> Self {
        Self {
            enabled,
            is_triggered: AtomicBool::new(is_triggered),
            slots: Slots::new(count),
            hook: Mutex::default(),
            observation: Observation::new(core.address()),
            core,
        }
    }

    pub fn address(&self) -> Address {
        self.core.address()
    }

    /// The address without its domain where that is 0: a thread's name holds 15 bytes.
    pub fn short_address(&self) -> String {
        self.core.short_address()
    }

    /// What the vectors share to be observed.
    pub fn observation(&self) -> &Observation {
        &self.observation
    }

    pub fn number(&self) -> u32 {
        self.core.number()
    }

    /// Whether this is a child of the process that opened the device, and so not its owner.
    pub fn is_forked(&self) -> bool {
        self.core.is_forked()
    }

    pub fn presence(&self) -> &Arc<Presence> {
        self.core.presence()
    }

    pub fn mode(&self) -> Option<Mode> {
        match self.enabled {
            Enabled::Vectors(mode) => Some(mode),
            Enabled::Nothing | Enabled::Errors => None,
        }
    }

    pub fn count(&self) -> u16 {
        self.slots.count()
    }

    /// Whether the device does not answer any more: by a register that the kernel reads from the device itself.
    pub fn device_is_gone(&self) -> bool {
        let mut class = [0; 4];
        let read = self
            .core
            .backend()
            .and_then(|backend| backend.read(RegionIndex::CONFIG, register::REVISION_ID.into(), &mut class));
        read.is_err() || class == [0xff; 4]
    }

    /// Who is connected.
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Tells the kernel which eventfd to signal.
    pub fn attach(&self, source: Source, eventfd: &EventFd) -> Result<()> {
        let index = source.index().into();
        match self.core.backend()?.set_trigger(source.irq(), index, &[Some(eventfd)])? {
            None => {
                self.is_triggered.store(true, Ordering::Relaxed);
                Ok(())
            }
            Some(fewer) => Err(too_few(&self.core, source.irq(), self.count(), fewer)),
        }
    }

    /// Tells the kernel to signal nobody.
    pub fn detach(&self, source: Source) {
        if matches!(source, Source::Vector(Mode::Intx, _) | Source::Error) {
            return self.release();
        }
        // A device that is gone signals nobody; its vectors are released together.
        if self.is_triggered.load(Ordering::Relaxed) && !self.presence().is_gone() {
            let detached = |backend: &dyn Backend| {
                backend.set_trigger(source.irq(), source.index().into(), &[None]).map(drop)
            };
            self.log_unless_gone(self.core.backend().and_then(detached));
        }
    }

    /// Disables what is enabled, once, also of a device that is gone.
    fn release(&self) {
        let irq = match self.enabled {
            Enabled::Vectors(mode) => mode.irq(),
            Enabled::Errors => IrqIndex::Error,
            Enabled::Nothing => return,
        };
        if self.is_triggered.swap(false, Ordering::AcqRel) {
            self.log_unless_gone(self.core.closing_backend().release(irq));
        }
    }

    /// What fails because there is no device any more need not be told.
    fn log_unless_gone(&self, outcome: Result<()>) {
        if let (Err(error), false) = (outcome, self.presence().is_gone()) {
            log::error!("{error}");
        }
    }

    pub fn unmask(&self, source: Source) -> Result<()> {
        self.core.backend()?.unmask(source.irq(), source.index().into())
    }

    /// Signals a vector's eventfd as if the device had fired.
    pub fn fire(&self, index: u16) -> Result<()> {
        match self.mode() {
            Some(mode) => self.core.backend()?.fire(mode.irq(), index.into()),
            None => Err(Error::from(SyncError::InvalidVector).on(self.address())),
        }
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

    /// Raises the threads of all who share the lock at `lock` to the highest priority among them.
    pub fn raise_to_ceiling(&self, lock: *const ()) -> Result<()> {
        let connections = self.slots.connected();
        let ceiling = connections.iter().filter_map(|vector| vector.priority_if_behind(lock)).max();
        match ceiling {
            None => Ok(()),
            Some(ceiling) => connections.iter().try_for_each(|vector| vector.raise_if_behind(lock, ceiling)),
        }
    }

    /// Delivers what was kept of every vector whose state has the lock at `lock`.
    pub fn resume_all_behind(&self, lock: *const ()) -> Result<()> {
        // Each, whatever the others say: nobody resumes the rest later.
        let outcomes: Vec<_> =
            self.slots.connected().iter().map(|vector| vector.resume_if_behind(lock)).collect();
        outcomes.into_iter().collect()
    }

    pub fn statistics(&self) -> Vec<VectorStatistics> {
        self.slots.connected().iter().map(|vector| vector.statistics()).collect()
    }

    /// By index, as they are told of themselves.
    pub fn histograms(&self) -> Vec<(u16, Histograms)> {
        let of = |vector: &Arc<dyn AnyVector>| (vector.statistics().index, vector.histograms());
        self.slots.connected().iter().map(of).collect()
    }

    pub fn dma(&self) -> DmaUsage {
        unpoisoned(&self.core.pool).usage()
    }
}

impl Revoke for Controller {
    /// Disables what is enabled. The connections' threads end when their owners drop them.
    fn revoke(&self, _deadline: Instant) {
        self.release();
    }
}

/// Enables `wanted` vectors, or with `or_fewer` as many as the host has; how many that is.
fn enable_whole(core: &Core, mode: Mode, wanted: u16, or_fewer: bool) -> Result<u16> {
    match core.backend()?.set_trigger(mode.irq(), 0, &vec![None; wanted.into()])? {
        None => Ok(wanted),
        Some(fewer) if !or_fewer => Err(too_few(core, mode.irq(), wanted, fewer)),
        Some(fewer) => {
            log::warn!("{}: {fewer} of {wanted} {} vectors are to be had", core.address(), mode.irq());
            match core.backend()?.set_trigger(mode.irq(), 0, &vec![None; fewer as usize])? {
                None => Ok(fewer as u16),
                Some(even_fewer) => Err(too_few(core, mode.irq(), fewer as u16, even_fewer)),
            }
        }
    }
}

fn too_few(core: &Core, irq: IrqIndex, wanted: u16, available: u32) -> Error {
    Error::new(ErrorKind::Precondition, format!("enabling of {wanted} {irq} vectors"))
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
        self.release();
        let enabled = match self.enabled {
            Enabled::Errors => &self.core.errors_enabled,
            Enabled::Vectors(_) | Enabled::Nothing => &self.core.interrupts_enabled,
        };
        enabled.store(false, Ordering::Release);
    }
}
