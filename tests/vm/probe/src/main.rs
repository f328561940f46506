//! What only a program on the library can try, on devices of the guest: one process that opens a device again and
//! again, the exclusion of handler and threads while a device interrupts, priority inheritance, devices that report errors
//! or go away, and a display miniport's ways to its interrupts.
//!
//! `dirql-lab-probe conformance BDF` · `dirql-lab-probe reopen BDF TIMES` · `dirql-lab-probe exclusion BDF SECTIONS` ·
//! `dirql-lab-probe errors BDF REPORTS` · `dirql-lab-probe inversion` · `dirql-lab-probe vanish BDF` ·
//! `dirql-lab-probe hold BDF` · `dirql-lab-probe hide BDF` · `dirql-lab-probe stubborn BDF FILE` ·
//! `dirql-lab-probe silent BDF CALLBACKS` · `dirql-lab-probe refusals OF BDF [BDF]` ·
//! `dirql-lab-probe display BDF INTERRUPTS STEP…` · `dirql-lab-probe miniport dxgk|video_port BDF FLIPS`
#![deny(unsafe_code)]

mod display;
mod errors;
mod exclusion;
mod inversion;
mod miniport;
mod refusals;
mod removal;
mod silent;

use dirql::driver::{Registration, Settings};
use dirql::pci::Address;
use dirql::selftest::Outcome;
use dirql::{Device, Error, ErrorKind, Result};
use std::process::ExitCode;

/// Shows what the library complains of.
struct Complaints;

impl log::Log for Complaints {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() == log::Level::Error
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("logged: {}", record.args());
        }
    }

    fn flush(&self) {}
}

fn main() -> ExitCode {
    // It is the only one.
    let _ = log::set_logger(&Complaints).map(|()| log::set_max_level(log::LevelFilter::Error));
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["reopen", address, times] => {
            number(address, times).and_then(|(address, times)| reopen(address, times))
        }
        ["inversion"] => inversion::probe(),
        ["conformance", address] => address.parse().and_then(conformance),
        ["exclusion", address, sections] => {
            number(address, sections).and_then(|(address, sections)| exclusion::run(address, sections))
        }
        ["errors", address, reports] => {
            number(address, reports).and_then(|(address, reports)| errors::run(address, reports))
        }
        ["silent", address, callbacks] => {
            number(address, callbacks).and_then(|(address, callbacks)| silent::run(address, callbacks))
        }
        ["display", address, interrupts, ref steps @ ..] => {
            address.parse().and_then(|address| display::run(address, interrupts, steps))
        }
        ["miniport", interface, address, flips] => {
            number(address, flips).and_then(|(address, flips)| miniport::run(interface, address, flips))
        }
        ["refusals", of, address, ref more @ ..] => {
            address.parse().and_then(|address| refusals::run(of, address, more))
        }
        ["vanish", address] => address.parse().and_then(removal::vanish),
        ["hide", address] => address.parse().and_then(removal::hide),
        ["hold", address] => address.parse().and_then(removal::hold),
        ["stubborn", address, until] => {
            address.parse().and_then(|address| removal::stubborn(address, until.as_ref()))
        }
        _ => Err(Error::new(ErrorKind::InvalidArgument, "reading of the arguments")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn number(address: &str, number: &str) -> Result<(Address, u64)> {
    let bad = |_| Error::new(ErrorKind::InvalidArgument, "reading of a number");
    Ok((address.parse()?, number.parse().map_err(bad)?))
}

/// Tries everything that any device can be tried for.
fn conformance(address: Address) -> Result<()> {
    let checks = dirql::selftest::run(&Device::open(address)?);
    checks.iter().for_each(|check| println!("{check}"));
    match checks.iter().find(|check| check.outcome == Outcome::Fail) {
        None => Ok(()),
        Some(check) => Err(Error::new(ErrorKind::Device, "selftest").on(address).why(check.to_string())),
    }
}

/// Opens the device, starts its driver, tries it, stops it and closes it, so many times; every second time the driver
/// is just dropped.
fn reopen(address: Address, times: u64) -> Result<()> {
    for time in 0..times {
        let device = Device::open(address)?;
        let (vendor, product) = device.config().ids()?;
        let driver = [&dirql_edu::DRIVER, &dirql_e1000::DRIVER]
            .into_iter()
            .find(|driver: &&Registration| driver.matches(vendor, product))
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "search for a driver").on(address))?;
        let mut started = (driver.probe)(device, &Settings::default())?;
        let failed = started.selftest().into_iter().find(|check| check.outcome == Outcome::Fail);
        if let Some(check) = failed {
            let why = format!("at time {time}: {check}");
            return Err(Error::new(ErrorKind::Device, "selftest").on(address).why(why));
        }
        if time % 2 == 0 {
            started.stop()?;
        }
    }
    println!("{times} times");
    Ok(())
}
