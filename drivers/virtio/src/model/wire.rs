//! The cable in the network device's socket.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use super::function::lock;
use super::net::{Delivery, Nic, Sent};
use super::window::Window;

/// The network's end of the cable, and a [`Window`] in the device's lid. Clones are the same cable.
#[derive(Clone)]
pub struct Wire {
    nic: Arc<Mutex<Nic>>,
    window: Window,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Deref for Wire {
    type Target = Window;

    fn deref(&self) -> &Window {
        &self.window
    }
}

impl Wire {
    pub(super) fn new(nic: Arc<Mutex<Nic>>, window: Window) -> Self {
        Self { nic, window }
    }

    /// Takes the frames that were sent since the last time.
    pub fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut lock(&self.nic).sent)
    }

    /// Sends a frame to the device.
    pub fn inject(&self, frame: &[u8]) -> Delivery {
        self.inject_with([0; 12], frame)
    }

    /// Sends a frame to the device, which describes it so.
    pub fn inject_with(&self, header: [u8; 12], frame: &[u8]) -> Delivery {
        lock(&self.nic).receive(self.bus(), header, frame)
    }

    /// Plugs the cable in, or pulls it.
    pub fn set_link(&self, up: bool) {
        let mut nic = lock(&self.nic);
        if nic.link != up {
            nic.link = up;
            nic.common.config_changed(self.bus());
        }
    }

    /// Keeps the device from sending, as a congested network does, until it is let go on.
    pub fn hold(&self, held: bool) {
        let mut nic = lock(&self.nic);
        nic.held = held;
        if !held {
            (0..nic.common.queues.len() as u16)
                .filter(|queue| queue % 2 == 1)
                .for_each(|queue| nic.send(self.bus(), queue));
        }
    }

    /// The device answers the next command with this byte.
    pub fn answer(&self, answer: u8) {
        lock(&self.nic).answer = answer;
    }

    /// The commands that were done, by class and code, since the last time; and how many of all were in tables.
    pub fn commands(&self) -> (Vec<(u8, u8)>, u64) {
        let mut nic = lock(&self.nic);
        (std::mem::take(&mut nic.commands), nic.tables)
    }
}
