//! Trying a running network device.

use dirql::class::net::Link;
use dirql::selftest::Check;
use dirql::{Error, ErrorKind, Result};

use super::config::DeviceFacts;
use super::control::{Control, RX_ALLMULTI};
use crate::transport::Transport;

/// Tries a register, the configuration and the control queue, and looks at the link. Traffic may go on meanwhile.
pub fn run(
    transport: &Transport,
    control: Option<&mut Control>,
    all_multicast: bool,
    link: Result<Link>,
) -> Vec<Check> {
    let status = transport.needs_reset().and_then(|needed| match needed {
        false => Ok("the device works".into()),
        true => Err(Error::new(ErrorKind::Device, "device status").why("the device needs a reset")),
    });
    let config =
        DeviceFacts::read(transport).map(|facts| format!("read as of one time, address {}", facts.mac));
    vec![
        Check::of("device status", status),
        Check::of("device configuration", config),
        match control {
            None => Check::absent("control queue", "not offered"),
            // What it is told it knows already.
            Some(control) => Check::of(
                "control queue",
                control
                    .command(RX_ALLMULTI, &[all_multicast.into()])
                    .map(|()| "a command was answered".into()),
            ),
        },
        match link {
            // A cable that is not there is no failure of the device.
            Ok(link) if !link.up => Check::absent("link", "down"),
            link => Check::of("link", link.map(|_| "up".into())),
        },
    ]
}
