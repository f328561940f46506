//! The device's displays, over whatever way there is into its sections.
//!
//! What the handlers own is reached by [`Sections`]; what only the program touches is here: framebuffers, and what each
//! scanout shows.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dirql::class::Meter;
use dirql::class::display::{
    Canvas, Connector, Cursor, Display, DisplayCounters, DisplayObserver, Fence, Framebuffer, Mode, Rectangle,
};
use dirql::{Address, Error, ErrorKind, Result};

use super::channel::Channel;
use super::command::{Command, Format};
use super::fence::Outcome;
use super::resource::Resource;
use super::scanout::Scanout;
use super::sections::{Part, Sections, Wiring};
use super::setup::Foundation;
use super::{connectors, cursor, flip};
use crate::lifecycle;

/// A running device's displays. Dropped, it stops the device.
#[derive(Debug)]
pub struct ModeSetting<S: Sections> {
    pub(super) channel: Channel<S>,
    framebuffers: BTreeMap<u32, Resource>,
    scanouts: Vec<Scanout>,
    /// Parts of a framebuffer that one flip takes over.
    damage: usize,
    /// How often displays had changed when they were last asked for.
    seen: u64,
    counters: DisplayCounters,
    meter: Meter<DisplayCounters>,
    stopped: bool,
}

impl<S: Sections> ModeSetting<S> {
    /// Sets a device going whose vectors are connected.
    ///
    /// # Errors
    /// `Device` where it does not start.
    pub fn start(foundation: Foundation, sections: S, wiring: &Wiring) -> Result<Self> {
        let scanouts = (0..foundation.scanouts).map(|_| Scanout::default()).collect();
        let framebuffers = BTreeMap::new();
        let channel = Channel { sections, foundation };
        let (counters, meter) = Default::default();
        let (damage, seen, stopped) = (0, 0, false);
        let mut started = Self { channel, framebuffers, scanouts, damage, seen, counters, meter, stopped };
        // From here on, dropping stops the device.
        started.run(wiring).map_err(|error| error.on(started.address()))?;
        Ok(started)
    }

    fn run(&mut self, wiring: &Wiring) -> Result<()> {
        let transport = self.channel.foundation.transport.clone();
        transport.assign_config(wiring.assigned(Part::Config))?;
        self.damage = self.channel.control(|control| {
            control.enable(&transport, wiring.assigned(Part::Control))?;
            Ok(control.damage().min(flip::DAMAGE))
        })?;
        let cursor = wiring.assigned(Part::Cursor);
        self.channel.section(Part::Cursor, |state| state.pointer()?.enable(&transport, cursor))?;
        transport.ready()?;
        // A change before now raised no interrupt.
        self.channel.section(Part::Config, |state| state.config()?.handle().map(drop))
    }

    /// Whose they are.
    pub fn address(&self) -> Address {
        self.channel.address()
    }

    /// The way into the sections.
    pub fn sections(&self) -> &S {
        &self.channel.sections
    }

    /// Stops the device, disconnects its vectors, and takes all memory back, once. Every step is taken, whatever the others
    /// say.
    ///
    /// # Errors
    /// Where the device does not stop.
    pub fn stop(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        let Foundation { device, transport, .. } = &self.channel.foundation;
        let (quiet, mut states, stopped) =
            lifecycle::stop(device, transport, || self.channel.sections.disconnect());
        // What may still be reached stays lent until the device is closed.
        if let Some(quiet) = quiet {
            states.iter_mut().for_each(|state| state.reclaim(&quiet));
            let resources = std::mem::take(&mut self.framebuffers).into_values();
            let cursors = self.scanouts.iter_mut().filter_map(Scanout::take_cursor);
            resources.chain(cursors).for_each(|resource| drop(resource.backing.stopped(&quiet)));
        }
        stopped
    }

    fn scanout(&mut self, connector: u32) -> Result<&mut Scanout> {
        let (address, scanouts) = (self.address(), self.scanouts.len());
        self.scanouts.get_mut(connector as usize).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("look-up of connector {connector}"))
                .on(address)
                .why(format!("the device has connectors 0 to {}", scanouts.saturating_sub(1)))
        })
    }

    /// A framebuffer of this display that the device is done with.
    fn idle(&mut self, framebuffer: &Framebuffer, operation: &str) -> Result<&mut Resource> {
        let address = self.address();
        let fence = self.framebuffers.get(&framebuffer.id()).and_then(|resource| resource.fence);
        if let Some(id) = fence
            && matches!(
                self.channel.control(|control| Ok(control.fences().outcome(id)))?,
                Some(Outcome::Pending)
            )
        {
            return Err(Error::new(ErrorKind::Busy, operation)
                .on(address)
                .why(format!("the device may still read it: fence {id} has not passed")));
        }
        self.framebuffers.get_mut(&framebuffer.id()).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, operation).on(address).why("it is no framebuffer of this display")
        })
    }

    /// Has the scanout show the framebuffer, as far as the damage goes; told anew that it does where it is so `fresh`.
    fn show(
        &mut self,
        connector: u32,
        framebuffer: &Framebuffer,
        damage: &[Rectangle],
        fresh: bool,
    ) -> Result<Fence> {
        const OPERATION: &str = "showing of a framebuffer";
        let (address, most) = (self.address(), self.damage);
        let mode = self.scanout(connector)?.mode;
        let Some(mode) = mode else {
            return Err(Error::new(ErrorKind::Precondition, OPERATION)
                .on(address)
                .why(format!("connector {connector} has no mode yet")));
        };
        let resource = self.idle(framebuffer, OPERATION)?;
        let (id, size) = (resource.id, resource.size);
        if size != mode {
            return Err(Error::new(ErrorKind::InvalidArgument, OPERATION)
                .on(address)
                .why(format!("it has {}x{} pixels, and the mode {}x{}", size.0, size.1, mode.0, mode.1)));
        }
        let (parts, count) = flip::parts(damage, size, most);
        let since = self.scanout(connector)?.since(id).filter(|_| !fresh);
        let flip =
            super::control::Flip { scanout: connector, resource: id, size, damage: &parts[..count], since };
        let (fence, changes) = self.channel.expect(|control| control.flip(&flip))?;
        self.counters.shown(fresh, &parts[..count], size);
        self.meter.set(&self.counters);
        self.scanout(connector)?.flipped(id, fence, changes);
        if let Some(resource) = self.framebuffers.get_mut(&id) {
            resource.fence = Some(fence);
        }
        Ok(Fence(fence))
    }
}

