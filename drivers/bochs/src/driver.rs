//! Starting and stopping the display.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use dirql::class::Meter;
use dirql::class::display::{Display, DisplayCounters, FenceCounters};
use dirql::driver::{Driver, Settings};
use dirql::interrupt::{NoInterrupts, VectorStatistics};
use dirql::region::Bar;
use dirql::selftest::Check;
use dirql::{Device, Error, ErrorKind, Result};

use crate::adapter::Adapter;
use crate::dispi::Scanout;
use crate::limits::Limits;
use crate::limits::PIXEL;
use crate::register::{ID, ID_FIRST, ID_LAST};
use crate::surface::Surface;
use crate::vram::Vram;
use crate::{monitor, selftest};

/// How often whoever waits looks whether the device is there.
const LOOK: Duration = Duration::from_millis(100);

/// A started display.
#[derive(Debug)]
pub struct Bochs {
    pub(crate) adapter: Arc<Adapter>,
    pub(crate) limits: Limits,
    pub(crate) vram: Vram,
    pub(crate) surfaces: HashMap<u32, Surface>,
    /// Fences that there were; all have passed.
    pub(crate) fences: u64,
    pub(crate) counters: DisplayCounters,
    pub(crate) meter: Meter<DisplayCounters>,
    pub(crate) fence_meter: Meter<FenceCounters>,
    /// BAR 0: the video memory.
    pub(crate) memory: Bar,
    stopped: bool,
    pub(crate) device: Device,
}

impl Bochs {
    /// Starts the device. Nothing is shown at first. Bus mastering stays off: the device reaches no memory but its own.
    ///
    /// # Errors
    /// `Precondition` where `settings` ask for interrupts; `NotFound` where it has no BAR of registers; `Device` where it is of
    /// no version of the interface that is known, or does not keep what is written to its registers.
    pub fn start(device: Device, settings: &Settings) -> Result<Self> {
        let address = device.address();
        Self::try_start(device, settings).map_err(|error| error.on(address))
    }

    fn try_start(device: Device, settings: &Settings) -> Result<Self> {
        if let Some(mode) = settings.interrupts {
            let why = format!("{mode} was asked for, and a Bochs display raises no interrupts");
            return Err(Error::new(ErrorKind::Precondition, "start").why(why));
        }
        let (memory, registers) = (device.bar(0)?, device.bar(2)?);
        let adapter = Adapter::new(device.interrupts(NoInterrupts)?, registers);
        let limits = adapter.high(|dispi| dispi.take_over(memory.len()))?;
        Ok(Self {
            adapter: Arc::new(adapter),
            limits,
            vram: Vram::new(limits.memory),
            surfaces: HashMap::new(),
            fences: 0,
            counters: DisplayCounters::default(),
            meter: Meter::default(),
            fence_meter: Meter::default(),
            memory,
            stopped: false,
            device,
        })
    }

    /// The registers, for whoever else has to do with them.
    pub fn adapter(&self) -> Arc<Adapter> {
        self.adapter.clone()
    }

    /// What the device can show.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What is scanned out; `None` where nothing is.
    ///
    /// # Errors
    /// As [`Adapter::medium`].
    pub fn scanout(&self) -> Result<Option<Scanout>> {
        self.adapter.medium(|dispi| Ok(dispi.scanout()))
    }

    /// Shows nothing any more, and leaves nothing of it: an emulator may go on showing what is in the memory.
    pub(crate) fn turn_off(&mut self) -> Result<()> {
        let Some(scanout) = self.adapter.high(|dispi| dispi.disable())? else {
            return Ok(());
        };
        let black = vec![0; scanout.width.into()];
        (scanout.offset()..)
            .step_by(usize::from(scanout.width) * PIXEL as usize)
            .take(scanout.height.into())
            .try_for_each(|line| self.memory.write_words(line, &black))
    }

    /// Sleeps, and looks now and then whether the device is there.
    pub(crate) fn sleep(&self, timeout: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            self.verify()?;
            match timeout.saturating_sub(start.elapsed()) {
                Duration::ZERO => return Ok(()),
                left => sleep(left.min(LOOK)),
            }
        }
    }

    /// # Errors
    /// Where the device is gone: its id reads as all ones, and its configuration space agrees.
    fn verify(&self) -> Result<()> {
        let is_known = |id| (ID_FIRST..=ID_LAST).contains(&id);
        self.adapter.low(|registers| registers.bar().wait_for(ID, Duration::ZERO, is_known)).map(drop)
    }

    /// Stops the device, once.
    fn shut_down(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        self.turn_off().map_err(|error| error.on(self.device.address()))
    }
}

impl Driver for Bochs {
    /// None.
    fn vectors(&self) -> Vec<VectorStatistics> {
        Vec::new()
    }

    fn identify(&mut self) -> Result<Vec<(&'static str, String)>> {
        let (id, connector) = self
            .adapter
            .low(|registers| Ok((registers.read(ID)?, monitor::connector(registers, &self.limits)?)))?;
        let monitor = connector.edid.as_ref().map(|edid| match &edid.name {
            Some(name) => format!("{} {name}", edid.manufacturer),
            None => edid.manufacturer.clone(),
        });
        let preferred = connector.preferred().map_or("no mode".into(), ToString::to_string);
        let shown = self.scanout()?.map(|Scanout { width, height, line }| {
            format!("{width}x{height}, from line {line} of the memory")
        });
        Ok(vec![
            ("device", "Bochs display interface".into()),
            ("version", format!("{id:#06x}")),
            ("video memory", format!("{} KiB", self.limits.memory >> 10)),
            ("monitor", monitor.unwrap_or_else(|| "says nothing".into())),
            ("modes", format!("{}, the preferred one {preferred}", connector.modes.len())),
            ("shown", shown.unwrap_or_else(|| "nothing".into())),
            ("interrupts", "none".into()),
        ])
    }

    fn selftest(&mut self) -> Vec<Check> {
        selftest::run(self)
    }

    fn display(&mut self) -> Option<&mut dyn Display> {
        Some(self)
    }

    fn stop(mut self: Box<Self>) -> Result<()> {
        self.shut_down()
    }
}

impl Drop for Bochs {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            // A device that is gone shows nothing.
            let level = if error.is_gone() { log::Level::Debug } else { log::Level::Error };
            log::log!(level, "bochs: stopping on drop: {error}");
        }
    }
}
