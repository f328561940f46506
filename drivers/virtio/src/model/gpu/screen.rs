//! The monitors at a graphics adapter, and a hand in it.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use super::Lie;
use super::device::Gpu;
use super::host::{Picture, Pointer};
use crate::model::Window;
use crate::model::function::lock;

/// What is to be seen of a graphics adapter, and a [`Window`] in its lid. Clones are of the same one.
#[derive(Clone)]
pub struct Screen {
    gpu: Arc<Mutex<Gpu>>,
    window: Window,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}

impl Deref for Screen {
    type Target = Window;

    fn deref(&self) -> &Window {
        &self.window
    }
}

impl Screen {
    pub(super) fn new(gpu: Arc<Mutex<Gpu>>, window: Window) -> Self {
        Self { gpu, window }
    }

    /// What a scanout shows; `None` where it shows nothing.
    pub fn picture(&self, scanout: u32) -> Option<Picture> {
        lock(&self.gpu).host.picture(scanout)
    }

    /// A scanout's cursor; `None` before there was one.
    pub fn cursor(&self, scanout: u32) -> Option<Pointer> {
        lock(&self.gpu).host.pointer(scanout)
    }

    /// A monitor wants another size, or is plugged in; with no pixels it is pulled.
    pub fn resize(&self, scanout: u32, width: u32, height: u32) {
        let mut gpu = lock(&self.gpu);
        gpu.host.want(scanout, (width, height));
        gpu.displays_changed(self.bus());
    }

    /// The device takes commands, and does none until it is released.
    pub fn hold(&self) {
        lock(&self.gpu).held = true;
    }

    /// The device does what it has taken, and goes on.
    pub fn release(&self) {
        lock(&self.gpu).go_on(self.bus());
    }

    /// The device does the next command that it has taken; false where there is none.
    pub fn release_one(&self) -> bool {
        lock(&self.gpu).next(self.bus())
    }

    /// The device does what it has taken, answers that in the opposite order, and goes on.
    pub fn release_backwards(&self) {
        let mut gpu = lock(&self.gpu);
        gpu.serve_backwards(self.bus());
        gpu.go_on(self.bus());
    }

    /// How many commands the device has taken and not done.
    pub fn waiting(&self) -> usize {
        lock(&self.gpu).waiting.len()
    }

    /// Something goes wrong with the next command of this type.
    pub fn lie(&self, command: u32, lie: Lie) {
        lock(&self.gpu).lies.push((command, lie));
    }

    /// Ids of the fences that were answered since the last time, in order.
    pub fn fenced(&self) -> Vec<u64> {
        std::mem::take(&mut lock(&self.gpu).fenced)
    }

    /// How many commands of each type were done since the last time.
    pub fn done(&self) -> BTreeMap<u32, u64> {
        std::mem::take(&mut lock(&self.gpu).host.done)
    }

    /// How many resources the host has.
    pub fn resources(&self) -> usize {
        lock(&self.gpu).host.resources()
    }
}