impl<S: Sections> Display for ModeSetting<S> {
    fn connectors(&mut self) -> Result<Vec<Connector>> {
        // What changes from here on has not been seen.
        self.seen = self.channel.section(Part::Config, |state| Ok(state.config()?.changes()))?;
        connectors::read(&self.channel)
    }

    fn wait_for_change(&mut self, timeout: Duration) -> Result<bool> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let changes = self.channel.section(Part::Config, |state| Ok(state.config()?.changes()))?;
            let left = deadline.map_or(timeout, |at| at.saturating_duration_since(Instant::now()));
            if changes != self.seen || left.is_zero() {
                return Ok(changes != self.seen);
            }
            self.channel.foundation.signals.changed.wait_all(left);
        }
    }

    fn create_framebuffer(&mut self, width: u32, height: u32) -> Result<Framebuffer> {
        let resource = self.channel.create((width, height), Format::B8g8r8x8)?;
        let id = resource.id;
        self.framebuffers.insert(id, resource);
        Ok(Framebuffer::new(id, width, height))
    }

    fn destroy_framebuffer(&mut self, framebuffer: Framebuffer) -> Result<()> {
        let shown = self.scanouts.iter().any(|scanout| scanout.is_showing(framebuffer.id()));
        if !shown && let Some(resource) = self.framebuffers.remove(&framebuffer.id()) {
            return self.channel.release(resource, true);
        }
        let (kind, why) = match shown {
            true => (ErrorKind::Busy, "it is shown"),
            false => (ErrorKind::NotFound, "it is no framebuffer of this display"),
        };
        Err(Error::new(kind, "giving back of a framebuffer").on(self.address()).why(why))
    }

    fn draw(&mut self, framebuffer: &Framebuffer) -> Result<Canvas<'_>> {
        let resource = self.idle(framebuffer, "drawing into a framebuffer")?;
        let (width, _) = resource.size;
        Ok(Canvas::new(resource.backing.pixels(), width))
    }

    fn set_mode(&mut self, connector: u32, mode: &Mode, framebuffer: &Framebuffer) -> Result<Fence> {
        let size = (mode.width, mode.height);
        let before = self.scanout(connector)?.mode.replace(size);
        let shown = self.show(connector, framebuffer, &[Rectangle::whole(size.0, size.1)], true);
        if shown.is_err() {
            self.scanout(connector)?.mode = before;
        }
        shown
    }

    fn page_flip(
        &mut self,
        connector: u32,
        framebuffer: &Framebuffer,
        damage: &[Rectangle],
    ) -> Result<Fence> {
        self.show(connector, framebuffer, damage, false)
    }

    fn wait(&mut self, fence: Fence, timeout: Duration) -> Result<bool> {
        let Fence(id) = fence;
        let address = self.address();
        let passed = self.channel.wait_for(timeout, |control| match control.fences().outcome(id) {
            Some(Outcome::Passed) => Ok(Some(())),
            Some(Outcome::Pending) => Ok(None),
            Some(Outcome::Failed(error)) => Err(error),
            None => Err(Error::new(ErrorKind::NotFound, format!("wait for fence {id}"))
                .on(address)
                .why("there is no such fence")),
        })?;
        Ok(passed.is_some())
    }

    fn passed(&mut self) -> Result<Option<Fence>> {
        self.channel.control(|control| match control.fences().untold() {
            Some(error) => Err(error),
            None => Ok(control.fences().passed().map(Fence)),
        })
    }

    fn disable(&mut self, connector: u32) -> Result<()> {
        self.scanout(connector)?;
        self.channel.ask(Command::SetScanout {
            scanout: connector,
            resource: 0,
            part: Rectangle::whole(0, 0),
        })?;
        self.scanout(connector)?.disable();
        Ok(())
    }

    fn set_cursor(&mut self, connector: u32, cursor: Option<&Cursor>) -> Result<()> {
        self.scanout(connector)?;
        let scanout = &mut self.scanouts[connector as usize];
        cursor::set(&self.channel, connector, scanout, cursor)
    }

    fn move_cursor(&mut self, connector: u32, x: u32, y: u32) -> Result<()> {
        self.scanout(connector)?.position = (x, y);
        cursor::moved(&self.channel, connector, &self.scanouts[connector as usize])
    }

    fn meters(&self) -> Option<DisplayObserver> {
        let fences = self.channel.foundation.fences.clone();
        Some(DisplayObserver { shown: self.meter.reader(), fences })
    }
}

impl<S: Sections> Drop for ModeSetting<S> {
    fn drop(&mut self) {
        lifecycle::dropped(super::DRIVER.name, self.stop());
    }
}
