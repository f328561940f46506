//! A virtio device on PCI, as the specification's version 1 has it: found, reset, agreed with, told of its queues.
//!
//! In reading order: `capability` finds the structures, [`register`] names what is in them, [`Transport`] uses them,
//! [`Doorbell`] is one queue's, [`vectors`] says which interrupt is whose.
//!
//! Source: VIRTIO 1.2, 3.1 and 4.1.

pub mod capability;
mod doorbell;
mod features;
mod queue;
pub mod register;
pub mod vectors;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dirql::interrupt::Mode;
use dirql::region::{Bar, Register, Value};
use dirql::{Address, Device, Error, ErrorKind, Result};

use self::capability::{Kind, Structure};
pub use self::doorbell::Doorbell;
pub use self::queue::Areas;
use self::register::{
    CONFIG_GENERATION, DEVICE_STATUS, DRIVER_OK, FAILED, ISR_CONFIG, ISR_QUEUE, NEEDS_RESET,
};
use crate::features::Features;

/// How long a device may take to reset.
const RESET_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a configuration may change while it is read.
const PATIENCE: u32 = 100;

/// A device's registers. Clones are the same device's.
#[derive(Debug, Clone)]
pub struct Transport {
    common: Structure,
    notify: Structure,
    isr: Structure,
    /// Not every device type has one.
    specific: Option<Structure>,
    features: Features,
    /// Held by whoever has selected a queue.
    selection: Arc<Mutex<()>>,
}

impl Transport {
    /// Finds the device's structures, and resets it: whatever an earlier process left running stands still, so that the
    /// device may be let onto the bus.
    ///
    /// # Errors
    /// `Precondition` for a legacy device, with the option that makes it a modern one; `Device` where a structure is not
    /// inside its BAR, or the reset does not end.
    pub fn open(device: &Device) -> Result<Self> {
        let config = device.config().snapshot()?;
        let find = |kind| Structure::find(device, &config, kind);
        let specific = capability::locate(&config, Kind::Device).map(|_| find(Kind::Device)).transpose()?;
        let transport = Self {
            common: find(Kind::Common)?,
            notify: find(Kind::Notify)?,
            isr: find(Kind::Isr)?,
            specific,
            features: Features::default(),
            selection: Arc::default(),
        };
        transport.reset()?;
        Ok(transport)
    }

    /// Whose registers they are.
    pub fn address(&self) -> Address {
        self.common.bar.address()
    }

    /// What was agreed on.
    pub fn features(&self) -> Features {
        self.features
    }

    /// Resets the device. Once this has returned, it reaches no memory and raises no interrupt.
    ///
    /// # Errors
    /// `Device` where device_status does not read 0 in time.
    pub fn reset(&self) -> Result<()> {
        self.write(DEVICE_STATUS, 0)?;
        let at = DEVICE_STATUS.at(self.common.at.offset);
        self.common.bar.wait_for(at, RESET_TIMEOUT, |status| status == 0).map(|_| ())
    }

    /// Tells the device that the driver is ready. From now on it works on its queues.
    ///
    /// # Errors
    /// `Device` where the device does not keep the bit.
    pub fn ready(&self) -> Result<()> {
        self.add_status(DRIVER_OK)
    }

    /// Tells the device that the driver has given up.
    ///
    /// # Errors
    /// Where the register cannot be accessed.
    pub fn give_up(&self) -> Result<()> {
        self.write(DEVICE_STATUS, self.status()? | FAILED)
    }

    /// Whether the device says that it cannot go on without a reset.
    ///
    /// # Errors
    /// Where the register cannot be accessed.
    pub fn needs_reset(&self) -> Result<bool> {
        Ok(self.status()? & NEEDS_RESET != 0)
    }

    /// The ISR status. Reading it clears it and lowers the INTx line, so with MSI-X it is left alone.
    ///
    /// # Errors
    /// Where the register cannot be accessed.
    pub fn isr(&self) -> Result<u8> {
        self.isr.bar.read(Register::new(self.isr.at.offset, "ISR status"))
    }

