//! A file by HTTP, and no kernel network at all: dirql drives the device, smoltcp is the TCP/IP.
//!
//! ```text
//! sudo dirql bind 00:03.0 --owner $USER
//! cargo run --release -p dirql-phy --example http_get -- 00:03.0 http://10.0.2.2:8000/file > file
//! ```
//!
//! The address comes from DHCP, or is given as ADDRESS/LENGTH after the URL. The status goes to stderr, the body to stdout.
#![forbid(unsafe_code)]

mod fetch;
mod url;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use dirql::Device;
use dirql::class::net::Net;
use dirql::driver::{Registration, Settings};
use dirql::pci::Names;
use smoltcp::wire::Ipv4Cidr;

use crate::url::Url;

/// The drivers that it has.
static DRIVERS: [&Registration; 2] = [&dirql_e1000::DRIVER, &dirql_virtio::net::DRIVER];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        [device, url] => run(device, url, None),
        [device, url, source] => run(device, url, Some(source)),
        _ => {
            eprintln!("usage: http_get BDF http://ADDRESS[:PORT]/PATH [SOURCE/LENGTH]");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(200) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the device, fetches, and stops it. Gives the status.
fn run(device: &str, url: &str, source: Option<&str>) -> Result<u16, Box<dyn Error>> {
    let url: Url = url.parse()?;
    let source =
        source.map(str::parse::<Ipv4Cidr>).transpose().map_err(|()| "the source is no ADDRESS/LENGTH")?;
    let device = Device::open(device.parse()?)?;
    let (vendor, id) = device.config().ids()?;
    let driver = DRIVERS.into_iter().find(|driver| driver.matches(vendor, id));
    let driver = driver.ok_or_else(|| format!("no driver for {}", Names::system().describe(vendor, id)))?;
    let mut running = (driver.probe)(device, &Settings::default())?;
    let net: &mut dyn Net = running.net().ok_or("it is no network interface")?;
    let fetched = fetch::fetch(net, &url, source);
    // However that went.
    running.stop()?;
    let response = fetched?;
    eprintln!("{}", response.status_line);
    io::stdout().write_all(&response.body)?;
    Ok(response.status)
}
