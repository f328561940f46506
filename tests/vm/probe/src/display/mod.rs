//! A display put through steps, for who looks at its screens from outside.
//!
//! A connector's framebuffers are filled with [`noise`](dirql_patterns::noise): pixel for pixel the numbers of a seed. The
//! steps, with C a connector and S a seed:
//!
//! - `set:C:WxH:S`: the mode, `preferred` or a size, and noise all over it
//! - `flip:C:S`: the other framebuffer of the connector, with noise all over it
//! - `damage:C:X,Y,WxH:S`: noise all over the framebuffer that is shown, of which only a part is said to be damaged
//! - `cursor:C:X,Y:HX,HY:S`, `move:C:X,Y`, `hide:C`: a cursor whose alpha is the low byte of the pixel's number
//! - `flips:C:N`: so many flips of 64 x 64 pixels, with what the process has before and after them, as JSON
//! - `off:C`, and `connectors` as JSON
//! - `change`: waits until the monitors have changed
//! - `pause:FILE`: says so, and waits until the file exists

mod flips;
mod head;
mod pause;
mod steps;

use dirql::driver::{Registration, Settings};
use dirql::interrupt::Mode;
use dirql::pci::Address;
use dirql::{Device, Error, ErrorKind, Result};

use head::wrong;
use steps::Steps;

/// Starts the display with interrupts of this kind, or the best, and takes the steps.
pub fn run(address: Address, interrupts: &str, steps: &[&str]) -> Result<()> {
    let interrupts = match interrupts {
        "best" => None,
        "msix" => Some(Mode::Msix),
        "intx" => Some(Mode::Intx),
        other => return Err(wrong(format!("{other} is no kind of interrupt"))),
    };
    let device = Device::open(address)?;
    let (vendor, product) = device.config().ids()?;
    let driver = [&dirql_bochs::DRIVER, &dirql_virtio::gpu::DRIVER]
        .into_iter()
        .find(|driver: &&Registration| driver.matches(vendor, product))
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "search for a driver").on(address))?;
    let mut started = (driver.probe)(device, &Settings { interrupts, ..Settings::default() })?;
    let display = started.display().ok_or_else(|| wrong("it is no display".into()))?;
    let mut taken = Steps::new(display);
    steps.iter().try_for_each(|step| taken.take(step))?;
    started.stop()
}
