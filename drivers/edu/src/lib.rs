//! A driver for edu, QEMU's teaching device: factorials, and DMA to a 4 KiB buffer of its own.
//!
//! Source: `docs/specs/edu.rst` of QEMU.
#![forbid(unsafe_code)]

pub mod model;
mod registration;

use std::time::{Duration, Instant};

use dirql::dma::{Dma, DmaMask};
use dirql::interrupt::{Handled, Request, Vector};
use dirql::region::{Bar, Register};
use dirql::synchronize::Completion;
use dirql::{Device, Error, ErrorKind, Result};

pub use self::registration::DRIVER;

const IDENTIFICATION: Register<u32> = Register::new(0x00, "IDENTIFICATION");
const FACTORIAL: Register<u32> = Register::new(0x08, "FACTORIAL");
const STATUS: Register<u32> = Register::new(0x20, "STATUS");
const INTERRUPT_STATUS: Register<u32> = Register::new(0x24, "INTERRUPT_STATUS");
const INTERRUPT_ACKNOWLEDGE: Register<u32> = Register::new(0x64, "INTERRUPT_ACKNOWLEDGE");
const DMA_SOURCE: Register<u64> = Register::new(0x80, "DMA_SOURCE");
const DMA_DESTINATION: Register<u64> = Register::new(0x88, "DMA_DESTINATION");
const DMA_COUNT: Register<u64> = Register::new(0x90, "DMA_COUNT");
const DMA_COMMAND: Register<u64> = Register::new(0x98, "DMA_COMMAND");

const STATUS_COMPUTING: u32 = 0x01;
const STATUS_INTERRUPT_WHEN_DONE: u32 = 0x80;
const CAUSE_FACTORIAL: u32 = 0x001;
const CAUSE_DMA: u32 = 0x100;
const DMA_START: u64 = 1;
const DMA_FROM_DEVICE: u64 = 2;
const DMA_INTERRUPT_WHEN_DONE: u64 = 4;
/// Where the device has its buffer, as its DMA sees it.
const DEVICE_BUFFER: u64 = 0x4_0000;
/// What one DMA command may move, in bytes; QEMU 7.2 ends at 4096.
pub const DMA_MAX: usize = 4095;
const TIMEOUT: Duration = Duration::from_secs(2);

/// A started edu device.
#[derive(Debug)]
pub struct Edu {
    device: Device,
    bar: Bar,
    dma: Dma,
    raised: Completion,
    causes: Vector<u32>,
}

impl Edu {
    /// Quiets the device, then lets it master the bus, then takes its interrupts.
    ///
    /// # Errors
    /// Where the device is no edu, stays busy, or cannot be given what it needs.
    pub fn start(device: Device, interrupts: Request) -> Result<Self> {
        let bar = device.bar(0)?;
        bar.write(STATUS, 0)?;
        bar.wait_for(STATUS, TIMEOUT, |status| status & STATUS_COMPUTING == 0)?;
        bar.wait_for(DMA_COMMAND, TIMEOUT, |command| command & DMA_START == 0)?;
        bar.write(INTERRUPT_ACKNOWLEDGE, u32::MAX)?;
        device.set_bus_master(true)?;

        let (raised, registers) = (Completion::new(), bar.clone());
        let waker = raised.clone();
        let causes =
            device.interrupts(interrupts)?.connect(0, 0, move |causes, _event| -> Result<Handled> {
                let status = registers.read(INTERRUPT_STATUS)?;
                registers.write(INTERRUPT_ACKNOWLEDGE, status)?;
                *causes |= status;
                waker.complete();
                Ok(if status == 0 { Handled::No } else { Handled::Yes })
            })?;
        Ok(Self { dma: device.dma(DmaMask::bits(28)?), device, bar, raised, causes })
    }

    /// n!, modulo 2³², computed by the device.
    ///
    /// # Errors
    /// `Device` where it does not say within 2 s that it is done.
    pub fn factorial(&mut self, n: u32) -> Result<u32> {
        self.bar.write(STATUS, STATUS_INTERRUPT_WHEN_DONE)?;
        self.bar.write(FACTORIAL, n)?;
        self.wait(CAUSE_FACTORIAL, "computing of a factorial")?;
        self.bar.read(FACTORIAL)
    }

    /// Copies up to [`DMA_MAX`] bytes into the device and back out into fresh memory.
    ///
    /// # Errors
    /// `InvalidArgument` for more bytes than that; `Device` where a DMA does not end within 2 s.
    pub fn round_trip(&mut self, data: &[u8]) -> Result<Vec<u8>> {
        if data.is_empty() || data.len() > DMA_MAX {
            let why = format!("{} bytes are not between 1 and {DMA_MAX}", data.len());
            return Err(Error::new(ErrorKind::InvalidArgument, "DMA").on(self.device.address()).why(why));
        }
        let mut source = self.dma.buffer(data.len())?;
        source.bytes_mut().copy_from_slice(data);
        let source = source.lend();
        self.copy(source.iova().0, DEVICE_BUFFER, data.len(), 0)?;
        drop(source.reclaim());
        let destination = self.dma.buffer(data.len())?.lend();
        self.copy(DEVICE_BUFFER, destination.iova().0, data.len(), DMA_FROM_DEVICE)?;
        Ok(destination.reclaim().bytes().to_vec())
    }

    fn copy(&mut self, from: u64, to: u64, len: usize, direction: u64) -> Result<()> {
        self.bar.write(DMA_SOURCE, from)?;
        self.bar.write(DMA_DESTINATION, to)?;
        self.bar.write(DMA_COUNT, len as u64)?;
        self.bar.write(DMA_COMMAND, DMA_START | DMA_INTERRUPT_WHEN_DONE | direction)?;
        self.wait(CAUSE_DMA, "DMA")
    }

    /// Waits until the handler has seen `cause`, and takes it.
    fn wait(&self, cause: u32, what: &str) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        while !self.causes.synchronize(|causes| std::mem::replace(causes, *causes & !cause) & cause != 0)? {
            if !self.raised.wait(deadline.saturating_duration_since(Instant::now())) {
                let why = format!("no interrupt within {} s", TIMEOUT.as_secs());
                return Err(self.device.explain_silence(Error::new(ErrorKind::Device, what).why(why), ""));
            }
        }
        Ok(())
    }
}
