//! The device as a [`Display`] with one connector.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dirql::class::display::{
    Canvas, Connector, Cursor, Display, DisplayObserver, Fence, FenceCounters, Framebuffer, Mode, Rectangle,
};
use dirql::{Error, ErrorKind, Result};

use crate::dispi::Scanout;
use crate::limits::PIXEL;
use crate::surface::Surface;
use crate::{Bochs, monitor};

/// The next framebuffer of any display: so that none is mistaken for another's.
static NEXT: AtomicU32 = AtomicU32::new(1);

impl Bochs {
    fn error(&self, kind: ErrorKind, what: &str, why: impl Into<String>) -> Error {
        Error::new(kind, what).on(self.device.address()).why(why)
    }

    fn named<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|error| error.on(self.device.address()))
    }

    fn check_connector(&self, connector: u32) -> Result<()> {
        if connector == 0 {
            return Ok(());
        }
        Err(self.error(
            ErrorKind::NotFound,
            "look-up of the connector",
            format!("{connector}: there is 0 only"),
        ))
    }

    fn no_cursor(&self, connector: u32) -> Result<()> {
        self.check_connector(connector)?;
        Err(self.error(ErrorKind::Precondition, "showing of a cursor", "a Bochs display has no cursor"))
    }

    fn surface(&mut self, framebuffer: &Framebuffer) -> Result<&mut Surface> {
        let address = self.device.address();
        let surface = self.surfaces.get_mut(&framebuffer.id());
        surface.filter(|surface| surface.is(framebuffer.width(), framebuffer.height())).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "look-up of the framebuffer")
                .on(address)
                .why("it is none of this display")
        })
    }

    /// Where the pages are that are shown.
    fn shown(&self) -> Result<Option<u64>> {
        Ok(self.scanout()?.map(|scanout| scanout.offset()))
    }

    /// Place for a page. Where there is none, framebuffers that have a second page make some.
    fn page(&mut self, width: u32, height: u32) -> Result<u64> {
        let (stride, lines, highest) =
            (u64::from(width) * PIXEL, u64::from(height), self.limits.height.into());
        if let Some(offset) = self.vram.take(stride, lines, highest) {
            return Ok(offset);
        }
        let shown = self.shown()?;
        let spare: Vec<_> =
            self.surfaces.values_mut().filter_map(|surface| surface.give_up_page(shown)).collect();
        spare.into_iter().for_each(|offset| self.vram.give_back(offset));
        self.vram.take(stride, lines, highest).ok_or_else(|| {
            let (free, largest) = self.vram.free();
            let why = format!(
                "{width}x{height} takes {} KiB of video memory, and begins at line {highest} at most; of {} KiB, {} are free, \
                 {} of them in one piece",
                (stride * lines) >> 10,
                self.limits.memory >> 10,
                free >> 10,
                largest >> 10
            );
            self.error(ErrorKind::Precondition, "allocation of video memory", why)
                .fix("smaller framebuffers, or fewer")
        })
    }

    /// Brings what was drawn in `damage` to a page that is not shown. The line of the memory where it begins.
    fn bring(&mut self, framebuffer: &Framebuffer, damage: &[Rectangle]) -> Result<u16> {
        let shown = self.shown()?;
        let (width, height) = (framebuffer.width(), framebuffer.height());
        let hidden = self.surface(framebuffer)?.pages().find(|&offset| Some(offset) != shown);
        let offset = match hidden {
            Some(offset) => offset,
            None => {
                let offset = self.page(width, height)?;
                self.surface(framebuffer)?.add_page(offset);
                offset
            }
        };
        let memory = self.memory.clone();
        let surface = self.surface(framebuffer)?;
        surface.take_over(damage);
        surface.write(offset, &memory)?;
        // No place begins below what the register holds.
        Ok((offset / (u64::from(width) * PIXEL)) as u16)
    }

    /// The fence of what is shown now, counted.
    fn shown_now(&mut self, is_mode_set: bool, framebuffer: &Framebuffer, damage: &[Rectangle]) -> Fence {
        self.fences += 1;
        self.counters.shown(is_mode_set, damage, (framebuffer.width(), framebuffer.height()));
        self.meter.set(&self.counters);
        self.fence_meter.set(&FenceCounters { given: self.fences, passed: self.fences });
        Fence(self.fences)
    }
}

impl Display for Bochs {
    fn connectors(&mut self) -> Result<Vec<Connector>> {
        let connector = self.adapter.low(|registers| monitor::connector(registers, &self.limits));
        self.named(connector.map(|connector| vec![connector]))
    }

