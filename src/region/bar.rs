//! A base address register's memory, or its I/O ports.

use std::mem::size_of;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{Ordering, compiler_fence, fence};
use std::time::{Duration, Instant};

use super::mapping::Mapping;
use super::{Register, Value};
use crate::backend::RegionIndex;
use crate::core::Core;
use crate::{Address, Error, ErrorKind, Result};

/// A BAR of the device. Clones share the mapping, and keep the device open.
#[derive(Debug, Clone)]
pub struct Bar {
    pub(super) mapping: Arc<Mapping>,
    pub(super) index: RegionIndex,
    pub(super) core: Arc<Core>,
}

impl Bar {
    pub(crate) fn open(core: Arc<Core>, index: RegionIndex) -> Result<Self> {
        let mapping = core.mapping(index)?;
        if index.0 > 5 || mapping.len == 0 {
            return Err(Error::new(ErrorKind::NotFound, format!("opening of {}", index.name()))
                .on(core.address())
                .why("the function has no such BAR"));
        }
        Ok(Self { mapping, index, core })
    }

    /// Whose it is.
    pub fn address(&self) -> Address {
        self.core.address()
    }

    /// Bytes.
    #[allow(clippy::len_without_is_empty, reason = "an empty BAR is not opened")]
    pub fn len(&self) -> u64 {
        self.mapping.len
    }

    /// Whether all of it is mapped, so that an access is one instruction and no system call.
    pub fn is_mapped(&self) -> bool {
        self.mapping.is_whole()
    }

    /// Reads the register by one access where it is mapped; by a call, 8 bytes may be two. Memory that the device wrote before is visible afterwards.
    ///
    /// # Errors
    /// `InvalidArgument` where it lies outside the BAR or is not aligned; E12 where a call fails; `Device`, with ENODEV,
    /// where the device is gone, also when this very access found that out; `Failure` in a child of a fork.
    #[inline]
    pub fn read<T: Value>(&self, register: Register<T>) -> Result<T> {
        match self.pointer(register) {
            Some(pointer) => {
                // SAFETY: `pointer` is aligned and lies in a mapping that `self` keeps, and that this process has;
                // device memory is volatile.
                let value = unsafe { pointer.read_volatile() }.swap_on_big_endian();
                fence(Ordering::Acquire);
                self.unless_gone(value)
            }
            None => self.read_by_call(register),
        }
    }

    /// Writes the register by one access. Memory that was written before is visible to the device by then.
    ///
    /// # Errors
    /// As [`Bar::read`].
    #[inline]
    pub fn write<T: Value>(&self, register: Register<T>, value: T) -> Result<()> {
        match self.pointer(register) {
            Some(pointer) => {
                fence(Ordering::SeqCst);
                // SAFETY: as for `read`.
                unsafe { pointer.write_volatile(value.swap_on_big_endian()) };
                compiler_fence(Ordering::SeqCst);
                self.unless_gone(())
            }
            None => self.write_by_call(register, value),
        }
    }

    /// Reads the register until `reached` holds for it, and gives that value.
    ///
    /// # Errors
    /// `Device` where it does not within `timeout`: the error names the register and its last value. Also `Device`, and at
    /// once, where the device is gone: whenever the register reads all ones, the configuration space is asked.
    pub fn wait_for<T: Value>(
        &self,
        register: Register<T>,
        timeout: Duration,
        mut reached: impl FnMut(T) -> bool,
    ) -> Result<T> {
        let deadline = Instant::now().checked_add(timeout);
        let mut pause = Duration::from_micros(1);
        loop {
            // The clock is read first, so that a thread that slept too long still looks once more.
            let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            let value = self.read(register)?;
            if value.with_bus(|bytes| bytes.iter().all(|&byte| byte == 0xff)) {
                self.core.verify_presence()?;
            }
            if reached(value) {
                return Ok(value);
            }
            if late {
                return Err(Error::new(ErrorKind::Device, format!("wait for register {register}"))
                    .on(self.core.address())
                    .why(format!("it still reads {value:#x} after {} ms", timeout.as_millis())));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(1));
        }
    }

    /// Where the register is mapped, as long as the device is there and ours.
    #[inline]
    fn pointer<T: Value>(&self, register: Register<T>) -> Option<NonNull<T>> {
        // Elsewhere the way by calls knows what to say.
        self.mapping.presence.check().ok()?;
        self.mapping.pointer(register.offset)
    }

    /// What an access gave, unless it met, or could have met, the page that stands for a device that is gone.
    #[inline]
    pub(super) fn unless_gone<R>(&self, result: R) -> Result<R> {
        if self.mapping.presence.is_gone() {
            self.mapping.presence.admit(self.core.address())?;
        }
        Ok(result)
    }

    fn check<T>(&self, register: Register<T>) -> Result<()> {
        let size = size_of::<T>() as u64;
        let inside = register.offset.checked_add(size).is_some_and(|end| end <= self.mapping.len);
        if inside && register.offset.is_multiple_of(size) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidArgument, format!("access to register {register}"))
            .on(self.core.address())
            .why(format!(
                "{size} bytes there are not aligned inside {} of {:#x} bytes",
                self.index.name(),
                self.mapping.len
            )))
    }

    #[cold]
    fn read_by_call<T: Value>(&self, register: Register<T>) -> Result<T> {
        self.check(register)?;
        let mut bytes = [0; 8];
        let bytes = &mut bytes[..size_of::<T>()];
        self.core.backend()?.read(self.index, register.offset, bytes)?;
        Ok(T::from_bus(bytes))
    }

    #[cold]
    fn write_by_call<T: Value>(&self, register: Register<T>, value: T) -> Result<()> {
        self.check(register)?;
        let backend = self.core.backend()?;
        value.with_bus(|bytes| backend.write(self.index, register.offset, bytes))
    }
}
