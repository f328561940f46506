//! The DISPI registers: what is programmed, and the sequences that change it.
//!
//! The interface has no way to say no: a device that cannot do what was written writes something else there. So whatever is
//! written is read back.

use dirql::region::{Bar, Register};
use dirql::{Error, ErrorKind, Result};

use crate::limits::{Limits, PIXEL};
use crate::register::{
    ATTRIBUTE, ATTRIBUTE_ON, BPP, DISABLED, ENABLE, ENABLED, GETCAPS, ID, ID_FIRST, ID_LAST, INPUT_STATUS_1,
    LFB_ENABLED, LITTLE_ENDIAN, MISC_OUTPUT, MISC_OUTPUT_COLOUR, NOCLEARMEM, QEXT_BYTEORDER, QEXT_SIZE,
    VIDEO_MEMORY_64K, VIRT_WIDTH, X_OFFSET, XRES, Y_OFFSET, YRES,
};

const PIXEL_BITS: u16 = 8 * PIXEL as u16;
/// Bytes of a unit of VIDEO_MEMORY_64K.
const UNIT: u64 = 64 << 10;

/// What is scanned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanout {
    /// Pixels of a line.
    pub width: u16,
    /// Lines.
    pub height: u16,
    /// Lines of memory before the first one.
    pub line: u16,
}

impl Scanout {
    /// Where it begins, in bytes of video memory.
    pub fn offset(&self) -> u64 {
        u64::from(self.line) * u64::from(self.width) * PIXEL
    }
}

/// The registers and what was written there. Whoever has it is alone with them.
#[derive(Debug)]
pub struct Dispi {
    bar: Bar,
    scanout: Option<Scanout>,
}

impl Dispi {
    /// Of nobody has been told yet what to show.
    pub(crate) fn new(bar: Bar) -> Self {
        Self { bar, scanout: None }
    }

    /// What is scanned out; `None` where nothing is.
    pub fn scanout(&self) -> Option<Scanout> {
        self.scanout
    }

    /// Turns off what an earlier driver left on, and asks the device for its limits. Its `memory` has so many bytes by its
    /// BAR.
    ///
    /// # Errors
    /// `Device` where it is of no version of the interface, has no memory, or a register does not keep what was written.
    pub(crate) fn take_over(&mut self, memory: u64) -> Result<Limits> {
        let id = self.bar.read(ID)?;
        if !(ID_FIRST..=ID_LAST).contains(&id) {
            return Err(fail(
                "start",
                format!("register {ID} reads {id:#06x}, which is no version of DISPI"),
            ));
        }
        self.disable()?;
        let memory = memory.min(u64::from(self.bar.read(VIDEO_MEMORY_64K)?) * UNIT);
        if memory == 0 {
            return Err(fail("start", format!("register {VIDEO_MEMORY_64K} reads 0: it has no memory")));
        }
        if self.bar.read(QEXT_SIZE)? == QEXT_BYTEORDER.offset() as u32 - QEXT_SIZE.offset() as u32 + 4 {
            self.set(QEXT_BYTEORDER, LITTLE_ENDIAN)?;
        }
        let [width, height] = self.capabilities()?;
        Ok(Limits::new(width, height, memory))
    }

    /// The largest width and height; 0 of a device that does not tell.
    fn capabilities(&mut self) -> Result<[u16; 2]> {
        // What a device that does not know the bit leaves there.
        self.set(XRES, 0)?;
        self.set(YRES, 0)?;
        self.set(ENABLE, GETCAPS)?;
        let largest = [self.bar.read(XRES)?, self.bar.read(YRES)?];
        self.set(ENABLE, DISABLED)?;
        Ok(largest)
    }

    /// Shows the picture at `scanout`, in a mode of its size. Where this fails, nothing is shown.
    ///
    /// # Errors
    /// `Device` where a register does not keep what was written.
    pub(crate) fn set_mode(&mut self, scanout: Scanout) -> Result<()> {
        let outcome = self.try_set_mode(scanout);
        self.or_disable(outcome)?;
        self.scanout = Some(scanout);
        Ok(())
    }

    fn try_set_mode(&mut self, Scanout { width, height, line }: Scanout) -> Result<()> {
        self.disable()?;
        self.unblank()?;
        let mode = [
            (BPP, PIXEL_BITS),
            (XRES, width),
            (YRES, height),
            (VIRT_WIDTH, width),
            (X_OFFSET, 0),
            (Y_OFFSET, line),
        ];
        mode.iter().try_for_each(|&(register, value)| self.set(register, value))?;
        self.set(ENABLE, ENABLED | LFB_ENABLED | NOCLEARMEM)?;
        // Enabling moves the picture of a VGA to where its memory begins.
        self.set(Y_OFFSET, line)?;
        mode.iter().try_for_each(|&(register, value)| self.expect(register, value))
    }

    /// A VGA shows nothing before its attribute controller is told to; others have none.
    fn unblank(&mut self) -> Result<()> {
        self.bar.write(MISC_OUTPUT, MISC_OUTPUT_COLOUR)?;
        self.bar.read(INPUT_STATUS_1)?;
        self.bar.write(ATTRIBUTE, ATTRIBUTE_ON)
    }

    /// Shows the picture that begins at `line`: one register, so that no mixture of two is ever seen. Where this fails,
    /// nothing is shown.
    ///
    /// # Errors
    /// `Precondition` where nothing is shown; `Device` where the register does not keep what was written.
    pub(crate) fn flip(&mut self, line: u16) -> Result<()> {
        let Some(scanout) = self.scanout else {
            return Err(Error::new(ErrorKind::Precondition, "page flip").why("no mode is set"));
        };
        let outcome = self.set(Y_OFFSET, line);
        self.or_disable(outcome)?;
        self.scanout = Some(Scanout { line, ..scanout });
        Ok(())
    }

    /// Shows nothing any more. What was shown until now.
    ///
    /// # Errors
    /// `Device` where the register does not keep what was written.
    pub(crate) fn disable(&mut self) -> Result<Option<Scanout>> {
        let scanout = self.scanout.take();
        self.set(ENABLE, DISABLED)?;
        Ok(scanout)
    }

    /// Tries whether registers keep what is written, while nothing is shown.
    ///
    /// # Errors
    /// `Device` where one does not.
    pub(crate) fn try_registers(&mut self) -> Result<()> {
        [0x5550, 0xaaa8, 0].iter().try_for_each(|&pattern| self.set(XRES, pattern))
    }

    fn or_disable(&mut self, outcome: Result<()>) -> Result<()> {
        if outcome.is_err()
            && let Err(error) = self.disable()
        {
            log::debug!("bochs: {error}");
        }
        outcome
    }

    fn set<T: dirql::region::Value + PartialEq>(&mut self, register: Register<T>, value: T) -> Result<()> {
        self.bar.write(register, value)?;
        self.expect(register, value)
    }

    fn expect<T: dirql::region::Value + PartialEq>(&self, register: Register<T>, value: T) -> Result<()> {
        let read = self.bar.read(register)?;
        if read == value {
            return Ok(());
        }
        let why = format!("register {register} reads {read:#x} after {value:#x} was written there");
        Err(fail("programming of the display", why))
    }
}

fn fail(what: &str, why: String) -> Error {
    Error::new(ErrorKind::Device, what).why(why)
}
