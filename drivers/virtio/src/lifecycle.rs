//! What starts and stops a device, whatever type it is.

use dirql::driver::Settings;
use dirql::interrupt::{Fault, FaultKind, Interrupts, Mode, Request, Vector};
use dirql::{Device, Error, ErrorKind, Result};

use crate::transport::Transport;
use crate::transport::vectors::{self, Plan};

/// Proof that the device reaches no memory: it was reset, or masters the bus no more.
#[derive(Debug)]
pub struct Quiet(());

/// Nothing, unless the settings ask for interrupts that no virtio device has.
///
/// # Errors
/// `Precondition` for MSI.
pub fn check(settings: &Settings) -> Result<()> {
    if settings.interrupts == Some(Mode::Msi) {
        return Err(Error::new(ErrorKind::Precondition, "start")
            .why("virtio devices have no MSI: they have MSI-X and INTx")
            .fix("--interrupts msix"));
    }
    Ok(())
}

/// The interrupts of a device with so many queues that interrupt, in at most so many vectors, and which vector is whose;
/// `None` with INTx. Where the device refuses its vectors, and nobody asked for messages, it has INTx.
///
/// # Errors
/// As [`Device::interrupts`]; `Device` where the messages that were asked for are refused.
pub fn interrupts(
    device: &Device,
    settings: &Settings,
    transport: &Transport,
    queues: u16,
    at_most: u16,
) -> Result<(Interrupts, Option<Plan>)> {
    let interrupts = device.interrupts(settings.request().at_most(at_most))?;
    if interrupts.mode() != Some(Mode::Msix) {
        return Ok((interrupts, None));
    }
    if let Some(plan) = vectors::settle(transport, interrupts.count(), queues)? {
        return Ok((interrupts, Some(plan)));
    }
    if settings.interrupts == Some(Mode::Msix) {
        return Err(Error::new(ErrorKind::Device, "assignment of a vector")
            .why("the device refuses every vector")
            .fix("--interrupts intx"));
    }
    drop(interrupts);
    Ok((device.interrupts(Request::from(Mode::Intx))?, None))
}

/// Logs what goes wrong with a handler, and tells who waits: why nothing more will come, where that is so, or to look.
pub fn report_faults(
    interrupts: &Interrupts,
    name: &'static str,
    tell: impl Fn(Option<&Error>) + Send + Sync + 'static,
) {
    interrupts.on_fault(move |fault: &Fault| {
        log::error!("{name}: {fault}");
        match &fault.kind {
            FaultKind::DeliveryFailed(error) => tell(Some(error)),
            _ => tell(None),
        }
    });
}

/// Stops a device: it is reset, its vectors are disconnected, and bus mastering is turned off. Every step is taken,
/// whatever the others say. Gives the vectors' states too. Without proof that it is quiet, memory stays lent until the
/// device is closed.
pub fn stop<T>(
    device: &Device,
    transport: &Transport,
    disconnect: impl FnOnce() -> (Vec<T>, Result<()>),
) -> (Option<Quiet>, Vec<T>, Result<()>) {
    let reset = transport.reset();
    let (states, disconnected) = disconnect();
    let cut_off = device.set_bus_master(false);
    let quiet = (reset.is_ok() || cut_off.is_ok()).then_some(Quiet(()));
    (quiet, states, reset.and(disconnected).and(cut_off).map_err(|error| error.on(device.address())))
}

/// Disconnects vectors, all of them, whatever becomes of each; and gives their states.
pub fn disconnect<'a, T: Send + 'static>(
    vectors: impl IntoIterator<Item = &'a Vector<T>>,
) -> (Vec<T>, Result<()>) {
    let (mut states, mut disconnected) = (Vec::new(), Ok(()));
    for vector in vectors {
        let state = vector.disconnect().map_err(Error::from);
        disconnected = disconnected.and(state.map(|state| states.extend(state)));
    }
    (states, disconnected)
}

/// Says how a stop on drop went, where it went wrong.
pub fn dropped(name: &str, stopped: Result<()>) {
    if let Err(error) = stopped {
        // A device that is gone has been stopped by whoever took it.
        let level = if error.is_gone() { log::Level::Debug } else { log::Level::Error };
        log::log!(level, "{name}: stopping on drop: {error}");
    }
}
