//! The monitor that the device leads to, and a window in its lid.

use std::fmt;
use std::sync::{Arc, Mutex};

use dirql::backend::model::Bus;
use dirql::region::Register;

use super::core::Core;
use super::lock;
use super::picture::Picture;

/// The monitor. Clones are the same.
#[derive(Clone)]
pub struct Screen {
    core: Arc<Mutex<Core>>,
    bus: Bus,
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}

impl Screen {
    pub(super) fn new(core: Arc<Mutex<Core>>, bus: Bus) -> Self {
        Self { core, bus }
    }

    /// What is seen; `None` where nothing is shown.
    pub fn picture(&self) -> Option<Picture> {
        lock(&self.core).picture()
    }

    /// Takes the lines that the picture was flipped to since the last time.
    pub fn flips(&self) -> Vec<u16> {
        std::mem::take(&mut lock(&self.core).flips)
    }

    /// How many bytes were written to where a picture was shown from.
    pub fn torn(&self) -> usize {
        lock(&self.core).torn
    }

    /// How many bytes of video memory were written since the last time.
    pub fn written(&self) -> usize {
        std::mem::take(&mut lock(&self.core).written)
    }

    /// What a register holds.
    pub fn peek(&self, register: Register<u16>) -> u16 {
        lock(&self.core).peek(register.offset())
    }

    /// The whole video memory.
    pub fn memory(&self) -> Vec<u8> {
        lock(&self.core).memory.clone()
    }

    /// Calls `told` with the BAR and the offset of every write from now on, on the writing thread.
    pub fn on_write(&self, told: impl Fn(u8, u64) + Send + Sync + 'static) {
        lock(&self.core).on_write = Some(Arc::new(told));
    }

    /// From now on, writes to a register are ignored.
    pub fn deafen(&self, register: Register<u16>) {
        lock(&self.core).deaf_at = Some(register.offset());
    }

    /// The bus that the device is plugged into.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }
}
