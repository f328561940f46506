//! `dirql selftest BDF`: everything about a device that can be tried.

use dirql::driver::Registration;
use dirql::driver::Settings;
use dirql::host::Host;
use dirql::selftest::{Check, Outcome as Verdict};
use dirql::{Address, Device, Error, ErrorKind};
use serde_json::json;

use crate::args::Target;
use crate::confine::Needs;
use crate::device::{Running, driver_of, open};
use crate::output::{Colour, Outcome, Output};

/// Tries the device as any device, and then with its driver.
pub fn selftest(host: &Host, target: &Target, output: &mut Output) -> Outcome {
    let function = host.resolve(&target.device)?;
    let device = open(host, &function, &Needs::default())?;
    let release = device.release_request();
    let mut checks = dirql::selftest::compare_ids(&device, function.vendor, function.device).to_vec();
    checks.extend(try_all(device, driver_of(&function)));
    let printed = if output.is_json() {
        output.document(&json!({ "address": function.address, "results": checks }))
    } else {
        let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
        checks.iter().try_for_each(|check| output.line(line(check, width, output)))
    };
    if release.is_wanted() {
        return Err(release.error("selftest").into());
    }
    // A reader that has gone does not make a failure a success.
    verdict(function.address, &checks)?;
    printed
}

/// Tries the device by itself, then started by its driver.
fn try_all(device: Device, registration: Option<&'static Registration>) -> Vec<Check> {
    let mut checks = dirql::selftest::run(&device);
    let Some(registration) = registration else {
        checks.push(Check::absent("driver", "dirql has none for this device"));
        return checks;
    };
    if device.release_request().is_wanted() {
        checks.push(Check::absent("driver", "the host wants the device back"));
        return checks;
    }
    match Running::probe(device, registration, &Settings::default()) {
        Ok(mut running) => {
            checks.extend(running.driver().selftest());
            checks.push(Check::of("stop", running.stop().map(|()| "the device was stopped".into())));
        }
        Err(error) => checks.push(Check::of(format!("start by {}", registration.name), Err(error))),
    }
    checks
}

fn line(check: &Check, width: usize, output: &Output) -> String {
    let outcome = match check.outcome {
        Verdict::Pass => output.paint(Colour::Green, "pass"),
        Verdict::Fail => output.paint(Colour::Red, "FAIL"),
        Verdict::Absent => output.paint(Colour::Yellow, "none"),
    };
    // An error has several lines; they stay below its name.
    format!("{outcome}  {:<width$}  {}", check.name, check.why.replace('\n', "\n      "))
}

fn verdict(address: Address, checks: &[Check]) -> Outcome {
    let failed: Vec<_> = checks
        .iter()
        .filter(|check| check.outcome == Verdict::Fail)
        .map(|check| check.name.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    let why = format!("{} of {} checks failed: {}", failed.len(), checks.len(), failed.join(", "));
    Err(Error::new(ErrorKind::Device, "selftest").on(address).why(why).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::edu;
    use crate::output::End;

    #[test]
    fn every_check_of_a_good_device_passes() {
        let checks = try_all(edu(), Some(&dirql_edu::DRIVER));
        assert!(verdict("00:03.0".parse().unwrap(), &checks).is_ok(), "{checks:#?}");
        assert!(checks.len() > dirql::selftest::run(&edu()).len());
        assert_eq!(try_all(edu(), None).last().unwrap().outcome, Verdict::Absent);
    }

    #[test]
    fn one_failure_is_a_failure() {
        let address: Address = "00:03.0".parse().unwrap();
        let pass = Check::of("a", Ok("fine".into()));
        let absent = Check::absent("b", "none");
        assert!(verdict(address, &[pass.clone(), absent.clone()]).is_ok());
        let fail = Check::of("c", Err(Error::new(ErrorKind::Failure, "c").why("so")));
        let Err(End::Failed(errors)) = verdict(address, &[pass, absent, fail]) else { panic!("c failed") };
        assert_eq!(errors[0].kind().exit_code(), 7);
        assert!(errors[0].to_string().contains("1 of 3 checks failed: c"), "{errors:?}");
    }
}