    /// What an interrupt is for, as bits of the ISR status. A message does not say: it may be for all that its vector tells of.
    ///
    /// # Errors
    /// Where the register cannot be accessed.
    pub fn causes(&self, mode: Mode) -> Result<u8> {
        const ALL: u8 = ISR_QUEUE | ISR_CONFIG;
        if mode == Mode::Intx { Ok(self.isr()? & ALL) } else { Ok(ALL) }
    }

    /// Reads the device's own configuration as of one time: `read` is called again where it changed meanwhile.
    ///
    /// # Errors
    /// `Device` where it does not keep still; what `read` meets.
    pub fn config<R>(&self, mut read: impl FnMut(&DeviceConfig<'_>) -> Result<R>) -> Result<R> {
        let specific = self.specific()?;
        for _ in 0..PATIENCE {
            let before = self.read(CONFIG_GENERATION)?;
            let value = read(&DeviceConfig { structure: specific })?;
            if self.read(CONFIG_GENERATION)? == before {
                return Ok(value);
            }
        }
        Err(Error::new(ErrorKind::Device, "reading of the device configuration")
            .on(self.address())
            .why(format!("register {CONFIG_GENERATION} changed {PATIENCE} times meanwhile")))
    }

    /// Writes a register of the device's own configuration.
    ///
    /// # Errors
    /// `Device` where the configuration ends before it.
    pub fn write_config<T: Value>(&self, register: Register<T>, value: T) -> Result<()> {
        DeviceConfig { structure: self.specific()? }.write(register, value)
    }

    fn specific(&self) -> Result<&Structure> {
        self.specific.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Device, "look-up of the device configuration")
                .on(self.address())
                .why("the device has none")
        })
    }

    /// Changes with the device's configuration.
    ///
    /// # Errors
    /// Where the register cannot be accessed.
    pub fn generation(&self) -> Result<u8> {
        self.read(CONFIG_GENERATION)
    }

    fn status(&self) -> Result<u8> {
        self.read(DEVICE_STATUS)
    }

    /// Sets bits of device_status, and sees that the device keeps them.
    fn add_status(&self, bits: u8) -> Result<()> {
        let wanted = self.status()? | bits;
        self.write(DEVICE_STATUS, wanted)?;
        let status = self.status()?;
        if status & bits == bits && status & NEEDS_RESET == 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Device, "start of the device")
            .on(self.address())
            .why(format!("register {DEVICE_STATUS} reads {status:#04x} after {wanted:#04x} was written")))
    }

    fn bar(&self) -> &Bar {
        &self.common.bar
    }

    fn read<T: Value>(&self, register: Register<T>) -> Result<T> {
        self.bar().read(register.at(self.common.at.offset))
    }

    fn write<T: Value>(&self, register: Register<T>, value: T) -> Result<()> {
        self.bar().write(register.at(self.common.at.offset), value)
    }
}

/// The device's own configuration.
#[derive(Debug)]
pub struct DeviceConfig<'a> {
    structure: &'a Structure,
}

impl DeviceConfig<'_> {
    /// Reads a register of it.
    ///
    /// # Errors
    /// `Device` where the configuration ends before it.
    pub fn read<T: Value>(&self, register: Register<T>) -> Result<T> {
        self.structure.bar.read(self.locate("reading", register)?)
    }

    fn write<T: Value>(&self, register: Register<T>, value: T) -> Result<()> {
        self.structure.bar.write(self.locate("writing", register)?, value)
    }

    /// Where a register of it is in its BAR.
    fn locate<T: Value>(&self, access: &str, register: Register<T>) -> Result<Register<T>> {
        let Structure { bar, at } = self.structure;
        if register.offset() + size_of::<T>() as u64 > at.len {
            return Err(Error::new(ErrorKind::Device, format!("{access} of register {register}"))
                .on(bar.address())
                .why(format!("the device configuration has only {:#x} bytes", at.len)));
        }
        Ok(register.at(at.offset))
    }
}
