//! `dirql reset BDF`: a function as after power-on, as far as it can be.

use dirql::host::{Function, Host};
use dirql::{Device, Error, ErrorKind, Result};
use serde_json::json;

use crate::args::Target;
use crate::confine::Needs;
use crate::device::open;
use crate::output::{Outcome, Output};

/// Resets the function.
pub fn reset(host: &Host, target: &Target, output: &mut Output) -> Outcome {
    let function = host.resolve(&target.device)?;
    let device = open(host, &function, &Needs::default())?;
    let methods = function.reset_methods();
    reset_opened(&device, &function)?;
    if output.is_json() {
        return output.document(&json!({ "address": function.address, "reset": true, "methods": methods }));
    }
    let by = if methods.is_empty() {
        String::new()
    } else {
        format!(", by the first that works of {}", methods.join(", "))
    };
    output.line(format_args!("{}: reset{by}", function.address))
}

fn reset_opened(device: &Device, function: &Function) -> Result<()> {
    if device.resettable() {
        return device.reset();
    }
    Err(Error::new(ErrorKind::Precondition, "reset")
        .on(function.address)
        .why("the kernel knows no way to reset it")
        .fix(format!("sudo dirql restore {}: the kernel's driver starts it anew", function.address)))
}
