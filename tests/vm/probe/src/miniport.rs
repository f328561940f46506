//! The example miniport on a graphics adapter of the guest.

#[path = "../../../../examples/gpu_miniport/dxgk.rs"]
mod dxgk;
#[path = "../../../../examples/gpu_miniport/exercise.rs"]
mod exercise;
#[path = "../../../../examples/gpu_miniport/extension.rs"]
mod extension;
#[path = "../../../../examples/gpu_miniport/video_port.rs"]
mod video_port;

use dirql::pci::Address;
use dirql::{Device, Error, ErrorKind, Result};

/// Does so many flips by the interface, and prints what was seen as a line of JSON.
pub fn run(interface: &str, address: Address, flips: u64) -> Result<()> {
    let device = Device::open(address)?;
    let report = match interface {
        "dxgk" => dxgk::run(device, flips)?,
        "video_port" => video_port::run(device, flips)?,
        other => {
            let why = format!("there is no interface {other}");
            return Err(Error::new(ErrorKind::InvalidArgument, "reading of the arguments").why(why));
        }
    };
    println!("{report}");
    Ok(())
}
