//! The device extension, as far as the interrupt service routine touches it. It lives in the interrupt's lock.

use dirql::Result;
use dirql::interrupt::Handled;
use dirql_virtio::gpu::State;

/// What of the adapter its interrupt tells of, and a witness: two numbers that are equal whenever nobody is between them.
#[derive(Debug)]
pub struct Extension {
    pub gpu: State,
    left: u64,
    right: u64,
    /// How often somebody was between.
    pub torn: u64,
    /// How often the service routine ran.
    pub handled: u64,
}

impl Extension {
    pub fn new(gpu: State) -> Self {
        Self { gpu, left: 0, right: 0, torn: 0, handled: 0 }
    }

    /// The interrupt service routine.
    pub fn service(&mut self) -> Result<Handled> {
        self.pass();
        self.handled += 1;
        self.gpu.handle()
    }

    /// What every routine does.
    pub fn pass(&mut self) {
        self.torn += u64::from(self.left != self.right);
        self.left += 1;
        // Whoever else is here now has the time to show it.
        std::hint::spin_loop();
        std::hint::black_box(&mut *self);
        self.right += 1;
    }

    /// How often anybody was here.
    pub fn passed(&self) -> u64 {
        self.right
    }
}
