//! A display miniport's way to its interrupts, on a virtio graphics adapter: `gpu_miniport [dxgk|video_port] [ADDRESS]`,
//! on a model of the device where no address is given. Prints what it saw as a line of JSON.
#![forbid(unsafe_code)]

mod dxgk;
mod exercise;
mod extension;
mod video_port;

use std::process::ExitCode;

use dirql::{Address, Device, Error, ErrorKind, Result};
use dirql_virtio::model::gpu::{Card, Options};

/// How many flips are done.
const FLIPS: u64 = 1000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn run() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let interface = words.first().map_or("dxgk", String::as_str);
    let device = match words.get(1) {
        Some(address) => Device::open(address.parse::<Address>()?)?,
        None => Card::new(Options::default()).plug_in()?.0,
    };
    let report = match interface {
        "dxgk" => dxgk::run(device, FLIPS)?,
        "video_port" => video_port::run(device, FLIPS)?,
        other => {
            let why = format!("there is no {other}: there are dxgk and video_port");
            return Err(Error::new(ErrorKind::InvalidArgument, "reading of the arguments").why(why));
        }
    };
    println!("{report}");
    Ok(())
}