    fn wait_for_change(&mut self, timeout: Duration) -> Result<bool> {
        self.named(self.sleep(timeout))?;
        Ok(false)
    }

    fn create_framebuffer(&mut self, width: u32, height: u32) -> Result<Framebuffer> {
        self.named(self.limits.check("creation of a framebuffer", width, height))?;
        let offset = self.page(width, height)?;
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        self.surfaces.insert(id, Surface::new(width, height, offset));
        Ok(Framebuffer::new(id, width, height))
    }

    fn destroy_framebuffer(&mut self, framebuffer: Framebuffer) -> Result<()> {
        let shown = self.shown()?;
        let pages: Vec<_> = self.surface(&framebuffer)?.pages().collect();
        if pages.iter().any(|&offset| Some(offset) == shown) {
            return Err(self.error(ErrorKind::Busy, "destruction of a framebuffer", "it is shown"));
        }
        self.surfaces.remove(&framebuffer.id());
        pages.into_iter().for_each(|offset| self.vram.give_back(offset));
        Ok(())
    }

    fn draw(&mut self, framebuffer: &Framebuffer) -> Result<Canvas<'_>> {
        self.surface(framebuffer).map(Surface::canvas)
    }

    fn set_mode(&mut self, connector: u32, mode: &Mode, framebuffer: &Framebuffer) -> Result<Fence> {
        self.check_connector(connector)?;
        self.surface(framebuffer)?;
        let (width, height) = (framebuffer.width(), framebuffer.height());
        if (mode.width, mode.height) != (width, height) {
            let why = format!("a framebuffer of {width}x{height} is not of the mode's size, {mode}");
            return Err(self.error(ErrorKind::InvalidArgument, "mode set", why));
        }
        let whole = [Rectangle::whole(width, height)];
        let line = self.bring(framebuffer, &whole)?;
        // The limits are those of 16 bits, or less.
        let scanout = Scanout { width: width as u16, height: height as u16, line };
        self.named(self.adapter.high(|dispi| dispi.set_mode(scanout)))?;
        Ok(self.shown_now(true, framebuffer, &whole))
    }

    fn page_flip(
        &mut self,
        connector: u32,
        framebuffer: &Framebuffer,
        damage: &[Rectangle],
    ) -> Result<Fence> {
        self.check_connector(connector)?;
        self.surface(framebuffer)?;
        let Some(scanout) = self.scanout()? else {
            return Err(self.error(ErrorKind::Precondition, "page flip", "no mode is set"));
        };
        let (width, height) = (framebuffer.width(), framebuffer.height());
        if (scanout.width.into(), scanout.height.into()) != (width, height) {
            let Scanout { width: columns, height: lines, .. } = scanout;
            let why =
                format!("a framebuffer of {width}x{height} is not of the mode's size, {columns}x{lines}");
            return Err(self.error(ErrorKind::InvalidArgument, "page flip", why));
        }
        let line = self.bring(framebuffer, damage)?;
        self.named(self.adapter.medium(|dispi| dispi.flip(line)))?;
        Ok(self.shown_now(false, framebuffer, damage))
    }

    /// A flip returns once its fence has passed: nothing is waited for.
    fn wait(&mut self, fence: Fence, _timeout: Duration) -> Result<bool> {
        // A device that is gone is news all the same.
        self.named(self.sleep(Duration::ZERO))?;
        if fence.0 > self.fences {
            return Err(self.error(
                ErrorKind::NotFound,
                &format!("wait for fence {}", fence.0),
                "there is no such fence",
            ));
        }
        Ok(true)
    }

    fn passed(&mut self) -> Result<Option<Fence>> {
        Ok((self.fences > 0).then_some(Fence(self.fences)))
    }

    fn disable(&mut self, connector: u32) -> Result<()> {
        self.check_connector(connector)?;
        let off = self.turn_off();
        self.named(off)
    }

    fn set_cursor(&mut self, connector: u32, _cursor: Option<&Cursor>) -> Result<()> {
        self.no_cursor(connector)
    }

    fn move_cursor(&mut self, connector: u32, _x: u32, _y: u32) -> Result<()> {
        self.no_cursor(connector)
    }

    fn meters(&self) -> Option<DisplayObserver> {
        Some(DisplayObserver { shown: self.meter.reader(), fences: self.fence_meter.reader() })
    }
}
