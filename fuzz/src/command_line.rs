//! Everything that can be typed: a line for each word.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use clap::Parser as _;

use crate::args::{Cidr, Cli, Command, DisplayAction, NetAction, Size, is_host, mac};

const YEAR: Duration = Duration::from_secs(31_536_000);

pub fn run(bytes: &[u8]) {
    let words = bytes.split(|&byte| byte == b'\n').map(OsStr::from_bytes);
    match Cli::try_parse_from([OsStr::new("dirql")].into_iter().chain(words)) {
        Ok(cli) => check(&cli),
        Err(error) => {
            assert!(matches!(error.exit_code(), 0 | 2), "{error:?}");
            assert!(!error.to_string().is_empty());
        }
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(cidr) = text.parse::<Cidr>() {
        check_cidr(&cidr);
        assert_eq!(format!("{}/{}", cidr.address, cidr.prefix).parse::<Cidr>(), Ok(cidr), "{text:?}");
    }
    if let Ok(mac_address) = mac(&text) {
        assert_eq!(mac(&mac_address.to_string()), Ok(mac_address), "{text:?}");
    }
    if let Ok(size) = text.parse::<Size>() {
        assert!(size.width > 0 && size.height > 0);
        assert_eq!(format!("{}x{}", size.width, size.height).parse::<Size>(), Ok(size), "{text:?}");
    }
}

fn check_cidr(cidr: &Cidr) {
    assert!(cidr.prefix <= 32 && is_host(cidr.address), "{cidr:?}");
}

/// What a command relies on.
fn check(cli: &Cli) {
    let seconds = match &cli.command {
        Command::Run(run) => run.seconds,
        Command::Trace(trace) => Some(trace.seconds),
        Command::Irqs(irqs) => {
            assert!((1..=10_000_000).contains(&irqs.count));
            irqs.seconds
        }
        Command::Regs(regs) => {
            assert!(regs.bar <= 5);
            None
        }
        Command::Net(net) => match &net.action {
            NetAction::Ping(ping) => {
                assert!(ping.count > 0);
                ping.source.iter().for_each(check_cidr);
                Some(ping.timeout)
            }
            NetAction::Pcap(pcap) => pcap.seconds,
            NetAction::Send(send) => {
                assert!(send.batch > 0);
                None
            }
            NetAction::Tap(tap) => {
                tap.address.iter().for_each(check_cidr);
                None
            }
            NetAction::Bench(bench) => {
                assert!(bench.batch > 0 && (14..=65_549).contains(&bench.size));
                assert!(bench.warmup <= YEAR);
                Some(bench.seconds)
            }
        },
        Command::Display(display) => match &display.action {
            DisplayAction::Pattern(shown) => {
                assert!(shown.place.mode.is_none_or(|size| size.width > 0 && size.height > 0));
                shown.seconds
            }
            DisplayAction::Bench(bench) => Some(bench.seconds),
            _ => None,
        },
        _ => None,
    };
    assert!(seconds.is_none_or(|seconds| seconds <= YEAR), "{seconds:?}");
}
