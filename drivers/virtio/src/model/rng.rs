//! The entropy device: it gives what it is fed with.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use dirql::backend::model::Bus;
use dirql::{Device, Result};

use super::Options;
use super::common::Common;
use super::function::{Function, lock};
use super::plugged::{self, Identity};
use super::ring::Queue;
use super::window::Window;

/// An entropy device that is not plugged in yet.
#[derive(Debug)]
pub struct Source {
    common: Common,
    entropy: VecDeque<u8>,
    /// What is said of the next buffer, whatever is written there.
    lie: Option<u32>,
}

impl Source {
    /// A device after power-on, which has been fed with nothing.
    pub fn new(options: Options) -> Self {
        let queues = vec![Queue::new(options.queue_sizes.0)];
        Self { common: Common::new(options, 0, queues), entropy: VecDeque::new(), lie: None }
    }

    /// As a killed process leaves it: running, with a queue at an address that is no longer mapped.
    #[must_use]
    pub fn left_running(mut self) -> Self {
        self.common.leave_running();
        self
    }

    /// Plugs the device into a bus of its own.
    ///
    /// # Errors
    /// As [`Device::from_backend`].
    pub fn plug_in(self) -> Result<(Device, Feed)> {
        let identity = Identity { ids: (0x1044, 0x1005), class: 0x00_ff00 };
        let (device, source, window) = plugged::plug_in(self, &identity)?;
        Ok((device, Feed { source, window }))
    }

    /// Fills all buffers that it can, and asks to be told of more.
    fn serve(&mut self, bus: &Bus) {
        self.fill(bus);
        if self.common.is_running(bus) {
            self.common.ask_for_bells(bus, 0, true);
            // What came before it asked is not told.
            self.fill(bus);
        }
    }

    /// Fills buffers as long as there are some, and something to fill them with.
    fn fill(&mut self, bus: &Bus) {
        while self.common.is_running(bus) && (!self.entropy.is_empty() || self.lie.is_some()) {
            let Some(element) = self.common.pop(bus, 0) else { break };
            assert!(element.readable.is_empty() && element.room() > 0, "a buffer to be written");
            let bytes: Vec<u8> = self.entropy.drain(..element.room().min(self.entropy.len())).collect();
            let Ok(written) = element.write(bus, &bytes) else { break };
            let said = self.lie.take().unwrap_or(written as u32);
            self.common.push(bus, 0, &[(element, said)]);
        }
    }
}

impl Function for Source {
    fn common(&mut self) -> &mut Common {
        &mut self.common
    }

    fn notified(&mut self, bus: &Bus, _queue: u16) {
        self.serve(bus);
    }

    fn config(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// Where the entropy comes from, and a [`Window`] in the device's lid. Clones are the same device's.
#[derive(Clone)]
pub struct Feed {
    source: Arc<Mutex<Source>>,
    window: Window,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

impl Deref for Feed {
    type Target = Window;

    fn deref(&self) -> &Window {
        &self.window
    }
}

impl Feed {
    /// Gives the device something to give.
    pub fn feed(&self, bytes: &[u8]) {
        let mut source = lock(&self.source);
        source.entropy.extend(bytes);
        source.serve(self.bus());
    }

    /// The device is done with a buffer, and says to have written so much there.
    pub fn lie(&self, written: u32) {
        let mut source = lock(&self.source);
        source.lie = Some(written);
        source.serve(self.bus());
    }

    /// How many bytes it has that nobody has asked for.
    pub fn left(&self) -> usize {
        lock(&self.source).entropy.len()
    }
}
