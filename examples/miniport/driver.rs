//! A sampler's driver, ported from a miniport: `docs/porting.md` has both.

use dirql::ddi::ke::synchronize_execution;
use dirql::interrupt::{Best, Deferral, Event, Handled, Vector};
use dirql::region::{Bar, Register};
use dirql::{Device, Result};

pub const CONTROL: Register<u32> = Register::new(0x00, "CONTROL");
pub const CAUSE: Register<u32> = Register::new(0x04, "CAUSE");
pub const ACKNOWLEDGE: Register<u32> = Register::new(0x08, "ACKNOWLEDGE");
pub const AVAILABLE: Register<u32> = Register::new(0x0c, "AVAILABLE");
pub const SAMPLE: Register<u32> = Register::new(0x10, "SAMPLE");

pub const CONTROL_RUN: u32 = 1;
pub const CONTROL_RATE: u32 = 0xff00;
pub const CAUSE_SAMPLE: u32 = 1;
pub const CAUSE_OVERRUN: u32 = 2;
pub const FIFO_DEPTH: u32 = 16;

/// The device extension, as far as the interrupt service routine touches it. It lives in the interrupt's lock.
struct Extension {
    bar: Bar,
    causes: u32,
    /// What sets the device running again after a pause: CONTROL_RUN, until it is to stop.
    run: u32,
}

impl Extension {
    /// CONTROL belongs to the extension: who changes it is in the section.
    fn change_control(&mut self, clear: u32, set: u32) -> Result<()> {
        let control = self.bar.read(CONTROL)?;
        self.bar.write(CONTROL, control & !clear | set)
    }
}

/// The interrupt service routine.
fn service(extension: &mut Extension, event: Event<'_>) -> Result<Handled> {
    let causes = extension.bar.read(CAUSE)?;
    if causes == 0 {
        return Ok(Handled::No);
    }
    extension.bar.write(ACKNOWLEDGE, causes)?;
    extension.causes |= causes;
    if causes & CAUSE_OVERRUN != 0 {
        extension.change_control(CONTROL_RUN, 0)?;
    }
    event.defer();
    Ok(Handled::Yes)
}

/// A synchronize routine: whether the service routine has left anything, and what.
fn take_causes(extension: &mut Extension, causes: &mut u32) -> bool {
    *causes = std::mem::take(&mut extension.causes);
    *causes != 0
}

/// The deferred procedure call.
fn deferred(call: &Deferral<'_, Extension>, bar: &Bar, deliver: &mut impl FnMut(Result<u32>)) -> Result<()> {
    let mut causes = 0;
    if !synchronize_execution(call, take_causes, &mut causes)? {
        return Ok(());
    }
    for _ in 0..bar.read(AVAILABLE)?.min(FIFO_DEPTH) {
        deliver(bar.read(SAMPLE));
    }
    if causes & CAUSE_OVERRUN != 0 {
        call.synchronize(|extension| extension.change_control(0, extension.run))??;
    }
    Ok(())
}

/// A started sampler.
pub struct Sampler {
    device: Device,
    interrupt: Vector<Extension>,
}

impl Sampler {
    /// Starts the device; from now on `deliver` gets its samples, on the thread of deferred calls.
    pub fn start(device: Device, mut deliver: impl FnMut(Result<u32>) + Send + 'static) -> Result<Self> {
        let bar = device.bar(0)?;
        bar.write(CONTROL, 0)?;
        bar.write(ACKNOWLEDGE, u32::MAX)?;
        device.set_bus_master(true)?; // a message is a write to memory
        let registers = bar.clone();
        let interrupt = device
            .interrupts(Best)?
            .vector(0, Extension { bar, causes: 0, run: CONTROL_RUN })
            .deferred(move |call| {
                deferred(call, &registers, &mut deliver).unwrap_or_else(|error| deliver(Err(error)));
            })
            .connect(service)?;
        interrupt.synchronize(|extension| extension.change_control(0, CONTROL_RUN))??;
        Ok(Self { device, interrupt })
    }

    /// The dispatch routine: changes the rate while the service routine may be pausing the device.
    pub fn set_rate(&self, rate: u8) -> Result<()> {
        let set = u32::from(rate) << CONTROL_RATE.trailing_zeros();
        self.interrupt.synchronize(|extension| extension.change_control(CONTROL_RATE, set))?
    }

    /// The stop routine. What was deferred has run when this returns.
    pub fn stop(self) -> Result<()> {
        self.interrupt.synchronize(|extension| {
            extension.run = 0;
            extension.change_control(CONTROL_RUN, 0)
        })??;
        self.interrupt.disconnect()?;
        self.device.set_bus_master(false)
    }
}
