//! `dirql doctor [BDF]`: every condition between this user and a device, with what to do about each.

use dirql::host::{Condition, Function, Host, Verdict};
use dirql::{Address, Error, ErrorKind};
use serde_json::json;

use crate::device::driver_of;
use crate::output::{Colour, Outcome, Output};

/// Looks at the machine, and at the device where one is named.
pub fn doctor(host: &Host, device: Option<&str>, output: &mut Output) -> Outcome {
    let function = device.map(|device| host.resolve(device)).transpose()?;
    let mut conditions = host.examine(function.as_ref());
    conditions.extend(function.as_ref().map(driver));
    let address = function.as_ref().map(|function| function.address);
    let printed = if output.is_json() {
        let sound = !conditions.iter().any(|condition| condition.verdict == Verdict::Fail);
        output.document(&json!({ "address": address, "sound": sound, "conditions": conditions }))
    } else {
        let text: String = conditions.iter().map(|condition| lines(condition, output)).collect();
        output.text(&text)
    };
    // A reader that has gone does not make a failure a success.
    verdict(address, &conditions)?;
    if let Some(function) = function.filter(|_| !output.is_json()) {
        let verb = if driver_of(&function).is_some() { "run" } else { "selftest" };
        output.note(format_args!("next: dirql {verb} {}", function.address));
    }
    printed
}

/// Whether there is a driver for it here. Others may be written.
fn driver(function: &Function) -> Condition {
    const NAME: &str = "dirql driver";
    match driver_of(function) {
        Some(driver) => Condition::pass(NAME, driver.name),
        None => {
            Condition::warn(NAME, "none: it can be tried and looked at, and driven by a program of yours")
                .fix(format!("dirql selftest {}", function.address))
        }
    }
}

fn lines(condition: &Condition, output: &Output) -> String {
    let verdict = match condition.verdict {
        Verdict::Pass => output.paint(Colour::Green, "pass"),
        Verdict::Warn => output.paint(Colour::Yellow, "warn"),
        Verdict::Fail => output.paint(Colour::Red, "FAIL"),
    };
    let found = format!("{verdict}  {:<19}  {}", condition.name, condition.found);
    let mut lines = output.wrapped(&found, "FAIL".len() + 2 + 19 + 2) + "\n";
    // What may be done better is said where something is wrong, and in the document.
    if condition.verdict != Verdict::Pass {
        lines.extend(condition.fix.iter().map(|fix| format!("      fix: {fix}\n")));
        lines.extend(condition.code.iter().map(|code| format!("      see: dirql explain {code}\n")));
    }
    lines
}

fn verdict(address: Option<Address>, conditions: &[Condition]) -> Outcome {
    let failed: Vec<_> = conditions.iter().filter(|condition| condition.verdict == Verdict::Fail).collect();
    let Some(first) = failed.first() else { return Ok(()) };
    let names: Vec<_> = failed.iter().map(|condition| condition.name).collect();
    let mut error = Error::new(ErrorKind::Precondition, "examination").why(format!(
        "{} of {} conditions are not met: {}",
        failed.len(),
        conditions.len(),
        names.join(", ")
    ));
    if let Some(address) = address {
        error = error.on(address);
    }
    if let Some(fix) = &first.fix {
        error = error.fix(format!("the first one first: {fix}"));
    }
    Err(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::End;

    #[test]
    fn only_what_must_be_met_fails() {
        let pass = Condition::pass("a", "so");
        let warn = Condition::warn("b", "so").fix("do this");
        assert!(verdict(None, &[pass.clone(), warn.clone()]).is_ok());
        let cause = Error::new(ErrorKind::Busy, "c").why("held").fix("do that");
        let fail = Condition::fail("c", &cause);
        let Err(End::Failed(errors)) = verdict(None, &[pass, warn.clone(), fail.clone()]) else {
            panic!("c is not met")
        };
        assert_eq!(errors[0].kind().exit_code(), 3);
        assert_eq!(
            errors[0].to_string(),
            "examination failed\n  why: 1 of 3 conditions are not met: c\n  fix: the first one first: do that"
        );
        let output = Output::new(false);
        assert_eq!(lines(&warn, &output), "warn  b                    so\n      fix: do this\n");
        assert_eq!(lines(&fail, &output), "FAIL  c                    held\n      fix: do that\n");
    }
}
