//! Telling the device of a queue, and resetting a single one.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use dirql::region::Register;
use dirql::{Error, ErrorKind, Iova, Result};

use super::register::{
    CONFIG_MSIX_VECTOR, NO_VECTOR, NUM_QUEUES, QUEUE_DESC, QUEUE_DEVICE, QUEUE_DRIVER, QUEUE_ENABLE,
    QUEUE_MSIX_VECTOR, QUEUE_NOTIFY_OFF, QUEUE_RESET, QUEUE_SELECT, QUEUE_SIZE,
};
use super::vectors::Plan;
use super::{Doorbell, Transport};
use crate::features::Features;

/// How long a queue may take to reset.
const RESET_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the three parts of a queue are.
#[derive(Debug, Clone, Copy)]
pub struct Areas {
    /// Entries.
    pub size: u16,
    /// The descriptors.
    pub descriptors: Iova,
    /// What the driver writes.
    pub driver: Iova,
    /// What the device writes.
    pub device: Iova,
}

impl Transport {
    /// Makes the registers of a queue those of this one, for as long as the guard is there.
    fn select(&self, queue: u16) -> Result<MutexGuard<'_, ()>> {
        let selection = self.selection.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(QUEUE_SELECT, queue)?;
        Ok(selection)
    }

    /// How many entries the queue can have; 0 where there is no such queue.
    ///
    /// # Errors
    /// Where a register cannot be accessed.
    pub fn queue_size(&self, queue: u16) -> Result<u16> {
        if queue >= self.read(NUM_QUEUES)? {
            return Ok(0);
        }
        let _selection = self.select(queue)?;
        self.read(QUEUE_SIZE)
    }

    /// Tells the device where the queue is and which vector it has, if any, and enables it.
    ///
    /// # Errors
    /// `Device` where the device does not take it, or has not resources for the vector.
    pub fn enable_queue(&self, queue: u16, areas: &Areas, vector: Option<u16>) -> Result<Doorbell> {
        let _selection = self.select(queue)?;
        self.write(QUEUE_SIZE, areas.size)?;
        for (register, iova) in
            [(QUEUE_DESC, areas.descriptors), (QUEUE_DRIVER, areas.driver), (QUEUE_DEVICE, areas.device)]
        {
            self.write(register, iova.0 as u32)?;
            self.write(register.at(4), (iova.0 >> 32) as u32)?;
        }
        self.assign(QUEUE_MSIX_VECTOR, vector, &format!("queue {queue}"))?;
        let doorbell = Doorbell::new(&self.notify, queue, self.read(QUEUE_NOTIFY_OFF)?)?;
        self.write(QUEUE_ENABLE, 1)?;
        let (enabled, size) = (self.read(QUEUE_ENABLE)?, self.read(QUEUE_SIZE)?);
        if enabled != 1 || size != areas.size {
            return Err(Error::new(ErrorKind::Device, format!("enabling of queue {queue}"))
                .on(self.address())
                .why(format!(
                    "register {QUEUE_ENABLE} reads {enabled} and {QUEUE_SIZE} {size}, not 1 and {}",
                    areas.size
                )));
        }
        Ok(doorbell)
    }

    /// Says which vector tells of changes of the configuration, if any.
    ///
    /// # Errors
    /// `Device` where the device has no resources for it.
    pub fn assign_config(&self, vector: Option<u16>) -> Result<()> {
        self.assign(CONFIG_MSIX_VECTOR, vector, "the configuration")
    }

    /// Whether the device has resources for all vectors of a plan, of which it forgets again.
    pub(super) fn takes(&self, plan: &Plan) -> Result<bool> {
        let mut taken = self.assign_config(Some(plan.config)).is_ok();
        for (queue, vector) in (0..).zip(&plan.queues) {
            let _selection = self.select(queue)?;
            taken &= self.assign(QUEUE_MSIX_VECTOR, Some(*vector), "a queue").is_ok();
            self.assign(QUEUE_MSIX_VECTOR, None, "a queue")?;
        }
        self.assign_config(None)?;
        Ok(taken)
    }

    /// A device that has no resources for a vector says so when it is read back (VIRTIO 1.2, 4.1.5.1.2).
    fn assign(&self, register: Register<u16>, vector: Option<u16>, whose: &str) -> Result<()> {
        let vector = vector.unwrap_or(NO_VECTOR);
        self.write(register, vector)?;
        let assigned = self.read(register)?;
        if assigned == vector {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Device, format!("assignment of vector {vector} to {whose}"))
            .on(self.address())
            .why(format!("the device refuses it: register {register} reads {assigned:#06x}"))
            .fix("--interrupts intx"))
    }

    /// Resets one queue: once this has returned, the device reaches none of its memory. It can be enabled again.
    ///
    /// # Errors
    /// `Precondition` without RING_RESET; `Device` where the reset does not end.
    pub fn reset_queue(&self, queue: u16) -> Result<()> {
        if !self.features.contains(Features::RING_RESET) {
            return Err(Error::new(ErrorKind::Precondition, format!("reset of queue {queue}"))
                .on(self.address())
                .why("the device does not offer RING_RESET: only the whole of it can be reset"));
        }
        let _selection = self.select(queue)?;
        self.write(QUEUE_RESET, 1)?;
        for register in [QUEUE_RESET, QUEUE_ENABLE] {
            let at = register.at(self.common.at.offset);
            self.bar().wait_for(at, RESET_TIMEOUT, |value| value == 0)?;
        }
        Ok(())
    }
}
